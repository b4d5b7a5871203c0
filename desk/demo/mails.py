"""Mails as people's programs write them, and what is in one."""

from __future__ import annotations

import email
import os

from store.openpgp.keyring import Keyring


def plain_mail(
    text: str,
    subject: str = "Report",
    sender: str = "Sam <sam@reporter.example>",
    to: str = "conduct@desk.example",
    extra: str = "",
) -> bytes:
    """A plain mail; `extra` is header lines, each with its line end."""
    head = (
        f"From: {sender}\nTo: {to}\nSubject: {subject}\nMessage-ID: <{os.urandom(8).hex()}@reporter.example>\n{extra}"
    )
    return f"{head}MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{text}\n".encode()


def pgp_mime(  # noqa: PLR0913 (each is a key or a header of the mail)
    entity: bytes,
    recipient_key: bytes,
    keyring: Keyring,
    signer: str | None = None,
    subject: str = "...",
    sender: str = "Sam <sam@reporter.example>",
    extra: str = "",
) -> bytes:
    """A PGP/MIME mail (RFC 3156) around an entity, sealed to a public key."""
    from store.openpgp.armor import armor

    sealed = armor(keyring.seal_to_key(entity, recipient_key, signer)).decode()
    return (
        f"From: {sender}\nTo: conduct@desk.example\nSubject: {subject}\nMessage-ID: <{os.urandom(8).hex()}@reporter.example>\n{extra}"
        'MIME-Version: 1.0\nContent-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary="b1"\n\n'
        "--b1\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n\n"
        f'--b1\nContent-Type: application/octet-stream; name="encrypted.asc"\n\n{sealed}\n--b1--\n'
    ).encode()


def text_entity(text: str, subject: str = "") -> bytes:
    """A text entity with a protected subject, for sealing."""
    protected = f'; protected-headers="v1"\nSubject: {subject}' if subject else ""
    return f"Content-Type: text/plain; charset=utf-8{protected}\nContent-Transfer-Encoding: 8bit\n\n{text}\n".encode()


def text_of(mail: bytes) -> str:
    """The first text in a mail or an opened entity, without its files."""
    parts = [part for part in email.message_from_bytes(mail).walk() if part.get_content_type() == "text/plain"]
    octets = parts[0].get_payload(decode=True) if parts else b""
    return octets.decode().replace("\r\n", "\n") if isinstance(octets, bytes) else ""


def ciphertext(mail: bytes) -> bytes | None:
    """The armored message in a PGP/MIME mail."""
    start = mail.find(b"-----BEGIN PGP MESSAGE-----")
    end = mail.find(b"-----END PGP MESSAGE-----")
    return mail[start : end + 25].replace(b"\r\n", b"\n") + b"\n" if 0 <= start < end else None
