"""The yearly figures of a desk: counted, and made so that nobody can be recognised in them. Pure but for one query.

Every number is shown as one of a band of five: "<5", "5-9", "10-14", ... Exact numbers would let the sum of one table be
worked out, and with it a small number in another. A table in which a small number would still not be open, by the
sums that the other tables leave possible, is not shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from store.cases import merging, promises, retention
from store.kit.clock import from_text
from store.kit.config import Desk
from store.tables.models import CaseRow, PromiseRow

BAND = 5
FEW = f"<{BAND}"

_TO_ACKNOWLEDGE = (("within a day", 1), ("within a week", 7), ("within a month", 31))
_UNKNOWN = "unknown"
_TO_CLOSE = (("within two weeks", 14), ("within two months", 61), ("within half a year", 183))


@dataclass(frozen=True)
class Figures:
    """One table: its title, and its rows as they may be shown; no rows when there is too little to show."""

    title: str
    rows: tuple[tuple[str, str], ...]


def figures(session: Session, desk: Desk, first: date, last: date) -> list[Figures]:
    """The tables of the cases of a desk that came in from one day to another, both included."""
    rows = [
        row
        for row in session.exec(select(CaseRow).where(CaseRow.desk == desk.id))
        if first <= from_text(row.received_at).astimezone(desk.zone).date() <= last and _is_report(row)
    ]
    outcomes = (*desk.outcomes, "none yet")
    counted = {
        "Reports by month": _by_month(rows, desk.zone, first, last),
        "How reports reached us": _counted((_came(row) for row in rows), ("unencrypted", "encrypted")),
        "Where cases stand now": _counted((_standing(row) for row in rows), ("open", "closed")),
        "Outcomes": _counted((row.outcome or "none yet" for row in rows), outcomes),
        "Time until the reporter was answered": _times(rows, lambda row: row.acknowledged_at, _TO_ACKNOWLEDGE),
        "Time until the reporter heard of the decision": _times(rows, _heard(session, desk), _TO_CLOSE),
        "Time until the case was closed": _times(rows, lambda row: row.closed_at, _TO_CLOSE),
    }
    shown = published([[count for _, count in table] for table in counted.values()])
    return [
        Figures(title, tuple((name, value) for (name, _), value in zip(counted[title], values or (), strict=False)))
        for title, values in zip(counted, shown, strict=True)
    ]


def _heard(session: Session, desk: Desk) -> Callable[[CaseRow], str | None]:
    """When the reporter of a case heard of its decision, or it was made where they cannot; `unknown` for older cases."""
    owed = select(PromiseRow).join(CaseRow).where(CaseRow.desk == desk.id, PromiseRow.kind == promises.DECISION)
    found: dict[str, str | None] = {}
    for item in session.exec(owed.order_by(col(PromiseRow.since))):
        found[item.case_id] = found.get(item.case_id) or item.kept_at
    return lambda row: found.get(row.id, _UNKNOWN)


def _is_report(row: CaseRow) -> bool:
    """Whether a case counts: not what programs sent, not junk, which may be destroyed by now, and not what went
    into another case."""
    return row.state not in ("automatic", "junk") and row.outcome not in (retention.JUNK, merging.MERGED)


def _came(row: CaseRow) -> str:
    return "unencrypted" if row.transport == "in plain" else row.transport or "unknown"


def _standing(row: CaseRow) -> str:
    return "closed" if row.state in ("closed", "destroyed") else "open"


def _by_month(rows: Sequence[CaseRow], zone: ZoneInfo, first: date, last: date) -> list[tuple[str, int]]:
    months = []
    day = first.replace(day=1)
    while day <= last:
        months.append(f"{day:%Y-%m}")
        day = (day + timedelta(days=32)).replace(day=1)
    return _counted((f"{from_text(row.received_at).astimezone(zone):%Y-%m}" for row in rows), tuple(months))


def _times(
    rows: Sequence[CaseRow], when: Callable[[CaseRow], str | None], steps: Sequence[tuple[str, int]]
) -> list[tuple[str, int]]:
    def step(row: CaseRow) -> str:
        if row.closed_at == row.received_at:  # from an archive: nobody knows how long it took
            return _UNKNOWN
        reached = when(row)
        if reached is None:
            return "not yet"
        if reached == _UNKNOWN:
            return _UNKNOWN
        taken: timedelta = _since(row, from_text(reached))
        return next((name for name, days in steps if taken <= timedelta(days=days)), "later")

    return _counted(map(step, rows), (*(name for name, _ in steps), "later", "not yet"))


def _since(row: CaseRow, at: datetime) -> timedelta:
    return at - from_text(row.received_at)


def _counted(values: object, order: Sequence[str]) -> list[tuple[str, int]]:
    found = Counter(values)  # type: ignore[call-overload]
    unknown = sorted(set(found) - set(order))
    return [(name, found[name]) for name in (*order, *unknown)]


def band(count: int) -> str:
    """A number as it is shown."""
    low = count // BAND * BAND
    return FEW if low == 0 else f"{low}-{low + BAND - 1}"


def ends(shown: str) -> tuple[int, int]:
    """The least and the most that a number may be which is shown so."""
    low, _, high = shown.partition("-")
    return (0, BAND - 1) if shown == FEW else (int(low), int(high))


def published(tables: Sequence[Sequence[int]]) -> list[tuple[str, ...] | None]:
    """Tables of the same cases, as they may be shown; None for one whose small numbers would not stay open.

    Open means: by all that the tables show, each number under five may be any from 0 to 4.
    """
    spans = [_span(table) for table in tables]
    least, most = max((low for low, _ in spans), default=0), min((high for _, high in spans), default=0)
    return [tuple(map(band, table)) if _stays_open(table, least, most) else None for table in tables]


def _span(counts: Sequence[int]) -> tuple[int, int]:
    """What the sum of a table may be, by its bands."""
    low = sum(count // BAND * BAND for count in counts)
    return low, low + (BAND - 1) * len(counts)


def _stays_open(counts: Sequence[int], least: int, most: int) -> bool:
    if all(count >= BAND for count in counts):
        return True
    low, high = _span(counts)
    # Of the others, one small number less: whatever this one is, some sum must be left that all tables allow.
    return all(max(least, low + value) <= min(most, high - (BAND - 1) + value) for value in range(BAND))
