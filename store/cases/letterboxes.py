"""The letterboxes of reporters who came by the web form: a receipt finds one, answers are put in, and who fetches them has read them.

What lies in one is sealed to the key of its receipt, which the desk has not got, and once more with the key of its case: it ends
with that. Works within a transaction that the caller opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from store.cases.case_file import CaseFile
from store.kit.clock import from_text, to_text
from store.kit.config import Desk
from store.outbox.queue import Notice, enqueue
from store.tables.models import CaseRow, LetterboxRow, LetterRow
from store.tables.records import NewLetterbox
from store.tables.vault import Box, Vault

UNREAD = "unread"
WAITS = "letter-waits"
_UNREAD_AFTER = timedelta(days=14)


@dataclass(frozen=True)
class Letter:
    """A mail of the desk as it is put into a letterbox: the address that stands for the reporter, what was sealed to them, its
    Message-ID, and the message of the case that it brings, if it is one by the team."""

    address: str = field(repr=False)
    sealed: bytes = field(repr=False)
    message_id: str
    about: str | None = None


@dataclass(frozen=True)
class Waiting:
    """A letter as whoever has the receipt gets it. `read_at` is when it was fetched first, before now."""

    id: str
    at: datetime
    sealed: bytes = field(repr=False)
    read_at: datetime | None


@dataclass(frozen=True)
class Fetched:
    """What a receipt finds: when its report came, the address that stands for its author, their locked key, and the letters."""

    case: CaseRow = field(repr=False)
    since: datetime
    address: str = field(repr=False)
    locked: bytes = field(repr=False)
    letters: tuple[Waiting, ...]


def begin(file: CaseFile, new: NewLetterbox) -> None:
    """Write down a letterbox with the case that it belongs to. A receipt that has one already is refused by the database."""
    vault, made = file.by.vault, LetterboxRow(
        case_id=file.row.id, desk=file.row.desk, lookup_hash="", address_hash="", locked_sealed=b""
    )  # fmt: skip
    made.lookup_hash = _lookup_hash(vault, file.row.desk, new.lookup)
    made.address_hash = _address_hash(vault, file.row.desk, new.address)
    content = {"address": new.address, "locked": new.locked.hex()}
    made.locked_sealed = file.box.seal_json(content, "letterboxes", "locked", made.id)
    file.session.add(made)
    file.session.flush()


def find(session: Session, vault: Vault, desk: str, lookup: str) -> LetterboxRow | None:
    """The letterbox that a receipt opens at a desk, by its look-up value."""
    wanted = select(LetterboxRow).where(LetterboxRow.lookup_hash == _lookup_hash(vault, desk, lookup))
    return session.exec(wanted).first()


def has_one(file: CaseFile) -> bool:
    """Whether the reporter of a case came by the form."""
    return file.session.exec(select(LetterboxRow.id).where(LetterboxRow.case_id == file.row.id)).first() is not None


def fetch(session: Session, vault: Vault, found: LetterboxRow) -> Fetched | None:
    """What lies in a letterbox, the oldest first; None when its case is gone. It counts as read only by `note_read`."""
    case = session.get(CaseRow, found.case_id)
    if case is None or case.wrapped_key is None:
        return None
    box = vault.case_box(case.wrapped_key, case.id)
    content = box.open_json(found.locked_sealed, "letterboxes", "locked", found.id)
    rows = session.exec(
        select(LetterRow).where(LetterRow.letterbox_id == found.id).order_by(col(LetterRow.at), col(LetterRow.id))
    ).all()
    letters = tuple(_waiting(box, row) for row in rows)
    locked = bytes.fromhex(content["locked"])
    return Fetched(case, from_text(case.received_at), content["address"], locked, letters)


def _waiting(box: Box, row: LetterRow) -> Waiting:
    sealed = box.open(row.data_sealed, "letters", "data", row.id)
    return Waiting(row.id, from_text(row.at), sealed, from_text(row.read_at) if row.read_at else None)


def note_read(session: Session, ids: Sequence[str], at: datetime) -> None:
    """Whoever has the receipt fetched these letters."""
    for row in session.exec(select(LetterRow).where(col(LetterRow.id).in_(ids), col(LetterRow.read_at).is_(None))):
        row.read_at = to_text(at)
        session.add(row)


def put(session: Session, vault: Vault, case_id: str, letter: Letter, at: datetime) -> bool:
    """Put a letter in, once; False when the case has no letterbox (any more) for whom it is: a mail that only says that it is from
    there opens none.
    """
    case = session.get(CaseRow, case_id)
    if case is None or case.wrapped_key is None:
        return False
    address_hash = _address_hash(vault, case.desk, letter.address)
    theirs = select(LetterboxRow).where(LetterboxRow.address_hash == address_hash, LetterboxRow.case_id == case_id)
    found = session.exec(theirs).first()
    if found is None:
        return False
    if session.exec(select(LetterRow.id).where(LetterRow.message_id == letter.message_id)).first() is None:
        row = LetterRow(
            letterbox_id=found.id, case_id=case_id, message_id=letter.message_id, about=letter.about, at=to_text(at),
            data_sealed=b"",
        )  # fmt: skip
        row.data_sealed = vault.case_box(case.wrapped_key, case_id).seal(letter.sealed, "letters", "data", row.id)
        session.add(row)
        session.flush()
    return True


def read_times(session: Session, message_ids: Iterable[str]) -> Mapping[str, datetime | None]:
    """Of those messages of a case that went into a letterbox: when each was read, or None while it was not."""
    rows = session.exec(select(LetterRow).where(col(LetterRow.about).in_(list(message_ids))))
    return {row.about: from_text(row.read_at) if row.read_at else None for row in rows if row.about}


def note_unread(session: Session, desk: Desk, at: datetime) -> None:
    """Have readers told of what the team wrote and nobody fetched for two weeks, once for each letter."""
    waiting = select(LetterRow, CaseRow).where(
        col(LetterRow.case_id) == CaseRow.id, CaseRow.desk == desk.id, col(LetterRow.about).is_not(None),
        col(LetterRow.read_at).is_(None), LetterRow.noted_unread == 0, LetterRow.at <= to_text(at - _UNREAD_AFTER),
    )  # fmt: skip
    told = set()
    for letter, case in session.exec(waiting).all():
        letter.noted_unread = 1
        session.add(letter)
        if case.id not in told and case.state != "junk":
            told.add(case.id)
            enqueue(session, Notice(UNREAD, desk.id, at, case_id=case.id))


def _lookup_hash(vault: Vault, desk: str, lookup: str) -> str:
    return vault.digest(f"letterbox at {desk}", lookup.encode())


def _address_hash(vault: Vault, desk: str, address: str) -> str:
    return vault.digest(f"letterbox address at {desk}", address.lower().encode())
