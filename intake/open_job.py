"""In a reader process: one mail at one desk read, opened, sorted, searched; its key and its fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from intake.arrival import Job, Opened
from intake.asking import cautions
from intake.asking.directives import ReporterRequest, asked_by_body
from intake.asking.form import read_form, told_at
from intake.asking.own_addresses import asked_by_header
from intake.asking.recused import SearchedMail
from intake.asking.triage import Reception, Triage, sort
from intake.asking.urgency import goes_on, in_danger
from intake.authentication.authenticate import authenticate
from intake.filters.headers import filtered, worst
from intake.reading.autocrypt import header_keys, only_offered
from intake.reading.documents.look import Look, look_into
from intake.reading.message import Parsed, read_mail
from intake.reading.opened import OpenedMail
from intake.reading.opening import open_mail
from intake.reading.trace import without_trace
from store.kit.addresses import folded
from store.kit.sentences import Sentence
from store.openpgp.keyring import Keyring
from store.openpgp.receipts import stands_for_a_receipt
from store.tables.records import Body

if TYPE_CHECKING:
    from intake.authentication.lookups import Lookups


@dataclass(frozen=True)
class Tools:
    """What reading a mail asks besides its octets: GnuPG, whose an address is, and DNS, if the desk is to ask it."""

    keyring: Keyring
    is_own: Callable[[str], bool]
    lookups: Lookups | None = None


def open_job(job: Job, tools: Tools, unread: str = "") -> Opened:
    """Read and open a mail. Of one that is known only by its header, `unread` says why; nothing else of it is read.

    Touches nothing but GnuPG and DNS. Raises OpenPGPUnavailable, and whatever a broken mail makes the parser raise.
    """
    keyring = tools.keyring
    received = read_mail(job.envelope.raw)
    filter_said = worst((filtered(received, job.desk.trusted_authserv), job.envelope.filtered))
    vouched = authenticate(job, received, None if unread else tools.lookups)
    parsed, content = _opened(received, keyring, unread)
    asked = _asked(job, content)
    look = look_into(content.attachments, content.ciphertext)
    octets = (_less(b"".join(without_trace(job.envelope.raw)), content.ciphertext), *content.inside)
    said = SearchedMail(parsed.mail, content, look.texts, octets)
    disowned = vouched.result == "fail"
    found = sort(parsed, said, Reception(job.envelope.sender, asked, job.roster, tools.is_own, disowned))
    if not job.envelope.by_form:
        found = _without_receipts(found)
    key = _reply_key(keyring, content, found.answer_to)
    unusable = not key[0] and _brought_a_key(keyring, content, parsed, found.answer_to)
    notes = (
        *cautions.of_authentication(vouched), *content.body.notes, *_cautions(job, content, look, found),
        *cautions.of_keys(unusable=unusable),
    )  # fmt: skip
    offered = only_offered(parsed, content.body, content.attachments, key[0])
    body = replace(content.body, key_offered=offered, notes=notes, authentication=vouched, filtered=filter_said)
    fields = read_form(body.text)
    tell = told_at(body.text) if job.envelope.by_form else ""
    urgent = goes_on(fields) or (job.desk.danger_words and in_danger(f"{body.subject}\n{body.text}"))
    return Opened(
        replace(job, asked=asked), parsed.mail, replace(content, body=body, inside=(), ciphertext=(), protected=None),
        _as_the_desk_wants(job, found), key, unusable, fields, urgent, "" if tools.is_own(tell) else tell,
    )  # fmt: skip


def _less(octets: bytes, ciphertext: Sequence[bytes]) -> bytes:
    """The octets of a mail without what was opened, as far as it stands in it as it is: to be searched there would only take time."""
    for lines in ciphertext:
        octets = octets.replace(lines.replace(b"\r\n", b"\n"), b"", 1)
    return octets


def _opened(parsed: Parsed, keyring: Keyring, unread: str) -> tuple[Parsed, OpenedMail]:
    mail = parsed.mail
    if unread:
        body = Body(sender=mail.sender_text, outside_subject=mail.subject, failure=unread, date=mail.date)
        return parsed, OpenedMail(body)
    content = open_mail(parsed, keyring)
    if content.protected is not None:
        parsed = replace(parsed, mail=mail.protecting(content.protected))
    return parsed, content


def _asked(job: Job, content: OpenedMail) -> ReporterRequest:
    """What the mail asks for: by its addresses, in its text, in its subject.

    A subject outside of the encryption may have been changed on the way.
    """
    sure = content.body.encryption == "none" or bool(content.protected and content.protected.subject)
    by_header = asked_by_header(job.envelope.raw, job.desk)
    return job.asked | by_header | asked_by_body(content.body, sure_subject=sure)


def _cautions(job: Job, content: OpenedMail, look: Look, found: Triage) -> Iterator[Sentence]:
    yield from cautions.not_searched(look.missed, whole=found.searched)
    yield from cautions.out_of_sight(content.attachments, found.unseen, job.roster)
    if job.desk.first_names == "note":
        called = [item.member for item in found.recusals if item.source == "first-name"]
        yield from cautions.by_first_name(job.roster, called)


def _without_receipts(found: Triage) -> Triage:
    """What was found in a mail, which nobody with a receipt sent: an address that stands for one is no address there."""
    if not any(map(stands_for_a_receipt, (found.reply_to, found.answer_to, found.address))):
        return found
    return replace(found, reply_to="", answer_to="", address="")


def _as_the_desk_wants(job: Job, found: Triage) -> Triage:
    """What was found, without first names where the desk only points them out."""
    if job.desk.first_names == "withhold":
        return found
    return replace(found, recusals=tuple(item for item in found.recusals if item.source != "first-name"))


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
