"""What a case holds, opened: its messages, its record, and what the desk remembers of it.

Works within a transaction that the caller opened, and decides nothing about who may read: that is `store.cases.access`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy.orm import defer
from sqlmodel import Session, col, func, select

from store.cases.fields import FIELDS
from store.cases.lookup import no_such_case, row_by_id
from store.kit.clock import from_text
from store.tables.models import AttachmentRow, CaseRow, EventRow, MessageRow
from store.tables.records import Attachment, AttachmentInfo, Body, Direction, Facts, Message
from store.tables.vault import Box, Vault

_WITHOUT_RAW = defer(MessageRow.raw_sealed)  # type: ignore[arg-type]  # on the class it is an attribute of the ORM
# Written once, for every notice asks them.
_ALL = (
    select(MessageRow)
    .options(_WITHOUT_RAW)
    .where(col(MessageRow.case_id) == bindparam("case"))
    .order_by(col(MessageRow.position))
)
_FIRST, _ONE = _ALL.limit(1), _ALL.where(col(MessageRow.id) == bindparam("message"))
_FILES = (
    select(AttachmentRow.id, AttachmentRow.meta_sealed)
    .where(col(AttachmentRow.message_id) == bindparam("message"))
    .order_by(col(AttachmentRow.position))
)
_COUNT = select(func.count()).select_from(MessageRow).where(col(MessageRow.case_id) == bindparam("case"))


def box_of(vault: Vault, row: CaseRow) -> Box:
    """The box that seals what belongs to a case. Raises NoSuchCase when the case was destroyed."""
    if row.wrapped_key is None:
        raise no_such_case(row.codename)
    return vault.case_box(row.wrapped_key, row.id)


def facts(vault: Vault, row: CaseRow) -> Facts:
    """What the desk remembers of a case besides its messages."""
    return facts_in(box_of(vault, row), row)


def facts_in(box: Box, row: CaseRow) -> Facts:
    """The same, with the box of the case."""
    if row.facts_sealed is None:
        return Facts()
    return Facts.from_json(box.open_json(row.facts_sealed, "cases", "facts", row.id))


def fields(vault: Vault, row: CaseRow) -> dict[str, str]:
    """The fields of a case's record that are filled, in the order of `store.cases.fields`."""
    return fields_in(box_of(vault, row), row)


def fields_in(box: Box, row: CaseRow) -> dict[str, str]:
    """The same, with the box of the case."""
    if row.fields_sealed is None:
        return {}
    known: dict[str, str] = box.open_json(row.fields_sealed, "cases", "fields", row.id)
    return {name: known[name] for name in FIELDS if known.get(name)}


def count_messages(session: Session, case_id: str) -> int:
    """How many messages a case has."""
    return session.exec(_COUNT, params={"case": case_id}).one()


def messages(session: Session, vault: Vault, case_id: str) -> list[Message]:
    """The messages of a case, opened, without the content of attachments."""
    box = box_of(vault, row_by_id(session, case_id))
    return [_opened(session, box, row) for row in session.exec(_ALL, params={"case": case_id}).all()]


def message(session: Session, vault: Vault, case_id: str, message_id: str | None = None) -> Message | None:
    """One message of a case, the first one when none is named; opened, without the content of attachments."""
    one, named = _FIRST if message_id is None else _ONE, {"case": case_id, "message": message_id}
    row = session.exec(one, params=named).first()
    return _opened(session, box_of(vault, row_by_id(session, case_id)), row) if row else None


def _opened(session: Session, box: Box, row: MessageRow) -> Message:
    return Message(
        row.id,
        _direction(row.direction),
        from_text(row.at),
        Body.from_json(box.open_json(row.body_sealed, "messages", "body", row.id)),
        _attachments(session, box, row.id),
        row.author,
    )


def _attachments(session: Session, box: Box, message_id: str) -> tuple[AttachmentInfo, ...]:
    found = session.exec(_FILES, params={"message": message_id}).all()
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


def events(session: Session, box: Box, case_id: str) -> Iterator[tuple[EventRow, dict[str, Any] | None]]:
    """What was done with a case, in order: each event, and its detail, opened; None where it has none, or it was taken out."""
    for row in session.exec(select(EventRow).where(EventRow.case_id == case_id).order_by(col(EventRow.seq))):
        sealed = row.detail_sealed
        yield row, box.open_json(sealed, "events", "detail", str(row.seq)) if sealed is not None else None


def _direction(value: str) -> Direction:
    return value  # type: ignore[return-value]  # only ever written from a Direction
