"""More mail on a case that there is: from its reporter, from somebody else, or from a mail server that gave up."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Protocol

from sqlmodel import Session

from intake.arrival import Opened, source_of
from intake.plan import Route, Taken, actor, may_tell_of_failure, with_acknowledgement, within_the_flood_limit
from intake.standing import Record, standing
from store.cases import conversation, promises, recusals, threads, withholding
from store.cases.case_file import CaseFile, open_case
from store.cases.lookup import row_by_id
from store.cases.threads import Side, ThreadPlace, Token, read_token
from store.context import Context
from store.kit.errors import NoSuchCase
from store.kit.sentences import Sentence, marked
from store.openpgp.values import Signature
from store.outbox import queue
from store.tables.models import CaseRow
from store.tables.records import Arrival, Facts

_TAG = re.compile(r"\[([cp]-[a-z2-7]{24})\]", re.IGNORECASE)

# Who writes line by line on a case writes more mails; the readers get those of two minutes as one.
_LINES = 10
NOT_SIGNED = marked("this mail is not signed by the key that signed the report")
NEW_KEY = marked(
    "a different key came with this mail ({new}); replies still go to the first one ({old}) until somebody writes /reply new-key"
)
FIRST_KEY = marked("a key came with this mail ({new}); it is not used until somebody writes /reply new-key")
NOT_ASKED = marked("its author was not asked to write again: {why}")


@dataclass(frozen=True)
class Place:
    """Where a mail says that it belongs, which anybody may say.

    `found`: by a token, or by an answer to a mail that is known. `recipient` is to whom the mail of ours went that it
    answers, `author` whose mail it answers, if not one of ours; both are empty where a token led here. `thread` is the
    correspondent's (an id) whose side it is.
    """

    side: Side
    row: CaseRow | None
    recipient: str = ""
    author: str = ""
    found: bool = False
    thread: str = ""


def place_of(context: Context, opened: Opened) -> Place:
    """Where a mail belongs, by the address that it went to, a tag in its subject, or the mails that it answers."""
    desk, vault = opened.job.desk, context.vault
    token = opened.job.asked.token or _tag(opened)
    answered = opened.mail.references
    if token is None and not answered:
        return Place("reporter", None)
    with context.database.read() as session:
        if token is not None:
            found: ThreadPlace | None = threads.place_of(session, vault, desk.id, token)
        else:
            found = threads.find_by_ids(session, vault, desk.id, answered)
    if found is None:
        return Place("reporter", None)
    return Place(found.side, found.row, found.recipient, found.author, True, found.thread)


def _tag(opened: Opened) -> Token | None:
    """The token in a subject, where addresses cannot carry one."""
    found = _TAG.search(opened.content.body.subject) or _TAG.search(opened.mail.subject)
    return read_token(found[1].lower()) if found else None


class OwnCase(Route, Protocol):
    """A mail as a case of its own, which may be linked with the one that it points at."""

    @property
    def arrival(self) -> Arrival:
        """The case that it would become."""

    def silent(self) -> OwnCase:
        """The same, without a word to anybody."""

    def as_junk(self) -> OwnCase:
        """The same, put aside as junk."""

    def carry_out(self, session: Session, may_belong_to: CaseRow | None = None) -> tuple[Taken, str]:
        """Write the case down."""


@dataclass(frozen=True)
class FollowUp:
    """A mail that points at a case. It joins when its author is sure enough; otherwise it becomes a case of its own."""

    context: Context
    opened: Opened
    place: Place
    own_case: OwnCase

    def carry_out(self, session: Session) -> tuple[Taken, str]:
        """Write it down, and have the readers told. A program's answer wakes nobody, unless it is about our reply."""
        arrival = self.own_case.arrival
        file = opened_case(session, self.context, self.opened, self.place)
        if file is None:
            return self.own_case.carry_out(session)
        row, known, first = file.row, file.facts, file.first_message()
        signature = first.body.signature if first else Signature()
        sure = standing(self.opened.mail, arrival.body, Record(known.reporters, signature), self.place)
        if arrival.state == "automatic":
            self._join_silently(file, arrival)
            if self.opened.found.undelivered and may_tell_of_failure(session, self.context, row.id):
                file.enqueue("bounced", "reporter")
                promises.not_reached(session, row)
            return "automatic", row.codename
        if sure == "doubtful":
            return self.own_case.carry_out(session, row)
        if row.state == "junk" and arrival.body.filtered == "junk":
            conversation.join(file, replace(arrival, state="junk", author="reporter", notices=()))
            return "junk", row.codename
        silent = row.state in ("automatic", "junk") and not arrival.body.failure
        arrival = as_first_report(arrival, known) if silent else as_follow_up(arrival, known, signature)
        limit = self.opened.job.desk.flood_limit * (_LINES if arrival.body.chat else 1)
        told = within_the_flood_limit(session, self.context, source_of(self.opened), arrival, limit)
        conversation.join(file, self._with_reply(session, replace(told, state=arrival.state)))
        return "thread", row.codename

    def _join_silently(self, file: CaseFile, arrival: Arrival) -> None:
        """What a program sent wakes nobody, unless it withholds the case from somebody: the others must know that it did."""
        if self.opened.found.undelivered:
            conversation.join(file, replace(arrival, author="machine", recusals=(), notices=()))
            return
        before = file.case.recused
        doubted = recusals.doubted(arrival.recusals)
        fresh = {item.member for item in doubted} - before
        told = ("message",) if fresh and file.row.state in queue.OPEN_STATES else ()
        conversation.join(file, replace(arrival, author="other", recusals=doubted, notices=told))
        if fresh and withholding.few_others(file, set()):
            file.enqueue_once("consent-waits")

    def _with_reply(self, session: Session, arrival: Arrival) -> Arrival:
        """With an answer for whoever must write again, or was not acknowledged yet; no second acknowledgement."""
        if not (arrival.body.failure or "report" in arrival.notices):
            return arrival
        answered = with_acknowledgement(session, self.context, self.opened.job, arrival, arrival.body.reply_to)
        if not arrival.body.failure or answered.notices != arrival.notices or not answered.facts.no_reply_because:
            return answered
        note = Sentence(NOT_ASKED, {"why": answered.facts.no_reply_because})
        return replace(answered, body=replace(answered.body, notes=(*answered.body.notes, note)))


