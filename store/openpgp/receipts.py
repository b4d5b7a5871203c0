"""Receipts: words that only a reporter has, and what opens with them.

From the words Argon2id (RFC 9106) makes two values that tell nothing of each other: a look-up value, by which the desk finds what it
keeps under the words, and a password, which the desk never keeps. Under the password lies a key of the reporter's own: what is
written to them is sealed to it. The browser does the same with the same figures (`desk/web/static/receipt.js`).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass, field

from nacl import pwhash

from store.openpgp.sequoia_engine import attempt

# RFC 9106 section 4, second recommended option, with one lane.
PASSES, MEMORY_KIB, LENGTH = 3, 65536, 64
SALT_LENGTH = 16
# Letters that are written one for the other, in Arabic.
_SAME = str.maketrans({"\u0629": "\u0647", "\u0649": "\u064a", "\u0640": None, "\u0621": None})
_NO_LETTER = re.compile(r"[\W_]+")
# RFC 2606: no mail goes there, and none comes from there.
_DOMAIN = "form.invalid"
_ADDRESS = re.compile(rf"[0-9a-f]{{32}}@{re.escape(_DOMAIN)}", re.IGNORECASE)


@dataclass(frozen=True)
class Receipt:
    """What the words of a receipt come to: a look-up value and a password, both as 64 hexadecimal digits."""

    lookup: str = field(repr=False)
    password: str = field(repr=False)


def canonical(words: str) -> str:
    """Words as they count: without accents, in small letters, with one space in between, whichever keyboard they were typed on."""
    plain = "".join(
        item for item in unicodedata.normalize("NFKD", words) if not unicodedata.category(item).startswith("M")
    )
    return _NO_LETTER.sub(" ", plain.lower().translate(_SAME)).strip()


def read_receipt(words: str, salt: bytes) -> Receipt:
    """What words come to at a desk, whose salt has 16 octets. Takes 64 MiB of memory and a part of a second."""
    made = pwhash.argon2id.kdf(LENGTH, canonical(words).encode(), salt, opslimit=PASSES, memlimit=MEMORY_KIB * 1024)
    return Receipt(made[:32].hex(), made[32:].hex())


def address_of(lookup: str) -> str:
    """The address that stands for whoever has a receipt, so that they are known again. It is nobody's mail address."""
    return f"{hashlib.sha256(f'ombud letterbox {lookup}'.encode()).hexdigest()[:32]}@{_DOMAIN}"


def stands_for_a_receipt(address: str) -> bool:
    """Whether an address has that form."""
    return _ADDRESS.fullmatch(address) is not None


def new_key(receipt: Receipt) -> tuple[bytes, bytes]:
    """A key for whoever has a receipt: the certificate, and the secret key under the receipt's password."""
    from pysequoia import CipherSuite, Profile, Tsk, encrypt

    # Of RFC 4880, so that a desk whose secret key stays with GnuPG's agent can seal to it as well.
    secret = Tsk.generate(address_of(receipt.lookup), profile=Profile.RFC4880, cipher_suite=CipherSuite.Cv25519)
    locked = encrypt(bytes(secret), passwords=[receipt.password], armor=False)
    return bytes(secret.extract_certificate()), bytes(locked)


def unlocked(locked: bytes, receipt: Receipt) -> bytes | None:
    """The secret key that lies under a receipt's password; None when it does not open."""
    from pysequoia import decrypt

    found = attempt(decrypt, locked, passwords=[receipt.password])
    return bytes(found.bytes) if found is not None and found.bytes is not None else None


def read_letter(sealed: bytes, secret: bytes, desk_key: bytes) -> tuple[bytes, bool] | None:
    """What was sealed to the key of a receipt, and whether the desk signed it; None when it does not open."""
    from pysequoia import Cert, Tsk, decrypt

    key = attempt(Tsk.from_bytes, secret)
    decryptor = attempt(key.decryptor) if key is not None else None
    if decryptor is None:
        return None
    signer = attempt(Cert.from_bytes, desk_key)
    found = attempt(decrypt, sealed, decryptor, lambda _: [signer] if signer is not None else [])
    if found is not None and found.bytes is not None:
        return bytes(found.bytes), bool(found.valid_sigs)
    found = attempt(decrypt, sealed, attempt(key.decryptor))
    return (bytes(found.bytes), False) if found is not None and found.bytes is not None else None
