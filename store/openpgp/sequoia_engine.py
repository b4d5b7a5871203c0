"""Sequoia at the edge (PySequoia): today's keys and tomorrow's (RFC 9580, ML-KEM), in this process, without starting a program.

It holds the secret keys that it was given. What it says of a message is a value; the words of its errors are not read. Who calls
it on what a stranger wrote bounds time and memory (`intake.reader_process`), and what may be unpacked by RLIMIT_FSIZE.
"""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from store.kit.errors import KeyProblem
from store.openpgp.memory_files import contents, memory_file, path_of
from store.openpgp.message import key_id
from store.openpgp.values import Decryption, Signature, SignatureDoubt

if TYPE_CHECKING:
    from pysequoia import Cert, PyDecryptor, PySigner, Tsk
    from pysequoia.packet import Packet

# Each error would carry a trace of the library's own functions, which costs more than the attempt.
os.environ["RUST_LIB_BACKTRACE"] = "0"

_CERTIFICATES_REMEMBERED = 64


@dataclass(frozen=True)
class SecretKey:
    """A secret key as a transferable secret key (RFC 9580 section 10.2), and the password that it is kept under."""

    octets: bytes = field(repr=False)
    password: str | None = field(default=None, repr=False)


Certificates = Callable[[Sequence[str]], "list[Cert]"]


