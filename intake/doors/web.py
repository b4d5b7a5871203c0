"""The web form as a way in: what was sealed to the desk's key, made into a mail (RFC 3156) from the address that stands for a receipt.

From there on it is a mail like any other: the same reading, the same exclusions, the same junk rules, the same record.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field

from intake.arrival import Envelope
from intake.receive import Receipt, Receiver
from store.cases import threads
from store.cases.letterboxes import Fetched
from store.context import Context
from store.kit.config import Desk
from store.kit.errors import OmbudError
from store.openpgp.receipts import address_of
from store.tables.records import NewLetterbox

_KEY_LIMIT = 8192
_LOOKUP = re.compile(r"[0-9a-f]{64}")
_ARMORED = re.compile(
    rb"\s*-----BEGIN PGP MESSAGE-----\r?\n(?:[A-Za-z]+: [\x20-\x7e]*\r?\n)*\r?\n[A-Za-z0-9+/=\r\n]+-----END PGP MESSAGE-----\s*"
)


class FormRefused(OmbudError):
    """What a browser sent is no sealed report, or its key is none. Nothing was kept."""


@dataclass(frozen=True)
class NewReceipt:
    """What a browser, or the desk for it, made of a receipt: its look-up value, a certificate for the address that stands for it,
    and the secret key under the receipt's password."""

    lookup: str = field(repr=False)
    key: bytes = field(repr=False)
    locked: bytes = field(repr=False)


class WebDoor:
    """Takes in what came by the form of any desk; safe to share between threads."""

    def __init__(self, context: Context, receiver: Receiver) -> None:
        self._context = context
        self._receiver = receiver

    def report(self, desk: Desk, armored: bytes, new: NewReceipt) -> Receipt:
        """Take a first report in. Raises FormRefused, TryLater."""
        address = address_of(_read_lookup(new.lookup))
        self._require_key(new, address)
        letterbox = NewLetterbox(new.lookup, address, new.locked)
        raw = _mail(desk, address, _read_armored(armored), new.key)
        return self._receiver.receive(Envelope(raw, address, (desk.address,), by_form=True, letterbox=letterbox))[0]

    def more(self, desk: Desk, known: Fetched, armored: bytes) -> Receipt:
        """Take more in from whoever has a receipt. Raises FormRefused, TryLater."""
        to = threads.reply_address(self._context.vault, known.case.handle, "reporter", desk.address)
        raw = _mail(desk, known.address, _read_armored(armored))
        return self._receiver.receive(Envelope(raw, known.address, (to,), by_form=True))[0]

    def _require_key(self, new: NewReceipt, address: str) -> None:
        if not 0 < len(new.locked) <= _KEY_LIMIT or not 0 < len(new.key) <= _KEY_LIMIT:
            raise FormRefused("The key of a receipt is too large, or is missing.")
        found = self._context.keyring.read_key_data(new.key)
        if len(found) != 1 or found[0].trouble or found[0].secret or address not in found[0].addresses:
            raise FormRefused("The key of a receipt cannot be used.")


def read_lookup(value: str) -> str | None:
    """A look-up value, if it has the form of one."""
    return value if _LOOKUP.fullmatch(value) else None


def _read_lookup(value: str) -> str:
    if read_lookup(value) is None:
        raise FormRefused("A receipt has no look-up value.")
    return value


def _read_armored(armored: bytes) -> bytes:
    if not _ARMORED.fullmatch(armored):
        raise FormRefused("What came is no message in OpenPGP's armor.")
    return b"\r\n".join(armored.strip().splitlines())


def _mail(desk: Desk, address: str, armored: bytes, key: bytes = b"") -> bytes:
    """The mail of a form. All of it hangs on what was sealed: what is sent twice is the same mail."""
    digest = hashlib.sha256(armored).hexdigest()
    boundary = f"=_{digest[:32]}"
    domain = address.rpartition("@")[2]
    header = [f"From: <{address}>", f"To: <{desk.address}>", f"Message-ID: <{digest[:40]}@{domain}>"]
    if key:
        encoded = base64.b64encode(key).decode()
        lines = "\r\n ".join(encoded[at : at + 72] for at in range(0, len(encoded), 72))
        header.append(f"Autocrypt: addr={address}; prefer-encrypt=mutual; keydata=\r\n {lines}")
    header += [
        "MIME-Version: 1.0",
        'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted";',
        f' boundary="{boundary}"',
    ]
    parts = [
        f"--{boundary}", "Content-Type: application/pgp-encrypted", "", "Version: 1",
        f"--{boundary}", "Content-Type: application/octet-stream", "",
    ]  # fmt: skip
    return b"\r\n".join([*map(_ascii, header), b"", *map(_ascii, parts), armored, _ascii(f"--{boundary}--"), b""])


def _ascii(line: str) -> bytes:
    return line.encode("utf-8")
