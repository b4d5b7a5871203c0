"""Whom a case is written about with, besides its reporter: the reported person, witnesses, others. Each has a thread of their own.

A thread has addresses of its own, which give away neither the case nor any other thread. Works within a transaction that the caller
opened.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from sqlalchemy import bindparam
from sqlmodel import Session, col, select

from store.cases.case_file import CaseFile
from store.cases.threads import author_of
from store.kit.addresses import same_mailbox
from store.kit.sentences import Sentence, marked
from store.tables.models import ThreadRow
from store.tables.records import Message
from store.tables.vault import Box
from store.team.meant import who_is_meant
from store.team.members import Member, Roster

Role = Literal["reported", "witness", "other"]
ROLES: tuple[Role, ...] = ("reported", "witness", "other")

_CALLED: Mapping[Role, str] = {
    "reported": marked("{name} (the reported person)"),
    "witness": marked("{name} (a witness)"),
    "other": marked("{name} (somebody else)"),
}
_KEYS = ("key", "new_key")
_OF_CASE = (
    select(ThreadRow).where(col(ThreadRow.case_id) == bindparam("case")).order_by(col(ThreadRow.position))
)  # written once, for every notice asks it


@dataclass(frozen=True)
class Thread:
    """One correspondent of a case. `key` is their certificate as it is used, `new_key` one that came with a later mail and is not used
    until a reader says so. `came_sealed`: they wrote encrypted, or sent a key.
    """

    id: str
    handle: str
    name: str = field(repr=False)
    address: str = field(repr=False)
    role: Role = "other"
    language: str = "en"
    key: bytes = field(default=b"", repr=False)
    fingerprint: str = ""
    new_key: bytes = field(default=b"", repr=False)
    new_fingerprint: str = ""
    came_sealed: bool = False

    @property
    def author(self) -> str:
        """As whom they stand in the record, and among the recipients of mails."""
        return author_of(self.id)

    @property
    def called(self) -> Sentence:
        """How they are called among the readers."""
        return Sentence(_CALLED[self.role], {"name": self.name})


def threads_in(session: Session, box: Box, case_id: str) -> tuple[Thread, ...]:
    """The correspondents of a case, in the order in which they were first written to."""
    return tuple(_opened(box, row) for row in session.exec(_OF_CASE, params={"case": case_id}).all())


def threads(file: CaseFile) -> tuple[Thread, ...]:
    """The correspondents of a case that is open for writing."""
    return threads_in(file.session, file.box, file.row.id)


def begin(file: CaseFile, new: Thread) -> Thread:
    """Write down a correspondent who is not known yet; the thread, with its id and handle."""
    position = 1 + len(threads(file))
    row = ThreadRow(case_id=file.row.id, position=position, about_sealed=b"")
    made = replace(new, id=row.id, handle=row.handle)
    row.about_sealed = _sealed(file.box, made)
    file.session.add(row)
    file.session.flush()
    file.note("thread-begun", {"number": position, "role": made.role})
    return made


def keep(file: CaseFile, thread: Thread) -> None:
    """Write down what is known of a correspondent now."""
    row = file.session.exec(select(ThreadRow).where(ThreadRow.id == thread.id)).one()
    row.about_sealed = _sealed(file.box, thread)
    file.session.add(row)


def who_they_may_be(thread: Thread, roster: Roster) -> list[Member]:
    """The members who may be behind a thread: by its mailbox, or by what they are called. A private address is theirs as well."""
    by_name = {item.id for item in who_is_meant(thread.name, roster.members)}
    return [
        item for item in roster.members
        if item.id in by_name or any(same_mailbox(address, thread.address) for address in (item.email, *item.aliases) if "@" in address)
    ]  # fmt: skip


def names_of(threads: Sequence[Thread]) -> Mapping[str, Sentence]:
    """How the correspondents of a case are called, by what stands as the author of their messages."""
    return {thread.author: thread.called for thread in threads}


def is_letter_to(message: Message, thread: Thread) -> bool:
    """Whether a message went to a correspondent."""
    letter = message.body.letter
    return message.direction == "letter" and letter is not None and letter.thread == thread.id


def to_value(thread: Thread) -> dict[str, Any]:
    """A thread as a JSON value."""
    return {**asdict(thread), **{name: base64.b64encode(getattr(thread, name)).decode() for name in _KEYS}}


def from_value(value: Mapping[str, Any]) -> Thread:
    """The thread of a JSON value."""
    return Thread(**{**value, **{name: base64.b64decode(value[name]) for name in _KEYS}})


def _sealed(box: Box, thread: Thread) -> bytes:
    return box.seal_json(to_value(thread), "threads", "about", thread.id)


def _opened(box: Box, row: ThreadRow) -> Thread:
    return from_value(box.open_json(row.about_sealed, "threads", "about", row.id))
