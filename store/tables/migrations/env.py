"""How Alembic reaches the database: always through the connection that `store.tables.database` hands it."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

import store.tables.models  # noqa: F401

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
