"""A passage, or a file, that is taken out of everything that a case holds. Digests of before and after stay in the chain of events.

What came as a mail is kept no more where the passage stood in it: it could be in there in other forms. So that who joins the team later
can still be looked for in what is gone, keyed hashes of its words stay; of a file that may hold words and is no text, that it was there.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from email import policy
from email.parser import BytesHeaderParser
from typing import Any

from sqlalchemy import update
from sqlmodel import col, or_, select

from store.cases import content, measures
from store.cases.answers import Answer
from store.cases.case_file import CaseFile
from store.cases.overview import NO_FILE
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.tables.models import AnswerRow, AttachmentRow, EventRow, MessageRow
from store.tables.records import Arrival, Attachment, Body, Change, Message
from store.tables.vault import Box, Vault
from store.team.folding import composed, words
from store.team.members import Member
from store.team.name_words import single_words
from store.team.names import LONGEST_ENDING, NO_WORD_EDGE

TAKEN_OUT = "[\u2026]"
ANYBODY = "*"  # something was taken out in which nobody can be looked for
_WITHOUT_WORDS = ("image/", "audio/", "video/")
_INFLECTED = 4
_UNSPACED_LEAST, _UNSPACED_MOST = 2, 4
_CLAUSE = re.compile(f"{NO_WORD_EDGE}+")
_PEOPLE = (
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Resent-From",
    "Resent-Sender",
    "Resent-To",
    "Resent-Cc",
    "Resent-Bcc",
    "Return-Path",
)
_LONGEST_HEADER = 100_000
_SHORTEST, _LONGEST_GAP = 3, 20_000
_MOST_WORDS, _LONGEST_END = 20, 300  # so that looking is linear in the text, whatever is looked for
_GAP = re.compile(r"\s*(?:\.\.\.|\u2026)\s*")
# A word neither begins nor ends with what stands between words: so there is one way to read a text, and it is linear.
_WORD = re.compile(r"[^\s>|]+(?:[>|]+[^\s>|]+)*")
_BETWEEN = r"[\s>|]+"  # words of a passage may stand on several lines, and be quoted
_NAMES = frozenset({"may-name", "not-name"})  # what is done to a name, which stands as the subject
_TOLD = ("reason", "why", "value", "name")  # where an event's detail has what people wrote
_NUMBERED_FILE = re.compile(r"file\s+([0-9]{1,6})", re.IGNORECASE)

TOO_LONG = marked(
    "That is too long to be looked for at once. Write its first words, '...', and its last words: at most {most} on either side."
)
ONE_AT_A_TIME = marked("Write one '/redact' in a mail.")
TOO_SHORT = marked("Write the passage behind '/redact', or its first words, '...', and its last words.")
NO_FILES = marked("Leave the files out of the mail that agrees: they would have to be searched as well.")
NOT_THERE = marked("That passage is not in this case. Copy it exactly.")


@dataclass(frozen=True)
class Passage:
    """Words in a row, or what lies between the first words and the last ones (both included). Raises NotAllowed when too short to be meant."""

    written: str = field(repr=False)

    def __post_init__(self) -> None:
        if any(len(item) < _SHORTEST for item in self._ends):
            raise NotAllowed(TOO_SHORT)
        if any(len(item.split()) > _MOST_WORDS or len(item) > _LONGEST_END for item in self._ends):
            raise NotAllowed(TOO_LONG, most=_MOST_WORDS)

    @property
    def _ends(self) -> list[str]:
        return [" ".join(_WORD.findall(item)) for item in _GAP.split(self.written.strip(), maxsplit=1)]

    def taken_out(self, text: str) -> str:
        """A text without the passage, wherever it stands in it. Linear in the text."""
        kept, at = [], 0
        for start, end in self._spans(text):
            kept += [text[at:start], TAKEN_OUT]
            at = end
        return "".join([*kept, text[at:]])

    def _in_value(self, value: Any) -> Any:
        return self.taken_out(value) if isinstance(value, str) else value

    def stands_in_value(self, value: Any) -> bool:
        """Whether the passage stands in what people wrote within a JSON value, however deep."""
        if isinstance(value, dict):
            return any(
                (name in _TOLD and self.taken_out(str(item)) != str(item)) or self.stands_in_value(item)
                for name, item in value.items()
            )
        return isinstance(value, list) and any(map(self.stands_in_value, value))

    def found_in(self, text: str) -> list[str]:
        """What of a text the passage is, each time that it stands there."""
        return [text[start:end] for start, end in self._spans(text)]

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where the passage stands in a text."""
        first, *last = (_pattern(item) for item in self._ends)
        if not last:
            yield from (found.span() for found in first.finditer(text))
            return
        ends = [found.span() for found in last[0].finditer(text)]
        starts = [start for start, _ in ends]
        at = 0
        for found in first.finditer(text):
            index = bisect_left(starts, found.end())
            if found.start() >= at and index < len(ends) and starts[index] - found.end() <= _LONGEST_GAP:
                at = ends[index][1]
                yield found.start(), at

    def taken_out_of(self, body: Body) -> Body:
        """What a message says without the passage: only what people wrote is looked at."""
        done = tuple(
            replace(
                item,
                text=self.taken_out(item.text),
                subject=self.taken_out(item.subject) if item.verb in _NAMES else item.subject,
            )
            for item in body.done
        )
        notes = tuple(
            replace(item, values={name: self._in_value(one) for name, one in item.values.items()})
            for item in body.notes
        )
        letter = replace(body.letter, seen=tuple(map(self.taken_out, body.letter.seen))) if body.letter else None
        return replace(
            body,
            done=done,
            notes=notes,
            letter=letter,
            sender=self.taken_out(body.sender),
            subject=self.taken_out(body.subject),
            text=self.taken_out(body.text),
            outside_text=self.taken_out(body.outside_text),
            outside_subject=self.taken_out(body.outside_subject),
        )


