"""One notice to one recipient, as the mail that goes over the wire. Pure but for the desk's signature."""

from __future__ import annotations

from datetime import datetime
from email.utils import format_datetime

from mailer.mime import Headers, mailbox, sealed_mail, signable, signed_mail
from mailer.render import Rendered
from mailer.seal import Sealer
from store.config import Desk
from store.keyring import Keyring
from store.people import Member


def to_reader(
    desk: Desk,
    codename: str,
    member: Member,
    message_id: str,
    thread: str,
    at: datetime,
    armored: bytes,
    sealer: Sealer,
) -> bytes:
    """A sealed notice to one reader."""
    to, subject = mailbox(member.name, member.email), f"[{desk.id}] {codename}"
    autocrypt = sealer.autocrypt(desk.fingerprint)
    return sealed_mail(_headers(desk, to, message_id, at, subject, "auto-generated", thread, autocrypt), armored)


def plain_note(
    desk: Desk,
    to: str,
    message_id: str,
    at: datetime,
    rendered: Rendered,
    keyring: Keyring,
    *,
    answers: str = "",
    autocrypt: str = "",
) -> bytes:
    """A signed note in plain: to a reporter, to a member about their key, or to the operator. It holds no content."""
    headers = _headers(desk, to, message_id, at, rendered.subject, _kind(answers), answers, autocrypt)
    signed = signable(rendered.subject, rendered.text)
    signature, micalg = keyring.sign(signed, desk.fingerprint)
    return signed_mail(headers, signed, signature, micalg)


def sealed_note(
    desk: Desk, to: str, message_id: str, at: datetime, armored: bytes, *, answers: str, autocrypt: str
) -> bytes:
    """A sealed note to a reporter whose key came with their mail."""
    return sealed_mail(_headers(desk, to, message_id, at, "...", _kind(answers), answers, autocrypt), armored)


def _kind(answers: str) -> str:
    return "auto-replied" if answers else "auto-generated"


def _headers(
    desk: Desk, to: str, message_id: str, at: datetime, subject: str, kind: str, answers: str, autocrypt: str
) -> Headers:
    """What is readable on the way: in a notice to readers, nothing but the codename tells it from another."""
    headers = [
        ("From", mailbox(desk.title, desk.address)),
        ("To", to),
        ("Subject", subject),
        ("Date", format_datetime(at)),
        ("Message-ID", message_id),
        ("Auto-Submitted", kind),
        ("X-Auto-Response-Suppress", "All"),
    ]
    if answers:
        headers += [("In-Reply-To", answers), ("References", answers)]
    if autocrypt:
        headers.append(("Autocrypt", f"addr={desk.address}; prefer-encrypt=mutual; keydata={_folded(autocrypt)}"))
    return headers


def _folded(keydata: str) -> str:
    """Base64 with spaces, at which a header may be folded."""
    return " ".join(keydata[at : at + 72] for at in range(0, len(keydata), 72))
