"""The desk's keys and certificates, and the two engines that work with them: what one cannot read, the other is asked.

GnuPG makes and keeps the keys, and judges the signatures of whom it knows. Sequoia opens, signs and seals with keys taken from GnuPG's
agent (`custody`), and does with certificates what GnuPG does not know how to.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Literal

from store.kit.config import Config
from store.kit.errors import KeyProblem, OpenPGPUnavailable
from store.kit.secrets import read_secret
from store.openpgp.armor import dearmored
from store.openpgp.certificates import CertificateFolder, merged, read_certificates
from store.openpgp.gnupg_engine import Bounds, GnuPG
from store.openpgp.message import is_version_6, key_id, outside
from store.openpgp.modern_keys import ModernKeys, generate
from store.openpgp.sequoia_engine import SecretKey, Sequoia
from store.openpgp.values import Decryption, PublicKey, Signature

_REMEMBERED_SECONDS, _MOST_REMEMBERED = 300.0, 64
_ASKED_AGAIN_SECONDS = 10.0
# More than any key has: what is sealed is sealed to each of them, by whoever sends.
_MOST_SUBKEYS = 64
_BOUNDS = Bounds()

Custody = Literal["process", "agent"]


class Keyring:
    """The desk's GNUPGHOME: its secret keys, and the public keys of its team. Safe to share between threads."""

    def __init__(
        self,
        program: str,
        home: Path,
        bounds: Bounds = _BOUNDS,
        passphrase: str | None = None,
        custody: Custody = "process",
    ) -> None:
        """Open a GNUPGHOME. Raises ConfigError when the folder or the program is missing."""
        self.home = home
        self._passphrase = passphrase
        self._custody = custody
        self._gnupg = GnuPG(program, home, bounds, passphrase)
        self._certificates = CertificateFolder(home / "certificates")
        self._modern = ModernKeys(home / "modern", self._gnupg.decrypt)
        self._sequoia = Sequoia(self._secrets, self._secrets_stamp, self._certificates.of_issuers)
        self._looked_at: dict[bytes, tuple[float, list[PublicKey]]] = {}
        self._known: tuple[object, frozenset[str]] = (None, frozenset())
        self._exported: tuple[object, dict[str, bytes]] = (None, {})
        self._incomplete = False

    @property
    def version(self) -> str:
        """GnuPG's version, such as `2.2.40`."""
        return self._gnupg.version

    def decrypt(self, data: bytes) -> Decryption:
        """Open an OpenPGP message with any secret key of the desk.

        Raises OpenPGPUnavailable when an engine could not do its work; a message that does not open is a value.
        """
        around = outside(dearmored(data))
        if around.by_password_alone:
            return Decryption(None, "password")
        if around.to_too_many:
            return Decryption(None, "damaged")
        quick = self._opened_here(around.message, around.recipients) if around.data in ("seipd-1", "seipd-2") else None
        if quick is not None and (quick.plain is None or not quick.issuers & self._judged_by_gnupg()):
            return quick
        found = self._gnupg.decrypt(around.message)
        if found.plain is not None or around.data == "none":
            return found
        if quick is not None:
            return quick
        if around.data == "no-integrity":
            return Decryption(None, "no-integrity")
        if found.failure in ("damaged", "no-key"):
            if not around.may_be_for(self._own_ids()):
                return Decryption(None, "no-key")
            return Decryption(None, "damaged" if around.data == "seipd-1" else "unsupported")
        return found

    def _opened_here(self, message: bytes, recipients: Sequence[str]) -> Decryption | None:
        try:
            return self._sequoia.decrypt(message, recipients)
        except OpenPGPUnavailable:  # the keys could not be had just now; GnuPG says what there is to say of that
            return None

    def verify(self, signed: bytes, signature: bytes) -> Signature:
        """Check a detached signature over exact octets (RFC 3156 section 5)."""
        found = self._sequoia.verify(signed, signature)
        if found is not None and (found.status == "valid" or not self._is_judged_by_gnupg(found.fingerprint)):
            return found
        return self._gnupg.verify(signed, signature)

    def verify_clear(self, data: bytes) -> tuple[bytes | None, Signature]:
        """Read a message that is signed but not encrypted (RFC 9580 section 7): its text, or None, and the signature."""
        text, signature = self._gnupg.verify_clear(data)
        if signature.status in ("none", "unknown-key") and self._certificates.stamp():
            return self._sequoia.verify_clear(data) or (text, signature)
        return text, signature

    def unwrap(self, message: bytes) -> bytes:
        """An encrypted message without its encryption, with the signature that was under it; empty when it does not open."""
        return self._gnupg.unwrap(outside(dearmored(message)).message)

    def signs_here(self, fingerprint: str) -> bool:
        """Whether this process can sign with a key itself, and so sign and seal at once."""
        try:
            return self._custody == "process" and self._sequoia.holds(fingerprint)
        except OpenPGPUnavailable:
            return False

    def sign(self, data: bytes, fingerprint: str) -> tuple[bytes, str]:
        """A detached armored signature and the `micalg` that names its hash (RFC 3156 section 5). Raises KeyProblem."""
        return (self._sequoia if self.signs_here(fingerprint) else self._gnupg).sign(data, fingerprint)

    def seal_each(self, data: bytes, recipients: Sequence[str], signer: str | None) -> dict[str, bytes]:
        """Encrypt (and sign) to certificates by full fingerprint: an unarmored message for each, which names no other and has a
        session key of its own. Who cannot be encrypted to is not in it.
        """
        made: dict[str, bytes] = {}
        for fingerprint in recipients:
            try:
                made[fingerprint] = self._sealed(data, self._certificate(fingerprint), signer)
            except KeyProblem:
                continue
        return made

    def seal_to_key(self, data: bytes, key: bytes, signer: str | None) -> bytes:
        """Encrypt to a certificate that came with a mail, without importing it; the unarmored message. Raises KeyProblem."""
        return self._sealed(data, key, signer)

    def _sealed(self, data: bytes, certificate: bytes, signer: str | None) -> bytes:
        try:
            return self._sequoia.seal(data, certificate, signer)
        except KeyProblem:  # it is old, and only GnuPG still does that; or it cannot be used
            return self._gnupg.seal_to_key(data, certificate, signer)

    def seal(self, data: bytes, recipients: Sequence[str], signer: str | None) -> bytes:
        """Encrypt (and sign) to several certificates at once by GnuPG, which opens it without this program; the unarmored message.

        Raises KeyProblem when one of them cannot be used; then nothing was made.
        """
        return self._gnupg.seal(data, recipients, signer)

    def read_key_data(self, data: bytes) -> list[PublicKey]:
        """The certificates in key material, without importing it.

        What was looked at in the last minutes is remembered: whoever is about to write to the database looks before.
        """
        hashed, now = hashlib.sha256(data).digest(), time.monotonic()
        known = self._looked_at.get(hashed)
        if known is None or now - known[0] > _REMEMBERED_SECONDS:
            if len(self._looked_at) >= _MOST_REMEMBERED:
                self._looked_at.clear()
            self._looked_at[hashed] = known = (now, _read(self._gnupg, data))
        return known[1]

    def add_public(self, data: bytes) -> None:
        """Keep public key material of the team. Raises KeyProblem for a secret key."""
        if any(key.secret for key in self.read_key_data(data)):
            raise KeyProblem(
                "This file holds a secret key. Export only the public one: gpg --export --armor FINGERPRINT."
            )
        self._gnupg.add_public(data)
        if not _enough(self._gnupg.read_key_data(data)):
            self._certificates.add(data)

    def public_keys(self, fingerprints: Sequence[str] = ()) -> list[PublicKey]:
        """Certificates that are kept; all when none is named."""
        wanted = [item for item in fingerprints if not is_version_6(item)]
        found = self._gnupg.public_keys(wanted) if wanted or not fingerprints else []
        return list(_merged(found, self._certificates.public_keys(fingerprints)).values())

    def secret_keys(self) -> list[PublicKey]:
        """The keys that can open mail here."""
        return self._gnupg.secret_keys()

    def export(self, fingerprint: str, *, armored: bool) -> bytes:
        """A certificate of the folder, without other people's certifications. Raises KeyProblem."""
        certificate = self._certificates.by_fingerprint(fingerprint)
        if certificate is not None:
            return str(certificate).encode() if armored else bytes(certificate)
        return self._gnupg.export(fingerprint, armored=armored)

    def create(self, name: str, address: str) -> str:
        """Make an ed25519/cv25519 key without expiry; its fingerprint. Raises KeyProblem."""
        return self._gnupg.create(name, address)

    def create_modern(self, user_id: str, beside: str, *, post_quantum: bool) -> str:
        """Make a key of RFC 9580 beside one that GnuPG has, to which its secret is sealed; its fingerprint. Raises KeyProblem."""
        fingerprint, secret = generate(user_id, post_quantum=post_quantum)
        sealed = self._gnupg.seal(secret, [beside], None)
        try:
            self._modern.keep(fingerprint, sealed)
        except OSError:
            raise KeyProblem(
                f"The key could not be written below {self.home}. Is it writable, and the disk not full?"
            ) from None
        self._certificates.add_of_secret(secret)
        return fingerprint

    def holds_modern(self, fingerprint: str) -> bool:
        """Whether a key that GnuPG cannot hold is there, and opens."""
        return fingerprint in self._modern.fingerprints() and self._sequoia.holds(fingerprint)

    def extend(self, fingerprint: str, until: date | None) -> None:
        """Give a secret key and its sub-keys a new last day, or none. Raises KeyProblem."""
        self._gnupg.extend(fingerprint, until)

    def close(self) -> None:
        """End the agent that gpg started for this folder."""
        self._gnupg.close()

    def _secrets(self) -> Iterator[SecretKey]:
        """The secret keys that this process is to hold: those that GnuPG cannot work with in any case."""
        yield from self._modern.secrets()
        if self._custody == "process":
            # Twice: an agent that several programs start at the same moment may miss one of them.
            keys = self._gnupg.secret_keys() or self._gnupg.secret_keys()
            self._incomplete = not keys
            for key in keys:
                if octets := self._gnupg.export_secret(key.fingerprint) or self._gnupg.export_secret(key.fingerprint):
                    yield SecretKey(octets, self._passphrase)
                else:
                    self._incomplete = True

    def _secrets_stamp(self) -> object:
        """What changes when the secret keys are to be asked for again: also a while after one could not be had."""
        again = time.monotonic() // _ASKED_AGAIN_SECONDS if self._incomplete else 0
        return self._gnupg.secrets_stamp(), self._modern.stamp(), again

    def _certificate(self, fingerprint: str) -> bytes:
        """A certificate by fingerprint, asked of GnuPG once until its folder changes. Raises KeyProblem."""
        stamp = self._gnupg.stamp(), self._certificates.stamp()
        if self._exported[0] != stamp:
            self._exported = stamp, {}
        known = self._exported[1]
        if fingerprint not in known:
            known[fingerprint] = self._whole(fingerprint)
        return known[fingerprint]

    def _whole(self, fingerprint: str) -> bytes:
        kept = self.export(fingerprint, armored=False)
        if is_version_6(fingerprint) or self._certificates.by_fingerprint(fingerprint) is None:
            return kept
        # GnuPG has it as well, and may have heard that it was revoked.
        return merged(kept, self._gnupg.export(fingerprint, armored=False))

    def _judged_by_gnupg(self) -> frozenset[str]:
        """The ids of the keys whose signatures GnuPG judges: those that it has."""
        stamp = self._gnupg.stamp()
        if self._known[0] != stamp:
            found = (key.subkey_ids for key in self._gnupg.public_keys())
            self._known = stamp, frozenset(item for ids in found for item in ids)
        return self._known[1]

    def _is_judged_by_gnupg(self, issuer: str | None) -> bool:
        return issuer is None or key_id(issuer) in self._judged_by_gnupg()

    def _own_ids(self) -> frozenset[str]:
        here = (item for key in self.secret_keys() for item in key.subkey_ids if item not in key.stubs)
        return frozenset(here) | self._sequoia.key_ids()


