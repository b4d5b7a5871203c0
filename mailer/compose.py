"""One notice to one recipient, as the mail that goes over the wire. Pure but for the desk's signature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime

from mailer.saying.render import Rendered
from mailer.sealing.mime import Headers, mailbox, sealed_mail, signable, signed_mail
from mailer.sealing.seal import Sealer
from store.kit.config import Desk
from store.openpgp.keyring import Keyring
from store.tables.records import Attachment
from store.team.members import Member


@dataclass(frozen=True)
class Way:
    """How a mail is addressed. `automatic` is what the desk says of itself (RFC 3834).

    `answers` is the mail that it answers, `thread` what the conversation began with where that is another one
    (RFC 5322 section 3.6.4).
    """

    to: str
    message_id: str
    at: datetime
    answers: str = ""
    reply_to: str = ""
    autocrypt: str = ""
    automatic: bool = True
    thread: str = ""


def to_member(desk: Desk, subject: str, member: Member, way: Way, armored: bytes, sealer: Sealer) -> bytes:
    """A sealed notice or answer to one member. `way` needs neither their address nor the desk's key."""
    way = replace(way, to=mailbox(member.name, member.email), autocrypt=sealer.autocrypt(desk.fingerprint))
    return sealed_mail(_headers(desk, way, subject, "auto-generated"), armored)


def plain_note(desk: Desk, way: Way, rendered: Rendered, keyring: Keyring, files: Sequence[Attachment] = ()) -> bytes:
    """A signed mail in plain: to a reporter, to a member about their key, or to the operator."""
    signed = signable(rendered.subject, rendered.text, files)
    signature, micalg = keyring.sign(signed, desk.fingerprint)
    return signed_mail(_headers(desk, way, rendered.subject, _kind(way)), signed, signature, micalg)


def sealed_note(desk: Desk, way: Way, armored: bytes) -> bytes:
    """A sealed mail to a reporter whose key came with their mail."""
    return sealed_mail(_headers(desk, way, "...", _kind(way)), armored)


def _kind(way: Way) -> str:
    return "" if not way.automatic else "auto-replied" if way.answers else "auto-generated"


def _headers(desk: Desk, way: Way, subject: str, kind: str) -> Headers:
    """What is readable on the way: in a notice to readers, nothing but the codename tells it from another."""
    headers = [
        ("From", mailbox(desk.title, desk.address)),
        ("To", way.to),
        ("Subject", subject),
        ("Date", format_datetime(way.at)),
        ("Message-ID", way.message_id),
    ]
    if kind:
        headers += [("Auto-Submitted", kind), ("X-Auto-Response-Suppress", "All")]
    if way.reply_to:
        headers.append(("Reply-To", mailbox(desk.title, way.reply_to)))
    if answered := way.answers or way.thread:
        references = " ".join(dict.fromkeys(filter(None, (way.thread, way.answers))))
        headers += [("In-Reply-To", answered), ("References", references)]
    if way.autocrypt:
        keydata = _folded(way.autocrypt)
        headers.append(("Autocrypt", f"addr={desk.address}; prefer-encrypt=mutual; keydata={keydata}"))
    return headers


def _folded(keydata: str) -> str:
    """Base64 with spaces, at which a header may be folded."""
    return " ".join(keydata[at : at + 72] for at in range(0, len(keydata), 72))
