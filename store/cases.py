"""Cases: written in one transaction when mail comes in, read back, and who is recused from them.

Every function works within a transaction that the caller opened (`store.database`) and takes the vault; none
decides who may read: that is `store.access`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlmodel import Session, col, func, select

from store import audit, outbox
from store.access import may_know, readers
from store.clock import from_text, to_text
from store.codenames import new_codename
from store.errors import NoSuchCase, NotAllowed
from store.models import AttachmentRow, CaseRow, MessageRow, RecusalRow, VoteRow, new_id
from store.names import who_is_meant, who_is_named
from store.people import Member, Roster
from store.records import (
    Arrival,
    Attachment,
    AttachmentInfo,
    Body,
    Case,
    Direction,
    Facts,
    Message,
    Recusal,
    Source,
    State,
)
from store.vault import Box, Vault

VOTES_TO_REINSTATE = 2
_STANDING = text(
    "SELECT member, source FROM recusals WHERE case_id = :case_id AND ended IS NULL ORDER BY since, member"
)


def find_by_digest(session: Session, desk: str, digest: str) -> Case | None:
    """The case that a mail with this digest became, if it was taken in before."""
    row = session.exec(
        select(CaseRow).join(MessageRow).where(MessageRow.desk == desk, MessageRow.digest == digest)
    ).first()
    return _case(session, row) if row else None


def record(session: Session, vault: Vault, arrival: Arrival) -> Case:
    """Write a new case with its message, attachments, recusals, events and outbox rows."""
    case_id = new_id()
    box, wrapped = vault.new_case_key(case_id)
    codename = new_codename(
        lambda name: session.exec(select(CaseRow.id).where(CaseRow.codename == name)).first() is not None
    )
    row = CaseRow(
        id=case_id,
        codename=codename,
        desk=arrival.desk,
        state=arrival.state,
        received_at=to_text(arrival.at),
        wrapped_key=wrapped,
        facts_sealed=box.seal_json(arrival.facts.to_json(), "cases", "facts", case_id),
        screened=json.dumps(dict(arrival.screened)),
    )
    session.add(row)
    session.flush()
    _add_message(session, vault, box, row, "in", arrival)
    detail = {"state": arrival.state, "encryption": arrival.body.encryption, "failure": arrival.body.failure}
    audit.append(session, vault, "case-opened", "desk", arrival.at, case_id=case_id, box=box, detail=detail)
    recuse(session, vault, row, box, arrival.recusals, "desk", arrival.at)
    for kind in arrival.notices:
        outbox.enqueue(session, kind, arrival.desk, arrival.at, case_id=case_id)
    return _case(session, row)


def _add_message(
    session: Session, vault: Vault, box: Box, row: CaseRow, direction: Direction, arrival: Arrival
) -> None:
    message = MessageRow(
        case_id=row.id,
        desk=row.desk,
        position=1
        + session.exec(select(func.count()).select_from(MessageRow).where(MessageRow.case_id == row.id)).one(),
        direction=direction,
        at=to_text(arrival.at),
        digest=arrival.digest,
        message_id_hash=vault.digest("message-id", arrival.message_id.encode("utf-8", "surrogateescape"))
        if arrival.message_id
        else None,
        body_sealed=b"",
        raw_sealed=b"",
    )
    message.body_sealed = box.seal_json(arrival.body.to_json(), "messages", "body", message.id)
    message.raw_sealed = box.seal(arrival.raw, "messages", "raw", message.id)
    session.add(message)
    session.flush()
    for position, attachment in enumerate(arrival.attachments, 1):
        _add_attachment(session, box, row.id, message.id, position, attachment)


def _add_attachment(
    session: Session, box: Box, case_id: str, message_id: str, position: int, attachment: Attachment
) -> None:
    item = AttachmentRow(case_id=case_id, message_id=message_id, position=position, meta_sealed=b"", data_sealed=b"")
    meta = {
        "name": attachment.name,
        "type": attachment.type,
        "size": len(attachment.data),
        "sha256": hashlib.sha256(attachment.data).hexdigest(),
        "note": attachment.note,
    }
    item.meta_sealed = box.seal_json(meta, "attachments", "meta", item.id)
    item.data_sealed = box.seal(attachment.data, "attachments", "data", item.id)
    session.add(item)


def recuse(
    session: Session,
    vault: Vault,
    row: CaseRow,
    box: Box,
    recusals: Iterable[Recusal],
    actor: str,
    at: datetime,
) -> list[Recusal]:
    """Recuse members from a case; the recusals that are new. What had a weaker reason gets the stronger one."""
    standing = {item.member: item for item in _standing(session, row.id)}
    added = []
    for recusal in recusals:
        before = standing.get(recusal.member)
        if before is not None:
            if Recusal(before.member, _source(before)).provisional and not recusal.provisional:
                before.source, before.by = recusal.source, actor
                session.add(before)
                audit.append(
                    session,
                    vault,
                    "recusal-confirmed",
                    actor,
                    at,
                    case_id=row.id,
                    box=box,
                    detail={"member": recusal.member, "source": recusal.source},
                )
            continue
        standing[recusal.member] = item = RecusalRow(
            case_id=row.id, member=recusal.member, source=recusal.source, since=to_text(at), by=actor
        )
        session.add(item)
        for vote in session.exec(select(VoteRow).where(VoteRow.case_id == row.id, VoteRow.member == recusal.member)):
            session.delete(vote)
        audit.append(
            session,
            vault,
            "recused",
            actor,
            at,
            case_id=row.id,
            box=box,
            detail={"member": recusal.member, "source": recusal.source},
        )
        added.append(recusal)
    if added:
        session.flush()
        outbox.reopen(session, case_id=row.id, at=at)
    return added


def recuse_for_reporter(
    session: Session, vault: Vault, case_id: str, recusals: Sequence[Recusal], at: datetime
) -> None:
    """Recuse whom the reporter excludes in a case that exists already."""
    row = row_by_id(session, case_id)
    if row.wrapped_key is not None:
        recuse(session, vault, row, _box(vault, row), recusals, "reporter", at)


def recuse_by_hand(
    session: Session, vault: Vault, roster: Roster, codename: str, member: str, actor: str, at: datetime
) -> bool:
    """A member recuses themself, a reader another one, or the operator anyone; whether that is new.

    Raises NoSuchCase when the actor is a member who may not know of the case, NotAllowed for an unknown member.
    """
    row = row_for(session, roster, codename, actor, at)
    if roster.get(member) is None:
        raise NotAllowed(f"There is no member '{member}' on the roster of this desk. Look at 'ombud roster show'.")
    source: Source = "operator" if actor == "operator" else "self" if actor == member else "reader"
    return bool(recuse(session, vault, row, _box(vault, row), [Recusal(member, source)], actor, at))


def reinstate(
    session: Session, vault: Vault, roster: Roster, codename: str, member: str, actor: str, at: datetime
) -> int:
    """One word that a member may come back to a case; how many more are needed (0: they are back).

    What the reporter asked for is never undone. What the operator did, the operator undoes. Everything else
    takes two different readers, neither of them the member.

    Raises NoSuchCase or NotAllowed.
    """
    row = row_for(session, roster, codename, actor, at)
    standing = next((item for item in _standing(session, row.id) if item.member == member), None)
    if standing is None:
        raise NotAllowed(f"'{member}' is not recused from {codename}.")
    if standing.source == "reporter":
        raise NotAllowed(f"The reporter asked to keep {codename} from '{member}'; nobody can undo that.")
    if actor == "operator":
        if standing.source != "operator":
            raise NotAllowed(
                "Two readers of the case must agree: repeat the command with --by MEMBER for each of them."
            )
        missing = 0
    else:
        missing = VOTES_TO_REINSTATE - _vote(session, roster, row, member, actor, at)
    box = _box(vault, row)
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
        raise NotAllowed("Nobody can reinstate themself.")
    votes = {
        vote.voter for vote in session.exec(select(VoteRow).where(VoteRow.case_id == row.id, VoteRow.member == member))
    }
    if voter not in votes:
        session.add(VoteRow(case_id=row.id, member=member, voter=voter, at=to_text(at)))
        session.flush()
    counted = {reader.id for reader in readers(_case(session, row), roster, at)} & (votes | {voter})
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
    box = _box(vault, row)
    texts = [
        text for message in messages(session, vault, row.id) if message.direction == "in" for text in _said(message)
    ]
    asked = facts(vault, row).also_excluded
    found = [Recusal(member.id, "reporter") for member in unseen if asked_for(asked, member)]
    found += [Recusal(member.id, "named") for member in who_is_named(texts, unseen, roster.members)]
    recuse(session, vault, row, box, found, "desk", at)
    row.screened = json.dumps({**done, **fresh})
    session.add(row)
    session.flush()


def asked_for(asked: Sequence[str], member: Member) -> bool:
    """Whether one of the names that a reporter excluded, and that matched nobody then, means this member."""
    return any(who_is_meant(name, [member]) for name in asked)


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


def row_for(session: Session, roster: Roster, codename: str, actor: str, at: datetime) -> CaseRow:
    """The row of a case for an actor: a member's id, or `operator`. Raises NoSuchCase alike for none and not yours."""
    row = session.exec(select(CaseRow).where(CaseRow.codename == codename)).first()
    if row is None or (actor != "operator" and not may_know(_case(session, row), roster, actor, at)):
        raise no_such_case(codename)
    return row