def _pattern(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){_BETWEEN.join(map(re.escape, words.split()))}(?!\w)", re.IGNORECASE)


def numbered_file(written: str) -> int:
    """The number of the file that is meant; 0 when it is a passage."""
    found = _NUMBERED_FILE.fullmatch(written.strip())
    return int(found[1]) if found else 0


def stands_in(file: CaseFile, passage: Passage) -> bool:
    """Whether a case holds a passage."""
    return any(passage.taken_out(text) != text for text in file.fields.values()) or any(
        _holds(file, item, passage) for item in file.messages()
    )


def _holds(file: CaseFile, message: Message, passage: Passage) -> bool:
    if passage.taken_out_of(message.body) != message.body:
        return True
    return any(passage.taken_out(text) != text for text in _texts_in_files(file, message))


def _texts_in(body: Body) -> Iterator[str]:
    yield from (body.sender, body.subject, body.text, body.outside_text, body.outside_subject)
    yield from (item.text for item in body.done)


def _texts_in_files(file: CaseFile, message: Message) -> Iterator[str]:
    yield from (known.name for known in message.attachments)
    if any(known.type.startswith("text/") for known in message.attachments):
        for item in file.attachment_contents(message):
            if item.type.startswith("text/") and (read := _read(item.data)):
                yield read[0]


def _read(octets: bytes) -> tuple[str, str] | None:
    """A text and the charset that it can be written back in; None for a file that is not read for certain."""
    charset = "utf-16" if octets.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    try:
        return octets.decode(charset), charset
    except UnicodeDecodeError:
        return None


def unsearched_files(file: CaseFile) -> list[int]:
    """The numbers of the files that are not read as text for certain: whether they hold a passage is not known."""
    files = [item for message in file.messages() for item in file.attachment_contents(message)]
    return [
        number
        for number, item in enumerate(files, 1)
        if item.data and not (item.type.startswith("text/") and _read(item.data))
    ]


def take_out(file: CaseFile, passage: Passage) -> None:
    """Take a passage out of the messages, files, fields, answers and events of a case."""
    texts = [*file.fields.values()]
    found = False
    for message in file.messages():
        if _holds(file, message, passage):
            texts += [*_texts_in(message.body), *_texts_in_files(file, message)]
            _rewrite(file, message, passage)
            found = True
        elif found:  # whoever wrote later may have quoted it, in what is not shown
            _rewrite_without_original(file, message, message.body)
    _remember(file, {form for text in texts for said in passage.found_in(text) for form in _forms(file.by.vault, said)})
    measures.redact(file, passage.taken_out)
    filled = {name: passage.taken_out(value) for name, value in file.fields.items()}
    if filled != file.fields:
        file.fill(filled)
    _out_of_answers(file, passage)
    _out_of_events(file, passage)


