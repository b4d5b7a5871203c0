"""Measures: what was decided about a person and holds on, such as that they stay away. Kept apart from the case, under a key of its own.

Who may not know of the case does not see its measure, also when the case is destroyed: from whom it was withheld is kept then. A
measure ends on its day, or when two who see it want that; what it said is forgotten then. Works within a transaction that the
caller opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import delete
from sqlmodel import Session, col, select

from store.cases import content, decisions, lookup, patterns, wishes
from store.cases.access import may_know
from store.cases.case_file import Actor, CaseFile
from store.cases.codenames import new_codename
from store.cases.dates import today
from store.kit.clock import to_text
from store.kit.config import Desk
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.tables import audit
from store.tables.models import CaseRow, MeasureFormRow, MeasureRow
from store.tables.records import Wishes
from store.tables.vault import Vault
from store.team.members import Member, Roster
from store.team.names import who_may_be_named

SOON = timedelta(days=30)
VOTES_TO_LIFT = 2
NO_MEASURE = marked("There is no such measure.")
NOT_DECIDED = marked("Write what was decided first: '/state decided', or '/state closed' with its outcome.")
NOT_TOGETHER = marked("This desk decides together: '/propose' what is to hold, and have the others agree first.")
NO_NAME = marked("Write of whom it is, by names or handles with commas between them, then a colon and what holds.")
TOO_FEW = marked("Two who see the measure must want it to end: repeat the command with --by MEMBER for each of them.")
_OF_MEMBERS = ("responder", "lead")
_MOST_CELLS = 100


@dataclass(frozen=True)
class Measure:
    """A measure as it is shown. `person` are names and handles; `until` is its last day, None for one that holds until it is lifted;
    `appeal` the day until which they can ask for another look."""

    id: str
    name: str
    person: str = field(repr=False)
    what: str = field(repr=False)
    since: date
    until: date | None
    appeal: date | None
    wishes: Wishes = field(default=Wishes(), repr=False)


@dataclass(frozen=True)
class Wanted:
    """What a reader wants to be kept as a measure."""

    person: str = field(repr=False)
    what: str = field(repr=False)
    until: date | None = None
    appeal: date | None = None


def begin(file: CaseFile, wanted: Wanted) -> str:
    """Write down a measure; its name. Raises NotAllowed where nothing is decided, or nobody is named."""
    if file.row.state not in ("decided", "closed"):
        raise NotAllowed(NOT_DECIDED)
    if not decisions.is_decided(file):
        raise NotAllowed(NOT_TOGETHER)
    forms = patterns.forms(wanted.person)
    if not forms or not wanted.what.strip():
        raise NotAllowed(NO_NAME)
    row = MeasureRow(
        name=new_codename(lambda name: _is_taken(file.session, name)), desk=file.row.desk, case_id=file.row.id,
        since=today(file).isoformat(), until=wanted.until.isoformat() if wanted.until else None, wrapped_key=None, about_sealed=None,
    )  # fmt: skip
    box, row.wrapped_key = file.by.vault.new_measure_key(row.id)
    about = {
        "person": wanted.person, "what": wanted.what, "appeal": wanted.appeal.isoformat() if wanted.appeal else "",
    }  # fmt: skip
    row.about_sealed = box.seal_json(about, "measures", "about", row.id)
    file.session.add(row)
    file.session.flush()
    for form in forms:
        file.session.add(MeasureFormRow(measure_id=row.id, form=_digest(file.by.vault, row.desk, form)))
    file.note("measure-begun", {"measure": row.name})
    return row.name


def _is_taken(session: Session, name: str) -> bool:
    of_case = session.exec(select(CaseRow.id).where(CaseRow.codename == name)).first()
    return of_case is not None or session.exec(select(MeasureRow.id).where(MeasureRow.name == name)).first() is not None


def visible(session: Session, by: Actor) -> list[Measure]:
    """The measures of a desk that hold and that a member, or the operator, may see; the oldest first."""
    holding = select(MeasureRow).where(MeasureRow.desk == by.desk.id, col(MeasureRow.ended).is_(None))
    rows = session.exec(holding.order_by(col(MeasureRow.since), col(MeasureRow.name))).all()
    opened = [(row, _opened(by.vault, row)) for row in rows]
    return [measure for row, measure in opened if _may_see(session, by, row, measure)]


def lift(session: Session, by: Actor, name: str, why: str = "") -> bool:
    """One word that a measure is to end; whether it did. Raises NotAllowed, alike for none and for one that is not seen."""
    row = session.exec(select(MeasureRow).where(MeasureRow.name == name, MeasureRow.desk == by.desk.id)).first()
    measure = _opened(by.vault, row) if row is not None and row.ended is None else None
    if row is None or measure is None or not _may_see(session, by, row, measure):
        raise NotAllowed(NO_MEASURE)
    session.refresh(row, with_for_update=True)
    seeing = {item.id for item in by.roster.on_duty(by.at) if _is_seen_by(session, by, row, measure, item)}
    if by.id == "operator" and len(seeing) >= VOTES_TO_LIFT:
        raise NotAllowed(TOO_FEW)
    wanting = {*filter(None, row.lifting.split(",")), by.id}
    row.lifting = ",".join(sorted(wanting))
    session.add(row)
    audit.append(
        session, by.vault, audit.Event("measure-lift-vote", by.id, by.at, None, {"measure": name, "why": why}), by.vault
    )
    if by.id != "operator" and len(wanting & seeing) < VOTES_TO_LIFT:
        return False
    _end(session, by.vault, row, by.id, by.at)
    return True


def end_due(session: Session, vault: Vault, desk: Desk, at: datetime) -> None:
    """End the measures of a desk whose last day is over."""
    day = at.astimezone(desk.zone).date().isoformat()
    over = select(MeasureRow).where(
        MeasureRow.desk == desk.id, col(MeasureRow.ended).is_(None), col(MeasureRow.until) < day
    )
    for row in session.exec(over).all():
        _end(session, vault, row, "desk", at)


def _end(session: Session, vault: Vault, row: MeasureRow, actor: str, at: datetime) -> None:
    session.exec(delete(MeasureFormRow).where(col(MeasureFormRow.measure_id) == row.id))
    row.ended, row.wrapped_key, row.about_sealed, row.withheld, row.lifting = to_text(at), None, None, "", ""
    session.add(row)
    audit.append(session, vault, audit.Event("measure-ended", actor, at, None, {"measure": row.name}), vault)


def ends_soon(measures: Iterable[Measure], day: date) -> list[Measure]:
    """Those of some measures that end within thirty days."""
    return [item for item in measures if item.until is not None and item.until - day <= SOON]


def keep_withheld(session: Session, vault: Vault, row: CaseRow) -> None:
    """A case is about to be destroyed: its measures remember from whom it is withheld, also of those who join later."""
    withheld = sorted(item.member for item in lookup.recusal_rows(session, row.id))
    held = session.exec(select(MeasureRow).where(MeasureRow.case_id == row.id, col(MeasureRow.ended).is_(None))).all()
    wanted = content.facts(vault, row).wishes if held else Wishes()
    for measure in held:
        box = vault.measure_box(measure.wrapped_key, measure.id) if measure.wrapped_key else None
        if box is not None and measure.about_sealed is not None:
            about = box.open_json(measure.about_sealed, "measures", "about", measure.id) | {"wishes": asdict(wanted)}
            measure.about_sealed = box.seal_json(about, "measures", "about", measure.id)
        measure.withheld = ",".join(withheld)
        session.add(measure)


def redact(file: CaseFile, taken_out: Callable[[str], str]) -> None:
    """Take a passage out of what the measures of a case say, but for whom they are of."""
    held = select(MeasureRow).where(MeasureRow.case_id == file.row.id, col(MeasureRow.ended).is_(None))
    for row in file.session.exec(held).all():
        if row.wrapped_key is not None and row.about_sealed is not None:
            box = file.by.vault.measure_box(row.wrapped_key, row.id)
            about = box.open_json(row.about_sealed, "measures", "about", row.id)
            row.about_sealed = box.seal_json(about | {"what": taken_out(about["what"])}, "measures", "about", row.id)
            file.session.add(row)


def withhold_alike(session: Session, desk: str, member: str, other: str) -> None:
    """Withhold from another id of the same person what is withheld from one."""
    for row in session.exec(select(MeasureRow).where(MeasureRow.desk == desk, col(MeasureRow.ended).is_(None))).all():
        ids = set(row.withheld.split(","))
        if member in ids:
            row.withheld = ",".join(sorted(ids | {other}))
            session.add(row)


def matching(session: Session, by: Actor, rows: Sequence[Sequence[str]]) -> list[tuple[int, Measure]]:
    """Which rows of a table (numbered from 1) name somebody of whom a measure is that is seen; `note_look` writes down that it was done."""
    seen = {item.id: item for item in visible(session, by)}
    found = []
    for number, cells in enumerate(rows, 1):
        digests = {_digest(by.vault, by.desk.id, form) for form in _row_forms(cells)}
        ids = select(MeasureFormRow.measure_id).where(col(MeasureFormRow.form).in_(digests)).distinct()
        found += [(number, seen[item]) for item in sorted(session.exec(ids)) if item in seen] if digests else []
    return found


def note_look(session: Session, by: Actor, rows: int, found: int) -> None:
    """Write down that somebody compared a list."""
    detail = {"rows": rows, "found": found}
    audit.append(session, by.vault, audit.Event("measures-checked", by.id, by.at, None, detail), by.vault)


def _row_forms(cells: Sequence[str]) -> set[str]:
    """What a row may name: each cell, and each with the next one, for first and last name often stand apart."""
    cells = [cell.strip() for cell in cells[:_MOST_CELLS]]
    both = [f"{one} {other}" for one, other in pairwise(cells) if one and other]
    return {form for text in (*cells, *both) for form in patterns.forms(text)}


def _may_see(session: Session, by: Actor, row: MeasureRow, measure: Measure) -> bool:
    if by.id == "operator":
        return True
    member = by.roster.get(by.id)
    return member is not None and _is_seen_by(session, by, row, measure, member)


def _is_seen_by(session: Session, by: Actor, row: MeasureRow, measure: Measure, member: Member) -> bool:
    """Whether a member may see a measure: who may know of its case; when that is gone, who serves, was not kept from it, and is not
    named by what is left."""
    case = session.get(CaseRow, row.case_id)
    if case is not None and case.wrapped_key is not None:
        return may_know(lookup.case_of(session, case), by.roster, member.id, by.at)
    if (
        member.id in row.withheld.split(",")
        or member.role not in _OF_MEMBERS
        or wishes.may_exclude(measure.wishes, member)
    ):
        return False
    on_duty = any(item.id == member.id for item in by.roster.on_duty(by.at))
    return on_duty and not _names(measure, member, by.roster)


def _names(measure: Measure, member: Member, roster: Roster) -> bool:
    texts = [f"\n.\n{text}" for text in (measure.person, measure.what)]
    return bool(who_may_be_named(texts, [member], roster.members))


def _opened(vault: Vault, row: MeasureRow) -> Measure:
    about: dict[str, Any] = {"person": "", "what": "", "appeal": ""}
    if row.wrapped_key is not None and row.about_sealed is not None:
        about = vault.measure_box(row.wrapped_key, row.id).open_json(row.about_sealed, "measures", "about", row.id)
    until = date.fromisoformat(row.until) if row.until else None
    appeal = date.fromisoformat(about["appeal"]) if about["appeal"] else None
    wanted = Wishes(**{name: tuple(item) for name, item in about.get("wishes", {}).items()})
    return Measure(
        row.id, row.name, about["person"], about["what"], date.fromisoformat(row.since), until, appeal, wanted
    )


def _digest(vault: Vault, desk: str, form: str) -> str:
    return vault.digest(f"measure at {desk}", form.encode())
