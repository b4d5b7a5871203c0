"""When a mail says that it was sent. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_BEFORE_MAIL = datetime(1990, 1, 1, tzinfo=UTC)
_LONGEST = 100


def stated(date: str) -> datetime | None:
    """The moment of a Date header (RFC 5322 section 3.3); None where there is none, or one before there was mail."""
    try:
        found = parsedate_to_datetime(date[:_LONGEST])
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found >= _BEFORE_MAIL else None


def moment_of(date: str, now: datetime) -> datetime:
    """The moment of a Date header; `now` where there is none, or none that can be."""
    found = stated(date)
    return found if found is not None and found <= now else now
