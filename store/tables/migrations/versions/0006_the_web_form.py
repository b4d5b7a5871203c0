"""the web form: letterboxes, and the letters that wait in them"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "letterboxes",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("desk", sa.String(), nullable=False),
        sa.Column("lookup_hash", sa.String(), nullable=False),
        sa.Column("address_hash", sa.String(), nullable=False),
        sa.Column("locked_sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("letterboxes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_letterboxes_case_id"), ["case_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_letterboxes_lookup_hash"), ["lookup_hash"], unique=True)
        batch_op.create_index(batch_op.f("ix_letterboxes_address_hash"), ["address_hash"], unique=False)
    op.create_table(
        "letters",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("letterbox_id", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("about", sa.String(), nullable=True),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("data_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("read_at", sa.String(), nullable=True),
        sa.Column("noted_unread", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"]),
        sa.ForeignKeyConstraint(["letterbox_id"], ["letterboxes.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("message_id"),
    )
    with op.batch_alter_table("letters", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_letters_letterbox_id"), ["letterbox_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_letters_case_id"), ["case_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_letters_about"), ["about"], unique=False)
