"""One notice to one recipient, as the mail that goes over the wire. Pure but for the desk's signature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime

from mailer.saying.render import Rendered
from mailer.sealing.mime import Field, Headers, fields, mailbox, signable, signed_mail
from store.kit.config import Desk
from store.openpgp.keyring import Keyring
from store.tables.records import Attachment
from store.team.members import Member

# The subject of what is sealed, where nothing is to be said of it (RFC 9788 section 3.2.1).
OBSCURED = "[...]"


@dataclass(frozen=True)
class Addressing:
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


def to_one(addressing: Addressing, member: Member, autocrypt: str) -> Addressing:
    """The same, to one member, with the desk's key."""
    return replace(addressing, to=mailbox(member.name, member.email), autocrypt=autocrypt)


def to_member(desk: Desk, subject: str, addressing: Addressing) -> list[Field]:
    """What stands outside of a sealed notice or answer to one member."""
    return fields(_headers(desk, addressing, subject, "auto-generated"))


def plain_note(
    desk: Desk, addressing: Addressing, rendered: Rendered, keyring: Keyring, files: Sequence[Attachment] = ()
) -> bytes:
    """A signed mail in plain: to a reporter, to a member about their key, or to the operator."""
    signed = signable(rendered.subject, rendered.text, files)
    signature, micalg = keyring.sign(signed, desk.fingerprint)
    return signed_mail(_headers(desk, addressing, rendered.subject, _kind(addressing)), signed, signature, micalg)


def sealed_note(desk: Desk, addressing: Addressing) -> list[Field]:
    """What stands outside of a sealed mail to a reporter whose key came with their mail."""
    return fields(_headers(desk, addressing, OBSCURED, _kind(addressing)))


def _kind(addressing: Addressing) -> str:
    return "" if not addressing.automatic else "auto-replied" if addressing.answers else "auto-generated"


def _headers(desk: Desk, addressing: Addressing, subject: str, kind: str) -> Headers:
    """What is readable on the way: in a notice to readers, nothing but the codename tells it from another."""
    headers = [
        ("From", mailbox(desk.title, desk.address)),
        ("To", addressing.to),
        ("Subject", subject),
        ("Date", format_datetime(addressing.at)),
        ("Message-ID", addressing.message_id),
    ]
    if kind:
        headers += [("Auto-Submitted", kind), ("X-Auto-Response-Suppress", "All")]
    if addressing.reply_to:
        headers.append(("Reply-To", mailbox(desk.title, addressing.reply_to)))
    if answered := addressing.answers or addressing.thread:
        references = " ".join(dict.fromkeys(filter(None, (addressing.thread, addressing.answers))))
        headers += [("In-Reply-To", answered), ("References", references)]
    if addressing.autocrypt:
        keydata = _folded(addressing.autocrypt)
        headers.append(("Autocrypt", f"addr={desk.address}; prefer-encrypt=mutual; keydata={keydata}"))
    return headers


def _folded(keydata: str) -> str:
    """Base64 with spaces, at which a header may be folded."""
    return " ".join(keydata[at : at + 72] for at in range(0, len(keydata), 72))
