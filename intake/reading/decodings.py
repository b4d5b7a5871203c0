"""Every plausible decoding of octets, whatever they call themselves: for a search that trusts no parser. Pure, linear, and bounded.

Transfer encodings (RFC 2045), uuencode, encoded words (RFC 2047), wide characters, entities and percent signs are undone, what is compressed is unpacked,
tags and line breaks are taken out; and so again in what comes out, to a small depth. Charsets are the searcher's business.
"""

from __future__ import annotations

import binascii
import html
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from intake.reading.percent import without_percent
from intake.reading.uuencode import uuencoded

_DEEPEST = 12
_SPARE = 48_000_000
_TIMES = 5
_UNPACKED = 20_000_000
_MOST_UNPACKED = 2_000
_MOST_GROUPS = 20_000

_QP = re.compile(rb"=(?:[0-9A-Fa-f]{2}|[ \t]{0,5}\r?\n)")
_PERCENT = re.compile(rb"%[0-9A-Fa-f]{2}")
_ENTITY = re.compile(rb"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8});")
_ESCAPE = re.compile(rb"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})|\\'([0-9a-fA-F]{2})")
_LINE_END = re.compile(rb"[\r\n]+[ \t>|]*")
_TAG = re.compile(rb"<[^<>]{0,4000}>")
_WORD = re.compile(rb"=\?[^?\s]{1,60}\?([bBqQ])\?([^?]{0,2000})\?=(?:[ \t\r\n]{1,8}(?==\?))?")
_BASE64 = re.compile(
    rb"[A-Za-z0-9+/_-]{16,}={0,2}(?:[ \t>|]{0,20}\r?\n[ \t>|]{0,20}[A-Za-z0-9+/_-]{1,2000}={0,2}(?=[ \t]{0,20}[\r\n]|\Z))*"
)
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2}[\s:,-]?){12,}")
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))
_NOT_HEX = bytes(set(range(256)) - set(b"0123456789abcdefABCDEF"))
_PACKED = re.compile(rb"PK\x03\x04|\x1f\x8b\x08|x[\x01\x5e\x9c\xda]")
_NOT_CONTROLS = bytes(number for number in range(256) if number >= 0x20 or number in b"\0\t\n\f\r\x0e\x0f\x1b")
_SAMPLE = 32_000
# Charsets in which what an octet means depends on what stood far before it.
_STATEFUL = ((b"\x1b$", "iso2022_jp_2"), (b"\x1b$)C", "iso2022_kr"), (b"~{", "hz"))
_INVISIBLE = (b"\xc2\xad", b"\xe2\x80\x8b", b"\xe2\x80\x8c", b"\xe2\x80\x8d", b"\xe2\x81\xa0", b"\xef\xbb\xbf")


@dataclass(frozen=True)
class View:
    """Octets in one decoding. What was taken out of it may have joined words that stood apart in `before`."""

    octets: bytes
    before: bytes = b""


