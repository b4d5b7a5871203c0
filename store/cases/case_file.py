"""Cases: written in one transaction when mail comes in, and read back.

Every function works within a transaction that the caller opened (`store.database`) and takes the vault; none
decides who may read: that is `store.access`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime

from sqlalchemy import text
from sqlmodel import Session, col, func, select

from store.cases import patterns, recusals
from store.cases.access import may_know
from store.cases.codenames import new_codename
from store.cases.fields import FIELDS
from store.cases.threads import id_hash
from store.kit.clock import from_text, to_text
from store.kit.errors import NoSuchCase
from store.kit.sentences import marked
from store.outbox import queue
from store.tables import audit, rows
from store.tables.models import AttachmentRow, CaseRow, MessageRow, new_id
from store.tables.records import (
    Arrival,
    Attachment,
    AttachmentInfo,
    Body,
    Case,
    Direction,
    Facts,
    Message,
    Recusal,
    State,
)
from store.tables.vault import Box, Vault
from store.team.members import Roster

# Asked for each mail.
_BY_DIGEST = text(
    "SELECT cases.id, cases.codename FROM messages JOIN cases ON cases.id = messages.case_id "
    "WHERE messages.desk = :desk AND messages.digest = :digest"
)
_WITH_CODENAME = text("SELECT id FROM cases WHERE codename = :codename")
_MESSAGES = "SELECT id, direction, at, body_sealed, author FROM messages WHERE case_id = :case_id"
_ALL = text(f"{_MESSAGES} ORDER BY position")
_FIRST = text(f"{_MESSAGES} ORDER BY position LIMIT 1")
_ONE = text(f"{_MESSAGES} AND id = :message_id")
_ATTACHMENTS = text("SELECT id, meta_sealed FROM attachments WHERE message_id = :message_id ORDER BY position")


def find_by_digest(session: Session, desk: str, digest: str) -> tuple[str, str] | None:
    """The case that a mail with this digest became, if it was taken in before: its id and its codename."""
    found = session.connection().execute(_BY_DIGEST, {"desk": desk, "digest": digest}).first()
    return (found.id, found.codename) if found else None


def record(session: Session, vault: Vault, arrival: Arrival) -> str:
    """Write a new case with its message, attachments, recusals, events and outbox rows; its codename."""
    case_id = new_id()
    box, wrapped = vault.new_case_key(case_id)
    received = to_text(arrival.received_at or arrival.at)
    codename = new_codename(
        lambda name: session.connection().execute(_WITH_CODENAME, {"codename": name}).first() is not None
    )
    rows.add(
        session,
        CaseRow,
        id=case_id,
        codename=codename,
        desk=arrival.desk,
        state=arrival.state,
        received_at=received,
        wrapped_key=wrapped,
        facts_sealed=box.seal_json(arrival.facts.to_json(), "cases", "facts", case_id),
        screened=screened_text(arrival.screened),
        closed_at=received if arrival.state == "closed" else None,
        came=came(arrival),
    )
    _add_message(session, vault, box, case_id, 1, arrival, arrival.desk)
    detail = {"state": arrival.state, "encryption": arrival.body.encryption, "failure": arrival.body.failure}
    audit.append(session, vault, "case-opened", "desk", arrival.at, case_id=case_id, box=box, detail=detail)
    if arrival.fields or arrival.recusals:
        _begin_record(session, vault, row_by_id(session, case_id), box, arrival)
    for kind in arrival.notices:
        queue.enqueue(session, kind, arrival.desk, arrival.told_at or arrival.at, case_id=case_id)
    return codename


def _begin_record(session: Session, vault: Vault, row: CaseRow, box: Box, arrival: Arrival) -> None:
    """What the report itself fills in of its record, and from whom it is withheld."""
    if arrival.fields:
        set_fields(session, vault, row, arrival.fields)
        if reported := arrival.fields.get("reported"):
            patterns.note(session, vault, row, box, reported, "reporter", arrival.at)
    recusals.recuse(session, vault, row, box, arrival.recusals, "desk", arrival.at)


def replace_message(session: Session, vault: Vault, row: CaseRow, message_id: str, arrival: Arrival) -> bool:
    """Write what a mail says in place of what was known of it; whether it is the first of its case."""
    box = box_of(vault, row)
    message = session.exec(select(MessageRow).where(MessageRow.id == message_id)).one()
    message.body_sealed = box.seal_json(arrival.body.to_json(), "messages", "body", message.id)
    message.author = arrival.author
    message.message_id_hash = message.message_id_hash or _id_hash(vault, arrival)
    session.add(message)
    for item in session.exec(select(AttachmentRow).where(AttachmentRow.message_id == message_id)):
        session.delete(item)
    for position, attachment in enumerate(arrival.attachments, 1):
        _add_attachment(session, box, row.id, message_id, position, attachment)
    return message.position == 1


def came(arrival: Arrival) -> str:
    """How a report travelled, for the figures."""
    return "in plain" if arrival.body.encryption == "none" else "encrypted"


def _id_hash(vault: Vault, arrival: Arrival) -> str | None:
    return id_hash(vault, arrival.message_id) if arrival.message_id else None


def add_message(session: Session, vault: Vault, row: CaseRow, arrival: Arrival) -> str:
    """Write the last message of a case, with its attachments; its id."""
    position = 1 + count_messages(session, row.id)
    return _add_message(session, vault, box_of(vault, row), row.id, position, arrival, row.desk)


def count_messages(session: Session, case_id: str) -> int:
    """How many messages a case has."""
    return session.exec(select(func.count()).select_from(MessageRow).where(MessageRow.case_id == case_id)).one()


def _add_message(
    session: Session, vault: Vault, box: Box, case_id: str, position: int, arrival: Arrival, desk: str
) -> str:
    message_id = new_id()
    rows.add(
        session,
        MessageRow,
        id=message_id,
        case_id=case_id,
        desk=desk,
        position=position,
        direction=arrival.direction,
        author=arrival.author,
        at=to_text(arrival.at),
        digest=arrival.digest or None,
        message_id_hash=_id_hash(vault, arrival),
        body_sealed=box.seal_json(arrival.body.to_json(), "messages", "body", message_id),
        raw_sealed=box.seal(arrival.raw, "messages", "raw", message_id),
    )
    for place, attachment in enumerate(arrival.attachments, 1):
        _add_attachment(session, box, case_id, message_id, place, attachment)
    return message_id


def _add_attachment(
    session: Session, box: Box, case_id: str, message_id: str, position: int, attachment: Attachment
) -> None:
    item_id = new_id()
    meta = {
        "name": attachment.name,
        "type": attachment.type,
        "size": len(attachment.data),
        "sha256": hashlib.sha256(attachment.data).hexdigest(),
        "note": attachment.note,
    }
    rows.add(
        session,
        AttachmentRow,
        id=item_id,
        case_id=case_id,
        message_id=message_id,
        position=position,
        meta_sealed=box.seal_json(meta, "attachments", "meta", item_id),
        data_sealed=box.seal(attachment.data, "attachments", "data", item_id),
    )


def row_for(session: Session, roster: Roster, codename: str, actor: str, at: datetime) -> CaseRow:
    """The row of a case for an actor: a member's id, or `operator`. Raises NoSuchCase alike for none and not yours."""
    row = find_row(session, codename)
    if row is None or (actor != "operator" and not may_know(case_of(session, row), roster, actor, at)):
        raise no_such_case(codename)
    return row


