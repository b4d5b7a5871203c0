"""correspondents: by which addresses and keys the reporter of a case is known"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "correspondents",
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("desk", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"]),
        sa.PrimaryKeyConstraint("case_id", "digest"),
    )
    with op.batch_alter_table("correspondents", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_correspondents_digest"), ["digest"], unique=False)
