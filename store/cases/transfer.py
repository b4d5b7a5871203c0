"""A case as one value, as it leaves to another desk, and the case that such a value becomes there.

Works within a transaction that the caller opened. What comes in is read by nobody before everybody was looked for in it
(`intake.screening`): members of one desk are strangers at another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlmodel import Session

from store.cases import content, conversation, correspondence, correspondents, lookup, promises
from store.cases.case_file import Actor, CaseFile
from store.cases.correspondence import Thread
from store.cases.fields import FIELDS, LONGEST
from store.cases.threads import author_of, is_correspondent, thread_of
from store.kit.clock import from_text, to_text
from store.kit.errors import NotAllowed
from store.kit.kinds import is_fingerprint
from store.kit.sentences import marked
from store.openpgp.receipts import stands_for_a_receipt
from store.openpgp.values import Signature
from store.tables.models import CaseRow
from store.tables.records import Arrival, Attachment, Body, Direction, Facts, Message
from store.tables.vault import Vault

VERSION = 1
NOT_A_CASE = "This is no case that another desk exported, or not all of it. Ask for it again."
_ELSEWHERE = marked("it came from another desk")
# Not `machine`: what is marked so is not searched for members.
_AUTHORS = frozenset({"reporter", "other", "desk", "operator"})
_DIRECTIONS: tuple[Direction, ...] = ("in", "out", "letter", "note")
_MOST = 5000
_CONTROLS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_SAID = ("sender", "subject", "text", "outside_text", "outside_subject", "failure", "date", "message_id", "answers")


@dataclass(frozen=True)
class Blobs:
    """Where the octets of a value lie: the mail of a message, and its attachments, by the number of the message (from 1). `of_this_install`: what the
    value says of signatures was found out here."""

    raw: Callable[[int], bytes] = field(repr=False)
    attachment: Callable[[int, int], bytes] = field(repr=False)
    of_this_install: bool = False


def as_value(session: Session, vault: Vault, row: CaseRow, messages: Sequence[Message]) -> dict[str, Any]:
    """A case with some of its messages, but for the octets of mails and files, and for what hangs on this desk's members."""
    box = content.box_of(vault, row)
    return {
        "version": VERSION,
        "codename": row.codename,
        "received_at": row.received_at,
        "closed_at": row.closed_at if row.state == "closed" else None,
        "outcome": row.outcome,
        "facts": content.facts_in(box, row).to_json(),
        "fields": content.fields_in(box, row),
        "threads": [_thread_value(item) for item in correspondence.threads_in(session, box, row.id)],
        "messages": [_message_value(item) for item in messages],
    }


def _thread_value(thread: Thread) -> dict[str, Any]:
    value = correspondence.to_value(thread)
    return {name: item for name, item in value.items() if name != "handle"}


def _message_value(message: Message) -> dict[str, Any]:
    body = {**message.body.to_json(), "done": []}  # what was done is told in words of this desk
    files = [{"name": item.name, "type": item.type, "note": item.note} for item in message.attachments]
    return {
        "direction": message.direction, "author": message.author, "at": to_text(message.at), "body": body, "attachments": files,
    }  # fmt: skip


def take_in(session: Session, by: Actor, value: Mapping[str, Any], blobs: Blobs, digest: str) -> str:
    """Make a case of such a value; its codename, or that of the one that it became before. `digest` identifies it.

    Raises NotAllowed when it is no such value; nothing is kept then.
    """
    before = lookup.find_by_digest(session, by.desk.id, digest)
    if before is not None:
        return before[1]
    try:
        return _take_in(session, by, value, blobs, digest)
    except NotAllowed:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, StopIteration, RecursionError):
        raise NotAllowed(NOT_A_CASE) from None


