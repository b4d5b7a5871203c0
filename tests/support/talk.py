"""What members and reporters write in a conversation, as their mail programs would send it, and what they read."""

from __future__ import annotations

import email
from email.header import decode_header, make_header
from email.message import Message

from desk.demo.mails import pgp_mime, plain_mail, text_entity, text_of
from desk.demo.rehearsal import Delivered, Person, Rehearsal
from tests.conftest import Desk

ADDRESS = "conduct@desk.example"


def member_mail(
    play: Rehearsal,
    member: Person,
    text: str,
    codename: str = "",
    *,
    sign: bool = True,
    sealed: bool = True,
    subject: str | None = None,
    extra: str = "",
    entity: bytes | None = None,
) -> bytes:
    """A member's mail: by default sealed and signed, answering a notice of a case under its protected subject."""
    inner = f"Re: [Conduct Team] {codename}: new report" if subject is None and codename else subject or ""
    made = entity or text_entity(text, inner)
    sender = f"{member.name} <{member.email}>"
    if sealed:
        return pgp_mime(
            made, play.desk_key, member.keyring, member.fingerprint if sign else None, sender=sender, extra=extra
        )
    return signed_mail(member, made, sender, extra) if sign else plain_mail(text, inner, sender, extra=extra)


def signed_mail(member: Person, entity: bytes, sender: str, extra: str = "") -> bytes:
    """A mail that is signed but not encrypted (RFC 3156 section 5)."""
    signed = entity.rstrip(b"\n").replace(b"\n", b"\r\n")
    signature, micalg = member.keyring.sign(signed, member.fingerprint)
    head = (
        f"From: {sender}\nTo: {ADDRESS}\nSubject: Re: notice\nMessage-ID: <{id(entity)}.{len(signed)}@team.example>\n{extra}"
        f'MIME-Version: 1.0\nContent-Type: multipart/signed; protocol="application/pgp-signature"; micalg="{micalg}"; '
        'boundary="s1"\n\n--s1\n'
    ).encode()
    tail = b"\n--s1\nContent-Type: application/pgp-signature\n\n" + signature + b"\n--s1--\n"
    return head + entity.rstrip(b"\n") + tail


def read(person: Person, item: Delivered) -> str:
    """What a mail says to somebody: subject and text of the protected part, or of a mail in plain."""
    opened = person.opens(item.mail)
    inside = email.message_from_bytes(opened if opened is not None else item.mail)
    # Where the desk's key is with GnuPG's agent, what is protected lies within a signed part.
    protected = next((part for part in inside.walk() if part["Subject"]), inside)
    subject = " ".join(str(make_header(decode_header(protected["Subject"] or ""))).split())
    return f"{subject}\n{text_of(opened if opened is not None else item.mail)}"


def words(text: str) -> str:
    """A text without the places where its lines end: what is said, wherever it was folded."""
    return " ".join(text.split())


def headers(item: Delivered) -> Message:
    """The headers of a mail as it travelled."""
    return email.message_from_bytes(item.mail)


def to(person: Person, mails: list[Delivered]) -> list[str]:
    """What one person reads of some mails."""
    return [read(person, item) for item in mails if item.recipient == person.email]


def say(desk: Desk, member: Person, text: str, codename: str = "", **options: object) -> list[Delivered]:
    """Have a member write, and what leaves the desk because of it."""
    desk.receive(member_mail(desk.play, member, text, codename, **options), sender=member.email)  # type: ignore[arg-type]
    return desk.mail_out()


def beside(mail: bytes, *others: str) -> bytes:
    """A mail with other parts put before what it holds, as anybody can who has a copy of it."""
    head, _, body = mail.partition(b"\nContent-Type: multipart/")
    parts = "".join(f"--out\n{part}\n" for part in others)
    return (
        head.replace(b"Message-ID: <", b"Message-ID: <b", 1)
        + f'\nContent-Type: multipart/mixed; boundary="out"\n\n{parts}--out\n'.encode()
        + b"Content-Type: multipart/"
        + body
        + b"\n--out--\n"
    )


def failed_delivery(message_id: str, recipient: str, action: str = "failed") -> bytes:
    """What a mail server says that gives up on a mail, or will try again (RFC 3464)."""
    return (
        "From: MAILER-DAEMON@mx.example\nTo: x\nSubject: Undelivered\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="r"\n\n--r\n\nSorry.\n--r\n'
        "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"
        f"Final-Recipient: rfc822; {recipient}\nAction: {action}\nStatus: 5.1.1\n\n--r\n"
        f"Content-Type: text/rfc822-headers\n\nMessage-ID: {message_id}\n\n--r--\n"
    ).encode()
