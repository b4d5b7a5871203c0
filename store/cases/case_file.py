"""One case opened for writing: locked until the transaction ends, its key unwrapped once, with who acts and when.

Everything that changes a case takes a `CaseFile`. Reading takes `lookup` and `content`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlmodel import Session, col, select

from store.cases import content, lookup
from store.cases.access import readers
from store.cases.threads import id_hash
from store.kit.clock import to_text
from store.kit.config import Desk
from store.outbox import queue
from store.tables import audit
from store.tables.models import AttachmentRow, CaseRow, MessageRow, new_id
from store.tables.records import Arrival, Attachment, Case, Facts, Message
from store.tables.vault import Box, Vault
from store.team.members import Member, Roster

_NEW_MESSAGE = insert(MessageRow)  # written once: putting a statement together takes as long as running it


@dataclass(frozen=True)
class Actor:
    """Who acts at a desk, and when: a member's id, `operator`, `desk` or `reporter`. `signer` is the fingerprint of the key that
    signed what they want, if one did; `elsewhere` are the other desks of the install, by name, where they may be needed."""

    vault: Vault
    desk: Desk
    roster: Roster
    id: str
    at: datetime
    signer: str = ""
    elsewhere: Mapping[str, tuple[Desk, Roster]] = field(default_factory=dict)


@dataclass(frozen=True)
class CaseFile:
    """One case opened for writing, and who writes."""

    session: Session
    row: CaseRow
    box: Box
    by: Actor

    @property
    def actor(self) -> str:
        """The id of who acts."""
        return self.by.id

    @property
    def at(self) -> datetime:
        """When it is done."""
        return self.by.at

    @property
    def roster(self) -> Roster:
        """The roster of the desk."""
        return self.by.roster

    @property
    def case(self) -> Case:
        """What is known of the case without opening it, as it is now."""
        return lookup.case_of(self.session, self.row)

    @property
    def names(self) -> tuple[str, ...]:
        """Its codename, and those of the cases that went into it."""
        found, ids = [self.row.codename], [self.row.id]
        for case_id in ids:  # the list grows while it is walked: what went into one that went into this
            gone = select(CaseRow.id, CaseRow.codename).where(col(CaseRow.merged_into).contains(f'"{case_id}"'))
            for other, name in self.session.exec(gone):
                ids.append(other)
                found.append(name)
        return tuple(found)

    @property
    def readers(self) -> tuple[Member, ...]:
        """Who may know of it now."""
        return readers(self.case, self.roster, self.at)

    @property
    def own_readers(self) -> tuple[Member, ...]:
        """The readers who belong to this desk; guests are not among them."""
        return tuple(item for item in self.readers if item.role != "guest")

    @property
    def is_by_guest(self) -> bool:
        """Whether who acts is a guest."""
        return any(item.id == self.actor and item.role == "guest" for item in self.roster.members)

    @property
    def facts(self) -> Facts:
        """What the desk remembers of the case besides its messages."""
        return content.facts_in(self.box, self.row)

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the record that are filled."""
        return content.fields_in(self.box, self.row)

    def on_behalf_of(self, actor: str) -> CaseFile:
        """The same case, written by somebody else."""
        return replace(self, by=replace(self.by, id=actor))

    def remember(self, facts: Facts) -> None:
        """Keep these facts in place of those before."""
        self.row.facts_sealed = self.box.seal_json(facts.to_json(), "cases", "facts", self.row.id)
        self.row.writable = int(facts.writable)
        self.session.add(self.row)

    def fill(self, values: Mapping[str, str]) -> None:
        """Fill fields of the record; an empty value empties one."""
        known = self.fields | dict(values)
        self.row.fields_sealed = self.box.seal_json(known, "cases", "fields", self.row.id)
        self.session.add(self.row)

    def note(self, kind: str, detail: Mapping[str, Any] | None = None) -> None:
        """Write down in the chain of events what was done, with details that the key of the case seals."""
        event = audit.Event(kind, self.actor, self.at, self.row.id, dict(detail or {}))
        audit.append(self.session, self.by.vault, event, self.box)

    def enqueue(self, kind: str, subject_id: str | None = None) -> None:
        """Have a notice about the case sent."""
        queue.enqueue(
            self.session, queue.Notice(kind, self.row.desk, self.at, case_id=self.row.id, subject_id=subject_id)
        )

    def enqueue_once(self, kind: str, subject_id: str | None = None) -> None:
        """Have a notice about the case sent, unless the same one waits already."""
        queue.enqueue_once(
            self.session, queue.Notice(kind, self.row.desk, self.at, case_id=self.row.id, subject_id=subject_id)
        )

    def look_again_at_readers(self) -> None:
        """Have the notices to readers looked at again, because who reads may have changed."""
        self.session.flush()
        queue.reopen(self.session, case_id=self.row.id, at=self.at)

    def messages(self) -> list[Message]:
        """The messages of the case, opened, without the content of attachments."""
        return content.messages(self.session, self.by.vault, self.row.id)

    def first_message(self) -> Message | None:
        """The mail that the case began with, opened."""
        return content.message(self.session, self.by.vault, self.row.id)

    def message(self, message_id: str) -> Message | None:
        """One message of the case, opened."""
        return content.message(self.session, self.by.vault, self.row.id, message_id)

    def attachment_contents(self, message: Message) -> list[Attachment]:
        """The attachments of a message, with their content."""
        return list(content.attachment_contents(self.session, self.by.vault, self.row, message))

    def add_message(self, arrival: Arrival) -> str:
        """Write the last message of the case, with its attachments; its id."""
        message_id = new_id()
        self.session.flush()  # what refers to a row comes after it: the ORM sorts only by relationships, of which there are none
        values = {
            "id": message_id,
            "case_id": self.row.id,
            "desk": self.row.desk,
            "position": 1 + content.count_messages(self.session, self.row.id),
            "direction": arrival.direction,
            "author": arrival.author,
            "at": to_text(arrival.at),
            "digest": arrival.digest or None,
            "message_id_hash": self._id_hash(arrival),
            "body_sealed": self.box.seal_json(arrival.body.to_json(), "messages", "body", message_id),
            "raw_sealed": self.box.seal(arrival.raw, "messages", "raw", message_id),
        }
        self.session.connection().execute(_NEW_MESSAGE, values)
        self._attach(message_id, arrival.attachments)
        return message_id

    def replace_message(self, message_id: str, arrival: Arrival) -> bool:
        """Write what a mail says in place of what was known of it; whether it is the first of the case."""
        message = self.session.exec(select(MessageRow).where(MessageRow.id == message_id)).one()
        message.body_sealed = self.box.seal_json(arrival.body.to_json(), "messages", "body", message.id)
        message.author = arrival.author
        message.message_id_hash = message.message_id_hash or self._id_hash(arrival)
        self.session.add(message)
        for item in self.session.exec(select(AttachmentRow).where(AttachmentRow.message_id == message_id)):
            self.session.delete(item)
        self._attach(message_id, arrival.attachments)
        return message.position == 1

    def _attach(self, message_id: str, attachments: Sequence[Attachment]) -> None:
        for position, attachment in enumerate(attachments, 1):
            item_id = new_id()
            meta = {
                "name": attachment.name,
                "type": attachment.type,
                "size": len(attachment.data),
                "sha256": hashlib.sha256(attachment.data).hexdigest(),
                "note": attachment.note,
            }
            self.session.add(
                AttachmentRow(
                    id=item_id,
                    case_id=self.row.id,
                    message_id=message_id,
                    position=position,
                    meta_sealed=self.box.seal_json(meta, "attachments", "meta", item_id),
                    data_sealed=self.box.seal(attachment.data, "attachments", "data", item_id),
                )
            )

    def _id_hash(self, arrival: Arrival) -> str | None:
        return id_hash(self.by.vault, arrival.message_id) if arrival.message_id else None


def open_case(session: Session, by: Actor, row: CaseRow) -> CaseFile:
    """Open a case for writing: read it again and keep it from others until the transaction ends, before anything of it is
    changed by what it says (SELECT … FOR UPDATE on PostgreSQL; SQLite has one writer at a time).

    Raises NoSuchCase when the case was destroyed.
    """
    session.flush()
    session.refresh(row, with_for_update=True)
    if any(item.role == "guest" for item in by.roster.members):
        by = replace(by, roster=by.roster.of_case(lookup.guests_of(session, row.id)))
    return CaseFile(session, row, content.box_of(by.vault, row), by)


def open_for(session: Session, by: Actor, codename: str) -> CaseFile:
    """Open a case for who may write in it. Raises NoSuchCase alike for none and for one that they may not know of."""
    row = lookup.row_for(session, by.roster, codename, by.id, by.at)
    if row.desk != by.desk.id:
        raise lookup.no_such_case(codename)
    return open_case(session, by, row)
