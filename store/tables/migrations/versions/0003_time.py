"""time: dates of a case, escalation, who was on duty, and what was done when"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("cases", schema=None) as batch_op:
        for name in ("acknowledged_at", "decided_at", "closed_at", "announced_at"):
            batch_op.add_column(sa.Column(name, sa.String(), nullable=True))
        batch_op.add_column(sa.Column("came", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("escalated", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("rosters", schema=None) as batch_op:
        batch_op.add_column(sa.Column("duty", sa.String(), nullable=False, server_default=""))
    op.create_table(
        "chores",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=True),
        sa.Column("due", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    with op.batch_alter_table("chores", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_chores_case_id"), ["case_id"], unique=False)
