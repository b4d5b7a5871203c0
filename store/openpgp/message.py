"""What is known of an OpenPGP message before any engine opens it: whom it is for, and what kind it is. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

_PUBLIC_KEY_SESSION, _PASSWORD_SESSION = 1, 3
_BEFORE_DATA = frozenset({_PUBLIC_KEY_SESSION, _PASSWORD_SESSION, 10, 21})  # a marker and padding say nothing
_UNPROTECTED, _PROTECTED, _OCB_OF_GNUPG = 9, 18, 20
# More recipients than any mail has: each may be tried with each secret key.
_MOST_SESSION_KEYS = 1000
_VERSION_4_DIGITS = 40

Data = Literal["none", "no-integrity", "seipd-1", "seipd-2", "ocb"]


@dataclass(frozen=True)
class Outside:
    """What stands before the encrypted data of a message, and of which kind that is (RFC 9580 sections 5.13, 5.7; `ocb` is
    GnuPG's own, tag 20); `none` when it is not encrypted at the top.

    `recipients` are the key ids that it names; an empty one is somebody who is not named. `passwords`: a password opens it as well.
    """

    data: Data
    recipients: tuple[str, ...]
    passwords: bool
    message: bytes = field(repr=False)

    @property
    def by_password_alone(self) -> bool:
        """Whether nobody's key opens it, but a password does."""
        return self.passwords and not self.recipients

    @property
    def to_too_many(self) -> bool:
        """Whether it names more recipients than any mail has: trying them all would take minutes."""
        return len(self.recipients) > _MOST_SESSION_KEYS

    def may_be_for(self, key_ids: frozenset[str]) -> bool:
        """Whether one of these keys may open it."""
        return any(not item or item in key_ids for item in self.recipients)


class _Packet(NamedTuple):
    """A packet: its tag, where its body begins, and where it ends; `end` is None when its length is not given at once."""

    tag: int
    start: int
    end: int | None


def outside(message: bytes) -> Outside:
    """Read what stands before the encrypted data of a binary message.

    Its session keys for passwords (tag 3, RFC 9580 section 5.3) are left out of what is handed on: GnuPG would try them with the
    passphrase of the desk's own key, and whoever guesses it would see that.
    """
    kept, recipients, at, passwords = bytearray(), list[str](), 0, False
    for packet in _packets(message):
        if packet.tag not in _BEFORE_DATA or packet.end is None:
            break
        if packet.tag == _PUBLIC_KEY_SESSION:
            recipients.append(_recipient(message[packet.start : packet.end]))
        if packet.tag == _PASSWORD_SESSION:
            passwords = True
        else:
            kept += message[at : packet.end]
        at = packet.end
    rest = bytes(kept) + message[at:] if passwords else message
    return Outside(_data(message, at), tuple(recipients), passwords, rest)


def key_id(fingerprint: str) -> str:
    """The key id within a fingerprint (RFC 9580 section 5.5.4): its end for version 4, its beginning for version 6."""
    return (fingerprint[:16] if is_version_6(fingerprint) else fingerprint[-16:]).upper()


def is_version_6(fingerprint: str) -> bool:
    """Whether a fingerprint is that of a key of RFC 9580, which GnuPG does not know: it has 64 digits instead of 40."""
    return len(fingerprint) > _VERSION_4_DIGITS


def _data(message: bytes, at: int) -> Data:
    packet = next(_packets(message, at), None)
    if packet is None:
        return "none"
    if packet.tag == _PROTECTED:
        return "seipd-2" if message[packet.start : packet.start + 1] == b"\x02" else "seipd-1"
    return "no-integrity" if packet.tag == _UNPROTECTED else "ocb" if packet.tag == _OCB_OF_GNUPG else "none"


def _recipient(body: bytes) -> str:
    """The key id that a session key packet names (RFC 9580 section 5.1); empty when it names nobody."""
    if body[:1] == b"\x06":
        length = body[1] if len(body) > 1 else 0
        return key_id(body[3 : 2 + length].hex()) if length else ""
    named = body[1:9].hex().upper()
    return named if named.strip("0") else ""


def _packets(message: bytes, at: int = 0) -> Iterator[_Packet]:
    """The packets of a message (RFC 9580 section 4.2) up to the first whose length is not given at once."""
    while (packet := _packet(message, at)) is not None:
        yield packet
        if packet.end is None or packet.end == at:
            return
        at = packet.end


def _packet(message: bytes, at: int) -> _Packet | None:
    head = message[at : at + 6]
    if len(head) < 2 or not head[0] & 0x80:
        return None
    if head[0] & 0x40:
        tag, first = head[0] & 0x3F, head[1]
        if first < 192:
            length, size = first, 2
        elif first < 224:
            length, size = ((first - 192) << 8) + (head[2] if len(head) > 2 else 0) + 192, 3
        elif first == 255:
            length, size = int.from_bytes(head[2:6], "big"), 6
        else:
            return _Packet(tag, at + 2, None)
    else:
        tag, kind = (head[0] >> 2) & 0x0F, head[0] & 3
        if kind == 3:
            return _Packet(tag, at + 1, None)
        size = 1 + (1 << kind)
        length = int.from_bytes(head[1:size], "big")
    end = at + size + length
    return _Packet(tag, at + size, end if end <= len(message) else None)
