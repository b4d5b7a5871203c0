"""an index on the newest junk, so that digests do not go over all of it"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Apply."""
    junk = sa.text("state = 'junk'")
    columns = ["desk", "received_at"]
    op.create_index("cases_of_junk", "cases", columns, sqlite_where=junk, postgresql_where=junk)
