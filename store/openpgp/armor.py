"""ASCII armor (RFC 9580 section 6), put on and taken off."""

from __future__ import annotations

import base64
import binascii
import re

_BEGIN = re.compile(rb"-----BEGIN PGP MESSAGE-----[^\n]*\n(?:[^\n:]{1,60}:[^\n]*\n)*[ \t\r]*\n?")
_ARMORED = re.compile(rb"(?:[A-Za-z0-9+/=]{1,100}[ \t]{0,9}\r?\n)+")
_END = re.compile(rb"^(?:=[A-Za-z0-9+/]{4}[ \t\r]*$|-----END)", re.MULTILINE)


def armor(message: bytes) -> bytes:
    """A binary message in armor, with a checksum: GnuPG 2.2 fails on longer texts without."""
    from pysequoia import ArmorKind
    from pysequoia import armor as in_armor

    return in_armor(message, ArmorKind.Message).encode("ascii")


def dearmored(message: bytes) -> bytes:
    """A message in binary; one that is none in armor, or in armor that is broken, as it is.

    The checksum is not looked at (section 6.1: it must not be a reason to refuse a message), and what is cut off opens as far as
    an engine lets it.
    """
    body = _lines(message)
    try:
        return base64.b64decode(body.translate(None, b" \t\r\n"), validate=True) if body else message
    except binascii.Error:
        return message


def armored(message: bytes) -> bytes:
    """The lines of base64 that a message in armor is, if they are nothing else; empty for any other."""
    lines = _lines(message)
    return lines if _ARMORED.fullmatch(lines) and message.count(b"-----BEGIN PGP MESSAGE") == 1 else b""


def _lines(message: bytes) -> bytes:
    begin = _BEGIN.search(message)
    if begin is None:
        return b""
    end = _END.search(message, begin.end())
    return message[begin.end() : end.start() if end else None]
