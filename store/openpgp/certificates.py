"""Certificates that GnuPG may not know how to read: what is in them, as Sequoia tells; and the folder in which the team's are kept."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from store.kit.files import modified, replace_file
from store.openpgp.message import key_id
from store.openpgp.sequoia_engine import attempt
from store.openpgp.values import PublicKey, address_in

if TYPE_CHECKING:
    from pysequoia import Cert
    from pysequoia.packet import Packet

_TICK, _NEVER = 1_000_000_000, -1


def read_certificates(octets: bytes) -> list[PublicKey]:
    """The certificates in key material, armored or not; none where Sequoia reads none."""
    from pysequoia import Cert

    # Of a certificate that nothing valid binds together not even its end can be asked.
    found: list[PublicKey | None] = [attempt(_public_key, item) for item in attempt(Cert.split_bytes, octets) or ()]
    secret: bool | None = attempt(_has_secrets, octets)
    return [replace(item, secret=secret) for item in found if item is not None and secret is not None]


def merged(octets: bytes, other: bytes) -> bytes:
    """A certificate with what another copy of it knows besides."""
    from pysequoia import Cert

    whole = attempt(lambda: Cert.from_bytes(octets).merge(Cert.from_bytes(other)))
    return bytes(whole) if whole is not None else octets


def _has_secrets(octets: bytes) -> bool:
    from pysequoia.packet import PacketPile, Tag

    secret = (Tag.SecretKey, Tag.SecretSubkey)
    return any(packet.tag in secret for packet in PacketPile.from_bytes(octets))


def _public_key(certificate: Cert) -> PublicKey:
    now = datetime.now(UTC)
    ends, until = certificate.expiration, _usable_until(certificate)
    expired = any(end is not None and end <= now for end in (ends, until))
    works = not certificate.is_revoked and not expired and _takes_mail(certificate)
    return PublicKey(
        fingerprint=certificate.fingerprint.upper(),
        addresses=tuple(address for uid in certificate.user_ids if (address := address_in(str(uid)))),
        subkey_ids=tuple(_key_ids(certificate)),
        can_encrypt=works,
        expired=expired,
        revoked=certificate.is_revoked,
        expires=ends,
        secret=False,
        usable_until=until if works else None,
    )


def _takes_mail(certificate: Cert) -> bool:
    """Whether something can be encrypted to it. Only an attempt tells: the library has no other word for it."""
    from pysequoia import encrypt

    return attempt(encrypt, b"", [certificate], armor=False) is not None


def _usable_until(certificate: Cert) -> datetime | None:
    """When nothing can be encrypted to it any more: the end of its last sub-key for that, or its own."""
    from pysequoia.packet import PacketPile, Tag

    ends: list[datetime | None] = []
    subkey: Packet | None = None
    for packet in PacketPile.from_bytes(bytes(certificate)):
        if packet.tag in (Tag.PublicSubkey, Tag.SecretSubkey):
            subkey = packet
        elif packet.tag == Tag.Signature and subkey is not None and _for_encryption(packet):
            made, period = subkey.key_created, packet.key_validity_period
            ends.append(made + period if made and period else None)
    last = None if not ends or None in ends else max(end for end in ends if end is not None)
    return min((end for end in (last, certificate.expiration) if end is not None), default=None)


def _for_encryption(signature: Packet) -> bool:
    flags = signature.key_flags
    return flags is not None and (flags.transport_encryption or flags.storage_encryption)


def _key_ids(certificate: Cert) -> Iterable[str]:
    from pysequoia.packet import PacketPile

    for packet in PacketPile.from_bytes(bytes(certificate)):
        if packet.fingerprint:
            yield key_id(packet.fingerprint)


class CertificateFolder:
    """The team's certificates that GnuPG cannot read, one file each, named by fingerprint. Safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: tuple[int, dict[str, Cert]] = (0, {})

    def add(self, octets: bytes) -> None:
        """Keep the certificates in key material; of one that is known, what is new in it (a revocation stays)."""
        from pysequoia import Cert

        for certificate in attempt(Cert.split_bytes, octets) or ():
            self._add(certificate)

    def add_of_secret(self, octets: bytes) -> None:
        """Keep the certificate of a secret key."""
        from pysequoia import Tsk

        self._add(Tsk.from_bytes(octets).extract_certificate())

    def _add(self, certificate: Cert) -> None:
        known = self.by_fingerprint(certificate.fingerprint.upper())
        whole = known.merge(certificate) if known else certificate
        if known and bytes(known) == bytes(whole):
            return
        self._folder.mkdir(mode=0o700, exist_ok=True)
        replace_file(self._folder / f"{certificate.fingerprint.upper()}.pgp", bytes(whole))

    def by_fingerprint(self, fingerprint: str) -> Cert | None:
        """The certificate with a fingerprint, if it is kept here."""
        return self._all().get(fingerprint)

    def public_keys(self, fingerprints: Sequence[str] = ()) -> list[PublicKey]:
        """What is kept, as values; all when none is named."""
        return [_public_key(item) for name, item in self._all().items() if not fingerprints or name in fingerprints]

    def of_issuers(self, issuers: Sequence[str]) -> list[Cert]:
        """The certificates that have one of these keys (fingerprints or key ids)."""
        wanted = {key_id(issuer) for issuer in issuers}
        return [item for item in self._all().values() if wanted & set(_key_ids(item))]

    def stamp(self) -> int:
        """What changes when a certificate here does."""
        return modified(self._folder)  # each change replaces a file

    def _all(self) -> dict[str, Cert]:
        from pysequoia import Cert

        stamp = self.stamp()
        if self._known[0] != stamp:
            found: dict[str, Cert] = {}
            for file in sorted(self._folder.glob("*.pgp")):
                certificate = Cert.from_bytes(file.read_bytes())
                found[certificate.fingerprint.upper()] = certificate
            # What was changed just now may be changed once more within the same tick of the file system's clock.
            settled = time.time_ns() - stamp > _TICK
            self._known = stamp if settled else _NEVER, found
        return self._known[1]