def no_such_case(codename: str) -> NoSuchCase:
    """The one answer for a case that does not exist and for one that the asker may not know of."""
    return NoSuchCase(marked("There is no case '{case}'."), case=codename)


def find_row(session: Session, codename: str) -> CaseRow | None:
    """The row of a codename."""
    return session.exec(select(CaseRow).where(CaseRow.codename == codename)).first()


def row_by_id(session: Session, case_id: str) -> CaseRow:
    """The row of a case that is known to exist."""
    return session.get_one(CaseRow, case_id)  # asked for once in a transaction


def lock(session: Session, row: CaseRow) -> None:
    """Read a case again and keep it from others until the transaction ends, before anything of it is changed by what it
    says (PostgreSQL; SQLite has one writer at a time)."""
    session.refresh(row, with_for_update=True)


def case_of(session: Session, row: CaseRow) -> Case:
    """What is known of a case without opening it."""
    return _case(row, recusals.recusals_of(session, row.id))


def open_cases(session: Session, desk: str) -> list[Case]:
    """The open cases of a desk as the clock sees them: asked in one go, without who is recused."""
    rows = session.exec(select(CaseRow).where(CaseRow.desk == desk, col(CaseRow.state).in_(queue.OPEN_STATES)))
    return [_case(row, ()) for row in rows]


def _case(row: CaseRow, standing: tuple[Recusal, ...]) -> Case:
    return Case(
        row.id, row.codename, row.desk, _state(row.state), from_text(row.received_at), standing, row.handle,
        frozenset(screened_in(row).values()), row.assignee or "", row.deadline or "", row.outcome or "", bool(row.on_hold), bool(row.escalated),
        _moment(row.acknowledged_at), _moment(row.decided_at), _moment(row.closed_at),
    )  # fmt: skip


