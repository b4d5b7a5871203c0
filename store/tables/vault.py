"""What encrypts every sensitive column at rest.

XChaCha20-Poly1305 (PyNaCl, libsodium) with a random 24-octet nonce; the associated data names table, column
and row, so that a sealed value moved elsewhere does not open. Each case has a random key of its own, wrapped
by the vault key: who forgets the wrapped key has destroyed the case. Look-ups use keyed BLAKE2b.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from nacl import bindings
from nacl.exceptions import CryptoError
from nacl.utils import random

from store.kit.errors import VaultError

KEY_SIZE = 32
_NONCE_SIZE = 24
_VERSION = b"\x01"


def new_key() -> bytes:
    """A fresh random 32-octet key."""
    return random(KEY_SIZE)


class Box:
    """Seals and opens values with one key."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_SIZE:
            raise VaultError("The vault key has a wrong length: restore the vault file from a backup.")
        self._key = key

    def seal(self, plain: bytes, table: str, column: str, row: str) -> bytes:
        """Encrypt a value for one place: version octet, nonce, ciphertext."""
        nonce = random(_NONCE_SIZE)
        sealed = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
            plain, _place(table, column, row), nonce, self._key
        )
        return _VERSION + nonce + sealed

    def open(self, sealed: bytes, table: str, column: str, row: str) -> bytes:
        """Decrypt a value of one place. Raises VaultError when it was changed, moved, or sealed by another key."""
        if sealed[:1] != _VERSION or len(sealed) < 1 + _NONCE_SIZE:
            raise VaultError(f"A value in {table}.{column} is not a sealed value of this version of ombud.")
        nonce, box = sealed[1 : 1 + _NONCE_SIZE], sealed[1 + _NONCE_SIZE :]
        try:
            return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                box, _place(table, column, row), nonce, self._key
            )
        except CryptoError:
            raise VaultError(
                f"A value in {table}.{column} does not open: the database was changed, or the vault key is another."
            ) from None

    def seal_json(self, value: Any, table: str, column: str, row: str) -> bytes:
        """Encrypt a JSON value."""
        return self.seal(
            json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"),
            table,
            column,
            row,
        )

    def open_json(self, sealed: bytes, table: str, column: str, row: str) -> Any:
        """Decrypt a JSON value."""
        return json.loads(self.open(sealed, table, column, row).decode("utf-8", "surrogatepass"))


class Vault(Box):
    """The vault key and what is derived from it."""

    def __init__(self, key: bytes) -> None:
        super().__init__(_derive(key, b"ombud seal"))
        self._digest_key = _derive(key, b"ombud digest")

    def new_case_key(self, case_id: str) -> tuple[Box, bytes]:
        """A fresh key for one case: the box that uses it, and the key wrapped for the case's row."""
        key = new_key()
        return Box(key), self.seal(key, "cases", "wrapped_key", case_id)

    def case_box(self, wrapped: bytes, case_id: str) -> Box:
        """The box of a case from its wrapped key."""
        return Box(self.open(wrapped, "cases", "wrapped_key", case_id))

    def new_measure_key(self, measure_id: str) -> tuple[Box, bytes]:
        """The same for a measure, which outlives its case."""
        key = new_key()
        return Box(key), self.seal(key, "measures", "wrapped_key", measure_id)

    def measure_box(self, wrapped: bytes, measure_id: str) -> Box:
        """The box of a measure from its wrapped key."""
        return Box(self.open(wrapped, "measures", "wrapped_key", measure_id))

    def digest(self, purpose: str, value: bytes) -> str:
        """A keyed hash for look-ups, 32 octets in hexadecimal; equal values of two purposes differ."""
        return self.digest_of(purpose, (value,))

    def digest_of(self, purpose: str, pieces: Iterable[bytes]) -> str:
        """The keyed hash of a value that comes in pieces."""
        hashed = blake2b(purpose.encode() + b"\0", key=self._digest_key, digest_size=32)
        for piece in pieces:
            hashed.update(piece)
        return hashed.hexdigest()


def _derive(key: bytes, use: bytes) -> bytes:
    return blake2b(use, key=key, digest_size=KEY_SIZE).digest()


def _place(table: str, column: str, row: str) -> bytes:
    return f"{table}|{column}|{row}".encode()
