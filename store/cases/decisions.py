"""What several readers decide together: a proposal for an outcome, who agreed to it, and whether that is enough.

A word counts when the member's own key signed it, and while they are a reader: who is recused afterwards, or whose term ended, is
counted no more, and who comes back is. Nothing is enough for ever: it is counted anew when it is asked for.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from sqlmodel import Session, col, func, select

from store.cases import lookup
from store.cases.access import readers
from store.cases.case_file import CaseFile
from store.kit.clock import to_text
from store.kit.config import Desk
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.tables.models import CaseRow, ProposalRow, ProposalWordRow
from store.tables.records import Case
from store.team.members import Roster

Word = Literal["agree", "object"]
LATE = "decision-late"
NOT_VOTING = marked("You are a guest who reads this case and does not vote on it.")
_MOST_OPEN = 20


@dataclass(frozen=True)
class Proposal:
    """A proposal as it stands: `agreed` and `objected` are the readers (ids) whose words count now, `needed` how many must agree."""

    number: int
    outcome: str
    by: str
    until: date | None
    agreed: frozenset[str]
    objected: frozenset[str]
    needed: int

    @property
    def is_reached(self) -> bool:
        """Whether enough readers agree."""
        return len(self.agreed) >= self.needed


def counted(
    words: Iterable[tuple[str, Word, str]], now_readers: frozenset[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """Whose words count, of (member, word, fingerprint of who signed it): who agrees, and who objects. Pure."""
    valid = {member: word for member, word, signer in words if signer and member in now_readers}
    agreed = frozenset(member for member, word in valid.items() if word == "agree")
    return agreed, frozenset(valid) - agreed


def who_decides(case: Case, roster: Roster, at: datetime) -> frozenset[str]:
    """The readers whose words count: guests only where that was said."""
    return frozenset(
        item.id for item in readers(case, roster, at) if item.role != "guest" or item.id in case.voting_guests
    )


def propose(file: CaseFile, outcome: str, until: date | None, reason: str) -> Proposal:
    """A new proposal; who makes it agrees, if they signed that. Raises NotAllowed."""
    known = file.by.desk.outcomes
    if outcome not in known:
        raise NotAllowed(
            marked("There is no outcome '{outcome}'. Use one of {outcomes}."),
            outcome=outcome,
            outcomes=", ".join(known),
        )
    if file.row.state == "closed":
        raise NotAllowed(marked("{case} is closed. Open it with '/state investigating' first."), case=file.row.codename)
    rows = _rows(file.session, file.row.id)
    if len([row for row in rows if not row.ended]) >= _MOST_OPEN:
        raise NotAllowed(marked("There are {number} proposals already. Withdraw one first."), number=_MOST_OPEN)
    last = file.session.exec(select(func.max(ProposalRow.number)).where(ProposalRow.case_id == file.row.id)).one()
    row = ProposalRow(
        case_id=file.row.id, number=(last or 0) + 1, outcome=outcome, by=file.actor, at=to_text(file.at),
        until=until.isoformat() if until else None,
    )  # fmt: skip
    file.session.add(row)
    file.session.flush()
    file.note("proposed", {"number": row.number, "outcome": outcome, "until": row.until or "", "reason": reason})
    return _say(file, row, "agree") if file.by.signer else _standing(file, row)


def agree(file: CaseFile, number: int) -> Proposal:
    """One reader's word for a proposal. Raises NotAllowed."""
    return _say(file, _open_row(file, number), "agree")


def object_to(file: CaseFile, number: int, reason: str) -> Proposal:
    """One reader's word against a proposal; it takes the place of their agreement. Raises NotAllowed."""
    if not reason.strip():
        raise NotAllowed(marked("Say why: '/object {number} REASON'."), number=number)
    return _say(file, _open_row(file, number), "object", reason)


def withdraw(file: CaseFile, number: int, reason: str) -> Proposal:
    """End a proposal: whoever made it may. Raises NotAllowed."""
    row = _open_row(file, number)
    if row.by != file.actor:
        raise NotAllowed(
            marked("Only who made proposal {number} can withdraw it. Write '/object {number} REASON'."), number=number
        )
    row.ended = "withdrawn"
    file.session.add(row)
    file.note("proposal-withdrawn", {"number": number, "reason": reason})
    return _standing(file, row)


