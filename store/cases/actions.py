"""What may be done to a case, by a reader or by the operator: the rules behind members' mails and `ombud case`.

Works within a transaction that the caller opened. All of a mail's deeds are done, or the first that cannot be done
raises NotAllowed or NoSuchCase, and the caller's transaction undoes the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, get_args

from sqlmodel import Session

from store.cases import case_file, patterns, withholding
from store.cases.access import may_know
from store.cases.fields import DATES, FIELDS, LONGEST, field_name, near_field
from store.kit.clock import to_text
from store.kit.config import Desk
from store.kit.errors import NoSuchCase, NotAllowed, OmbudError
from store.kit.sentences import marked
from store.tables import audit
from store.tables.models import CaseRow, LinkRow
from store.tables.records import Done, Verb
from store.tables.vault import Vault
from store.team.members import Member, Roster
from store.team.names import who_is_meant

_YEARS = 100
STATES = ("acknowledged", "investigating", "decided", "closed")


@dataclass(frozen=True)
class Deed:
    """One thing to do. `line` is how it was asked for, to be named in an answer."""

    verb: Verb
    subject: str = ""
    text: str = ""
    line: str = ""


@dataclass(frozen=True)
class Scene:
    """Where and when something is done, and by whom: a member's id, or `operator`."""

    vault: Vault
    desk: Desk
    roster: Roster
    actor: str
    at: datetime


class Refused(NotAllowed):
    """One of several deeds cannot be done. `line` is the one."""

    def __init__(self, line: str, why: OmbudError) -> None:
        super().__init__(why.sentence)
        self.line = line


def perform(session: Session, scene: Scene, row: CaseRow, deeds: Sequence[Deed]) -> tuple[Done, ...]:
    """Do it all, in order; withdrawing oneself comes last. Raises Refused naming the line that cannot be done."""
    done = []
    for deed in sorted(deeds, key=lambda deed: _is_own_withdrawal(scene, deed)):
        try:
            done.append(_DO[deed.verb](session, scene, row, deed))
        except (NotAllowed, NoSuchCase) as error:
            raise Refused(deed.line, error) from None
        session.add(row)
        session.flush()
    return tuple(done)


def withdraws(scene: Scene, deeds: Sequence[Deed]) -> bool:
    """Whether the actor withdraws themself."""
    return any(_is_own_withdrawal(scene, deed) for deed in deeds)


def _is_own_withdrawal(scene: Scene, deed: Deed) -> bool:
    if deed.verb != "recuse":
        return False
    return deed.subject.casefold() == "me" or [
        member.id for member in who_is_meant(deed.subject, scene.roster.members)
    ] == [scene.actor]


def member_meant(scene: Scene, written: str) -> Member:
    """The one member whom a name, id, alias or address means, or `me`. Raises NotAllowed."""
    if written.casefold() == "me":
        found = [member for member in scene.roster.members if member.id == scene.actor]
    else:
        exact = scene.roster.get(written.casefold())
        found = [exact] if exact else who_is_meant(written, scene.roster.members)
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotAllowed(marked("There is no member '{name}' on the roster of this desk."), name=written)
    ids = ", ".join(member.id for member in found)
    raise NotAllowed(marked("'{name}' could be any of {ids}. Use one of these."), name=written, ids=ids)


def _assign(session: Session, scene: Scene, row: CaseRow, deed: Deed) -> Done:
    member = member_meant(scene, deed.subject)
    if not may_know(case_file.case_of(session, row), scene.roster, member.id, scene.at):
        raise NotAllowed(marked("{name} is not on this case; choose one of its readers."), name=member.name)
    row.assignee = member.id
    _note(session, scene, row, "assigned", {"member": member.id})
    return Done("assign", member.id)


def _recuse(session: Session, scene: Scene, row: CaseRow, deed: Deed) -> Done:
    member = member_meant(scene, deed.subject)
    missing = withholding.recuse_by_hand(
        session, scene.vault, scene.roster, row.codename, member.id, scene.actor, scene.at, deed.text
    )
    if missing:
        return Done("consent", member.id, deed.text)
    if row.assignee == member.id:
        row.assignee = None
    return Done("recuse", member.id, deed.text)


def _reinstate(session: Session, scene: Scene, row: CaseRow, deed: Deed) -> Done:
    member = member_meant(scene, deed.subject)
    missing = withholding.reinstate(session, scene.vault, scene.roster, row.codename, member.id, scene.actor, scene.at)
    return Done("vote" if missing else "reinstate", member.id)


def _state(session: Session, scene: Scene, row: CaseRow, deed: Deed) -> Done:
    state, text = deed.subject.casefold(), deed.text.strip()
    if state not in STATES:
        raise NotAllowed(
            marked("There is no state '{state}'. Use one of {states}."), state=deed.subject, states=", ".join(STATES)
        )
    outcome, _, reason = text.partition(" ")
    if state == "closed":
        outcome = outcome.casefold().rstrip(".,:")
        if outcome not in scene.desk.outcomes:
            raise NotAllowed(
                marked("To close a case, give its outcome: one of {outcomes}."), outcomes=", ".join(scene.desk.outcomes)
            )
        row.outcome = outcome
        if reason.strip():
            case_file.set_fields(session, scene.vault, row, {"reason": reason.strip()})
    elif text:
        raise NotAllowed(marked("Only 'closed' takes an outcome. Write just '/state {state}'."), state=state)
    else:
        row.outcome = None
    if state in ("acknowledged", "decided", "closed"):
        date_once(session, scene, row, "decided" if state == "closed" else state)
    _note_dates(row, state, to_text(scene.at))
    row.state = state
    _note(session, scene, row, "state-changed", {"state": state, "outcome": row.outcome or ""})
    return Done("state", state, text)


