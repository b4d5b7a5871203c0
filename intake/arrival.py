"""One mail at one desk, and the case that it becomes once it was read and opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from intake.asking import directives
from intake.asking.directives import ReporterRequest
from intake.asking.dragnet import dragnet
from intake.asking.excluded import excluded
from intake.asking.triage import Triage
from intake.reading.message import Mail
from intake.reading.opened import OpenedMail
from intake.reading.trace import without_trace
from store.context import Context
from store.kit.addresses import bare
from store.kit.config import Desk
from store.kit.sentences import marked
from store.openpgp.receipts import stands_for_a_receipt
from store.tables.authentication import Authentication
from store.tables.records import Arrival, Body, Facts, Filtered, NewLetterbox, Recusal, State
from store.team.members import Roster


@dataclass(frozen=True)
class Envelope:
    """A mail as it was handed over. `sender` is None when unknown, empty for the null sender.

    `peer` is the address of the SMTP client, `helo` the name that it gave; both are empty when unknown. `filtered` is what a
    filter said by where it put the mail. `by_form`: it came by the web form, from the address that stands for its author's receipt;
    `letterbox` is what is to be kept for them, with a first report.
    """

    raw: bytes = field(repr=False)
    sender: str | None = field(repr=False)
    recipients: tuple[str, ...] = field(repr=False)
    peer: str = field(default="", repr=False)
    helo: str = field(default="", repr=False)
    filtered: Filtered = ""
    by_form: bool = False
    letterbox: NewLetterbox | None = None


@dataclass(frozen=True)
class Job:
    """One mail at one desk, while it is handled.

    `authenticated` is who vouched for it when it came; None while it is new.
    """

    desk: Desk
    asked: ReporterRequest
    envelope: Envelope
    digest: str
    roster: Roster
    authenticated: Authentication | None = None


@dataclass(frozen=True)
class Opened:
    """A mail that was read and opened, with what it asks for (in `job`) and what triage found.

    `key` is the key to write to its author with, and its fingerprint; `key_unusable`: one came, and none can be used.
    `fields` are those of the record that it fills; `urgent`: it says that it cannot wait. `tell` is a mail address that is to
    hear that an answer waits.
    """

    job: Job
    mail: Mail
    content: OpenedMail
    found: Triage
    key: tuple[bytes, str] = field(default=(b"", ""), repr=False)
    key_unusable: bool = False
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    urgent: bool = False
    tell: str = field(default="", repr=False)


def arrival_of(context: Context, opened: Opened) -> Arrival:
    """The case that an opened mail would become."""
    job, mail, content, found = opened.job, opened.mail, opened.content, opened.found
    held = bool(content.body.failure)
    state: State = "automatic" if found.kind == "reply-by-machine" else "held" if held else "new"
    notice = "held" if held else "report"
    key, fingerprint = opened.key
    return Arrival(
        desk=job.desk.id,
        state=state,
        at=context.clock(),
        raw=job.envelope.raw,
        digest=job.digest,
        message_id=mail.message_id,
        body=_with_envelope(job, replace(content.body, reply_to=found.reply_to)),
        facts=Facts(
            found.reply_to,
            found.no_reply_because,
            key,
            found.unmatched,
            mail.message_id,
            directives.wishes(job.asked),
            answer_to=found.answer_to,
            reporters=_reporters(opened),
            reporter_fingerprint=fingerprint,
            came_sealed=content.body.encryption != "none" or opened.key_unusable,
            asks_reply=job.asked.reply,
            asks_quiet=job.asked.quiet,
            address=found.address,
            asks_secrecy=found.secret,
            without_token=job.asked.token is not None or mail.refers,
            tell=opened.tell,
        ),
        attachments=content.attachments,
        recusals=found.recusals,
        notices=() if state == "automatic" else (notice,),
        screened=screened(job.roster),
        fields=opened.fields,
        urgent=opened.urgent,
        letterbox=job.envelope.letterbox,
    )


def _reporters(opened: Opened) -> tuple[str, ...]:
    """The addresses that a report came from; those that stand for a receipt, only where it came by the form."""
    named = dict.fromkeys(bare(item.address) for item in (*opened.mail.sender, *opened.mail.reply_to))
    by_form = opened.job.envelope.by_form
    return tuple(address for address in named if by_form or not stands_for_a_receipt(address))


def source_of(opened: Opened) -> str:
    """Whom a mail counts for when one sends very many: the list that it came by, its author, or its envelope's sender.

    A list whose address is one of the desk's stands in front of it: there each author counts for themself.
    """
    mail = opened.mail
    by_list = mail.list_id if opened.found.circular else ""
    return by_list or next((bare(item.address) for item in mail.sender), opened.job.envelope.sender or "")


def unreadable(context: Context, job: Job, why: str, named: Sequence[str]) -> Arrival:
    """A mail that can't be handled: kept whole. The team is told that it waits; nothing of it is shown.

    `named` are the ids of members who stand in its octets (`named_in`).
    """
    recusals, _ = excluded(job.asked, job.roster.members)
    recusals += [Recusal(member, "named") for member in named]
    because = marked("the mail could not be read")
    facts = Facts(no_reply_because=because, wishes=directives.wishes(job.asked), asks_quiet=job.asked.quiet)
    if (
        job.envelope.by_form and job.envelope.sender
    ):  # what its author adds belongs here, and they can be answered once it is read
        address = job.envelope.sender
        facts = replace(facts, reporters=(address,), address=address, answer_to=address, came_sealed=True)
    return Arrival(
        desk=job.desk.id,
        state="held",
        at=context.clock(),
        raw=job.envelope.raw,
        digest=job.digest,
        message_id="",
        body=_with_envelope(job, Body(failure=why)),
        facts=facts,
        recusals=tuple(recusals),
        notices=("held",),
        screened=screened(job.roster),
        letterbox=job.envelope.letterbox,
    )


def named_in(raw: bytes, roster: Roster) -> list[str]:
    """In a reader process: the ids of the members who stand in the octets of a mail that cannot be read."""
    caught = dragnet([b"".join(without_trace(raw))], roster.members)
    return [member.id for member in (caught.members if caught.whole else roster.members)]


def _with_envelope(job: Job, body: Body) -> Body:
    """What it says, and by which way it came; what did not open with its envelope: it says where it belongs when it is opened at last."""
    body = replace(body, by_form=job.envelope.by_form)
    if not body.failure:
        return body
    return replace(body, sent_by=job.envelope.sender, sent_to=job.envelope.recipients)


def screened(roster: Roster) -> dict[str, str]:
    """Who was looked for in a mail: everybody on the roster of that moment."""
    return {member.id: member.identity for member in roster.members}