def require_decided(file: CaseFile, outcome: str) -> None:
    """A case is about to be closed with an outcome; the proposal that decided it has done its work. Raises NotAllowed when it
    takes the agreement of several readers, and too few agree.
    """
    needed = needed_for(file.by.desk, outcome)
    if not needed:
        return
    found = [
        (row, _standing(file, row))
        for row in _rows(file.session, file.row.id)
        if row.outcome == outcome and not row.ended
    ]
    reached = [row for row, standing in found if standing.is_reached]
    if not reached:
        best = max((len(standing.agreed) for _, standing in found), default=0)
        raise NotAllowed(
            marked(
                "To close with '{outcome}', {needed} readers must agree by signed mail; {agreed} do. Write '/propose {outcome}', and have "
                "the others write '/agree' with its number."
            ),
            outcome=outcome, needed=needed, agreed=best,
        )  # fmt: skip
    reached[0].ended = "carried out"
    file.session.add(reached[0])
    file.note(
        "decided",
        {"number": reached[0].number, "outcome": outcome, "agreed": sorted(_standing(file, reached[0]).agreed)},
    )


def is_decided(file: CaseFile) -> bool:
    """Whether enough readers agreed to something on this case; where the desk asks for no agreement, any reader decides."""
    if not file.by.desk.decide:
        return True
    rows = _rows(file.session, file.row.id)
    return any(row.ended == "carried out" or (not row.ended and _standing(file, row).is_reached) for row in rows)


def needed_for(desk: Desk, outcome: str) -> int:
    """How many readers must agree to an outcome; 0 where one may decide alone."""
    return desk.decide.get(outcome, 0)


def proposals(session: Session, row: CaseRow, desk: Desk, roster: Roster, at: datetime) -> list[Proposal]:
    """The proposals of a case that have not ended, as they stand at a moment."""
    now = who_decides(lookup.case_of(session, row), roster, at)
    return [_counted(session, item, desk, now) for item in _rows(session, row.id) if not item.ended]


def late(session: Session, desk: Desk, at: datetime) -> list[tuple[str, int]]:
    """The proposals whose day has passed and that were not noted as late yet: case id and number."""
    today = at.astimezone(desk.zone).date().isoformat()
    waiting = select(ProposalRow, CaseRow).where(
        col(ProposalRow.case_id) == CaseRow.id, CaseRow.desk == desk.id, col(ProposalRow.ended).is_(None),
        col(ProposalRow.until) < today, ProposalRow.noted_late == 0, col(CaseRow.state).not_in(("closed", "junk", "destroyed")),
    )  # fmt: skip
    return [(proposal.case_id, proposal.number) for proposal, _ in session.exec(waiting).all()]


def note_late(file: CaseFile, number: int) -> bool:
    """The day of a proposal has passed; whether too few agree, so that others are asked as well."""
    row = next((item for item in _rows(file.session, file.row.id) if item.number == number), None)
    if row is None or row.ended or row.noted_late:
        return False
    row.noted_late = 1
    file.session.add(row)
    return not _standing(file, row).is_reached


def _say(file: CaseFile, row: ProposalRow, word: Word, reason: str = "") -> Proposal:
    if file.actor not in who_decides(file.case, file.roster, file.at):
        raise NotAllowed(NOT_VOTING if file.is_by_guest else marked("Only readers of the case decide."))
    if not file.by.signer:
        raise NotAllowed(marked("A word on a proposal only counts in a mail that its author signed."))
    known = file.session.exec(
        select(ProposalWordRow).where(ProposalWordRow.proposal_id == row.id, ProposalWordRow.member == file.actor)
    ).first() or ProposalWordRow(
        case_id=file.row.id, proposal_id=row.id, member=file.actor, word=word, signer="", at=""
    )
    known.word, known.signer, known.at = word, file.by.signer, to_text(file.at)
    file.session.add(known)
    file.session.flush()
    file.note("agreed" if word == "agree" else "objected", {"number": row.number, "signer": file.by.signer})
    if reason:
        file.note("reason-given", {"number": row.number, "reason": reason})
    return _standing(file, row)


def _open_row(file: CaseFile, number: int) -> ProposalRow:
    for row in _rows(file.session, file.row.id):
        if row.number == number and not row.ended:
            return row
    raise NotAllowed(marked("There is no open proposal {number} on this case. '/show' lists them."), number=number)


def _standing(file: CaseFile, row: ProposalRow) -> Proposal:
    return _counted(file.session, row, file.by.desk, who_decides(file.case, file.roster, file.at))


def _counted(session: Session, row: ProposalRow, desk: Desk, now: frozenset[str]) -> Proposal:
    words = session.exec(select(ProposalWordRow).where(ProposalWordRow.proposal_id == row.id)).all()
    agreed, objected = counted(
        ((item.member, "agree" if item.word == "agree" else "object", item.signer) for item in words), now
    )
    until = date.fromisoformat(row.until) if row.until else None
    return Proposal(row.number, row.outcome, row.by, until, agreed, objected, needed_for(desk, row.outcome))


def _rows(session: Session, case_id: str) -> list[ProposalRow]:
    found = select(ProposalRow).where(ProposalRow.case_id == case_id).order_by(col(ProposalRow.number))
    return list(session.exec(found).all())
