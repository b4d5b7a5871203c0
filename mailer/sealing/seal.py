"""Notices sealed: one gpg call for all readers, then one message for each that names and opens to nobody else."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mailer.sealing.packets import Part, split
from store.kit.errors import KeyProblem
from store.kit.sentences import marked
from store.openpgp.keyring import Keyring
from store.openpgp.values import KeyTrouble
from store.team.members import Member

_TROUBLES: Mapping[KeyTrouble, str] = {
    "revoked": marked("your key has been revoked"),
    "expired": marked("your key has expired"),
    "cannot-encrypt": marked("your key cannot be used for encryption"),
}


@dataclass(frozen=True)
class Sealed:
    """What was sealed, by member id; and why it could not be for the others.

    Parts are armored one at a time when they are sent: a large mail is then in memory once, not once a reader.
    """

    parts: dict[str, Part] = field(default_factory=dict, repr=False)
    trouble: dict[str, str] = field(default_factory=dict)


class Sealer:
    """Seals for the members of a roster, to pinned fingerprints alone. Safe to share between threads."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._subkeys: dict[str, tuple[str, ...]] = {}
        self._exported: dict[str, str] = {}

    def for_members(self, entity: bytes, members: Sequence[Member], signer: str) -> Sealed:
        """Sign and seal an entity to each member's key.

        One member's bad key changes nothing for the others: it is found out alone, and the rest is sealed again.
        Raises KeyProblem when the desk's own key cannot sign, OpenPGPUnavailable when gpg could not work.
        """
        if not members:
            return Sealed()
        try:
            return Sealed(self._together(entity, members, signer))
        except KeyProblem:
            trouble = {member.id: reason for member in members if (reason := self.key_trouble(member))}
        good = [member for member in members if member.id not in trouble]
        if not trouble:
            # Every key works by itself: seal one by one rather than not at all.
            alone = {member.id: self._keyring.seal(entity, [member.fingerprint], signer) for member in good}
            return Sealed({member: Part(b"", memoryview(sealed)) for member, sealed in alone.items()})
        return Sealed(self._together(entity, good, signer) if good else {}, trouble)

    def key_trouble(self, member: Member) -> str:
        """Why a member's key cannot be sealed to, in words for them; empty when it can."""
        found = self._keyring.public_keys([member.fingerprint])
        key = found[0] if found else None
        if key is None:
            return marked("the desk does not have your key")
        if key.trouble:
            return _TROUBLES[key.trouble]
        try:
            self._keyring.seal(b"", [member.fingerprint], None)
        except KeyProblem:
            return marked("your key does not work")
        return ""

    def autocrypt(self, fingerprint: str) -> str:
        """The desk's public key for an Autocrypt header, in base64."""
        if fingerprint not in self._exported:
            self._exported[fingerprint] = base64.b64encode(self._keyring.export(fingerprint, armored=False)).decode()
        return self._exported[fingerprint]

    def _together(self, entity: bytes, members: Sequence[Member], signer: str) -> dict[str, Part]:
        sealed = self._keyring.seal(entity, [member.fingerprint for member in members], signer)
        try:
            return split(sealed, self._owners(members))
        except KeyProblem:
            self._subkeys.clear()  # a key may have gained a new sub-key since
            return split(sealed, self._owners(members))

    def _owners(self, members: Sequence[Member]) -> dict[str, str]:
        """Which member owns which sub-key id. Raises KeyProblem when two share one: ids are short and can be forged."""
        for fingerprint in {member.fingerprint for member in members} - self._subkeys.keys():
            for key in self._keyring.public_keys([fingerprint]):
                self._subkeys[fingerprint] = key.subkey_ids
        owners: dict[str, str] = {}
        for member in members:
            for key_id in self._subkeys.get(member.fingerprint, ()):
                if owners.setdefault(key_id, member.id) != member.id:
                    raise KeyProblem(f"Two members share the key id {key_id}.")
        return owners