def attempt(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """What a call of the library gives; None when it fails.

    It has one exception for all that can be wrong, whose words are not read; a fault of its own (a panic) is no ordinary one.
    """
    try:
        return call(*arguments, **named)
    except Exception:
        return None
    except BaseException as fault:
        if type(fault).__name__ != "PanicException":
            raise
        return None


class Sequoia:
    """Sequoia with secret keys, and with certificates to check signatures by. Safe to share between threads.

    `secret_keys` is asked when one is needed, and again when `stamp` has changed; `certificates` for those of issuers (fingerprints
    or key ids).
    """

    def __init__(
        self,
        secret_keys: Callable[[], Iterable[SecretKey]],
        stamp: Callable[[], object],
        certificates: Certificates,
    ) -> None:
        self._secret_keys = secret_keys
        self._stamp = stamp
        self._certificates = certificates
        self._lock = threading.Lock()
        self._held: tuple[object, _Held] | None = None
        self._parsed: dict[bytes, Cert] = {}

    def holds(self, fingerprint: str) -> bool:
        """Whether it can sign with a key."""
        return fingerprint in self._keys().signers

    def key_ids(self) -> frozenset[str]:
        """The ids of the keys that it can open with."""
        return frozenset(key for ids, _ in self._keys().decryptors for key in ids)

    def decrypt(self, message: bytes, recipients: Sequence[str]) -> Decryption | None:
        """Open an encrypted message in binary, which names these key ids; None when it does not open here.

        A signature's time is not to be had from Sequoia for what was signed and encrypted at once: `made` is 0.
        """
        wanted = [decryptor for ids, decryptor in self._keys().decryptors if _may_open(ids, recipients)]
        with memory_file(message) as source, memory_file() as target:
            for decryptor in wanted:
                found = self._opened(source, target, decryptor)
                if found is not None:
                    return found
        return None

    def _opened(self, source: int, target: int, decryptor: PyDecryptor) -> Decryption | None:
        from pysequoia import decrypt_file

        issuers: list[str] = []

        def asked(named: list[str]) -> list[Cert]:
            issuers.extend(named)
            return self._certificates(named)

        paths = path_of(source), path_of(target)
        # Without a valid signature it does not let the text out; and what GnuPG compressed after signing it does not check.
        checked = attempt(decrypt_file, *paths, decryptor, asked)
        if checked is None and attempt(decrypt_file, *paths, decryptor) is None:
            full = os.fstat(target).st_size >= resource.getrlimit(resource.RLIMIT_FSIZE)[0] > 0
            return Decryption(None, "too-large") if full else None
        valid = checked.valid_sigs if checked is not None else []
        signature = self._judged(issuers, valid)
        return Decryption(contents(target), None, signature, issuers=frozenset(map(key_id, issuers)))

    def verify(self, signed: bytes, signature: bytes) -> Signature | None:
        """Check a detached signature over exact octets; None when it is not one signature that is understood here."""
        from pysequoia import Sig, verify

        read = attempt(Sig.from_bytes, signature)
        issuer = (read.issuer_fingerprint or read.issuer_key_id) if read is not None else None
        if issuer is None:
            return None
        checked = attempt(verify, bytes=signed, store=self._certificates, signature=read)
        found = self._judged([issuer], checked.valid_sigs if checked is not None else [])
        made = int(read.created.timestamp()) if read.created else 0
        return replace(found, made=made) if found.status == "valid" else found

    def verify_clear(self, data: bytes) -> tuple[bytes, Signature] | None:
        """Read a message that is signed and not encrypted, by certificates that are known; None when none of them vouches for it."""
        from pysequoia import verify

        found = attempt(verify, data, self._certificates)
        if found is None or found.bytes is None or not found.valid_sigs:
            return None
        return found.bytes, self._judged([], found.valid_sigs)

    def _judged(self, issuers: Sequence[str], valid: Sequence[Any]) -> Signature:
        """What the signatures come to: one that is not valid makes all of them so."""
        if len(valid) >= max(1, len(set(issuers))):
            return self._in_force(str(valid[0].certificate).upper(), str(valid[0].signing_key))
        if not issuers:
            return Signature()
        known = all(self._certificates([issuer]) for issuer in issuers)
        return Signature("invalid" if known else "unknown-key", issuers[0].upper())

    def _in_force(self, fingerprint: str, issuer: str) -> Signature:
        """A valid signature; it does not count when the key has expired or was revoked since: it may be dated back."""
        for certificate in self._certificates([issuer]):
            if certificate.fingerprint.upper() == fingerprint and (doubt := _doubt(certificate)):
                return Signature("invalid", fingerprint, doubt=doubt)
        return Signature("valid", fingerprint)

    def sign(self, data: bytes, fingerprint: str) -> tuple[bytes, str]:
        """A detached armored signature and the `micalg` that names its hash (RFC 3156 section 5). Raises KeyProblem."""
        from pysequoia import Sig, SignatureMode, sign

        made = attempt(sign, self._signer(fingerprint), data, mode=SignatureMode.DETACHED)
        if made is None:
            raise KeyProblem(f"The desk key {fingerprint} cannot sign. Look at 'gpg -K' in the desk's GnuPG folder.")
        hashed = str(Sig.from_bytes(made).hash_algorithm).rpartition(".")[2]
        return made, f"pgp-{hashed.lower()}"

    def seal(self, data: bytes, certificate: bytes, signer: str | None) -> bytes:
        """Encrypt (and sign) to one certificate; the unarmored message, in a format that the certificate announces.

        Raises KeyProblem when it cannot be encrypted to, or the signer cannot sign.
        """
        from pysequoia import encrypt

        recipient, by = self._certificate(certificate), self._signer(signer) if signer else None
        made: bytes | None = attempt(encrypt, data, [recipient], by, armor=False) if recipient is not None else None
        if made is None:
            raise KeyProblem("Nothing can be encrypted to this key.")
        return made

    def _signer(self, fingerprint: str) -> PySigner:
        signer = self._keys().signers.get(fingerprint)
        if signer is None:
            raise KeyProblem(f"The secret key {fingerprint} is not in this process.")
        return signer

    def _certificate(self, octets: bytes) -> Cert | None:
        """A certificate, parsed once: that takes as long as sealing. None when it is none."""
        from pysequoia import Cert

        known = self._parsed.get(octets)
        if known is not None:
            return known
        read: Cert | None = attempt(Cert.from_bytes, octets)
        if read is not None:
            if len(self._parsed) >= _CERTIFICATES_REMEMBERED:
                self._parsed.clear()
            self._parsed[octets] = read
        return read

    def _keys(self) -> _Held:
        with self._lock:
            stamp = self._stamp()
            if self._held is None or self._held[0] != stamp:
                self._held = stamp, _held(self._secret_keys())
            return self._held[1]


@dataclass(frozen=True)
class _Held:
    """The secret keys as Sequoia works with them: for opening, one for each sub-key (it takes one of a certificate only)."""

    decryptors: list[tuple[frozenset[str], PyDecryptor]]
    signers: dict[str, PySigner]


def _held(secret_keys: Iterable[SecretKey]) -> _Held:
    """Of a key that does not serve here (it has expired, or a smart card has it) GnuPG takes care."""
    from pysequoia import Tsk

    held = _Held([], {})
    for key in secret_keys:
        whole = attempt(Tsk.from_bytes, key.octets)
        if whole is None:
            continue
        parts = ((ids, attempt(part.decryptor, key.password)) for ids, part in _by_subkey(key.octets))
        held.decryptors.extend((ids, decryptor) for ids, decryptor in parts if decryptor is not None)
        if (signer := attempt(whole.signer, key.password)) is not None:
            held.signers[whole.extract_certificate().fingerprint.upper()] = signer
    return held


def _by_subkey(octets: bytes) -> Iterable[tuple[frozenset[str], Tsk]]:
    """A secret key once for each of its sub-keys, with that one alone; whole, where it has none."""
    from pysequoia import Tsk
    from pysequoia.packet import PacketPile, Tag

    head: list[Packet] = []
    subkeys: list[list[Packet]] = []
    for packet in PacketPile.from_bytes(octets):
        if packet.tag in (Tag.SecretSubkey, Tag.PublicSubkey):
            subkeys.append([packet])
        elif subkeys:
            subkeys[-1].append(packet)
        else:
            head.append(packet)
    for subkey in subkeys or [[]]:
        ids = frozenset(key_id(item.fingerprint) for item in (head[0], *subkey[:1]) if item.fingerprint)
        if (part := attempt(Tsk.from_packets, [*head, *subkey])) is not None:
            yield ids, part


def _doubt(certificate: Cert) -> SignatureDoubt:
    if certificate.is_revoked:
        return "key-revoked"
    end = certificate.expiration
    return "key-expired" if end is not None and end <= datetime.now(UTC) else ""


def _may_open(ids: frozenset[str], recipients: Sequence[str]) -> bool:
    return any(not item or item in ids for item in recipients)
