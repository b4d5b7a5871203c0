"""A mail that was opened: the report, what one signature covers of it, its files and keys, and all its texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from intake.reading.message import Mail
from store.openpgp.values import Decryption, Signature
from store.tables.records import Attachment, Body


class Opener(Protocol):
    """What this needs of GnuPG (`store.openpgp.keyring.Keyring`)."""

    def decrypt(self, data: bytes) -> Decryption:
        """Open a message."""

    def verify(self, signed: bytes, signature: bytes) -> Signature:
        """Check a detached signature."""

    def verify_clear(self, data: bytes) -> tuple[bytes | None, Signature]:
        """Read a signed text."""


@dataclass(frozen=True)
class Signed:
    """All that one valid signature covers, and nothing else: what is done in a member's name is read from here alone.

    `digest` identifies the octets under the signature, less white space: a signature over a text does not cover how its
    lines end (RFC 9580 section 5.2.4). `subject` and `recipients` stand in headers among them (RFC 9788).
    """

    by: Signature
    digest: str
    text: str = field(default="", repr=False)
    subject: str = field(default="", repr=False)
    recipients: tuple[str, ...] = field(default=(), repr=False)
    files: tuple[Attachment, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class OpenedMail:
    """What a mail says. `keys` are public keys that came with it, those from inside the encryption first.

    `signed` is what a valid signature covers of it; None when there is none. `inside` is what was under the encryption, as it
    came out: for searching; `ciphertext` are the lines of armor that it came out of, in which there is nothing to be found. `protected` is the
    header inside it.
    """

    body: Body = field(repr=False)
    attachments: tuple[Attachment, ...] = field(default=(), repr=False)
    keys: tuple[bytes, ...] = field(default=(), repr=False)
    signed: Signed | None = field(default=None, repr=False)
    inside: tuple[bytes, ...] = field(default=(), repr=False)
    ciphertext: tuple[bytes, ...] = field(default=(), repr=False)
    protected: Mail | None = field(default=None, repr=False)

    def texts(self) -> list[str]:
        """What the mail itself says, with the names of its files."""
        body = self.body
        names = [item.name for item in self.attachments]
        return [body.text, body.outside_text, body.subject, body.outside_subject, body.sender, *names]
