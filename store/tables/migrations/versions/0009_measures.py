"""measures: what was decided about a person, apart from the case"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "measures",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("desk", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("since", sa.String(), nullable=False),
        sa.Column("until", sa.String(), nullable=True),
        sa.Column("ended", sa.String(), nullable=True),
        sa.Column("withheld", sa.String(), nullable=False),
        sa.Column("lifting", sa.String(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("about_sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    with op.batch_alter_table("measures", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_measures_desk"), ["desk"], unique=False)
        batch_op.create_index(batch_op.f("ix_measures_case_id"), ["case_id"], unique=False)
    op.create_table(
        "measure_forms",
        sa.Column("measure_id", sa.String(), nullable=False),
        sa.Column("form", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["measure_id"], ["measures.id"]),
        sa.PrimaryKeyConstraint("measure_id", "form"),
    )
    with op.batch_alter_table("measure_forms", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_measure_forms_form"), ["form"], unique=False)
