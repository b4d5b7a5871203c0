"""Notices sealed: for each reader a message of their own, which names and opens to nobody else."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from mailer.sealing.mime import signed_entity
from store.kit.sentences import marked
from store.openpgp.armor import armor
from store.openpgp.keyring import Keyring
from store.openpgp.values import KeyTrouble
from store.team.members import Member

_TROUBLES: Mapping[KeyTrouble, str] = {
    "revoked": marked("your key has been revoked"),
    "expired": marked("your key has expired"),
    "cannot-encrypt": marked("your key cannot be used for encryption"),
}
NOT_USABLE = marked("your key does not work")


class Sealer:
    """Seals for the members of a roster, to pinned fingerprints alone, and for reporters. Safe to share between threads."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._exported: dict[str, str] = {}

    def for_member(self, entity: bytes, member: Member, signer: str) -> bytes | None:
        """Sign and seal an entity to a member's key, in armor; None when that cannot be used: `key_trouble` says why.

        Raises KeyProblem when the desk's own key cannot sign, OpenPGPUnavailable when an engine could not work.
        """
        data, by = self._to_seal(entity, signer)
        made = self._keyring.seal_each(data, [member.fingerprint], by)
        return armor(made[member.fingerprint]) if made else None

    def for_key(self, entity: bytes, key: bytes, signer: str) -> bytes:
        """Sign and seal an entity to a certificate that came with a mail; in armor. Raises as `for_member`, and KeyProblem for the key."""
        data, by = self._to_seal(entity, signer)
        return armor(self._keyring.seal_to_key(data, key, by))

    def _to_seal(self, entity: bytes, signer: str) -> tuple[bytes, str | None]:
        """What is to be encrypted, and the key that signs as it is. Where that is with GnuPG's agent, the entity is signed before
        (RFC 3156 section 6.1).
        """
        if self._keyring.signs_here(signer):
            return entity, signer
        signed = entity.rstrip(b"\r\n")
        return signed_entity(signed, *self._keyring.sign(signed, signer)), None

    def key_trouble(self, member: Member) -> str:
        """Why a member's key cannot be sealed to, in words for them; empty when it can."""
        found = self._keyring.public_keys([member.fingerprint])
        key = found[0] if found else None
        if key is None:
            return marked("the desk does not have your key")
        if key.trouble:
            return _TROUBLES[key.trouble]
        return "" if self._keyring.seal_each(b"", [member.fingerprint], None) else NOT_USABLE

    def autocrypt(self, fingerprint: str) -> str:
        """The desk's public key for an Autocrypt header, in base64."""
        if fingerprint not in self._exported:
            self._exported[fingerprint] = base64.b64encode(self._keyring.export(fingerprint, armored=False)).decode()
        return self._exported[fingerprint]
