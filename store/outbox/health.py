"""How a desk is doing: numbers and times, never a case. Reads within a transaction that the caller opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, TextClause, text
from sqlmodel import Session

from store.kit.clock import from_text

_CASES = text(
    "SELECT state AS shown, count(*) AS number FROM cases WHERE state != 'destroyed' GROUP BY state ORDER BY state"
)
_DELIVERIES = text(
    "SELECT CASE state WHEN 'away' THEN 'waiting' ELSE state END AS shown, count(*) AS number "
    "FROM deliveries GROUP BY shown ORDER BY shown"
)
# What waits because the relay takes nothing, whoever it is for.
_AWAY = text("SELECT first_try, reason FROM deliveries WHERE state = 'away' ORDER BY first_try LIMIT 1")
_GIVEN_UP = text(
    "SELECT count(*) FROM deliveries JOIN notices ON notices.id = deliveries.notice_id "
    "WHERE deliveries.state = 'bounced' AND deliveries.recipient != 'reporter' AND deliveries.recipient NOT LIKE ':%' AND notices.kind NOT LIKE '%-ended'"
)
# What was tried waits since then; what was not tried waits since it could have been.
_OLDEST = text(
    "SELECT min(since) FROM ("
    "SELECT coalesce(first_try, due) AS since FROM deliveries WHERE state IN ('waiting', 'away') "
    "UNION ALL SELECT due AS since FROM notices WHERE done = 0 "
    "AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.notice_id = notices.id)) AS waiting"
)
_LAST_IN = text("SELECT max(at) FROM messages WHERE direction = 'in'")
_LAST_OUT = text("SELECT max(sent_at) FROM deliveries")
_LAST_EVENT = text("SELECT at FROM events WHERE seq = (SELECT max(seq) FROM events)")


@dataclass(frozen=True)
class Health:
    """Cases and deliveries by state; and moments: since when the oldest delivery waits, and what happened last.

    `away_since` is when the relay was first found to take nothing, None while it takes mail, and `away_reason` why;
    `given_up` how many notices for members or the operator were given up.
    """

    cases: Mapping[str, int]
    deliveries: Mapping[str, int]
    waiting_since: datetime | None
    last_in: datetime | None
    last_out: datetime | None
    last_event: datetime | None
    away_since: datetime | None = None
    away_reason: str = ""
    given_up: int = 0

    def waits_seconds(self, now: datetime) -> float:
        """For how long the oldest delivery has waited; 0 when none is late."""
        return max(0.0, (now - self.waiting_since).total_seconds()) if self.waiting_since else 0.0


def look(session: Session) -> Health:
    """Count and look."""
    connection = session.connection()

    def moment(statement: TextClause) -> datetime | None:
        found = connection.execute(statement).scalar_one_or_none()
        return from_text(found) if found else None

    away = connection.execute(_AWAY).first()
    return Health(
        _counts(connection, _CASES),
        _counts(connection, _DELIVERIES),
        moment(_OLDEST),
        moment(_LAST_IN),
        moment(_LAST_OUT),
        moment(_LAST_EVENT),
        from_text(away.first_try) if away else None,
        away.reason if away else "",
        connection.execute(_GIVEN_UP).scalar_one(),
    )


def _counts(connection: Connection, statement: TextClause) -> dict[str, int]:
    return {row.shown: row.number for row in connection.execute(statement)}
