"""The commands that change a case: one small class each."""

from __future__ import annotations

import re

from store.cases import conflicts, decisions, lookup, patterns, promises, recusals, withholding
from store.cases.access import may_know
from store.cases.case_file import CaseFile, open_case
from store.cases.command import CaseCommand, member_meant
from store.cases.dates import date_once, day_near, day_written, today
from store.cases.fields import DATES, FIELDS, LONGEST, field_name, near_field
from store.kit.clock import to_text
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.tables.models import CaseRow, LinkRow
from store.tables.records import Change
from store.team.meant import who_is_meant
from store.team.members import Member, Roster

_TELL = re.compile(r"tell\s+(?P<names>[^:]{1,200}):(?P<why>.*)", re.IGNORECASE | re.DOTALL)
_TELLS = re.compile(r"(?:to\s+)?tell\b", re.IGNORECASE)
HOW_TO_TELL = marked(
    "Write '/recuse me tell NAME, NAME: WHY', with a colon behind the names: as it stands, everybody on the case would read it."
)
STATES = ("acknowledged", "investigating", "decided", "closed")


class Assign(CaseCommand):
    """Who takes care of a case."""

    name = "assign"
    help = (("/assign NAME", marked("say who handles the case; 'me' is you")),)
    lacking = marked("Whom? Write a member's name, or 'me', after '/assign'.")

    def do(self, file: CaseFile) -> Change:
        member = member_meant(file, self.subject)
        if not may_know(file.case, file.roster, member.id, file.at):
            raise NotAllowed(marked("{name} is not on this case; choose one of its readers."), name=member.name)
        file.row.assignee = member.id
        file.note("assigned", {"member": member.id})
        return Change("assign", member.id)


class Recuse(CaseCommand):
    """Withholding a case from a member, or withdrawing oneself."""

    name = "recuse"
    help = (
        ("/recuse NAME WHY", marked("keep the case from somebody; with '/recuse me' you step back yourself")),
        ("/recuse me tell NAME, NAME: WHY", marked("step back, and tell only these two leads why")),
    )
    lacking = marked("Whom? Write a member's name, or 'me', after '/recuse'.")

    @classmethod
    def split(cls, written: str) -> tuple[str, str]:
        quoted = re.match(r'"([^"]+)"\s*(.*)$', written)
        return (quoted[1], quoted[2]) if quoted else _first_word(written)

    def do(self, file: CaseFile) -> Change:
        member = member_meant(file, self.subject)
        if member.id == file.actor and self._told is None and _TELLS.match(self.text):
            raise NotAllowed(HOW_TO_TELL)
        if member.id == file.actor and (asked := self._told):
            conflicts.tell(file, member, _members(file, asked["names"]), asked["why"].strip())
            withholding.recuse_by_hand(file, member.id)
            file.row.assignee = None if file.row.assignee == member.id else file.row.assignee
            return Change("recuse", member.id)
        if withholding.recuse_by_hand(file, member.id, self.text):
            return Change("consent", member.id, self.text)
        if file.row.assignee == member.id:
            file.row.assignee = None
        return Change("recuse", member.id, self.text)

    @property
    def kept_text(self) -> str:
        return "" if self._told else self.text

    @property
    def keeps_mail(self) -> bool:
        return self._told is None

    @property
    def _told(self) -> re.Match[str] | None:
        """Who alone is told why one steps back oneself."""
        return _TELL.fullmatch(self.text)

    def withdraws(self, actor: str, roster: Roster) -> bool:
        meant = [member.id for member in who_is_meant(self.subject, roster.members)]
        return self.subject.casefold() == "me" or meant == [actor]


class Reinstate(CaseCommand):
    """A word that a member may come back."""

    name = "reinstate"
    help = (("/reinstate NAME", marked("let somebody back in; two readers have to agree")),)
    lacking = marked("Whom? Write a member's name after '/reinstate'.")

    def do(self, file: CaseFile) -> Change:
        member = member_meant(file, self.subject)
        return Change("vote" if withholding.reinstate(file, member.id) else "reinstate", member.id)


class State(CaseCommand):
    """How far a case has come."""

    name = "state"
    help = (
        ("/state STATE", ", ".join(STATES[:-1])),
        ("/state closed OUTCOME WHY", marked("the outcome is one of: {outcomes}")),
    )
    lacking = marked("Which state? Write it after '/state'.")

    @classmethod
    def split(cls, written: str) -> tuple[str, str]:
        return _first_word(written)

    def do(self, file: CaseFile) -> Change:
        row, state, text = file.row, self.subject.casefold(), self.text.strip()
        if state not in STATES:
            states = ", ".join(STATES)
            raise NotAllowed(
                marked("There is no state '{state}'. Use one of {states}."), state=self.subject, states=states
            )
        if state == "closed":
            outcome = self._outcome(file)
            decisions.require_decided(file, outcome)
            row.outcome = outcome
        elif text:
            raise NotAllowed(marked("Only 'closed' takes an outcome. Write just '/state {state}'."), state=state)
        else:
            row.outcome = None
        if state in ("acknowledged", "decided", "closed"):
            date_once(file, "decided" if state == "closed" else state)
        _note_dates(row, state, to_text(file.at))
        recusals.forget_votes(file, recusals.ERASE)
        before, row.state = row.state, state
        promises.state_set(file, before, state)
        file.note("state-changed", {"state": state, "outcome": row.outcome or ""})
        return Change("state", state, text)

    def _outcome(self, file: CaseFile) -> str:
        """The outcome that a case is closed with; a reason behind it goes into the record. Raises NotAllowed."""
        outcome, _, reason = self.text.strip().partition(" ")
        outcome = outcome.casefold().rstrip(".,:")
        known = file.by.desk.outcomes
        if outcome not in known:
            raise NotAllowed(marked("To close a case, give its outcome: one of {outcomes}."), outcomes=", ".join(known))
        if reason.strip():
            file.fill({"reason": reason.strip()})
        return outcome