def _note_dates(row: CaseRow, state: str, at: str) -> None:
    """When a case came how far: what deadlines, retention and the yearly figures go by."""
    row.acknowledged_at = row.acknowledged_at or at
    row.decided_at = at if state == "decided" else row.decided_at
    row.closed_at = at if state == "closed" else None
    row.announced_at = None
    if state == "closed":
        row.escalated = 0


def date_once(session: Session, scene: Scene, row: CaseRow, name: str) -> None:
    """Fill a date of the record with the day at the desk, unless it is filled."""
    known = case_file.fields(scene.vault, row)
    if not known.get(name):
        case_file.set_fields(session, scene.vault, row, {name: today(scene).isoformat()})


def today(scene: Scene) -> date:
    """The day at the desk."""
    return scene.at.astimezone(scene.desk.zone).date()


def _deadline(session: Session, scene: Scene, row: CaseRow, deed: Deed) -> Done:
    written = deed.subject.strip().casefold()
    if written in ("none", ""):
        row.deadline = None
    else:
        day = _date(written)
        if day < today(scene):
            raise NotAllowed(marked("{day} is in the past. Give a future day, or 'none'."), day=day)
        row.deadline = _near(scene, day).isoformat()
    _note(session, scene, row, "deadline-set", {"deadline": row.deadline or ""})
    return Done("deadline", row.deadline or "none")


def _date(written: str) -> date:
    """The day that was written. Raises NotAllowed."""
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise NotAllowed(marked("'{day}' is not a date. Write it like this: 2026-01-31."), day=written) from None


def _near(scene: Scene, day: date) -> date:
    """A day that is not so far away that it must be a slip. Raises NotAllowed."""
    if abs(day.year - today(scene).year) > _YEARS:
        raise NotAllowed(marked("{day} is too far away. Give a day within {number} years."), day=day, number=_YEARS)
    return day


def _field(session: Session, scene: Scene, row: CaseRow, deed: Deed) -> Done:
    name, value = field_name(deed.subject), deed.text.strip()
    if name is None:
        near = near_field(deed.subject)
        if near:
            raise NotAllowed(marked("There is no field '{name}'. Did you mean '{near}'?"), name=deed.subject, near=near)
        raise NotAllowed(
            marked("There is no field '{name}'. The fields are {fields}."), name=deed.subject, fields=", ".join(FIELDS)
        )
    if len(value) > LONGEST:
        raise NotAllowed(
            marked("The value of '{name}' is longer than {number} characters. Write a note instead."),
            name=name, number=LONGEST,
        )  # fmt: skip
    if name in DATES and value:
        value = _near(scene, _date(value)).isoformat()
    case_file.set_fields(session, scene.vault, row, {name: value})
    _note(session, scene, row, "field-set", {"field": name, "value": value})
    if name == "reported":
        note_reported(session, scene, row, value)
    return Done("field", name, value)


def note_reported(session: Session, scene: Scene, row: CaseRow, value: str) -> None:
    """Look whether other cases concern the same person."""
    patterns.note(session, scene.vault, row, case_file.box_of(scene.vault, row), value, scene.actor, scene.at)


def _link(session: Session, scene: Scene, row: CaseRow, deed: Deed) -> Done:
    written = deed.subject.casefold()
    other = case_file.row_for(session, scene.roster, written, scene.actor, scene.at)
    if other.desk != row.desk or other.wrapped_key is None:
        raise case_file.no_such_case(written)
    if other.id == row.id:
        raise NotAllowed(marked("A case cannot be linked with itself."))
    one, two = sorted((row.id, other.id))
    if session.get(LinkRow, (one, two)) is None:
        session.add(LinkRow(one=one, other=two, by=scene.actor, at=to_text(scene.at)))
    _note(session, scene, row, "linked", {"other": other.id})
    _note(session, scene, other, "linked", {"other": row.id})
    return Done("link", other.codename, other_case=other.id)


def _hold(session: Session, scene: Scene, row: CaseRow, deed: Deed) -> Done:
    row.on_hold = 1
    _note(session, scene, row, "put-on-hold", {"why": deed.text})
    return Done("hold", text=deed.text)


def _release(session: Session, scene: Scene, row: CaseRow, deed: Deed) -> Done:
    if not row.on_hold:
        raise NotAllowed(marked("The case is not on hold."))
    row.on_hold = 0
    _note(session, scene, row, "released", {"why": deed.text})
    return Done("release", text=deed.text)


def _note(session: Session, scene: Scene, row: CaseRow, kind: str, detail: dict[str, Any]) -> None:
    box = case_file.box_of(scene.vault, row)
    audit.append(session, scene.vault, kind, scene.actor, scene.at, case_id=row.id, box=box, detail=detail)


_DO = {
    "assign": _assign,
    "recuse": _recuse,
    "reinstate": _reinstate,
    "state": _state,
    "deadline": _deadline,
    "field": _field,
    "link": _link,
    "hold": _hold,
    "release": _release,
}
VERBS: tuple[str, ...] = tuple(verb for verb in get_args(Verb) if verb in _DO)
