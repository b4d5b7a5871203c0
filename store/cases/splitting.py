"""Some mails of a case that become a case of their own, kept from everybody from whom the first one is.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlmodel import select

from store.cases import content, conversation, letterboxes, promises
from store.cases.case_file import CaseFile
from store.cases.classification import FIELD as LABEL
from store.cases.classification import put as put_label
from store.cases.linking import link
from store.cases.lookup import screened_in
from store.kit.addresses import bare
from store.kit.clock import from_text
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.tables.models import GuestRow, MessageRow
from store.tables.records import Arrival, Body, Change, Facts, Message

NO_MAIL = marked(
    "Mail {number} can't be split off. Only mails of the reporter, or of a stranger who wrote to the case, can; '/show' has the numbers."
)
THE_FIRST = marked("Mail 1 began the case and stays in it. Choose others.")
SEVERAL_AUTHORS = marked("These mails have different authors. Split off one author's mails at a time.")
BY_FORM = marked(
    "This case came by the web form, and its answers wait there: its mails cannot go into a case of their own."
)
NOT_READ = marked("Mail {number} waits to be read, and can't be split off.")
_PART = marked("it was part of another case")


def split(file: CaseFile, numbers: Sequence[int]) -> CaseFile:
    """Make a case of some mails (numbers from 1, as they are shown); it. Raises NotAllowed."""
    mails = [item for item in file.messages() if item.direction == "in"]
    chosen = [_chosen(mails, number) for number in sorted(set(numbers))]
    if len({item.author for item in chosen}) > 1:
        raise NotAllowed(SEVERAL_AUTHORS)
    theirs = chosen[0].author == "reporter"
    if theirs and letterboxes.has_one(file):
        raise NotAllowed(BY_FORM)
    known = file.facts if theirs else _facts_of(chosen[0], file.facts)
    arrivals = [_moved_out(file, item) for item in chosen]
    first = replace(
        arrivals[0],
        facts=known,
        recusals=file.case.recusals,
        notices=("report",),
        screened=screened_in(file.row),
        received_at=from_text(file.row.received_at) if theirs else chosen[0].at,
        at=file.at,
    )
    made = conversation.begin(file.session, file.by, first)
    for arrival in arrivals[1:]:
        made.add_message(arrival)
    made.row.on_hold = file.row.on_hold
    for guest in file.session.exec(select(GuestRow).where(GuestRow.case_id == file.row.id)).all():
        same = guest.model_dump(exclude={"id", "case_id"})
        file.session.add(GuestRow(case_id=made.row.id, **same))
    if label := file.fields.get(LABEL):
        put_label(made, label)
    promises.count_anew(file.session, made.row.id, file.at)
    link(made, file.row)
    done = (Change("split", made.row.codename, other_case=made.row.id),)
    for item in chosen:
        _leave_behind(file, item, done)
    file.note("split", {"into": made.row.id})
    return made


def _chosen(mails: Sequence[Message], number: int) -> Message:
    if number == 1:
        raise NotAllowed(THE_FIRST)
    message = mails[number - 1] if 0 < number <= len(mails) else None
    if message is None or message.author not in ("reporter", "other"):
        raise NotAllowed(NO_MAIL, number=number)
    if message.body.failure:
        raise NotAllowed(NOT_READ, number=number)
    return message


def _facts_of(message: Message, known: Facts) -> Facts:
    """What is known of somebody else who wrote to a case: its wishes, and that they cannot be written to. They may have asked for silence."""
    sender = message.body.sender
    address = bare(sender.rpartition("<")[2].rstrip("> ")) if "@" in sender else ""
    return Facts(
        no_reply_because=_PART, reporters=(address,) if address else (), address=address, asks_quiet=True, wishes=known.wishes,
        also_excluded=known.also_excluded, redacted=known.redacted, asks_secrecy=known.asks_secrecy,
    )  # fmt: skip


def _moved_out(file: CaseFile, message: Message) -> Arrival:
    """A message as an arrival for the new case. Its digest and Message-ID hash are cleared here, because each may exist only once."""
    row = file.session.exec(select(MessageRow).where(MessageRow.id == message.id)).one()
    digest, row.digest, row.message_id_hash = row.digest, None, None
    file.session.add(row)
    file.session.flush()
    return Arrival(
        file.row.desk, "new", message.at, content.raw_message(file.session, file.by.vault, file.row, message.id),
        digest or "", message.body.message_id, replace(message.body, done=()), Facts(),
        tuple(file.attachment_contents(message)), author="reporter",
    )  # fmt: skip


def _leave_behind(file: CaseFile, message: Message, done: tuple[Change, ...]) -> None:
    """What is left of a mail where it was: where it went, for those who may know that."""
    stub = Arrival(file.row.desk, "new", message.at, b"", "", "", Body(done=done), Facts(), author="desk")
    file.replace_message(message.id, stub)
    row = file.session.exec(select(MessageRow).where(MessageRow.id == message.id)).one()
    row.raw_sealed, row.direction = file.box.seal(b"", "messages", "raw", row.id), "note"
    file.session.add(row)