def open_keyring(config: Config) -> Keyring:
    """The keyring that a configuration names. Raises ConfigError."""
    section = config.gnupg
    passphrase = read_secret(config, section.passphrase_file) if section.passphrase_file else None
    bounds = Bounds(section.seconds, int(section.unpack_limit))
    return Keyring(section.program, config.path(section.home), bounds, passphrase, config.openpgp.custody)


def _read(gnupg: GnuPG, data: bytes) -> list[PublicKey]:
    """What is in key material: as GnuPG has it, and of what it cannot read or use, as Sequoia has it."""
    found = gnupg.read_key_data(data)
    if not _enough(found):
        found = list(_merged(found, read_certificates(data)).values())
    return [replace(key, can_encrypt=key.can_encrypt and len(key.subkey_ids) <= _MOST_SUBKEYS) for key in found]


def _enough(found: Sequence[PublicKey]) -> bool:
    return bool(found) and all(key.trouble != "cannot-encrypt" for key in found)


def _merged(found: Sequence[PublicKey], other: Sequence[PublicKey]) -> dict[str, PublicKey]:
    merged = {key.fingerprint: key for key in found}
    for key in other:
        if key.fingerprint not in merged or merged[key.fingerprint].trouble == "cannot-encrypt":
            merged[key.fingerprint] = key
    return merged
