"""What is done to an OpenPGP message before GnuPG sees it: armor off, and no packet that a password could open. Pure.

The checksum of armor is not looked at (RFC 9580 section 6.1: it must not be a reason to refuse a message).
"""

from __future__ import annotations

import base64
import binascii
import re

_BEGIN = re.compile(rb"-----BEGIN PGP MESSAGE-----[^\n]*\n(?:[^\n:]{1,60}:[^\n]*\n)*[ \t\r]*\n?")
_END = re.compile(rb"^(?:=[A-Za-z0-9+/]{4}[ \t\r]*$|-----END)", re.MULTILINE)
_PUBLIC_KEY_SESSION, _PASSWORD_SESSION = 1, 3
_BEFORE_DATA = frozenset({_PUBLIC_KEY_SESSION, _PASSWORD_SESSION, 10, 21})  # a marker and padding say nothing


def dearmored(message: bytes) -> bytes:
    """A message in binary; one that is none in armor, or in armor that is broken, as it is."""
    begin = _BEGIN.search(message)
    if begin is None:
        return message
    end = _END.search(message, begin.end())
    try:
        return base64.b64decode(b"".join(message[begin.end() : end.start() if end else None].split()), validate=True)
    except binascii.Error:
        return message


def without_passwords(message: bytes) -> bytes | None:
    """A binary message less its session keys for passwords (tag 3, RFC 9580 section 5.3); None when it has no others.

    GnuPG would try them with the passphrase of the desk's own key, and whoever guesses it would see that.
    """
    kept, at = bytearray(), 0
    passwords = keys = False
    while (packet := _packet(message, at)) is not None and packet[0] in _BEFORE_DATA:
        tag, end = packet
        if end == at:
            break
        passwords, keys = passwords or tag == _PASSWORD_SESSION, keys or tag == _PUBLIC_KEY_SESSION
        if tag != _PASSWORD_SESSION:
            kept += message[at:end]
        at = end
    if not passwords:
        return message
    return bytes(kept + message[at:]) if keys else None


def _packet(message: bytes, at: int) -> tuple[int, int] | None:
    """The tag of the packet at an offset, and where it ends (RFC 9580 section 4.2); None when its length is not given at once."""
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
            return tag, at
    else:
        tag, kind = (head[0] >> 2) & 0x0F, head[0] & 3
        if kind == 3:
            return tag, at
        size = 1 + (1 << kind)
        length = int.from_bytes(head[1:size], "big")
    end = at + size + length
    return (tag, end) if end <= len(message) else (tag, at)
