"""What is done by time: once for each time that it is due, by whichever worker comes first, and once after a pause.

Works within a transaction that the caller opened, which also writes what the chore leads to.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim
from sqlalchemy import text
from sqlmodel import Session

from store.kit.clock import to_text
from store.tables.models import ChoreRow

_WEEKLY = "{minute} {hour} * * MON"
_DAILY = "{minute} {hour} * * *"
_TAKE = text("UPDATE chores SET due = :due WHERE name = :name AND due < :due")
_TAKE_BACK = text("UPDATE chores SET due = :due WHERE name = :name")
_ONCE = text("INSERT INTO chores (name, case_id, due) VALUES (:name, :case_id, :due) ON CONFLICT (name) DO NOTHING")


def last_due(schedule: str, zone: ZoneInfo, now: datetime) -> datetime:
    """When `daily@HH:MM` or `weekly@HH:MM` (Mondays) was due last, in UTC: by the clock of the zone behind it, or the given one.

    An hour that daylight saving leaves out is made up for right after it; one that comes twice counts once.
    """
    when, _, named = schedule.partition(" ")
    how, _, clock = when.partition("@")
    zone = ZoneInfo(named) if named else zone
    hour, _, minute = clock.partition(":")
    expression = (_WEEKLY if how == "weekly" else _DAILY).format(hour=int(hour), minute=int(minute))
    local = now.astimezone(zone) + timedelta(seconds=1)
    found: datetime = next(CronSim(expression, local, reverse=True))
    return found.astimezone(UTC)


def take(session: Session, name: str, due: datetime) -> bool:
    """Whether a chore is to be done now by the caller, for that time. A chore that is new begins with its next time."""
    values = {"name": name, "due": to_text(due), "case_id": None}
    connection = session.connection()
    if connection.execute(_ONCE, values).rowcount:
        return False
    return connection.execute(_TAKE, values).rowcount > 0


def once(session: Session, name: str, at: datetime, case_id: str | None = None) -> bool:
    """Whether something that is done only once is to be done now by the caller."""
    values = {"name": name, "due": to_text(at), "case_id": case_id}
    return session.connection().execute(_ONCE, values).rowcount > 0


def done_at(session: Session, name: str) -> str | None:
    """For what time a chore was done last."""
    row = session.get(ChoreRow, name)
    return row.due if row else None


def take_back(session: Session, name: str, before: str) -> None:
    """A chore was not done wholly: it is due again, as it was before it was taken."""
    session.connection().execute(_TAKE_BACK, {"name": name, "due": before})
