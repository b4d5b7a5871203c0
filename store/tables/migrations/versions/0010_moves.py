"""guests of a case, cases that went into another one, and the day on which one is erased"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "guests",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("desk", sa.String(), nullable=False),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("until", sa.String(), nullable=False),
        sa.Column("votes", sa.Integer(), nullable=False),
        sa.Column("since", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("case_id", "desk", "member"),
    )
    with op.batch_alter_table("guests", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_guests_case_id"), ["case_id"], unique=False)
    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.add_column(sa.Column("erase_at", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("merged_into", sa.String(), nullable=True))
    # What a desk of many years is asked for often: what is open, what is about to end, what is owed.
    op.create_index("cases_of_state", "cases", ["desk", "state", "closed_at"])
    ending = sa.text("announced_at IS NOT NULL OR erase_at IS NOT NULL")
    op.create_index("cases_ending", "cases", ["desk"], sqlite_where=ending, postgresql_where=ending)
    owed = sa.text("kept_at IS NULL AND ended_at IS NULL")
    op.create_index("messages_by_time", "messages", ["direction", "at"])
    op.create_index("deliveries_of_state", "deliveries", ["state"])
    op.create_index("deliveries_by_time", "deliveries", ["sent_at"])
    op.create_index("promises_open", "promises", ["case_id"], sqlite_where=owed, postgresql_where=owed)