def no_such_case(codename: str) -> NoSuchCase:
    """The one answer for a case that does not exist and for one that the asker may not know of."""
    return NoSuchCase(f"There is no case '{codename}'.")


def find_row(session: Session, codename: str) -> CaseRow | None:
    """The row of a codename."""
    return session.exec(select(CaseRow).where(CaseRow.codename == codename)).first()


def row_by_id(session: Session, case_id: str) -> CaseRow:
    """The row of a case that is known to exist."""
    return session.exec(select(CaseRow).where(CaseRow.id == case_id)).one()


def all_cases(session: Session) -> list[Case]:
    """Every case, oldest first, without opening any."""
    return [_case(session, row) for row in session.exec(select(CaseRow).order_by(col(CaseRow.received_at)))]


def case_of(session: Session, row: CaseRow) -> Case:
    """What is known of a case without opening it."""
    return _case(session, row)


def facts(vault: Vault, row: CaseRow) -> Facts:
    """What the desk remembers of a case besides its messages."""
    if row.facts_sealed is None:
        return Facts()
    return Facts.from_json(_box(vault, row).open_json(row.facts_sealed, "cases", "facts", row.id))


def messages(session: Session, vault: Vault, case_id: str) -> list[Message]:
    """The messages of a case, opened, without the content of attachments."""
    box = _box(vault, row_by_id(session, case_id))
    found = session.exec(
        select(MessageRow.id, MessageRow.direction, MessageRow.at, MessageRow.body_sealed)
        .where(MessageRow.case_id == case_id)
        .order_by(col(MessageRow.position))
    ).all()
    return [
        Message(
            message_id,
            _direction(direction),
            from_text(at),
            Body.from_json(box.open_json(body, "messages", "body", message_id)),
            _attachments(session, box, message_id),
        )
        for message_id, direction, at, body in found
    ]