def _take_in(session: Session, by: Actor, value: Mapping[str, Any], blobs: Blobs, digest: str) -> str:
    messages = value["messages"]
    if value["version"] != VERSION or not isinstance(messages, list) or not 0 < len(messages) <= _MOST:
        raise NotAllowed(NOT_A_CASE)
    facts = _facts(Facts.from_json(value["facts"]))
    first = replace(_arrival(by, messages[0], blobs, 1, {}), digest=digest, facts=facts, notices=("report",))
    if value["closed_at"]:
        first = replace(first, state="closed", notices=())
    file = conversation.begin(session, by, replace(first, received_at=_moment(value["received_at"])))
    threads = {item["id"]: _thread(file, item) for item in value["threads"]}
    for number, item in enumerate(messages[1:], 2):
        file.add_message(_arrival(by, item, blobs, number, threads))
    file.fill({name: str(text)[:LONGEST] for name, text in value["fields"].items() if name in FIELDS})
    if value["closed_at"]:
        known = value["outcome"] in by.desk.outcomes
        file.row.closed_at, file.row.outcome = to_text(_moment(value["closed_at"])), value["outcome"] if known else None
        session.add(file.row)
    promises.count_anew(session, file.row.id, by.at)
    correspondents.note(file)
    file.note("taken-over", {"from": value["codename"]})
    return file.row.codename


def _moment(written: Any) -> datetime:
    """A moment that can be reckoned with here. Raises ValueError."""
    moment = from_text(written) if isinstance(written, str) else None
    if moment is None or moment.tzinfo is None:
        raise ValueError("no moment")
    return moment


def _body(value: Mapping[str, Any], *, ours: bool) -> Body:
    """What a message says, as words of the other desk: nothing here checked a signature, and no sentence of theirs is one of this desk's."""
    if ours:
        return Body.from_json({**value, "done": []})
    body = Body.from_json({**value, "notes": [], "done": [], "signature": asdict(Signature()), "authentication": {}})
    if not all(isinstance(getattr(body, name), str) for name in _SAID) or not isinstance(body.status_until, str | None):
        raise TypeError("no text")
    letter = body.letter
    if letter is not None and not all(isinstance(item, str) for item in (letter.thread, letter.until, letter.language)):
        raise TypeError("no text")
    return replace(body, sender=_CONTROLS.sub(" ", body.sender), subject=_CONTROLS.sub(" ", body.subject))


def _facts(known: Facts) -> Facts:
    """What is known, without what holds at the other desk alone: nobody is written to before a reader here says so."""
    if known.new_fingerprint or (known.reporter_fingerprint and not is_fingerprint(known.reporter_fingerprint)):
        known = replace(known, reporter_key=b"", reporter_fingerprint="", new_key=b"", new_fingerprint="")
    by_receipt = stands_for_a_receipt(known.answer_to or known.address)
    kept = replace(known, reply_to="", no_reply_because=_ELSEWHERE, tell="")
    return replace(kept, answer_to="", address="", reporters=()) if by_receipt else kept


def _thread(file: CaseFile, value: Mapping[str, Any]) -> str:
    """Write down a thread under a handle of its own; its id here."""
    return correspondence.begin(file, correspondence.from_value({**value, "id": "", "handle": ""})).id


def _arrival(by: Actor, value: Mapping[str, Any], blobs: Blobs, number: int, threads: Mapping[str, str]) -> Arrival:
    """A message of the value, as a message of the case here."""
    body = _body(value["body"], ours=blobs.of_this_install)
    if body.letter is not None:
        body = replace(body, letter=replace(body.letter, thread=threads.get(body.letter.thread, ""), draft=0))
    files = tuple(
        Attachment(
            _CONTROLS.sub(" ", str(item["name"])),
            _CONTROLS.sub(" ", str(item["type"])),
            blobs.attachment(number, index),
            str(item["note"]),
        )
        for index, item in enumerate(value["attachments"], 1)
    )
    direction = next(item for item in _DIRECTIONS if item == value["direction"])
    return Arrival(
        by.desk.id, "new", _moment(value["at"]), blobs.raw(number), "", body.message_id, body, Facts(), files,
        author=_author(value["author"], threads), direction=direction,
    )  # fmt: skip


def _author(written: str, threads: Mapping[str, str]) -> str:
    """As whom somebody stands here: a member of another desk is none of this one, whatever their id."""
    if is_correspondent(written):
        return author_of(threads[thread_of(written)])
    return written if written in _AUTHORS else f"{written[:60]} (elsewhere)"
