"""Signs of life: when a part of the desk last did its work, and since when it has failed without a break.

They stand among the chores, which are times by name as well. Works within a transaction that the caller opened.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlmodel import Session

from store.kit.clock import from_text, to_text
from store.outbox import chores

SERVICE = "service"
POLL_ONCE = "poll --once"

_BEAT = text(
    "INSERT INTO chores (name, case_id, due) VALUES (:name, NULL, :at) ON CONFLICT (name) DO UPDATE SET due = excluded.due"
)
_FORGET = text("DELETE FROM chores WHERE name = :name")
_TROUBLES = text("SELECT name, due FROM chores WHERE name LIKE 'trouble %' ORDER BY name")


def beat(session: Session, part: str, at: datetime) -> None:
    """Note that a part did its work now."""
    session.connection().execute(_BEAT, {"name": f"heartbeat {part}", "at": to_text(at)})


def last_beat(session: Session, part: str) -> datetime | None:
    """When a part did its work last; None when it never did."""
    found = chores.done_at(session, f"heartbeat {part}")
    return from_text(found) if found else None


def fails(session: Session, part: str, at: datetime) -> datetime:
    """Note that a part does not do its work; since when that is so."""
    name = f"trouble {part}"
    chores.once(session, name, at)
    since = chores.done_at(session, name)
    return from_text(since) if since else at


def works(session: Session, part: str) -> None:
    """Note that a part works again."""
    session.connection().execute(_FORGET, {"name": f"trouble {part}"})


def troubles(session: Session) -> dict[str, datetime]:
    """Which parts do not do their work, and since when."""
    found = session.connection().execute(_TROUBLES)
    return {row.name.removeprefix("trouble "): from_text(row.due) for row in found}
