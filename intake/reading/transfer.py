"""Transfer encodings undone (RFC 2045 section 6), also where they are broken. Pure, linear, and total."""

from __future__ import annotations

import binascii
import quopri
import re
from urllib.parse import unquote_to_bytes

from intake.reading.uuencode import uuencoded

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")
_AT_ONCE = 1_000_000
_PADDED = re.compile(rb"[A-Za-z0-9+/]+=*")


def undone(octets: bytes, encoding: str) -> bytes:
    """The content of a part; the octets as they are where the encoding is not what they are in."""
    if encoding == "base64":
        return _from_base64(octets) or octets
    if encoding == "quoted-printable":
        return quopri.decodestring(octets) or octets
    if encoding in ("x-uuencode", "uuencode", "uue", "x-uue"):
        return b"".join(item.octets for item in uuencoded(octets)) or octets
    return octets


def _from_base64(octets: bytes) -> bytes:
    """What the pieces say, each up to its padding: two that were put together are both read."""
    if b"-----BEGIN" in octets[:200]:
        return b""
    bare = _NOT_BASE64.sub(b"", octets)
    if len(bare) * 2 < len(octets.translate(None, b" \t\r\n")):
        return b""  # mostly something else
    found = []
    for piece in _PADDED.findall(bare):
        digits = piece.rstrip(b"=")
        digits = digits[: len(digits) - (len(digits) % 4 == 1)]
        try:
            found.append(binascii.a2b_base64(digits + b"=" * (-len(digits) % 4)))
        except binascii.Error:
            return b""
    return b"".join(found)


def without_percent(octets: bytes) -> bytes:
    """Octets that stood for others in a link (RFC 3986 section 2.1), in pieces: the library makes a list of what stands between the signs."""
    found, at = [], 0
    while at < len(octets):
        end = at + _AT_ONCE
        if (cut := octets.rfind(b"%", end - 2, end)) >= 0:
            end = cut
        found.append(unquote_to_bytes(octets[at:end]))
        at = end
    return b"".join(found)
