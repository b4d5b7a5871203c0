"""The clock. Passed in wherever time matters, so that a test can move it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Now, in UTC, to the microsecond."""
    return datetime.now(UTC)


def to_text(at: datetime) -> str:
    """A moment as sortable ISO 8601 text in UTC, the form in which the store keeps every time."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def from_text(value: str) -> datetime:
    """The moment that `to_text` wrote."""
    return datetime.fromisoformat(value)
