"""Cases side by side, as whoever may know of them sees them: when what was done, what was kept in time, and what is open. No words of
anybody outside.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from sqlmodel import Session, col, select

from store.cases import content, correspondence, decisions, lookup, overview
from store.cases.case_file import Actor
from store.cases.deadlines import dues, time_for
from store.cases.overview import Viewer
from store.cases.persons import Person
from store.kit.clock import from_text
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.tables.models import CaseRow, PatternRow, PromiseRow
from store.tables.promise import PromiseKind
from store.tables.records import Case
from store.team.names import who_may_be_named

Kept = Literal["", "in time", "late", "open", "overdue"]
_COUNTED: tuple[PromiseKind, ...] = ("acknowledge", "respond", "follow-up")
LEADS_ONLY = marked("Only a lead can ask for this.")


@dataclass(frozen=True)
class CaseDates:
    """One case in such a table. `kept` says for each kind of promise how it stands; `next_due` is what is to be done next, with its day."""

    codename: str
    id: str
    kind: str
    received: date
    state: str
    outcome: str
    closed: date | None
    kept: dict[PromiseKind, Kept]
    next_due: tuple[str, date] | None
    proposals: int


def require_lead(by: Actor) -> None:
    """Raise NotAllowed for somebody who is no lead on duty."""
    if not any(item.id == by.id and item.role == "lead" for item in by.roster.on_duty(by.at)):
        raise NotAllowed(LEADS_ONLY)


def between(session: Session, by: Actor, first: date, last: date) -> list[CaseDates]:
    """The cases that came from one day to another (both included) and that a member may know of, the oldest first."""
    viewer = Viewer(by.roster, by.id, by.at)
    cases = overview.visible_cases(session, by.desk.id, viewer)
    zone = by.desk.zone
    return [
        _dates(session, by, case)
        for case in cases
        if case.state != "automatic" and first <= case.received_at.astimezone(zone).date() <= last
    ]


def related(session: Session, by: Actor, case_id: str) -> list[CaseDates]:
    """A case, those that it is linked with, and those of the same person, as far as a member may know of them; the oldest first."""
    viewer = Viewer(by.roster, by.id, by.at)
    rows = {row.id: row for row in overview.known_links(session, case_id, viewer)}
    rows |= {row.id: row for row in _of_the_same_person(session, by, case_id, viewer)}
    rows[case_id] = lookup.row_by_id(session, case_id)
    cases = lookup.cases_of(session, [row for row in rows.values() if row.wrapped_key is not None])
    return [_dates(session, by, case) for case in sorted(cases, key=lambda case: case.received_at)]


def holding(session: Session, by: Actor, name: str) -> list[tuple[str, str]]:
    """The cases (ids and codenames) that a member may know of and that name a person, in mails, files' names, fields or threads: what
    somebody who asks for their data, or wants it gone, has to be looked for in. Every text of these cases is read."""
    person = Person(":asked", name)
    found = []
    for case in overview.visible_cases(session, by.desk.id, Viewer(by.roster, by.id, by.at)):
        texts = (f"\n.\n{text}" for text in _texts(session, by, case.id))
        if who_may_be_named(list(texts), [person], ()):
            found.append((case.id, case.codename))
    return found


def _texts(session: Session, by: Actor, case_id: str) -> Iterator[str]:
    row = lookup.row_by_id(session, case_id)
    yield from content.fields(by.vault, row).values()
    for thread in correspondence.threads_in(session, content.box_of(by.vault, row), case_id):
        yield from (thread.name, thread.address)
    for message in content.messages(session, by.vault, case_id):
        body = message.body
        yield from (body.sender, body.subject, body.text, body.outside_text)
        yield from (item.name for item in message.attachments)


def _of_the_same_person(session: Session, by: Actor, case_id: str, viewer: Viewer) -> Iterable[CaseRow]:
    own = select(PatternRow.form).where(PatternRow.case_id == case_id)
    alike = select(PatternRow.case_id).where(col(PatternRow.form).in_(own), PatternRow.desk == by.desk.id)
    rows = session.exec(select(CaseRow).where(col(CaseRow.id).in_(alike), col(CaseRow.wrapped_key).is_not(None))).all()
    return (row for row in rows if viewer.may_know(lookup.case_of(session, row)))


def _dates(session: Session, by: Actor, case: Case) -> CaseDates:
    row, zone = lookup.row_by_id(session, case.id), by.desk.zone
    owed = session.exec(select(PromiseRow).where(PromiseRow.case_id == case.id).order_by(col(PromiseRow.since))).all()
    due = next(iter(dues(case, by.desk)), None)
    open_ones = decisions.proposals(session, row, by.desk, by.roster, by.at)
    return CaseDates(
        case.codename, case.id, content.fields(by.vault, row).get("kind", ""), case.received_at.astimezone(zone).date(),
        case.state, case.outcome, case.closed_at.astimezone(zone).date() if case.closed_at else None,
        {kind: _kept(owed, kind, by, urgent=case.urgent) for kind in _COUNTED},
        (due.stage, due.at.astimezone(zone).date()) if due else None, len(open_ones),
    )  # fmt: skip


def _kept(owed: Sequence[PromiseRow], kind: PromiseKind, by: Actor, *, urgent: bool) -> Kept:
    """How the first promise of a kind stands; empty where none was made, or it ended without being kept."""
    first = next((item for item in owed if item.kind == kind), None)
    if first is None:
        return ""
    until = time_for(kind, from_text(first.since), by.desk, urgent=urgent)
    if first.kept_at is not None:
        return "late" if until is not None and from_text(first.kept_at) > until else "in time"
    if not first.is_open:
        return ""
    return "overdue" if until is not None and by.at > until else "open"
