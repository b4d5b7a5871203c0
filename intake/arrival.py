"""One mail at one desk made into what is to be written down: opened, sorted, its key and its fields read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from intake.asking import directives
from intake.asking.directives import ReporterRequest, asked_by_body
from intake.asking.dragnet import dragnet
from intake.asking.excluded import excluded
from intake.asking.form import read_form
from intake.asking.own_addresses import asked_by_header
from intake.asking.recused import SearchedMail
from intake.asking.triage import Reception, Triage, sort
from intake.reading.autocrypt import header_keys, only_offered
from intake.reading.documents.look import look_into
from intake.reading.message import Mail, Parsed, one_line, read_mail, without_trace
from intake.reading.opened import OpenedMail
from intake.reading.opening import open_mail
from store.context import Context
from store.kit.addresses import bare, folded
from store.kit.config import Desk
from store.kit.sentences import Sentence, marked
from store.openpgp.keyring import Keyring
from store.tables.records import Arrival, Body, Facts, Recusal, State
from store.team.members import Roster

_MOST_LISTED = 20

NOT_LOOKED_INTO = marked("not looked into for names of the team: {files}")
MAY_SPEAK_OF = marked("by a first name, it may speak of: {names}")
KEY_UNUSABLE = marked(
    "a key came with it that cannot be used here; nothing is written to them in plain unless you say so"
)
NAMED_UNSEEN = marked("somebody on the team is named in {files}, in a place that cannot be shown")
NAMED_OUT_OF_SIGHT = marked("somebody on the team is named in this mail, in a place that is not shown")
NOT_SEARCHED = marked("it unpacks to more than was searched for names of the team")


@dataclass(frozen=True)
class Envelope:
    """A mail as it was handed over. `sender` is None when unknown, empty for the null sender."""

    raw: bytes = field(repr=False)
    sender: str | None = field(repr=False)
    recipients: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class Job:
    """One mail at one desk, while it is handled."""

    desk: Desk
    asked: ReporterRequest
    envelope: Envelope
    digest: str
    roster: Roster


@dataclass(frozen=True)
class Opened:
    """A mail that was read and opened, with what it asks for (in `job`) and what triage found.

    `key` is the key to write to its author with, and its fingerprint; `key_unusable`: one came, and none can be used.
    `fields` are those of the record that it fills.
    """

    job: Job
    mail: Mail
    content: OpenedMail
    found: Triage
    key: tuple[bytes, str] = field(default=(b"", ""), repr=False)
    key_unusable: bool = False
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)


def open_job(job: Job, keyring: Keyring, is_own: Callable[[str], bool], unread: str = "") -> Opened:
    """Read and open a mail. Of one that is known only by its header, `unread` says why; nothing else of it is read.

    Touches nothing but GnuPG. Raises OpenPGPUnavailable, and whatever a broken mail makes the parser raise.
    """
    parsed = read_mail(job.envelope.raw)
    mail = parsed.mail
    if unread:
        body = Body(sender=mail.sender_text, outside_subject=mail.subject, failure=unread, date=mail.date)
        content = OpenedMail(body)
    else:
        content = open_mail(parsed, keyring)
        if content.protected is not None:
            mail = mail.protecting(content.protected)
            parsed = replace(parsed, mail=mail)
    asked = (
        job.asked
        | asked_by_header(job.envelope.raw, job.desk)
        | asked_by_body(content.body, sure_subject=_is_sure(content))
    )
    look = look_into(content.attachments)
    said = SearchedMail(mail, content, look.texts, (b"".join(without_trace(job.envelope.raw)), *content.inside))
    found = sort(parsed, said, Reception(job.envelope.sender, asked, job.roster, is_own))
    notes = (
        *content.body.notes,
        *_not_searched(look.missed, whole=found.searched),
        *_unseen(content, found, job.roster),
    )
    if job.desk.first_names == "note":
        called = [item.member for item in found.recusals if item.source == "first-name"]
        notes = (*notes, *_called(job.roster, called))
        found = replace(found, recusals=tuple(item for item in found.recusals if item.source != "first-name"))
    key = _reply_key(keyring, content, found.answer_to)
    unusable = not key[0] and _brought_a_key(keyring, content, parsed, found.answer_to)
    if unusable:
        notes = (*notes, Sentence(KEY_UNUSABLE))
    offered = only_offered(parsed, content.body, content.attachments, key[0])
    content = replace(content, body=replace(content.body, key_offered=offered, notes=notes), inside=(), protected=None)
    return Opened(replace(job, asked=asked), mail, content, found, key, unusable, read_form(content.body.text))


def _is_sure(content: OpenedMail) -> bool:
    """Whether the subject is the author's own: one outside of the encryption may have been changed on the way."""
    return content.body.encryption == "none" or bool(content.protected and content.protected.subject)


