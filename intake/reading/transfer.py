"""Transfer encodings undone (RFC 2045 section 6), also where they are broken. Pure, linear, and total."""

from __future__ import annotations

import binascii
import quopri
import re

from intake.reading.uuencode import decoded_line

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")
_PADDED = re.compile(rb"[A-Za-z0-9+/]+=*")


def undone(octets: bytes, encoding: str) -> bytes:
    """The content of a part; the octets as they are where the encoding is not what they are in."""
    if encoding == "base64":
        return _from_base64(octets) or octets
    if encoding == "quoted-printable":
        return quopri.decodestring(octets) or octets
    if encoding in ("x-uuencode", "uuencode", "uue", "x-uue"):
        return _from_uuencode(octets) or octets
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


def _from_uuencode(octets: bytes) -> bytes:
    found, within = [], False
    for line in octets.splitlines():
        if not within:
            within = line.startswith(b"begin ")
        elif line.strip() == b"end":
            break
        else:
            found.append(decoded_line(line) or b"")
    return b"".join(found)
