"""Who may withhold a case from whom, who may bring them back, and the look for members who are named in it.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlmodel import Session, select

from store.cases import case_file, recusals
from store.cases.access import readers
from store.kit.clock import to_text
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.outbox import queue
from store.tables import audit
from store.tables.models import CaseRow, VoteRow
from store.tables.records import Arrival, Body, Case, Done, Facts, Recusal, Source
from store.tables.vault import Vault
from store.team.members import Roster

VOTES_TO_REINSTATE = 2
VOTES_TO_NARROW = 2
OTHERS_LEFT = 2


def recuse_for_copy(
    session: Session, vault: Vault, case_id: str, wanted: Sequence[Recusal], names: Sequence[str], at: datetime
) -> None:
    """Recuse whom another copy of a mail that was taken in excludes by its address, now or when they join; readers are told."""
    row = case_file.row_by_id(session, case_id)
    case_file.lock(session, row)
    if row.wrapped_key is None:
        return
    known = case_file.facts(vault, row)
    case_file.set_facts(
        vault, row, replace(known, perhaps_excluded=tuple(dict.fromkeys((*known.perhaps_excluded, *names))))
    )
    session.add(row)
    if added := recusals.recuse(session, vault, row, case_file.box_of(vault, row), wanted, "desk", at):
        _tell(session, vault, row, added, at)


def recuse_by_hand(
    session: Session,
    vault: Vault,
    roster: Roster,
    codename: str,
    member: str,
    actor: str,
    at: datetime,
    reason: str = "",
) -> int:
    """A member recuses themself, a reader another one, or the operator anyone; how many readers must still agree (0: done).

    Nobody narrows a case alone: the second member whom one reader withholds it from, and one without whom fewer than
    two other readers are left, take the word of another reader. The operator hears that it waits.

    Raises NoSuchCase when the actor is a member who may not know of the case, NotAllowed for an unknown member.
    """
    row = case_file.row_for(session, roster, codename, actor, at)
    if roster.get(member) is None:
        raise NotAllowed(marked("There is no member '{name}' on the roster of this desk."), name=member)
    source: Source = "operator" if actor == "operator" else "self" if actor == member else "reader"
    box, case = case_file.box_of(vault, row), case_file.case_of(session, row)
    if source == "reader" and member not in case.recused and _narrows(session, case, roster, member, actor, at):
        audit.append(session, vault, "recusal-vote", actor, at, case_id=row.id, box=box, detail={"member": member})
        missing = VOTES_TO_NARROW - _vote(session, roster, row, member, actor, at)
        if missing > 0:
            queue.enqueue_once(session, "consent-waits", row.desk, at, case_id=row.id)
            return missing
    recusals.recuse(session, vault, row, box, [Recusal(member, source)], actor, at, reason)
    return 0


def _narrows(session: Session, case: Case, roster: Roster, member: str, actor: str, at: datetime) -> bool:
    """Whether it takes more than one reader to withhold a case from a member."""
    others = {reader.id for reader in readers(case, roster, at)} - {member, actor}
    return len(others) < OTHERS_LEFT or recusals.has_withheld(session, case.id, actor)


def reinstate(
    session: Session, vault: Vault, roster: Roster, codename: str, member: str, actor: str, at: datetime
) -> int:
    """One word that a member may come back to a case; how many more are needed (0: they are back).

    What the reporter asked for is never undone. What the operator did, the operator undoes. Everything else
    takes two different readers, neither of them the member; where there are not two, the operator may do it: no case
    is ever stuck, or one person's alone. The readers are told.

    Raises NoSuchCase or NotAllowed.
    """
    row = case_file.row_for(session, roster, codename, actor, at)
    standing = next((item for item in recusals.standing(session, row.id) if item.member == member), None)
    if standing is None:
        raise NotAllowed(marked("'{name}' is not recused from {case}."), name=member, case=codename)
    if standing.source == "reporter":
        raise NotAllowed(
            marked("The reporter asked to keep {case} from '{name}'; nobody can undo that."),
            case=codename, name=member,
        )  # fmt: skip
    if actor == "operator":
        enough = len(readers(case_file.case_of(session, row), roster, at)) >= VOTES_TO_REINSTATE
        if standing.source == "self" or (standing.source != "operator" and enough):
            raise NotAllowed(
                "Two readers of the case must agree: repeat the command with --by MEMBER for each of them."
            )
        missing = 0
    else:
        missing = VOTES_TO_REINSTATE - _vote(session, roster, row, member, actor, at)
    box = case_file.box_of(vault, row)
    audit.append(session, vault, "reinstatement-vote", actor, at, case_id=row.id, box=box, detail={"member": member})
    if missing > 0:
        return missing
    standing.ended = to_text(at)
    session.add(standing)
    recusals.forget_votes(session, row.id, member)
    audit.append(session, vault, "reinstated", actor, at, case_id=row.id, box=box, detail={"member": member})
    session.flush()
    queue.reopen(session, case_id=row.id, at=at)
    return 0


def _vote(session: Session, roster: Roster, row: CaseRow, member: str, voter: str, at: datetime) -> int:
    """Add a vote on a member (that they come back, or, while they are readers, that they leave); how many of those who
    voted are readers still."""
    if voter == member:
        raise NotAllowed(marked("You can't let yourself back in."))
    votes = {
        vote.voter for vote in session.exec(select(VoteRow).where(VoteRow.case_id == row.id, VoteRow.member == member))
    }
    if voter not in votes:
        session.add(VoteRow(case_id=row.id, member=member, voter=voter, at=to_text(at)))
        session.flush()
    counted = {reader.id for reader in readers(case_file.case_of(session, row), roster, at)} & (votes | {voter})
    return len(counted)


def note_screening(
    session: Session, vault: Vault, roster: Roster, row: CaseRow, found: Sequence[Recusal], at: datetime
) -> None:
    """The whole roster was looked for in every message of a case: write down who is named there, and tell the readers."""
    before = case_file.screened_in(row)
    if added := recusals.recuse(session, vault, row, case_file.box_of(vault, row), found, "desk", at):
        _tell(session, vault, row, added, at)
    fresh = any(before.get(member.id) != member.identity for member in roster.members)
    row.screened = case_file.screened_text({member.id: member.identity for member in roster.members})
    session.add(row)
    session.flush()
    if fresh and row.state in queue.OPEN_STATES:  # whoever comes is sent what is open
        queue.reopen(session, case_id=row.id, at=at)


def _tell(session: Session, vault: Vault, row: CaseRow, added: Sequence[Recusal], at: datetime) -> None:
    """Tell the readers from whom, of those who came later, the case is withheld: they may know that it is a namesake."""
    body = Body(done=tuple(Done("recuse", recusal.member) for recusal in added))
    note = Arrival(row.desk, "new", at, b"", "", "", body, Facts(), author="desk", direction="note")
    message_id = case_file.add_message(session, vault, row, note)
    queue.enqueue(session, "note", row.desk, at, case_id=row.id, subject_id=message_id)
