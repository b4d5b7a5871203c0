"""By when the team does what: what is owed on a case (`store.cases.promises`), the day that a reader set, and the end of an event that it came in at. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from typing import Literal

import holidays

from store.kit.clock import day_of
from store.kit.config import Desk
from store.tables.promise import Promise, PromiseKind
from store.tables.records import Case

Stage = Literal[PromiseKind, "deadline", "event"]
Level = Literal["half", "late", "past", "escalate", "again"]

# When a reminder is sent, as a share of the time from the beginning of a stage to its end.
_LEVELS: tuple[tuple[float, Level], ...] = ((0.5, "half"), (0.8, "late"), (1.0, "past"), (1.25, "escalate"))
_AGAIN = timedelta(days=7)
_URGENT_SHARE = 3
_AT_REST = ("closed", "automatic", "junk", "destroyed")
_HALF_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Due:
    """Something that the team must do, and by when."""

    stage: Stage
    since: datetime
    at: datetime

    def level(self, now: datetime) -> tuple[Level, int] | None:
        """The last reminder whose time has come, and its number; None before the first. After the last, one a week."""
        reached = [level for share, level in _LEVELS if now >= self.since + (self.at - self.since) * share]
        if not reached:
            return None
        if reached[-1] != "escalate":
            return reached[-1], 0
        weeks = (now - (self.since + (self.at - self.since) * _LEVELS[-1][0])) // _AGAIN
        return ("again", weeks) if weeks else ("escalate", 0)


def dues(case: Case, desk: Desk) -> list[Due]:
    """What is to be done on a case now, the earliest first. A stage whose time is set to 0 has none."""
    owed = ((promise, _until(promise, case, desk)) for promise in case.promises)
    found = [Due(promise.kind, promise.since, until) for promise, until in owed if until is not None]
    day = day_of(case.deadline)
    if day and case.state not in _AT_REST:
        end = _end_of(day, desk)
        since = max(case.received_at, end - timedelta(days=14))
        found.append(Due("deadline", min(since, end - _HALF_DAY), end))
    if case.state not in (*_AT_REST, "decided"):
        found += [
            Due("event", min(case.received_at, end - _HALF_DAY), end)
            for event in desk.event
            if event.start <= case.received_at.astimezone(desk.zone).date() <= event.end
            for end in [_end_of(event.end, desk)]
        ]
    return sorted(found, key=lambda due: due.at)


def _end_of(day: date, desk: Desk) -> datetime:
    return datetime.combine(day, time(23, 59, 59), desk.zone).astimezone(UTC)


def _until(promise: Promise, case: Case, desk: Desk) -> datetime | None:
    """By when something is owed; None for what the desk has no time for, or what is not owed as the case stands."""
    fresh, closed, decided = case.state in ("new", "held"), case.state == "closed", case.state in ("decided", "closed")
    if case.state in ("automatic", "junk", "destroyed"):
        return None
    owed = {
        "acknowledge": not closed and (case.writable or fresh),
        "status": case.writable and not decided,
        "respond": not fresh and not closed and (case.writable or not decided),
        "follow-up": case.writable and decided,
    }[promise.kind]
    return time_for(promise.kind, promise.since, desk, urgent=case.urgent) if owed else None


def time_for(kind: PromiseKind, since: datetime, desk: Desk, *, urgent: bool) -> datetime | None:
    """By when something that is owed since a moment is to be done; None for what the desk has no time for."""
    off, zone = day_off(desk.working_days), desk.zone
    if kind == "acknowledge":
        if not desk.acknowledge_hours:
            return None
        if urgent and desk.urgent_hours:  # also on a holiday
            return since + timedelta(hours=min(desk.acknowledge_hours, desk.urgent_hours))
        return _next_working(since + timedelta(hours=desk.acknowledge_hours), zone, off)
    days = {"status": desk.status_days, "respond": desk.respond_days, "follow-up": desk.follow_up_days}[kind]
    if not days:
        return None
    return _after(since, -(-days // _URGENT_SHARE), zone, day_off("")) if urgent else _after(since, days, zone, off)


@cache
def day_off(country: str) -> Callable[[date], bool]:
    """Whether nobody works on a day: weekends and public holidays of a country (ISO 3166, such as DE or US-CA)."""
    if not country:
        return lambda _: False
    name, _, part = country.partition("-")
    known = holidays.country_holidays(name, subdiv=part or None)
    return lambda day: day.weekday() >= 5 or day in known


def _after(since: datetime, days: int, zone: tzinfo, off: Callable[[date], bool]) -> datetime:
    """So many (working) days later, at the same hour of the desk's clock."""
    local = since.astimezone(zone)
    day = local.date()
    while days:
        day += timedelta(days=1)
        days -= not off(day)
    return datetime.combine(day, local.time(), zone).astimezone(UTC)


def _next_working(at: datetime, zone: tzinfo, off: Callable[[date], bool]) -> datetime:
    local = at.astimezone(zone)
    while off(local.date()):
        local += timedelta(days=1)
    return local.astimezone(UTC)
