"""Lines of a chat: what somebody writes from a chat program within minutes is one notice to the readers.

A line waits for those that follow it, and has a notice; those that come meanwhile have none, and are shown with it. Works within a
transaction that the caller opened.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlmodel import Session, col, select, update

from store.cases.content import messages
from store.kit.clock import to_text
from store.outbox import queue
from store.tables.models import DeliveryRow, NoticeRow
from store.tables.records import Arrival, Body, Message
from store.tables.vault import Vault

_WAITS = timedelta(minutes=2)
# How long before its time a notice takes no more lines: a worker whose clock is ahead may be at it.
_MARGIN = timedelta(seconds=5)
_KINDS = ("report", "message")


def notice(kind: str, arrival: Arrival, case_id: str, subject_id: str | None = None) -> queue.Notice:
    """A notice of a mail; one to the readers of a line waits for what follows it."""
    at = arrival.told_at or arrival.at
    due = at + _WAITS if kind in _KINDS and _is_line(arrival) else at
    return queue.Notice(kind, arrival.desk, due, case_id, subject_id)


def is_covered(session: Session, case_id: str, arrival: Arrival) -> bool:
    """Whether a notice waits that this line will be shown with."""
    if not _is_line(arrival):
        return False
    begun = select(DeliveryRow.notice_id).where(col(DeliveryRow.notice_id) == NoticeRow.id).exists()
    waiting = (
        update(NoticeRow)
        .where(
            col(NoticeRow.case_id) == case_id,
            col(NoticeRow.kind).in_(_KINDS),
            col(NoticeRow.done) == 0,
            # Only that of a line is made for a time to come: until then, and not until it is tried again, others go with it.
            col(NoticeRow.created) > to_text(arrival.at + _MARGIN),
            ~begun,
        )
        .values(due=NoticeRow.due)  # nobody claims it before this is written
    )
    return bool(session.exec(waiting).rowcount)


def _is_line(arrival: Arrival) -> bool:
    return arrival.body.chat and not arrival.urgent and not arrival.body.failure


def with_lines(session: Session, vault: Vault, case_id: str, first: Message) -> Message:
    """A line of a chat with those that followed it and have no notice of their own."""
    if not first.body.chat:
        return first
    own = set(session.exec(select(NoticeRow.subject_id).where(NoticeRow.case_id == case_id)).all())
    lines: list[Message] = []
    for item in messages(session, vault, case_id):
        if item.id == first.id:
            lines = [item]
        elif lines and _goes_with(first, item) and item.id not in own:
            lines.append(item)
    return replace(
        first,
        body=_joined([item.body for item in lines]),
        attachments=tuple(file for item in lines for file in item.attachments),
    )


def _goes_with(first: Message, item: Message) -> bool:
    return item.body.chat and item.author == first.author and item.at <= first.at + _WAITS


def _joined(bodies: list[Body]) -> Body:
    def once(name: str) -> str:
        return "\n\n".join(text for item in bodies if (text := getattr(item, name).strip("\n")))

    return replace(
        bodies[0],
        text=once("text"),
        outside_text=once("outside_text"),
        notes=tuple(dict.fromkeys(note for item in bodies for note in item.notes)),
        done=tuple(change for item in bodies for change in item.done),
        signature=next((item.signature for item in bodies if item.signature.status == "invalid"), bodies[0].signature),
        encryption=next((item.encryption for item in bodies if item.encryption == "none"), bodies[0].encryption),
    )