@dataclass(frozen=True)
class MachineAnswer:
    """What a program answers to a notice: an absence note, or that a reader cannot be reached.

    It says nothing on the case, and who has it sent is no reporter: it is kept with the case that it answers, without a
    word. That a reader's mail server gave up is told to the others.
    """

    context: Context
    opened: Opened
    place: Place
    own_case: OwnCase

    def carry_out(self, session: Session) -> tuple[Taken, str]:
        """Keep it."""
        arrival = self.own_case.arrival
        member = self.place.recipient
        silent = replace(arrival, state="automatic", author="machine", recusals=(), facts=Facts(), notices=())
        file = opened_case(session, self.context, self.opened, self.place)
        if file is None:
            return self.own_case.carry_out(session)
        conversation.join(file, silent)
        if member and self.opened.found.undelivered and may_tell_of_failure(session, self.context, file.row.id):
            file.enqueue_once("bounced", member)
        return "automatic", file.row.codename


def opened_case(session: Session, context: Context, opened: Opened, place: Place) -> CaseFile | None:
    """The case that a mail points at, opened for writing; None when there is none, or it was destroyed meanwhile."""
    if place.row is None:
        return None
    try:
        return open_case(session, actor(context, opened.job), row_by_id(session, place.row.id))
    except NoSuchCase:
        return None


def as_follow_up(arrival: Arrival, known: Facts, first: Signature) -> Arrival:
    """What would be a case, as a message of the one that its author wrote before. Pure."""
    notes = list(arrival.body.notes)
    if first.fingerprint and arrival.body.signature.fingerprint != first.fingerprint:
        notes.insert(0, Sentence(NOT_SIGNED))
    if arrival.facts.reporter_fingerprint not in ("", known.reporter_fingerprint):
        text = NEW_KEY if known.reporter_key else FIRST_KEY
        keys = {"new": arrival.facts.reporter_fingerprint, "old": known.reporter_fingerprint}
        notes.append(Sentence(text, keys))
    # What answers it goes where the first mail asked for, or nowhere.
    reply_to = known.reply_to if arrival.body.reply_to else ""
    body = replace(arrival.body, notes=tuple(notes), reply_to=reply_to)
    return replace(arrival, author="reporter", body=body, notices=("message",))


def as_first_report(arrival: Arrival, known: Facts) -> Arrival:
    """What answers a mail of ours in a case that nobody was told of, such as one that only asked for the key. Pure.

    It is the report. Its author is acknowledged at the address on record.
    """
    body = replace(arrival.body, reply_to=known.reply_to if arrival.body.reply_to else "")
    return replace(arrival, author="reporter", body=body, notices=("report",))