def _forms_of_file(vault: Vault, item: Attachment) -> set[str]:
    if item.type.startswith(_WITHOUT_WORDS):
        return set()
    return set(_forms(vault, item.data.decode("utf-8", "replace"))) if item.type.startswith("text/") else {ANYBODY}


def _remember(file: CaseFile, forms: Iterable[str]) -> None:
    known = file.facts
    file.remember(replace(known, redacted=tuple(sorted({*known.redacted, *forms}))))


def _forms(vault: Vault, text: str) -> Iterator[str]:
    """Keyed hashes of the words of a text, also without an ending; of scripts that set no spaces, of a few characters in a row."""
    for word in set(words(text)):
        for length in range(max(len(word) - LONGEST_ENDING, min(_INFLECTED, len(word))), len(word) + 1):
            yield _form(vault, word[:length])
    for clause in _CLAUSE.findall("".join(composed(text).split())):
        for length in range(_UNSPACED_LEAST, _UNSPACED_MOST + 1):
            yield from {_form(vault, clause[at : at + length]) for at in range(len(clause) - length + 1)}


def _form(vault: Vault, word: str) -> str:
    return vault.digest("word that was taken out", word.encode())[:16]


def may_have_named(vault: Vault, redacted: Iterable[str], member: Member) -> bool:
    """Whether what was taken out of a case may have named a member: by any word of their names or address."""
    gone, said = set(redacted), set[str]()
    for name in (member.name, *member.aliases, member.email.partition("@")[0]):
        said |= single_words(words(name))
        said |= {clause[:_UNSPACED_MOST] for clause in _CLAUSE.findall("".join(composed(name).split()))}
    return ANYBODY in gone or any(_form(vault, word) in gone for word in said)


def _forms_of_headers(vault: Vault, raw: bytes) -> set[str]:
    """Keyed hashes of the words in the address headers of a mail: they are lost with the original."""
    try:
        header = BytesHeaderParser(policy=policy.default).parsebytes(
            raw.partition(b"\n\n")[0][:_LONGEST_HEADER] + b"\n\n"
        )
        return {form for name in _PEOPLE for value in header.get_all(name, ()) for form in _forms(vault, str(value))}
    except Exception:  # if the parser fails, nobody can be ruled out
        return {ANYBODY}


def file_id(file: CaseFile, number: int) -> str:
    """Which file of a case has a number now (an id): numbers change when mails go into a case of their own. Raises NotAllowed where none has."""
    ids = [item.id for message in file.messages() for item in message.attachments]
    if not 0 < number <= len(ids):
        raise NotAllowed(NO_FILE)
    return ids[number - 1]


def take_out_file(file: CaseFile, number: int) -> None:
    """Take the content of a file out of a case; its name stays. Raises NotAllowed where there is none of that number."""
    for message in file.messages():
        if number <= len(message.attachments):
            known, item = message.attachments[number - 1], file.attachment_contents(message)[number - 1]
            _note(file, known.id, _digest(file, item.data), "")
            _remember(file, _forms_of_file(file.by.vault, item))
            _write_file(file, known.id, b"")
            _rewrite_without_original(file, message, message.body)
            return
        number -= len(message.attachments)
    raise NotAllowed(NO_FILE)


def without(arrival: Arrival, passages: Iterable[Passage]) -> Arrival:
    """What is about to be written down without some passages: the mail of who takes one out must not keep it."""
    body = arrival.body
    for passage in passages:
        body = passage.taken_out_of(body)
    return replace(arrival, raw=b"", body=body)


def _rewrite(file: CaseFile, message: Message, passage: Passage) -> None:
    body = passage.taken_out_of(message.body)
    for item, known in zip(file.attachment_contents(message), message.attachments, strict=True):
        read = _read(item.data) if item.type.startswith("text/") else None
        if read is not None and (left := passage.taken_out(read[0])) != read[0]:
            octets = left.encode(read[1])
            _note(file, known.id, _digest(file, item.data), _digest(file, octets))
            _write_file(file, known.id, octets)
        if (name := passage.taken_out(item.name)) != item.name:
            _rename_file(file, known.id, name)
    _rewrite_without_original(file, message, body)


