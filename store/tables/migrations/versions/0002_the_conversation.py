"""the conversation: replies, fields, patterns, links, answers"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.tables.models import new_handle

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.add_column(sa.Column("handle", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("assignee", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("deadline", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("outcome", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("on_hold", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("fields_sealed", sa.LargeBinary(), nullable=True))
    connection = op.get_bind()
    for case_id in connection.execute(sa.text("SELECT id FROM cases")).scalars().all():
        change = sa.text("UPDATE cases SET handle = :handle WHERE id = :id")
        connection.execute(change, {"handle": new_handle(), "id": case_id})
    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_cases_handle"), ["handle"], unique=True)
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.add_column(sa.Column("author", sa.String(), nullable=False, server_default=""))
    connection.execute(sa.text("UPDATE messages SET author = 'reporter'"))
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deliveries_message_id"), ["message_id"], unique=False)
    op.create_table(
        "patterns",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("desk", sa.String(), nullable=False),
        sa.Column("form", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("case_id", "form"),
    )
    with op.batch_alter_table("patterns", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_patterns_case_id"), ["case_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_patterns_form"), ["form"], unique=False)
    op.create_table(
        "links",
        sa.Column("one", sa.String(), nullable=False),
        sa.Column("other", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["one"], ["cases.id"]),
        sa.ForeignKeyConstraint(["other"], ["cases.id"]),
        sa.PrimaryKeyConstraint("one", "other"),
    )
    op.create_table(
        "answers",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=True),
        sa.Column("desk", sa.String(), nullable=False),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("content_sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("answers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_answers_case_id"), ["case_id"], unique=False)
    op.create_table(
        "seen_signatures",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("mail", sa.String(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