def _attachments(session: Session, box: Box, message_id: str) -> tuple[AttachmentInfo, ...]:
    found = session.exec(
        select(AttachmentRow.id, AttachmentRow.meta_sealed)
        .where(AttachmentRow.message_id == message_id)
        .order_by(col(AttachmentRow.position))
    ).all()
    return tuple(AttachmentInfo(id=item, **box.open_json(meta, "attachments", "meta", item)) for item, meta in found)


def attachment_contents(session: Session, vault: Vault, row: CaseRow, message: Message) -> Iterator[Attachment]:
    """The attachments of a message with their content, one at a time."""
    box = _box(vault, row)
    for info in message.attachments:
        sealed = session.exec(select(AttachmentRow.data_sealed).where(AttachmentRow.id == info.id)).one()
        yield Attachment(info.name, info.type, box.open(sealed, "attachments", "data", info.id), info.note)


def raw_message(session: Session, vault: Vault, row: CaseRow, message_id: str) -> bytes:
    """A mail as it was received."""
    sealed = session.exec(select(MessageRow.raw_sealed).where(MessageRow.id == message_id)).one()
    return _box(vault, row).open(sealed, "messages", "raw", message_id)


def count_by_state(session: Session) -> Mapping[str, int]:
    """How many cases are in each state."""
    return dict(session.exec(select(CaseRow.state, func.count()).group_by(CaseRow.state)).all())


def _box(vault: Vault, row: CaseRow) -> Box:
    if row.wrapped_key is None:
        raise no_such_case(row.codename)
    return vault.case_box(row.wrapped_key, row.id)


def recusals_of(session: Session, case_id: str) -> tuple[Recusal, ...]:
    """Who is recused from a case now, asked without loading the case."""
    found = session.connection().execute(_STANDING, {"case_id": case_id}).all()
    return tuple(Recusal(member, source) for member, source in found)


def _standing(session: Session, case_id: str) -> Sequence[RecusalRow]:
    return session.exec(
        select(RecusalRow)
        .where(RecusalRow.case_id == case_id, col(RecusalRow.ended).is_(None))
        .order_by(col(RecusalRow.since), col(RecusalRow.member))
    ).all()


def _case(session: Session, row: CaseRow) -> Case:
    recusals = tuple(Recusal(item.member, _source(item)) for item in _standing(session, row.id))
    return Case(row.id, row.codename, row.desk, _state(row.state), from_text(row.received_at), recusals)


def _source(row: RecusalRow) -> Source:
    return row.source  # type: ignore[return-value]  # only ever written from a Source


def _state(value: str) -> State:
    return value  # type: ignore[return-value]  # only ever written from a State


def _direction(value: str) -> Direction:
    return value  # type: ignore[return-value]  # only ever written from a Direction
