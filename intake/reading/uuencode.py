"""Files that stand in a text as lines of uuencode (POSIX `uuencode`, historical algorithm). Pure, linear, and total."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

_BEGIN = re.compile(rb"^begin [0-7]{3,6}([^\r\n]{0,255})\r?\n", re.MULTILINE)


class CodedFile(NamedTuple):
    """A file in a text: what it is called, and its octets."""

    name: bytes
    octets: bytes


def uuencoded(text: bytes) -> Iterator[CodedFile]:
    """The files in a text, in order, each as far as its lines can be read."""
    if b"begin " not in text:
        return
    at = 0
    while begin := _BEGIN.search(text, at):
        at = begin.end()
        if _is_first(_line(text, at)):  # else somebody speaks of beginning
            octets, at = _body(text, at)
            yield CodedFile(begin[1].strip(), octets)


def _body(text: bytes, at: int) -> tuple[bytes, int]:
    """The octets of the lines from a place on, and where they end: before the first that cannot be read."""
    found = []
    while (line := _line(text, at)) and (octets := decoded_line(line)) is not None:
        found.append(octets)
        at += len(line)
    return b"".join(found), at


def _line(text: bytes, at: int) -> bytes:
    end = text.find(b"\n", at) + 1
    return text[at : end or None]


def decoded_line(line: bytes) -> bytes | None:
    """The octets of one line; None for one that is no line of uuencode."""
    try:
        return binascii.a2b_uu(line) if line.strip(b"\r\n") else b""
    except binascii.Error:
        return None


def _is_first(line: bytes) -> bool:
    """Whether a line has about as many characters as its first one says: zeros at its end may have been lost, which are spaces."""
    bare = line.rstrip(b"\r\n")
    wanted = -(-((bare[0] - 32) & 63) // 3) * 4 if bare else 0
    return bool(wanted) and wanted // 2 <= len(bare) - 1 <= wanted + 1 and decoded_line(line) is not None
