"""How a desk is doing: numbers and times, never a case. Reads within a transaction that the caller opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, TextClause, text
from sqlmodel import Session

from store.clock import from_text

_CASES = text("SELECT state, count(*) AS number FROM cases WHERE state != 'destroyed' GROUP BY state ORDER BY state")
_DELIVERIES = text("SELECT state, count(*) AS number FROM deliveries GROUP BY state ORDER BY state")
# What was tried waits since then; what was not tried waits since it could have been.
_OLDEST = text(
    "SELECT min(since) FROM ("
    "SELECT coalesce(first_try, due) AS since FROM deliveries WHERE state = 'waiting' "
    "UNION ALL SELECT due AS since FROM notices WHERE done = 0 "
    "AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.notice_id = notices.id)) AS waiting"
)
_LAST_IN = text("SELECT max(at) FROM messages WHERE direction = 'in'")
_LAST_OUT = text("SELECT max(sent_at) FROM deliveries")
_LAST_EVENT = text("SELECT max(at) FROM events")


@dataclass(frozen=True)
class Health:
    """Cases and deliveries by state; and moments: since when the oldest delivery waits, and what happened last."""

    cases: Mapping[str, int]
    deliveries: Mapping[str, int]
    waiting_since: datetime | None
    last_in: datetime | None
    last_out: datetime | None
    last_event: datetime | None

    def waits_seconds(self, now: datetime) -> float:
        """For how long the oldest delivery has waited; 0 when none is late."""
        return max(0.0, (now - self.waiting_since).total_seconds()) if self.waiting_since else 0.0


def look(session: Session) -> Health:
    """Count and look."""
    connection = session.connection()

    def moment(statement: TextClause) -> datetime | None:
        found = connection.execute(statement).scalar_one()
        return from_text(found) if found else None

    return Health(
        _counts(connection, _CASES),
        _counts(connection, _DELIVERIES),
        moment(_OLDEST),
        moment(_LAST_IN),
        moment(_LAST_OUT),
        moment(_LAST_EVENT),
    )


def _counts(connection: Connection, statement: TextClause) -> dict[str, int]:
    return {row.state: row.number for row in connection.execute(statement)}
