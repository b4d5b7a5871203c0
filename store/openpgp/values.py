"""What an OpenPGP engine says, as values: who signed, what a message holds, and what a certificate is good for. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

SignatureStatus = Literal["none", "valid", "invalid", "unknown-key"]
SignatureDoubt = Literal["", "expired", "key-expired", "key-revoked", "weak"]
Failure = Literal["no-key", "damaged", "no-integrity", "too-large", "password", "unsupported"]


@dataclass(frozen=True)
class Signature:
    """Who signed, as far as GnuPG could tell; the fingerprint is that of the primary key where it is known.

    Of a valid signature, `made` is when, in seconds since 1970 by the signer's clock; 0 where that is not known. Of one that is
    not, `doubt` is why it does not count though it fits the text; empty when it does not fit, or that cannot be told.
    """

    status: SignatureStatus = "none"
    fingerprint: str | None = None
    made: int = 0
    doubt: SignatureDoubt = ""


@dataclass(frozen=True)
class Decryption:
    """The one fully decrypted, integrity-protected content of a message, or why there is none.

    `sealed` is whether it was encrypted at all: a message may be signed, or compressed, and no more. `issuers` are the ids of the
    keys that its signatures name, where the engine tells.
    """

    plain: bytes | None
    failure: Failure | None
    signature: Signature = Signature()
    passing: bool = False
    sealed: bool = True
    issuers: frozenset[str] = field(default=frozenset(), repr=False)


KeyTrouble = Literal["", "revoked", "expired", "cannot-encrypt"]


@dataclass(frozen=True)
class PublicKey:
    """An OpenPGP certificate. `expires` is the primary key's; `usable_until` when nothing can be sealed to it any more. `stubs` are the
    ids of those of its keys whose secret should be here and is not."""

    fingerprint: str
    addresses: tuple[str, ...]
    subkey_ids: tuple[str, ...]
    can_encrypt: bool
    expired: bool
    revoked: bool
    expires: datetime | None
    secret: bool
    usable_until: datetime | None = None
    stubs: tuple[str, ...] = ()

    @property
    def trouble(self) -> KeyTrouble:
        """Why nothing can be encrypted to it; empty when it can be used."""
        if self.revoked:
            return "revoked"
        if self.can_encrypt:
            return ""
        return "expired" if self.expired else "cannot-encrypt"


def address_in(user_id: str) -> str:
    """The mail address of a user id (RFC 9580 section 5.11): in angle brackets, or the whole id; empty when there is none."""
    found = re.search(r"<([^<>\s]+@[^<>\s]+)>\s*$", user_id) or re.fullmatch(r"([^<>\s]+@[^<>\s]+)", user_id.strip())
    return found[1] if found else ""
