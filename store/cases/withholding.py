"""Who may withhold a case from whom, who may bring them back, and the look for members who are named in it.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from sqlmodel import select

from store.cases import recusals
from store.cases.case_file import CaseFile
from store.cases.lookup import recusal_rows, screened_in, screened_text, source_of
from store.kit.clock import to_text
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.outbox import queue
from store.tables.models import VoteRow
from store.tables.records import Arrival, Body, Change, Facts, Recusal, Source, Wishes

JUNK = ":junk"  # what is voted on besides members: no id of one looks like it
VOTES_TO_REINSTATE = 2
VOTES_TO_NARROW = 2
OTHERS_LEFT = 2
VOTES_FOR_WHAT_TAKES_TWO = 2


def recuse_for_copy(file: CaseFile, wanted: Sequence[Recusal], wishes: Wishes) -> None:
    """Recuse whom another copy of a mail that was taken in excludes by its address, now or when they join; readers are told."""
    known = file.facts
    file.remember(replace(known, wishes=known.wishes | wishes))
    if added := recusals.recuse(file, wanted):
        _tell(file, added)


def recuse_by_hand(file: CaseFile, member: str, reason: str = "") -> int:
    """A member recuses themself, a reader another one, or the operator anyone; how many readers must still agree (0: done).

    Nobody narrows a case alone: the second member whom one reader withholds it from, and one without whom fewer than
    two other readers are left, take the word of another reader. The operator hears that it waits.

    Raises NotAllowed for an unknown member.
    """
    if file.roster.get(member) is None:
        raise NotAllowed(marked("There is no member '{name}' on the roster of this desk."), name=member)
    source: Source = "operator" if file.actor == "operator" else "self" if file.actor == member else "reader"
    if source == "reader" and member not in file.case.recused and _narrows(file, member):
        file.note("recusal-vote", {"member": member})
        missing = VOTES_TO_NARROW - vote(file, member)
        if missing > 0:
            file.enqueue_once("consent-waits")
            return missing
    recusals.recuse(file, [Recusal(member, source)], reason)
    return 0


def _narrows(file: CaseFile, member: str) -> bool:
    """Whether it takes more than one reader to withhold a case from a member."""
    return few_others(file, {member, file.actor}) or recusals.has_withheld(file)


def few_others(file: CaseFile, besides: set[str]) -> bool:
    """Whether fewer readers than a case must have are left besides some members."""
    return len({reader.id for reader in file.own_readers} - besides) < OTHERS_LEFT


def reinstate(file: CaseFile, member: str) -> int:
    """One word that a member may come back to a case; how many more are needed (0: they are back).

    What the reporter asked for is never undone. What the operator did, the operator undoes. Everything else
    takes two different readers, neither of them the member; where there are not two, the operator may do it: no case
    is ever stuck, or one person's alone. The readers are told.

    Raises NotAllowed.
    """
    name = file.row.codename
    standing = next((item for item in recusal_rows(file.session, file.row.id) if item.member == member), None)
    if standing is None:
        raise NotAllowed(marked("'{name}' is not recused from {case}."), name=member, case=name)
    if standing.source == "reporter":
        raise NotAllowed(
            marked("The reporter asked to keep {case} from '{name}'; nobody can undo that."), case=name, name=member
        )
    if file.actor == "operator":
        _require_operators(file, source_of(standing))
        missing = 0
    else:
        missing = VOTES_TO_REINSTATE - vote(file, member)
    file.note("reinstatement-vote", {"member": member})
    if missing <= 0:
        recusals.reinstate(file, member)
    return max(missing, 0)


def _require_operators(file: CaseFile, source: Source) -> None:
    """Raise NotAllowed unless the operator may undo a recusal of this source."""
    enough = len(file.own_readers) >= VOTES_TO_REINSTATE
    if source == "self" or (source != "operator" and enough):
        raise NotAllowed("Two readers of the case must agree: repeat the command with --by MEMBER for each of them.")


def vote(file: CaseFile, member: str) -> int:
    """Add a vote on a member (that they come back, or, while they are readers, that they leave), or that a case is junk; how
    many of those who voted are readers of the desk's own still."""
    if file.actor == member:
        raise NotAllowed(marked("You can't let yourself back in."))
    return len(_voters_after(file, member))


def vote_of_two(file: CaseFile, what: str, among: Collection[str] | None = None) -> int:
    """Record a reader's vote for an action that takes two votes, and return how many are still missing (0: do it now). `what` names the action;
    `among`: count only the votes of these members (ids). The operator needs no second vote where the case has fewer than two readers. Raises
    NotAllowed."""
    if file.actor == "operator":
        if len(file.own_readers) >= VOTES_FOR_WHAT_TAKES_TWO:
            raise NotAllowed(
                "Two readers of the case must agree: repeat the command with --by MEMBER for each of them."
            )
        return 0
    file.note("vote", {"member": what})
    voters = _voters_after(file, what)
    return max(0, VOTES_FOR_WHAT_TAKES_TWO - len(voters if among is None else voters & set(among)))


def _voters_after(file: CaseFile, what: str) -> set[str]:
    """Record the vote of who acts; those of all who voted who are readers of the desk's own still."""
    session, case_id = file.session, file.row.id
    voters = set(session.exec(select(VoteRow.voter).where(VoteRow.case_id == case_id, VoteRow.member == what)))
    if file.actor not in voters:
        session.add(VoteRow(case_id=case_id, member=what, voter=file.actor, at=to_text(file.at)))
        session.flush()
    return {reader.id for reader in file.own_readers} & (voters | {file.actor})


def narrow_screened(file: CaseFile, screened: Mapping[str, str]) -> None:
    """After one more message: only who was looked for in that one too was looked for in all of them."""
    before = screened_in(file.row)
    both = {member: known for member, known in before.items() if screened.get(member) == known}
    file.row.screened = screened_text(both)
    file.session.add(file.row)


def note_screening(file: CaseFile, found: Sequence[Recusal]) -> None:
    """The whole roster was looked for in every message of a case: write down who is named there, and tell the readers."""
    before, members = screened_in(file.row), file.roster.members
    if added := recusals.recuse(file, found):
        _tell(file, added)
    fresh = any(before.get(member.id) != member.identity for member in members)
    file.row.screened = screened_text({member.id: member.identity for member in members})
    file.session.add(file.row)
    if fresh and file.row.state in queue.OPEN_STATES:  # whoever comes is sent what is open
        file.look_again_at_readers()


def _tell(file: CaseFile, added: Sequence[Recusal]) -> None:
    """Tell the readers from whom, of those who came later, the case is withheld: they may know that it is a namesake."""
    body = Body(done=tuple(Change("recuse", recusal.member) for recusal in added))
    note = Arrival(file.row.desk, "new", file.at, b"", "", "", body, Facts(), author="desk", direction="note")
    file.enqueue("note", file.add_message(note))
