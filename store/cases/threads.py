"""How a mail finds its case: by the token of a reply address, or by the ids of the mails that it answers.

Each case has a token for either side, and one for every other correspondent (`store.cases.correspondence`). It is made of a random
handle and a keyed hash of handle and side: nobody can guess it, and none gives away another.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sqlmodel import Session, col, select

from store.tables.models import CaseRow, DeliveryRow, MessageRow, NoticeRow, ThreadRow
from store.tables.vault import Vault

Side = Literal["reporter", "team", "correspondent"]

_LETTERS: dict[str, Side] = {"c": "reporter", "t": "team", "p": "correspondent"}
_HANDLE = 16
_TOKEN = re.compile(r"([ctp])-([a-z2-7]{24})", re.IGNORECASE)
_IN_TEXT = re.compile(r"(?<![A-Za-z0-9])t-([a-z2-7]{24})(?![A-Za-z0-9])", re.IGNORECASE)
_MOST_IDS = 50
_MOST_MERGES = 100
_MARK = ":"  # no id of a member looks like it


@dataclass(frozen=True)
class Token:
    """A token as it stands in an address or a subject, not yet checked."""

    side: Side
    text: str


@dataclass(frozen=True)
class ThreadPlace:
    """Where a mail belongs: a side, and a case if there is one.

    `recipient` is to whom the mail of ours went that it answers; `author` whose mail it answers, if not one of ours; `thread` the
    correspondent's (an id) whose side it is.
    """

    side: Side
    row: CaseRow | None
    recipient: str = ""
    author: str = ""
    thread: str = ""


def author_of(thread: str) -> str:
    """As whom the correspondent of a thread (an id) stands among authors and recipients."""
    return _MARK + thread


def is_correspondent(author: str) -> bool:
    """Whether an author or recipient is a correspondent other than the reporter."""
    return author.startswith(_MARK)


def thread_of(author: str) -> str:
    """The id of the thread of such an author or recipient."""
    return author.removeprefix(_MARK)


def token(vault: Vault, handle: str, side: Side) -> str:
    """The token of one side of a case, with the letter of the side: `c-…` or `t-…`."""
    letter = next(letter for letter, name in _LETTERS.items() if name == side)
    return f"{letter}-{handle}{_proof(vault, handle, side)}"


def reply_address(vault: Vault, handle: str, side: Side, address: str) -> str:
    """The desk's address with a token as its extension (RFC 5233)."""
    local, _, domain = address.rpartition("@")
    return f"{local}+{token(vault, handle, side)}@{domain}"


def read_token(extension: str) -> Token | None:
    """The token that an address extension is, if it has the form of one."""
    found = _TOKEN.fullmatch(extension)
    return Token(_LETTERS[found[1].lower()], found[2].lower()) if found else None


def team_tokens(text: str) -> list[Token]:
    """The tokens of the team's side that turn up in a text, each once."""
    return [Token("team", text) for text in dict.fromkeys(found.lower() for found in _IN_TEXT.findall(text))]


def find(session: Session, vault: Vault, desk: str, wanted: Token) -> CaseRow | None:
    """The case of a token; None for one that was made up, or whose case is gone."""
    return place_of(session, vault, desk, wanted).row


def place_of(session: Session, vault: Vault, desk: str, wanted: Token) -> ThreadPlace:
    """Where a token leads; to no case when it was made up, or its case is gone."""
    handle, proof = wanted.text[:_HANDLE], wanted.text[_HANDLE:]
    if not hmac.compare_digest(proof, _proof(vault, handle, wanted.side)):
        return ThreadPlace(wanted.side, None)
    found = select(CaseRow).where(CaseRow.desk == desk, col(CaseRow.wrapped_key).is_not(None))
    if wanted.side != "correspondent":
        row = session.exec(select(CaseRow).where(CaseRow.desk == desk, CaseRow.handle == handle)).first()
        return _where_it_went(session, ThreadPlace(wanted.side, row))
    thread = session.exec(select(ThreadRow).where(ThreadRow.handle == handle)).first()
    if thread is None:
        return ThreadPlace(wanted.side, None)
    return ThreadPlace(wanted.side, session.exec(found.where(CaseRow.id == thread.case_id)).first(), thread=thread.id)


def _where_it_went(session: Session, place: ThreadPlace) -> ThreadPlace:
    """A place in a case that there is: of one that went into another, there. Its reporter may be a correspondent there."""
    for _ in range(_MOST_MERGES):
        row = place.row
        if row is None or row.merged_into is None:
            break
        leads = json.loads(row.merged_into)
        target = session.get(CaseRow, leads["case"])
        thread = leads["threads"].get(place.thread, place.thread)
        side = place.side
        if side == "reporter" and leads["reporter"]:
            side, thread = "correspondent", leads["reporter"]
        elif side == "reporter" and not leads["same"]:
            target = None  # whoever asked for silence begins anew
        place = replace(place, row=target, side=side, thread=thread)
    if place.row is not None and place.row.wrapped_key is None:
        place = replace(place, row=None)
    return place


def find_by_ids(session: Session, vault: Vault, desk: str, message_ids: Sequence[str]) -> ThreadPlace | None:
    """Where a mail belongs that answers or refers to these Message-IDs (RFC 5322 section 3.6.4), the last one first.

    The first mail that bore a Message-ID keeps it: anybody can write one that another mail had.
    """
    ids = list(dict.fromkeys(message_ids))[-_MOST_IDS:]
    if not ids:
        return None
    hashed = {id_hash(vault, message_id): message_id for message_id in ids}
    ours = session.exec(
        select(DeliveryRow.message_id, DeliveryRow.recipient, DeliveryRow.case_id)
        .join(NoticeRow, col(DeliveryRow.notice_id) == col(NoticeRow.id))
        .where(col(DeliveryRow.message_id).in_(ids), NoticeRow.desk == desk)
    ).all()
    theirs = session.exec(
        select(MessageRow.message_id_hash, MessageRow.direction, MessageRow.case_id, MessageRow.author)
        .where(col(MessageRow.message_id_hash).in_(hashed), MessageRow.desk == desk)
        .order_by(col(MessageRow.at))
    ).all()
    places: dict[str, tuple[Side, str | None, str, str]] = {}
    for digest, direction, of_case, author in theirs:
        places.setdefault(hashed[digest or ""], (_side(author) if direction == "in" else "team", of_case, "", author))
    for message_id, recipient, about in ours:
        if recipient != "operator":
            side: Side = _side(recipient) if is_correspondent(recipient) or recipient == "reporter" else "team"
            places[message_id] = (side, about, recipient, "")
    for message_id in reversed(ids):
        if message_id in places:
            side, case_id, recipient, author = places[message_id]
            row = session.exec(select(CaseRow).where(CaseRow.id == case_id)).first() if case_id else None
            gone = row is not None and row.wrapped_key is None
            thread = thread_of(recipient or author) if side == "correspondent" else ""
            return ThreadPlace(side, None if gone else row, recipient, author, thread)
    return None


def _side(who: str) -> Side:
    """Whose side a mail from outside, or one of ours to somebody outside, is on."""
    return "correspondent" if is_correspondent(who) else "reporter"


def id_hash(vault: Vault, message_id: str) -> str:
    """The keyed hash under which the Message-ID of a mail that came in is kept."""
    return vault.digest("message-id", message_id.encode("utf-8", "surrogateescape"))


def _proof(vault: Vault, handle: str, side: Side) -> str:
    digest = bytes.fromhex(vault.digest(f"reply address of the {side}", handle.encode())[:10])
    return base64.b32encode(digest).decode().lower()
