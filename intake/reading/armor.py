"""OpenPGP armor within a text (RFC 9580 section 6.2), also where it was indented, quoted, or lies in a page. Pure, and linear."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

Form = Literal["sealed", "clear-signed"]

# White space, signs of quoting, and marks that no eye sees, in the charsets in which they are met.
_MARGIN = rb"(?:[ \t>|]|\xc2\xa0|\xa0|\xe2\x80[\x8b-\x8f]|\xef\xbb\xbf|\xe3\x80\x80){0,40}"
_BEGIN = re.compile(rb"^(" + _MARGIN + rb")-----BEGIN PGP (MESSAGE|SIGNED MESSAGE)-----", re.MULTILINE)
_END = {
    b"MESSAGE": re.compile(rb"^" + _MARGIN + rb"-----END PGP MESSAGE-----[^\n]*$", re.MULTILINE),
    b"SIGNED MESSAGE": re.compile(rb"^" + _MARGIN + rb"-----END PGP SIGNATURE-----[^\n]*$", re.MULTILINE),
}
# A line of base64; a short one, if it can begin a packet (RFC 9580 section 4.2: the first bit is set).
_ARMORED = re.compile(
    rb"^[ \t>|\xa0\xc2]{0,40}(?:[A-Za-z0-9+/=]{16,}|[g-z0-9+/][A-Za-z0-9+/=]{7,})[ \t\r]*$", re.MULTILINE
)
# Armor whose line ends were lost in a page.
_IN_ONE_LINE = re.compile(
    rb"-----BEGIN PGP MESSAGE-----[ \t]+(?:(?:Version|Comment|Charset): [^\n=]{0,80}?[ \t]+)?((?:[A-Za-z0-9+/=]{4,100}[ \t]+)+)-----END PGP MESSAGE-----"
)
_KEY = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----(?:(?!-----BEGIN).){1,200000}?-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL
)
_MOST_KEYS = 10
_HEAD_OCTETS = 2000


class Block(NamedTuple):
    """A block of armor: where it begins and ends in the text, and its octets without what stands in front of its lines.
    `quoted`: that is a sign of quoting."""

    start: int
    end: int
    form: Form
    octets: bytes
    quoted: bool


def blocks(octets: bytes) -> Iterator[Block]:
    """The blocks of armor in a text, in order. One that has no end goes to the end of the text."""
    at = 0
    while begin := _BEGIN.search(octets, at):
        if begin[2] == b"MESSAGE" and not _ARMORED.search(octets, begin.end(), begin.end() + _HEAD_OCTETS):
            at = begin.end()  # somebody speaks of armor
            continue
        end = _END[begin[2]].search(octets, begin.end())
        at = end.end() if end else len(octets)
        block = octets[begin.start() : at]
        margin = begin[1]
        if margin:
            block = b"\n".join(_without(line, margin) for line in block.split(b"\n"))
        yield Block(begin.start(), at, "sealed" if begin[2] == b"MESSAGE" else "clear-signed", block, b">" in margin)


def with_lines(octets: bytes) -> bytes:
    """A text in which armor that stands in one line has its lines again."""
    return _IN_ONE_LINE.sub(
        lambda found: (
            b"\n-----BEGIN PGP MESSAGE-----\n\n" + b"\n".join(found[1].split()) + b"\n-----END PGP MESSAGE-----\n"
        ),
        octets,
    )


def public_keys(octets: bytes) -> list[bytes]:
    """The blocks of public keys in a text."""
    return [found[0] for found in list(_KEY.finditer(octets))[:_MOST_KEYS]]


def _without(line: bytes, margin: bytes) -> bytes:
    return line.removeprefix(margin) if line.startswith(margin) else line.lstrip(b" \t>|")
