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
from store.cases import letterboxes, threads
from store.cases.letterboxes import Fetched
from store.context import Context
from store.kit.config import Desk
from store.kit.errors import OmbudError
from store.openpgp.receipts import address_of
from store.tables.records import NewLetterbox

_KEY_LIMIT = 8192
_LOOKUP = re.compile(r"[0-9a-f]{64}")
_ARMORED = re.compile(
    rb"-----BEGIN PGP MESSAGE-----\n(?:[A-Za-z]{1,20}: [\x20-\x7e]{0,100}\n){0,8}\n[A-Za-z0-9+/=\n]+-----END PGP MESSAGE-----"
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


@dataclass(frozen=True)
class Sealed:
    """A report sealed to the desk's key, in armor. `name` (40 hexadecimal digits) is the same for the same content, where it was sealed
    here and is another message each time."""

    armored: bytes = field(repr=False)
    name: str = ""


class WebDoor:
    """Takes in what came by the form of any desk; safe to share between threads."""

    def __init__(self, context: Context, receiver: Receiver) -> None:
        self._context = context
        self._receiver = receiver

    def report(self, desk: Desk, sealed: Sealed, new: NewReceipt) -> Receipt | None:
        """Take a first report in; whoever got no answer and sends it once more, with the same receipt, adds to it. The receipt of intake, or
        None for what was there already. Raises FormRefused, TryLater.
        """
        address = address_of(_require_lookup(new.lookup))
        self._require_key(new, address)
        if known := self.known(desk, new.lookup):
            return self.more(desk, known, sealed)
        letterbox = NewLetterbox(new.lookup, address, new.locked)
        raw = self._mail(desk, address, sealed, new.key)
        return self._receiver.receive(Envelope(raw, address, (desk.address,), by_form=True, letterbox=letterbox))[0]

    def more(self, desk: Desk, known: Fetched, sealed: Sealed) -> Receipt | None:
        """Take more in from whoever has a receipt; returns and raises as `report`."""
        if self._is_there(desk, known.address, sealed):
            return None
        to = threads.reply_address(self._context.vault, known.case.handle, "reporter", desk.address)
        raw = self._mail(desk, known.address, sealed)
        return self._receiver.receive(Envelope(raw, known.address, (to,), by_form=True))[0]

    def known(self, desk: Desk, lookup: str) -> Fetched | None:
        """What a receipt finds, by its look-up value; None where it finds nothing, or is none."""
        if not _LOOKUP.fullmatch(lookup):
            return None
        with self._context.database.read() as session:
            row = letterboxes.find(session, self._context.vault, desk.id, lookup)
            return letterboxes.fetch(session, self._context.vault, row) if row else None

    def was_kept(self, desk: Desk, lookup: str, sealed: Sealed) -> bool:
        """Whether just this was taken in under a receipt before."""
        known = self.known(desk, lookup)
        return known is not None and self._is_there(desk, known.address, sealed)

    def _is_there(self, desk: Desk, address: str, sealed: Sealed) -> bool:
        """Whether the same was sent before: sealed anew each time, it has the same name."""
        with self._context.database.read() as session:
            return (
                threads.find_by_ids(session, self._context.vault, desk.id, [self._message_id(address, sealed)])
                is not None
            )

    def _message_id(self, address: str, sealed: Sealed) -> str:
        """The Message-ID of a form: the same for the same form, and nobody who sees one on its way can work it out."""
        name = sealed.name or self._context.vault.digest("form as sent", sealed.armored)
        return f"<{name[:40]}@{address.rpartition('@')[2]}>"

    def _mail(self, desk: Desk, address: str, sealed: Sealed, key: bytes = b"") -> bytes:
        """The mail of a form. All of it hangs on what was sealed: what is sent twice is the same mail."""
        armored = _read_armored(sealed.armored)
        boundary = f"=_{hashlib.sha256(armored).hexdigest()[:32]}"
        header = [f"From: <{address}>", f"To: <{desk.address}>", f"Message-ID: {self._message_id(address, sealed)}"]
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

    def _require_key(self, new: NewReceipt, address: str) -> None:
        if not 0 < len(new.locked) <= _KEY_LIMIT or not 0 < len(new.key) <= _KEY_LIMIT:
            raise FormRefused("The key of a receipt is too large, or is missing.")
        found = self._context.keyring.read_key_data(new.key)
        if len(found) != 1 or found[0].trouble or found[0].secret or address not in found[0].addresses:
            raise FormRefused("The key of a receipt cannot be used.")


def _require_lookup(value: str) -> str:
    if not _LOOKUP.fullmatch(value):
        raise FormRefused("A receipt has no look-up value.")
    return value


def _read_armored(armored: bytes) -> bytes:
    # Never taken apart into lines: of many short ones each would cost as much as fifty octets.
    lines = armored.strip(b" \t\r\n").replace(b"\r\n", b"\n")
    if not _ARMORED.fullmatch(lines):
        raise FormRefused("What came is no message in OpenPGP's armor.")
    return lines.replace(b"\n", b"\r\n")


def _ascii(line: str) -> bytes:
    return line.encode("utf-8")
