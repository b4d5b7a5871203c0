"""junk: the numbers under which members were shown it, and what the filter is still to learn"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Apply."""
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