def screened_in(row: CaseRow) -> dict[str, str]:
    """Who was looked for in every message of a case: members' ids and identities."""
    known: dict[str, str] = json.loads(row.screened)
    return known


def screened_text(screened: Mapping[str, str]) -> str:
    """The same, as it is kept: equal for the same members."""
    return json.dumps(dict(screened), sort_keys=True)


def _moment(value: str | None) -> datetime | None:
    return from_text(value) if value else None


def facts(vault: Vault, row: CaseRow) -> Facts:
    """What the desk remembers of a case besides its messages."""
    if row.facts_sealed is None:
        return Facts()
    return Facts.from_json(box_of(vault, row).open_json(row.facts_sealed, "cases", "facts", row.id))


def set_facts(vault: Vault, row: CaseRow, known: Facts) -> None:
    """Remember these facts of a case."""
    row.facts_sealed = box_of(vault, row).seal_json(known.to_json(), "cases", "facts", row.id)


def fields(vault: Vault, row: CaseRow) -> dict[str, str]:
    """The fields of a case's record that are filled, in the order of `store.fields`."""
    if row.fields_sealed is None:
        return {}
    known: dict[str, str] = box_of(vault, row).open_json(row.fields_sealed, "cases", "fields", row.id)
    return {name: known[name] for name in FIELDS if known.get(name)}


def set_fields(session: Session, vault: Vault, row: CaseRow, values: Mapping[str, str]) -> None:
    """Fill fields of a case's record; an empty value empties one."""
    known = fields(vault, row) | dict(values)
    row.fields_sealed = box_of(vault, row).seal_json(known, "cases", "fields", row.id)
    session.add(row)


def messages(session: Session, vault: Vault, case_id: str) -> list[Message]:
    """The messages of a case, opened, without the content of attachments."""
    box = box_of(vault, row_by_id(session, case_id))
    session.flush()
    found = session.connection().execute(_ALL, {"case_id": case_id}).all()
    return [_opened(session, box, *row) for row in found]


def message(session: Session, vault: Vault, case_id: str, message_id: str | None = None) -> Message | None:
    """One message of a case, the first one when none is named; opened, without the content of attachments."""
    statement, wanted = (_FIRST, {}) if message_id is None else (_ONE, {"message_id": message_id})
    session.flush()
    found = session.connection().execute(statement, {"case_id": case_id, **wanted}).first()
    return _opened(session, box_of(vault, row_by_id(session, case_id)), *found) if found else None


def _opened(
    session: Session, box: Box, message_id: str, direction: str, at: str, body_sealed: bytes, author: str
) -> Message:
    return Message(
        message_id,
        _direction(direction),
        from_text(at),
        Body.from_json(box.open_json(body_sealed, "messages", "body", message_id)),
        _attachments(session, box, message_id),
        author,
    )


def _attachments(session: Session, box: Box, message_id: str) -> tuple[AttachmentInfo, ...]:
    found = session.connection().execute(_ATTACHMENTS, {"message_id": message_id}).all()
    return tuple(AttachmentInfo(id=item, **box.open_json(meta, "attachments", "meta", item)) for item, meta in found)


def attachment_contents(session: Session, vault: Vault, row: CaseRow, message: Message) -> Iterator[Attachment]:
    """The attachments of a message with their content, one at a time."""
    box = box_of(vault, row)
    for info in message.attachments:
        sealed = session.exec(select(AttachmentRow.data_sealed).where(AttachmentRow.id == info.id)).one()
        yield Attachment(info.name, info.type, box.open(sealed, "attachments", "data", info.id), info.note)


def raw_message(session: Session, vault: Vault, row: CaseRow, message_id: str) -> bytes:
    """A mail as it was received."""
    sealed = session.exec(select(MessageRow.raw_sealed).where(MessageRow.id == message_id)).one()
    return box_of(vault, row).open(sealed, "messages", "raw", message_id)


def box_of(vault: Vault, row: CaseRow) -> Box:
    """The box that seals what belongs to a case. Raises NoSuchCase when the case was destroyed."""
    if row.wrapped_key is None:
        raise no_such_case(row.codename)
    return vault.case_box(row.wrapped_key, row.id)


def _state(value: str) -> State:
    return value  # type: ignore[return-value]  # only ever written from a State


def _direction(value: str) -> Direction:
    return value  # type: ignore[return-value]  # only ever written from a Direction
