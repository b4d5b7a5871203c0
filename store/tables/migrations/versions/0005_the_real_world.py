"""the real world: junk, what a desk owes on each case and when it was kept, whom it can write to, what cannot wait"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_OPEN = "('new', 'held', 'acknowledged', 'investigating', 'decided')"


def upgrade() -> None:
    """Apply. What is owed on open cases is as it was: by when they came in, were answered and were decided."""
    op.create_table(
        "junk_numbers",
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"]),
        sa.PrimaryKeyConstraint("case_id", "member"),
    )
    with op.batch_alter_table("junk_numbers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_junk_numbers_member"), ["member"], unique=False)
    op.create_table(
        "junk_lessons",
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"]),
        sa.PrimaryKeyConstraint("case_id"),
    )
    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.add_column(sa.Column("writable", sa.Integer(), server_default="1", nullable=False))
        batch_op.add_column(sa.Column("urgent", sa.Integer(), server_default="0", nullable=False))
    op.create_table(
        "promises",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("since", sa.String(), nullable=False),
        sa.Column("kept_at", sa.String(), nullable=True),
        sa.Column("ended_at", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("promises", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_promises_case_id"), ["case_id"], unique=False)
    for kind, since, kept in (
        ("acknowledge", "received_at", "acknowledged_at"),
        ("respond", "received_at", "decided_at"),
        ("follow-up", "decided_at", "NULL"),
    ):
        op.execute(
            f"INSERT INTO promises (id, case_id, kind, since, kept_at) SELECT '{kind}-' || id, id, '{kind}', {since}, {kept} "  # noqa: S608
            f"FROM cases WHERE state IN {_OPEN} AND {since} IS NOT NULL AND ('{kind}' <> 'follow-up' OR state = 'decided')"
        )
