"""One OpenPGP message to many, taken apart into one message for each. Pure.

gpg seals a notice once for all readers; the result is one session key packet (tag 1, RFC 9580 section 5.1) for
each of them, then the encrypted data. Sent as it is, it would tell every mail provider who is on the case. Each
reader's message is their own session key packet and the data: it opens with their key and names no other.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from anycrc import Model

from store.kit.errors import KeyProblem

_CRC24 = Model("CRC24-OPENPGP")
_SESSION_KEY = 1
_VERSION_3 = 3


@dataclass(frozen=True)
class Part:
    """One reader's message: their session key packet, and the data packet that all readers' messages share."""

    session_key: bytes = field(repr=False)
    data: memoryview = field(repr=False)

    def armored(self) -> bytes:
        """The message in ASCII armor."""
        return armor(b"".join((self.session_key, self.data)))


def split(message: bytes, owners: Mapping[str, str]) -> dict[str, Part]:
    """The message for each owner, by the id (16 hexadecimal digits) of the sub-key that it was sealed to.

    Raises KeyProblem unless each owner has exactly one packet and each packet has an owner.
    """
    mine: dict[str, bytes] = {}
    at = 0
    while (found := _session_key_packet(message, at)) is not None:
        key_id, end = found
        owner = owners.get(key_id)
        if owner is None or owner in mine:
            raise KeyProblem("GnuPG sealed a notice to a key that was not asked for; nothing was sent.")
        mine[owner] = message[at:end]
        at = end
    if set(mine) != set(owners.values()):
        raise KeyProblem("GnuPG left a reader out when it sealed a notice; nothing was sent.")
    data = memoryview(message)[at:]
    return {owner: Part(packet, data) for owner, packet in mine.items()}


def recipient_key_ids(message: bytes) -> list[str]:
    """The sub-key ids that an unarmored message names."""
    ids, at = [], 0
    while (found := _session_key_packet(message, at)) is not None:
        ids.append(found[0])
        at = found[1]
    return ids


def armor(message: bytes) -> bytes:
    """ASCII armor (RFC 9580 section 6). The checksum is optional there, but GnuPG 2.2 fails on longer texts without."""
    checksum = base64.b64encode(_CRC24.calc(message).to_bytes(3, "big"))
    return (
        b"-----BEGIN PGP MESSAGE-----\n\n"
        + base64.encodebytes(message)
        + b"="
        + checksum
        + b"\n-----END PGP MESSAGE-----\n"
    )


def _session_key_packet(message: bytes, at: int) -> tuple[str, int] | None:
    """The key id in the session key packet at an offset and where the packet ends; None when another packet is there."""
    if at >= len(message):
        raise KeyProblem("GnuPG made a message that is cut off; nothing was sent.")
    head = message[at]
    new_format = bool(head & 0x40)
    tag = head & 0x3F if new_format else (head >> 2) & 0x0F
    if tag != _SESSION_KEY:
        return None
    start, length = _new_length(message, at + 1) if new_format else _old_length(message, at)
    body = message[start : start + length]
    if len(body) != length or length < 10 or body[0] != _VERSION_3:
        raise KeyProblem("GnuPG made a session key packet of a version that is not known here; nothing was sent.")
    return body[1:9].hex().upper(), start + length


def _new_length(message: bytes, at: int) -> tuple[int, int]:
    """Where the body begins and its length (RFC 9580 section 4.2.1); a session key is never sent in chunks."""
    first = message[at]
    if first < 192:
        return at + 1, first
    if first < 224:
        return at + 2, ((first - 192) << 8) + message[at + 1] + 192
    return at + 5, int.from_bytes(message[at + 1 : at + 5], "big")


def _old_length(message: bytes, at: int) -> tuple[int, int]:
    size = (1, 2, 4, 0)[message[at] & 0x03]
    return at + 1 + size, int.from_bytes(message[at + 1 : at + 1 + size], "big")