def _note_dates(row: CaseRow, state: str, at: str) -> None:
    """When a case came how far: what deadlines, retention and the yearly figures go by."""
    row.decided_at = at if state == "decided" else row.decided_at
    row.closed_at = at if state == "closed" else None
    row.announced_at = row.erase_at = None
    if state == "closed":
        row.escalated = 0


class Deadline(CaseCommand):
    """The day by which something must be done."""

    name = "deadline"
    help = (("/deadline 2026-01-31", marked("set a deadline of your own, or 'none'")),)
    lacking = marked("Which day? Write a date such as 2026-01-31, or 'none', after '/deadline'.")

    def do(self, file: CaseFile) -> Change:
        written = self.subject.strip().casefold()
        file.row.deadline = None if written in ("none", "") else self._day(file, written)
        file.note("deadline-set", {"deadline": file.row.deadline or ""})
        return Change("deadline", file.row.deadline or "none")

    def _day(self, file: CaseFile, written: str) -> str:
        day = day_written(written)
        if day < today(file):
            raise NotAllowed(marked("{day} is in the past. Give a future day, or 'none'."), day=day)
        return day_near(file, day).isoformat()


class Field(CaseCommand):
    """One field of the record."""

    name = "field"
    help = (("/field NAME: VALUE", marked("fill in the record; without a value it is emptied")),)
    lacking = marked("Write the field and its value, such as '/field when: last Friday'.")

    @classmethod
    def split(cls, written: str) -> tuple[str, str]:
        name, colon, value = written.partition(":")
        return (name.strip(), value.strip()) if colon else ("", "")

    def do(self, file: CaseFile) -> Change:
        name, value = self._name(), self.text.strip()
        if name == "label":
            raise NotAllowed(marked("A label is put on with '/classify'."))
        if len(value) > LONGEST:
            raise NotAllowed(
                marked("The value of '{name}' is longer than {number} characters. Write a note instead."),
                name=name, number=LONGEST,
            )  # fmt: skip
        if name in DATES and value:
            value = day_near(file, day_written(value)).isoformat()
        file.fill({name: value})
        file.note("field-set", {"field": name, "value": value})
        if name == "reported":
            patterns.note(file, value)
        return Change("field", name, value)

    def _name(self) -> str:
        """The field that is meant. Raises NotAllowed."""
        if name := field_name(self.subject):
            return name
        if near := near_field(self.subject):
            raise NotAllowed(marked("There is no field '{name}'. Did you mean '{near}'?"), name=self.subject, near=near)
        raise NotAllowed(
            marked("There is no field '{name}'. The fields are {fields}."), name=self.subject, fields=", ".join(FIELDS)
        )


class Link(CaseCommand):
    """Two cases that belong together."""

    name = "link"
    help = (("/link CASE", marked("link this case with another one")),)
    lacking = marked("Which case? Write the name of the other one after '/link'.")

    def do(self, file: CaseFile) -> Change:
        written = self.subject.casefold()
        row = lookup.row_for(file.session, file.roster, written, file.actor, file.at)
        if row.desk != file.row.desk or row.wrapped_key is None:
            raise lookup.no_such_case(written)
        if row.id == file.row.id:
            raise NotAllowed(marked("A case cannot be linked with itself."))
        one, two = sorted((file.row.id, row.id))
        if file.session.get(LinkRow, (one, two)) is None:
            file.session.add(LinkRow(one=one, other=two, by=file.actor, at=to_text(file.at)))
        file.note("linked", {"other": row.id})
        open_case(file.session, file.by, row).note("linked", {"other": file.row.id})
        return Change("link", row.codename, other_case=row.id)


class Hold(CaseCommand):
    """Keeping a case from being destroyed."""

    name = "hold"
    help = (("/hold, /release", marked("keep the case from being destroyed, or let it be destroyed again")),)

    @classmethod
    def split(cls, written: str) -> tuple[str, str]:
        return "", written

    def do(self, file: CaseFile) -> Change:
        file.row.on_hold, file.row.erase_at = 1, None
        recusals.forget_votes(file, recusals.ERASE)
        file.note("put-on-hold", {"why": self.text})
        return Change("hold", text=self.text)


class Release(CaseCommand):
    """Ending what `hold` began, whose help tells of it."""

    name = "release"

    @classmethod
    def split(cls, written: str) -> tuple[str, str]:
        return "", written

    def do(self, file: CaseFile) -> Change:
        if not file.row.on_hold:
            raise NotAllowed(marked("The case is not on hold."))
        file.row.on_hold = 0
        file.note("released", {"why": self.text})
        return Change("release", text=self.text)


def _members(file: CaseFile, names: str) -> list[Member]:
    """The members whom a list of names means. Raises NotAllowed."""
    written = [name.strip() for name in re.split(r",|\s(?:and|und|y|et|e)\s", names) if name.strip()]
    return [member_meant(file, name) for name in written]


def _first_word(written: str) -> tuple[str, str]:
    subject, _, text = written.partition(" ")
    return subject, text.strip()