def _not_searched(missed: Sequence[str], *, whole: bool) -> Iterator[Sentence]:
    """What the readers must look at themselves: somebody who reads this may stand in it."""
    if missed:
        yield Sentence(NOT_LOOKED_INTO, {"files": _listed(missed)})
    if not whole:
        yield Sentence(NOT_SEARCHED)


def _unseen(content: OpenedMail, found: Triage, roster: Roster) -> Iterator[Sentence]:
    """Where somebody is named who is named in nothing that was read."""
    if found.unseen:
        wanted = {member.id for member in roster.members} - {member.id for member in found.unseen}
        files = [item.name for item in content.attachments if dragnet([item.data], roster.members, wanted).members]
        yield Sentence(NAMED_UNSEEN, {"files": _listed(files)}) if files else Sentence(NAMED_OUT_OF_SIGHT)


def _listed(names: Sequence[str]) -> str:
    more = f" (+{len(names) - _MOST_LISTED})" if len(names) > _MOST_LISTED else ""
    return ", ".join(one_line(name) or "-" for name in names[:_MOST_LISTED]) + more


def _called(roster: Roster, members: Sequence[str]) -> Iterator[Sentence]:
    """Whom first names may mean, where those withhold nothing."""
    names = [member.name for member in roster.members if member.id in members]
    if names:
        yield Sentence(MAY_SPEAK_OF, {"names": ", ".join(names)})


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
            reporters=tuple(dict.fromkeys(bare(item.address) for item in (*mail.sender, *mail.reply_to))),
            reporter_fingerprint=fingerprint,
            came_sealed=content.body.encryption != "none" or opened.key_unusable,
            asks_reply=job.asked.reply,
            asks_quiet=job.asked.quiet,
            address=found.address,
            without_token=job.asked.token is not None or mail.refers,
        ),
        attachments=content.attachments,
        recusals=found.recusals,
        notices=() if state == "automatic" else (notice,),
        screened=screened(job.roster),
        fields=opened.fields,
    )


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
    return Arrival(
        desk=job.desk.id,
        state="held",
        at=context.clock(),
        raw=job.envelope.raw,
        digest=job.digest,
        message_id="",
        body=_with_envelope(job, Body(failure=why)),
        facts=Facts(no_reply_because=because, wishes=directives.wishes(job.asked), asks_quiet=job.asked.quiet),
        recusals=tuple(recusals),
        notices=("held",),
        screened=screened(job.roster),
    )


def named_in(raw: bytes, roster: Roster) -> list[str]:
    """In a reader process: the ids of the members who stand in the octets of a mail that cannot be read."""
    caught = dragnet([b"".join(without_trace(raw))], roster.members)
    return [member.id for member in (caught.members if caught.whole else roster.members)]


def _with_envelope(job: Job, body: Body) -> Body:
    """What did not open, with the envelope that it came in: it says where it belongs when it is opened at last."""
    if not body.failure:
        return body
    return replace(body, sent_by=job.envelope.sender, sent_to=job.envelope.recipients)


def screened(roster: Roster) -> dict[str, str]:
    """Who was looked for in a mail: everybody on the roster of that moment."""
    return {member.id: member.identity for member in roster.members}


def _brought_a_key(keyring: Keyring, content: OpenedMail, parsed: Parsed, address: str) -> bool:
    """Whether the author gave a key of their own that cannot be read or encrypted to; in a header alone, programs do so by themselves."""
    by_themselves = set(header_keys(parsed.root, parsed.mail.sender)) if content.body.encryption == "none" else set()
    for material in content.keys if address else ():
        keys = keyring.read_key_data(material) if material not in by_themselves else None
        if keys == [] or (keys and keys[0].trouble and folded(address) in map(folded, keys[0].addresses)):
            return True
    return False


def _reply_key(keyring: Keyring, content: OpenedMail, address: str) -> tuple[bytes, str]:
    """The key to write to the reporter with, and its fingerprint: one that came with the mail and speaks for the address or signed it."""
    if not address:
        return b"", ""
    for material in content.keys:
        keys = keyring.read_key_data(material)
        if len(keys) != 1 or keys[0].trouble or keys[0].secret:
            continue
        speaks_for = {folded(item) for item in keys[0].addresses}
        if folded(address) in speaks_for or keys[0].fingerprint == content.body.signature.fingerprint:
            return material, keys[0].fingerprint
    return b"", ""
