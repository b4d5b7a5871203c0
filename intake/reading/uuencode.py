"""Files that stand in a text as lines of uuencode (POSIX `uuencode`, historical algorithm). Pure, linear, and total."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

_BEGIN = re.compile(rb"^begin [0-7]{3,4} ([^\r\n]{1,255})\r?\n", re.MULTILINE)
_END = re.compile(rb"end[ \t]*\r?(?:\n|\Z)")
_LINE = re.compile(rb"[^\n]*\n?")


class Coded(NamedTuple):
    """A file within a text: where its lines begin and end, what it is called, and its octets."""

    start: int
    end: int
    name: bytes
    octets: bytes


def uuencoded(text: bytes) -> Iterator[Coded]:
    """The files in a text, in order, each as far as its lines can be read: what else stands there is text."""
    at = 0
    while begin := _BEGIN.search(text, at):
        at = begin.end()
        if not _is_whole(_line(text, at)):
            continue  # somebody speaks of beginning
        octets, at = _body(text, at)
        yield Coded(begin.start(), at, begin[1].strip(), octets)


def _body(text: bytes, at: int) -> tuple[bytes, int]:
    """The octets of the lines from a place on, and where they end."""
    found = []
    while line := _line(text, at):
        octets = _decoded(line)
        if octets is None:
            break
        found.append(octets)
        at += len(line)
    end = _END.match(text, at)
    return b"".join(found), end.end() if end else at


def _line(text: bytes, at: int) -> bytes:
    found = _LINE.match(text, at)
    return found[0] if found else b""


def _decoded(line: bytes) -> bytes | None:
    try:
        return binascii.a2b_uu(line) if line.strip() else None
    except binascii.Error:
        return None


def _is_whole(line: bytes) -> bool:
    """Whether a line has as many characters as its first one says, or one more for a checksum."""
    bare = line.rstrip(b"\r\n")
    wanted = -(-((bare[0] - 32) & 63) // 3) * 4 if bare else 0
    return wanted > 0 and len(bare) - 1 in (wanted, wanted + 1) and _decoded(line) is not None
