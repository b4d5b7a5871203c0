"""Who may withhold a case from whom, who may bring them back, and the look for members who are named in it.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, select

from store import audit, cases, outbox, recusals
from store.access import readers
from store.clock import to_text
from store.errors import NotAllowed
from store.models import CaseRow, VoteRow
from store.names import who_is_meant, who_is_named, who_may_be_meant
from store.people import Member, Roster
from store.records import Arrival, Body, Done, Facts, Message, Recusal, Source
from store.sentences import marked
from store.vault import Vault

VOTES_TO_REINSTATE = 2


def recuse_for_copy(session: Session, vault: Vault, case_id: str, wanted: Sequence[Recusal], at: datetime) -> None:
    """Recuse whom another copy of a mail that was taken in excludes by its address; the readers are told."""
    row = cases.row_by_id(session, case_id)
    if row.wrapped_key is None:
        return
    if added := recusals.recuse(session, vault, row, cases.box_of(vault, row), wanted, "desk", at):
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
) -> bool:
    """A member recuses themself, a reader another one, or the operator anyone; whether that is new.

    Raises NoSuchCase when the actor is a member who may not know of the case, NotAllowed for an unknown member.
    """
    row = cases.row_for(session, roster, codename, actor, at)
    if roster.get(member) is None:
        raise NotAllowed(marked("There is no member '{name}' on the roster of this desk."), name=member)
    source: Source = "operator" if actor == "operator" else "self" if actor == member else "reader"
    box = cases.box_of(vault, row)
    return bool(recusals.recuse(session, vault, row, box, [Recusal(member, source)], actor, at, reason))


def reinstate(
    session: Session, vault: Vault, roster: Roster, codename: str, member: str, actor: str, at: datetime
) -> int:
    """One word that a member may come back to a case; how many more are needed (0: they are back).

    What the reporter asked for is never undone. What the operator did, the operator undoes. Everything else
    takes two different readers, neither of them the member.

    Raises NoSuchCase or NotAllowed.
    """
    row = cases.row_for(session, roster, codename, actor, at)
    standing = next((item for item in recusals.standing(session, row.id) if item.member == member), None)
    if standing is None:
        raise NotAllowed(marked("'{name}' is not recused from {case}."), name=member, case=codename)
    if standing.source == "reporter":
        raise NotAllowed(
            marked("The reporter asked to keep {case} from '{name}'; nobody can undo that."),
            case=codename, name=member,
        )  # fmt: skip
    if actor == "operator":
        if standing.source != "operator":
            raise NotAllowed(
                "Two readers of the case must agree: repeat the command with --by MEMBER for each of them."
            )
        missing = 0
    else:
        missing = VOTES_TO_REINSTATE - _vote(session, roster, row, member, actor, at)
    box = cases.box_of(vault, row)
    audit.append(session, vault, "reinstatement-vote", actor, at, case_id=row.id, box=box, detail={"member": member})
    if missing > 0:
        return missing
    standing.ended = to_text(at)
    session.add(standing)
    audit.append(session, vault, "reinstated", actor, at, case_id=row.id, box=box, detail={"member": member})
    session.flush()
    outbox.reopen(session, case_id=row.id, at=at)
    return 0


def _vote(session: Session, roster: Roster, row: CaseRow, member: str, voter: str, at: datetime) -> int:
    """Add a vote; how many of those who voted are readers still."""
    if voter == member:
        raise NotAllowed(marked("You can't let yourself back in."))
    votes = {
        vote.voter for vote in session.exec(select(VoteRow).where(VoteRow.case_id == row.id, VoteRow.member == member))
    }
    if voter not in votes:
        session.add(VoteRow(case_id=row.id, member=member, voter=voter, at=to_text(at)))
        session.flush()
    counted = {reader.id for reader in readers(cases.case_of(session, row), roster, at)} & (votes | {voter})
    return len(counted)


def screen(session: Session, vault: Vault, roster: Roster, row: CaseRow, at: datetime) -> None:
    """Before anything leaves: recuse members of the roster who are named in the case and were not looked for yet.

    Intake looks for all who stand on the roster then; who joins later, or gains a name or address, is looked
    for here, in every message that came from outside.
    """
    done: dict[str, str] = json.loads(row.screened)
    fresh = {member.id: identity_digest(vault, member) for member in roster.members}
    unseen = [member for member in roster.members if done.get(member.id) != fresh[member.id]]
    if not unseen:
        return
    box = cases.box_of(vault, row)
    texts = [
        text
        for message in cases.messages(session, vault, row.id)
        if message.direction == "in"
        for text in _said(message)
    ]
    asked = cases.facts(vault, row).excluded
    found = [Recusal(member.id, "reporter") for name in asked for member in who_is_meant(name, unseen)]
    unknown = [name for name in asked if not who_is_meant(name, roster.members)]
    found += [Recusal(member.id, "named") for name in unknown for member in who_may_be_meant(name, unseen)]
    found += [Recusal(member.id, "named") for member in who_is_named(texts, unseen, roster.members)]
    if added := recusals.recuse(session, vault, row, box, found, "desk", at):
        _tell(session, vault, row, added, at)
    row.screened = json.dumps({**done, **fresh})
    session.add(row)
    session.flush()


def _tell(session: Session, vault: Vault, row: CaseRow, added: Sequence[Recusal], at: datetime) -> None:
    """Tell the readers from whom, of those who came later, the case is withheld: they may know that it is a namesake."""
    body = Body(done=tuple(Done("recuse", recusal.member) for recusal in added))
    note = Arrival(row.desk, "new", at, b"", "", "", body, Facts(), author="desk", direction="note")
    message_id = cases.add_message(session, vault, row, note)
    outbox.enqueue(session, "note", row.desk, at, case_id=row.id, subject_id=message_id)


def _said(message: Message) -> list[str]:
    body = message.body
    return [
        body.text,
        body.outside_text,
        body.subject,
        body.outside_subject,
        body.sender,
        *(item.name for item in message.attachments),
    ]


def identity_digest(vault: Vault, member: Member) -> str:
    """A keyed hash of everything by which a member can be named."""
    parts = json.dumps([member.id, member.name, sorted(member.aliases), member.email.casefold()])
    return vault.digest("identity", parts.encode())[:16]