class Decodings:
    """The decodings of some octets, each once; `whole` is whether none was left out for want of room."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._left = len(octets) * _TIMES + _SPARE
        self._unpacked = 0
        self._seen: set[int] = set()
        self.whole = True

    def __iter__(self) -> Iterator[View]:
        yield from self._all(self._octets, 0)

    def _all(self, octets: bytes, depth: int) -> Iterator[View]:
        if not self._is_new(octets):
            return
        yield View(octets)
        yield from (view for view in _flattened(octets) if self._is_new(view.octets))
        if depth == _DEEPEST:
            self.whole = self.whole and not (_BASE64.search(octets) or b"\0" in octets)
            return
        for inner in self._undone(octets):
            if inner:
                yield from self._all(inner, depth + 1)
        for inner in self._unpackings(octets):
            yield from self._all(inner, depth + 1)

    def _is_new(self, octets: bytes) -> bool:
        """Whether a view was not seen before, and there is room for it."""
        known = hash(octets)
        if known in self._seen or len(octets) < 3:
            return False
        self._left -= len(octets)
        if self._left < 0:
            self.whole = False
            return False
        self._seen.add(known)
        return True

    def _undone(self, octets: bytes) -> Iterator[bytes]:
        """The octets with one encoding undone."""
        if _is_binary(octets):
            return
        if _QP.search(octets):
            yield binascii.a2b_qp(octets)
        if _PERCENT.search(octets):
            yield without_percent(octets)
        if _ENTITY.search(octets):
            yield _ENTITY.sub(lambda found: html.unescape(found[0].decode("ascii")).encode("utf-8", "replace"), octets)
        if _ESCAPE.search(octets):
            yield _ESCAPE.sub(_unescaped, octets)
        for mark, charset in _STATEFUL:
            if mark in octets:
                yield octets.decode(charset, "replace").encode("utf-8", "replace")
        if b"=?" in octets:
            yield b"".join(_word(found) for found in _WORD.finditer(octets))
        if b"\0" in octets:
            yield octets.replace(b"\0", b"")
        yield from _joined(self._some(item.octets for item in uuencoded(octets)))
        yield from _joined(self._some(_from_base64(found[0]) for found in _BASE64.finditer(octets)))
        yield from _joined(self._some(_from_hex(found[0]) for found in _HEX.finditer(octets)))

    def _some(self, groups: Iterable[bytes]) -> Iterator[bytes]:
        """As many groups as are looked at."""
        for number, group in enumerate(groups):
            if number == _MOST_GROUPS:
                self.whole = False
                return
            yield group

    def _unpackings(self, octets: bytes) -> Iterator[bytes]:
        for found in _PACKED.finditer(octets):
            self._unpacked += 1
            if self._unpacked > _MOST_UNPACKED:
                self.whole = False
                return
            inner = _unpacked(octets, found.start())
            if len(inner) >= _UNPACKED:
                self.whole = False
            yield inner


def _flattened(octets: bytes) -> Iterator[View]:
    """The octets less what may stand within a word: tags, line breaks, invisible characters; and, in what is not text, the zeros of
    wide characters, which in a text are an encoding of its own.
    """
    if _is_binary(octets):
        yield View(octets.replace(b"\0", b""))
        return
    plain = octets
    if b"<" in octets:
        plain = _TAG.sub(b"", octets)
        yield View(plain, octets)
    bare = plain
    for mark in _INVISIBLE:
        bare = bare.replace(mark, b"")
    yield View(bare, octets)
    if b"\n" in bare or b"\r" in bare:
        yield View(bare.translate(None, b"\r\n"), octets)
        yield View(_LINE_END.sub(b"", bare), octets)


def _is_binary(octets: bytes) -> bool:
    """Whether octets are no text in any charset: a picture, something packed."""
    sample = octets[:_SAMPLE] + octets[len(octets) // 2 :][:_SAMPLE]
    return len(sample.translate(None, _NOT_CONTROLS)) * 20 > len(sample)


def _joined(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Pieces, the long ones each by itself, the short ones together."""
    short: list[bytes] = []
    for piece in pieces:
        if len(piece) > 4000:
            yield piece
        else:
            short.append(piece)
    yield b"\n".join(short)


def _from_base64(group: bytes) -> bytes:
    clean = group.replace(b"-", b"+").replace(b"_", b"/").translate(None, _NOT_BASE64)
    pieces = [piece for piece in clean.split(b"=") if len(piece) > 1]
    return b"".join(
        binascii.a2b_base64(piece[: len(piece) - (len(piece) % 4 == 1)] + b"==="[: -len(piece) % 4 % 3])
        for piece in pieces
    )


def _from_hex(group: bytes) -> bytes:
    clean = group.translate(None, _NOT_HEX)
    return binascii.a2b_hex(clean[: len(clean) // 2 * 2])


def _word(found: re.Match[bytes]) -> bytes:
    coded = found[2]
    inner = _from_base64(coded) if found[1] in b"bB" else binascii.a2b_qp(coded.replace(b"_", b" "), header=True)
    return inner if found[0].endswith((b" ", b"\t", b"\n", b"\r")) else inner + b"\n"


def _unescaped(found: re.Match[bytes]) -> bytes:
    if found[1]:
        return chr(int(found[1], 16)).encode("utf-8", "replace")
    return bytes([int(found[2] or found[3], 16)])


def _unpacked(octets: bytes, at: int) -> bytes:
    """What is compressed at a place, as far as it can be unpacked: a member of a ZIP file (APPNOTE 4.3.7), gzip, zlib."""
    wbits = 47
    if octets[at : at + 2] == b"PK":
        method = int.from_bytes(octets[at + 8 : at + 10], "little")
        name = int.from_bytes(octets[at + 26 : at + 28], "little")
        at += 30 + name + int.from_bytes(octets[at + 28 : at + 30], "little")
        if method != 8:
            return b""  # what is stored is seen as it is
        wbits = -15
    unpack = zlib.decompressobj(wbits)
    try:
        return unpack.decompress(memoryview(octets)[at:], _UNPACKED)
    except zlib.error:
        return b""