def _rewrite_without_original(file: CaseFile, message: Message, body: Body) -> None:
    """Write down what is left of a message, and its digests of before and after; the mail as it came is gone."""
    row = file.session.exec(select(MessageRow).where(MessageRow.id == message.id)).one()
    raw = file.box.open(row.raw_sealed, "messages", "raw", row.id)
    if raw and message.direction == "in":
        _remember(file, _forms_of_headers(file.by.vault, raw))
    before, after = (
        _digest(file, json.dumps(item.to_json(), sort_keys=True).encode()) for item in (message.body, body)
    )
    row.body_sealed = file.box.seal_json(body.to_json(), "messages", "body", row.id)
    row.raw_sealed = file.box.seal(b"", "messages", "raw", row.id)
    file.session.add(row)
    _note(file, row.id, before, after)


def _note(file: CaseFile, what: str, before: str, after: str) -> None:
    file.note("redacted", {"of": what, "before": before, "after": after})


def _digest(file: CaseFile, octets: bytes) -> str:
    """Keyed, for what is short can be guessed."""
    return file.by.vault.digest(f"redacted of {file.row.id}", octets)


def _write_file(file: CaseFile, item_id: str, octets: bytes) -> None:
    row = file.session.exec(select(AttachmentRow).where(AttachmentRow.id == item_id)).one()
    meta = file.box.open_json(row.meta_sealed, "attachments", "meta", row.id)
    meta |= {"size": len(octets), "sha256": ""}
    row.meta_sealed = file.box.seal_json(meta, "attachments", "meta", row.id)
    row.data_sealed = file.box.seal(octets, "attachments", "data", row.id)
    file.session.add(row)


def _rename_file(file: CaseFile, item_id: str, name: str) -> None:
    row = file.session.exec(select(AttachmentRow).where(AttachmentRow.id == item_id)).one()
    meta = file.box.open_json(row.meta_sealed, "attachments", "meta", row.id) | {"name": name}
    row.meta_sealed = file.box.seal_json(meta, "attachments", "meta", row.id)
    file.session.add(row)


def _out_of_answers(file: CaseFile, passage: Passage) -> None:
    """Also of those that hang on no case, such as a refusal that repeats a line; an archive that waits to be sent is not sent any more."""
    mine = select(AnswerRow).where(AnswerRow.desk == file.row.desk)
    for row in file.session.exec(mine.where(or_(AnswerRow.case_id == file.row.id, col(AnswerRow.case_id).is_(None)))):
        box: Box = file.box if row.case_id else file.by.vault
        known = Answer.from_json(box.open_json(row.content_sealed, "answers", "content", row.id))
        said = passage.taken_out_of(Body(done=known.done, notes=(known.refusal,)))
        left = replace(
            known, done=said.done, refusal=said.notes[0], line=passage.taken_out(known.line), why=passage.taken_out(known.why),
            archive="" if row.case_id else known.archive,
        )  # fmt: skip
        if left != known:
            row.content_sealed = box.seal_json(left.to_json(), "answers", "content", row.id)
            file.session.add(row)


def _out_of_events(file: CaseFile, passage: Passage) -> None:
    """What events say of the passage goes as a whole; the chain covers its digest, and still verifies."""
    told = content.events(file.session, file.box, file.row.id)
    gone = [row.seq for row, detail in told if passage.stands_in_value(detail)]
    if gone:
        file.session.exec(update(EventRow).where(col(EventRow.seq).in_(gone)).values(detail_sealed=None))


def proposed(messages: Iterable[Message]) -> dict[int, str]:
    """What readers want to be taken out, by number, and that nobody carried out: as they wrote it."""
    found: dict[int, str] = {}
    for message in messages:
        for change in message.body.done:
            if (
                change.verb == "redact-vote" and TAKEN_OUT not in change.text
            ):  # what was changed since is not what was asked for
                found[int(change.subject)] = change.text
            elif change.verb == "redact":
                found.pop(int(change.subject), None)
    return found


def next_number(messages: Iterable[Message]) -> int:
    """The number for the next request to take something out."""
    changes: list[Change] = [item for message in messages for item in message.body.done]
    return 1 + max((int(item.subject) for item in changes if item.verb in ("redact-vote", "redact")), default=0)
