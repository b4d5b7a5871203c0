"""The clock. Passed in wherever time matters, so that a test can move it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

Clock = Callable[[], datetime]

# Beyond these a sum of dates or a change of time zone would leave the calendar of Python.
_FIRST_YEAR, _LAST_YEAR = 1000, 9000


def system_clock() -> datetime:
    """Now, in UTC, to the microsecond."""
    return datetime.now(UTC)


def to_text(at: datetime) -> str:
    """A moment as sortable ISO 8601 text in UTC, the form in which the store keeps every time."""
    return _within(at).astimezone(UTC).isoformat(timespec="microseconds")


def from_text(value: str) -> datetime:
    """The moment that `to_text` wrote."""
    return _within(datetime.fromisoformat(value))


def day_of(value: str) -> date | None:
    """A day that was kept as text (ISO 8601); None for what is none. One that is out of reach is put within it."""
    try:
        day = date.fromisoformat(value)
    except ValueError:
        return None
    if _FIRST_YEAR <= day.year <= _LAST_YEAR:
        return day
    return day.replace(year=min(max(day.year, _FIRST_YEAR), _LAST_YEAR), day=min(day.day, 28))


def _within(at: datetime) -> datetime:
    if _FIRST_YEAR <= at.year <= _LAST_YEAR:
        return at
    return at.replace(year=min(max(at.year, _FIRST_YEAR), _LAST_YEAR), day=min(at.day, 28))
