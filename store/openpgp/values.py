"""What an OpenPGP engine says, as values: who signed, what a message holds, and what a certificate is good for. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

SignatureStatus = Literal["none", "valid", "invalid", "unknown-key"]
Failure = Literal["no-key", "damaged", "no-integrity", "too-large", "password"]


@dataclass(frozen=True)
class Signature:
    """Who signed, as far as GnuPG could tell; the fingerprint is that of the primary key where it is known.

    Of a valid signature, `made` is when, in seconds since 1970 by the signer's clock.
    """

    status: SignatureStatus = "none"
    fingerprint: str | None = None
    made: int = 0


@dataclass(frozen=True)
class Decryption:
    """The one fully decrypted, integrity-protected content of a message, or why there is none.

    `sealed` is whether it was encrypted at all: a message may be signed, or compressed, and no more.
    """

    plain: bytes | None
    failure: Failure | None
    signature: Signature = Signature()
    passing: bool = False
    sealed: bool = True


KeyTrouble = Literal["", "revoked", "expired", "cannot-encrypt"]


@dataclass(frozen=True)
class PublicKey:
    """An OpenPGP certificate as GnuPG lists it. `expires` is the primary key's; `usable_until` when nothing can be sealed to it any more."""

    fingerprint: str
    addresses: tuple[str, ...]
    subkey_ids: tuple[str, ...]
    can_encrypt: bool
    expired: bool
    revoked: bool
    expires: datetime | None
    secret: bool
    usable_until: datetime | None = None

    @property
    def trouble(self) -> KeyTrouble:
        """Why nothing can be encrypted to it; empty when it can be used."""
        if self.revoked:
            return "revoked"
        if self.can_encrypt:
            return ""
        return "expired" if self.expired else "cannot-encrypt"
