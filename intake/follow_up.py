"""More mail on a case that there is: from its reporter, from somebody else, or from a mail server that gave up."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime

from sqlmodel import Session

from intake.arrival import Opened, source_of
from intake.message import Mail, children, content_type, header, header_values, parse, part_octets
from intake.plan import Outcome, Plan, told_as_it_should, with_acknowledgement
from intake.triage import is_failure
from store import cases, conversation, outbox, threads
from store.context import Context
from store.models import CaseRow
from store.records import Arrival, Facts, Recusal
from store.sentences import Sentence, marked
from store.threads import Side, Token, read_token

_ID = re.compile(r"<[^<>\s]+@[^<>\s]+>")
_TAG = re.compile(r"\[(c-[a-z2-7]{24})\]", re.IGNORECASE)
_RETURNED = frozenset({"message/rfc822", "text/rfc822-headers", "message/rfc822-headers"})

SOMEBODY_ELSE = marked("this mail did not come from the address of the report: it may be from somebody else")
NOT_SIGNED = marked("this mail is not signed by the key that signed the report")
NEW_KEY = marked(
    "a different key came with this mail ({new}); replies still go to the first one ({old}) until somebody writes /reply new-key"
)
FIRST_KEY = marked("a key came with this mail ({new}); replies are encrypted to it from now on")


@dataclass(frozen=True)
class Place:
    """Where a mail says that it belongs. `unknown_team`: by a token of the team's side whose case there is not.

    `recipient` is the member whose notice it answers, if it answers one.
    """

    side: Side
    row: CaseRow | None
    recipient: str = ""
    unknown_team: bool = False
    found: bool = False


def place_of(context: Context, opened: Opened) -> Place:
    """Where a mail belongs, by the address that it went to, a tag in its subject, or the mails that it answers."""
    desk, vault = opened.job.desk, context.vault
    token = opened.job.asked.token or _tag(opened)
    answered = referred(opened.mail)
    if token is None and not answered:
        return Place("reporter", None)
    with context.database.read() as session:
        if token is not None:
            row = threads.find(session, vault, desk.id, token)
            return Place(token.side, row, "", token.side == "team" and row is None, True)
        found = threads.find_by_ids(session, vault, desk.id, answered)
    return Place(found.side, found.row, found.recipient, False, True) if found else Place("reporter", None)


def _tag(opened: Opened) -> Token | None:
    """The token in a subject, where addresses cannot carry one."""
    found = _TAG.search(opened.content.body.subject) or _TAG.search(opened.mail.subject)
    return read_token(found[1].lower()) if found else None


def referred(mail: Mail) -> list[str]:
    """The Message-IDs that a mail answers or refers to (RFC 5322 section 3.6.4), the nearest last; of a report on a
    delivery, that of the mail which it returns (RFC 3462)."""
    heads = [mail.root]
    if content_type(mail.root) == "multipart/report":
        for part in children(mail.root):
            if content_type(part) in _RETURNED:
                inner = children(part)
                heads.append(inner[0] if inner else parse(part_octets(part)))
    values = [header(head, "Message-ID") for head in heads[1:]]
    references = header_values(mail.root, "References") + header_values(mail.root, "In-Reply-To")
    return [found for value in (*references, *values) for found in _ID.findall(value)]


@dataclass(frozen=True)
class FollowUp:
    """A mail that joins a case; where the case is gone by then, it becomes one of its own."""

    context: Context
    opened: Opened
    case_id: str
    arrival: Arrival
    otherwise: Plan

    def carry_out(self, session: Session) -> tuple[Outcome, str]:
        """Write it down, and have the readers told. A program's answer wakes nobody, unless it is about our reply."""
        vault = self.context.vault
        row = cases.row_by_id(session, self.case_id)
        if row.wrapped_key is None:
            return self.otherwise.carry_out(session)
        known = cases.facts(vault, row)
        first = cases.message(session, vault, row.id)
        arrival = as_follow_up(self.arrival, known, first.body.signature.fingerprint if first else None)
        if arrival.state == "automatic":
            conversation.join(session, vault, row, replace(arrival, notices=()))
            if is_failure(self.opened.mail):
                outbox.enqueue(session, "bounced", row.desk, arrival.at, case_id=row.id, subject_id="reporter")
            return "automatic", row.codename
        told = told_as_it_should(session, self.context, self.opened.job.desk, source_of(self.opened), arrival)
        conversation.join(session, vault, row, self._with_reply(session, replace(told, state=arrival.state)))
        return "thread", row.codename

    def _with_reply(self, session: Session, arrival: Arrival) -> Arrival:
        """With an acknowledgement for somebody new, and one for whoever must write again; none for the rest."""
        job = self.opened.job
        by_address = job.asked.token is None or job.asked.token.side == "reporter"
        if not (arrival.body.failure or (arrival.author == "other" and by_address)):
            return arrival
        return with_acknowledgement(session, self.context, job, arrival, arrival.body.reply_to)


@dataclass(frozen=True)
class MachineToTeam:
    """What a program answers to a notice: an absence note, or that a reader cannot be reached.

    It says nothing on the case, and who has it sent is no reporter: it is kept apart. That a reader's mail server gave
    up is told to the others.
    """

    opened: Opened
    place: Place
    at: datetime
    otherwise: Plan

    def carry_out(self, session: Session) -> tuple[Outcome, str]:
        """Keep it."""
        row, member = self.place.row, self.place.recipient
        if row is not None and member and is_failure(self.opened.mail):
            outbox.enqueue_once(session, "bounced", row.desk, self.at, case_id=row.id, subject_id=member)
        return self.otherwise.carry_out(session)


def as_follow_up(arrival: Arrival, known: Facts, first_signer: str | None) -> Arrival:
    """What would be a case, as a message of one. Pure.

    Somebody who is not the reporter asks for nothing for good: what they say withholds provisionally.
    """
    from_reporter = bool(set(arrival.facts.reporters) & set(known.reporters))
    notes = list(arrival.body.notes)
    recusals = arrival.recusals
    if not from_reporter:
        notes.insert(0, Sentence(SOMEBODY_ELSE))
        recusals = tuple(
            Recusal(item.member, "named" if item.source == "reporter" else item.source) for item in recusals
        )
    elif first_signer and arrival.body.signature.fingerprint != first_signer:
        notes.insert(0, Sentence(NOT_SIGNED))
    if from_reporter and arrival.facts.reporter_fingerprint not in ("", known.reporter_fingerprint):
        text = NEW_KEY if known.reporter_key else FIRST_KEY
        keys = {"new": arrival.facts.reporter_fingerprint, "old": known.reporter_fingerprint}
        notes.append(Sentence(text, keys))
    return replace(
        arrival,
        author="reporter" if from_reporter else "other",
        body=replace(arrival.body, notes=tuple(notes)),
        recusals=recusals,
        notices=("message",),
    )
