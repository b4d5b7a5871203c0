"""Secret keys that GnuPG cannot hold (RFC 9580): made with Sequoia, kept in its folder, each sealed to a key that GnuPG has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from store.kit.files import modified, write_private
from store.openpgp.sequoia_engine import SecretKey
from store.openpgp.values import Decryption


class ModernKeys:
    """The folder of these keys. Whoever can open mail with GnuPG's key can open them, and nobody else."""

    def __init__(self, folder: Path, opened: Callable[[bytes], Decryption]) -> None:
        """`opened` opens a message with GnuPG."""
        self._folder = folder
        self._opened = opened

    def keep(self, fingerprint: str, sealed: bytes) -> None:
        """Keep a secret key that was sealed. Raises FileExistsError, OSError."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_private(self._folder / f"{fingerprint}.pgp", sealed)

    def secrets(self) -> Iterator[SecretKey]:
        """The keys that open. Raises OpenPGPUnavailable when GnuPG could not do its work."""
        for file in sorted(self._folder.glob("*.pgp")):
            octets = self._opened(file.read_bytes()).plain
            if octets:
                yield SecretKey(octets)

    def stamp(self) -> object:
        """What changes when a key is added or taken away."""
        return modified(self._folder)

    def fingerprints(self) -> tuple[str, ...]:
        """The fingerprints of the keys that are kept."""
        return tuple(file.stem for file in sorted(self._folder.glob("*.pgp")))


def generate(user_id: str, *, post_quantum: bool) -> tuple[str, bytes]:
    """Make a key of RFC 9580 without an end, with ML-KEM-768 beside X25519 when it is to hold against quantum computers.

    Its fingerprint, and the transferable secret key.
    """
    from pysequoia import CipherSuite, EncryptionAlgorithm, Profile, Tsk

    algorithm = EncryptionAlgorithm.MLKEM768_X25519 if post_quantum else None
    made = Tsk.generate(
        user_id, profile=Profile.RFC9580, cipher_suite=CipherSuite.Cv25519, encryption_algorithm=algorithm
    )
    return made.extract_certificate().fingerprint.upper(), bytes(made)
