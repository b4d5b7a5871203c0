"""The texts in a file: a text in whatever charset, a page, a card or a calendar, a document that is a ZIP of XML. Pure, and bounded."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator

from store.kit.entities import unescaped

_READ, _READ_UNSURE = 1_000_000, 60_000
_MOST_MEMBERS_OF_A_ZIP = 40
_MOST_OF_A_ZIP = 3_000_000
_TAG = re.compile(r"<[^<>]*>")
_FOLDED = re.compile(r"\r?\n[ \t]")
# What a file without a label may be written in, where it is not UTF-8.
_PLAUSIBLE = (
    "cp1252", "cp1251", "koi8-r", "cp1250", "cp1253", "cp1255", "cp1256", "gb18030", "shift_jis", "euc_kr", "big5", "mac_roman",
)  # fmt: skip


_NOT_CONTROLS = bytes(number for number in range(256) if number >= 0x20 or number in b"\t\n\f\r\x1b")


def texts_of(octets: bytes) -> Iterator[str]:
    """What a file says, in each way in which it can be read: some of it may be nonsense."""
    if octets.startswith(b"PK"):
        yield from _zipped(octets)
        return
    for text in readings(octets[:_READ]):
        yield text
        if "<" in text:
            yield unescaped(_TAG.sub(" ", text))
            yield unescaped(_TAG.sub("", text))  # a name may be cut by the marks of a spelling checker
        if _FOLDED.search(text):
            yield _FOLDED.sub("", text)  # a card or a calendar (RFC 6350 section 3.2)


def readings(octets: bytes) -> Iterator[str]:
    """Octets as text: under the one charset that they must be in, or under each that they may be in; none for what is no text."""
    if octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        yield octets.decode("utf-16", "replace")
        return
    head = octets[:4096]
    if b"\0" in head:
        zeros = (head[0::2].count(0), head[1::2].count(0))
        if max(zeros) * 3 > len(head) // 2:
            yield octets.decode("utf-16-be" if zeros[0] > zeros[1] else "utf-16-le", "replace")
            return
        if head.count(0) * 50 > len(head):
            return
        octets = octets.replace(b"\0", b" ")
    try:
        charsets: tuple[str, ...] = ("utf-8-sig",)
        octets.decode("utf-8")
    except UnicodeDecodeError:
        if len(octets.translate(None, _NOT_CONTROLS)) * 100 > len(octets):
            return  # a picture, or something else that is packed
        charsets, octets = _PLAUSIBLE, octets[:_READ_UNSURE]
    for charset in charsets:
        yield octets.decode(charset, "replace")


def _zipped(octets: bytes) -> Iterator[str]:
    left = _MOST_OF_A_ZIP
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as archive:
            for item in archive.infolist()[:_MOST_MEMBERS_OF_A_ZIP]:
                yield item.filename
                with archive.open(item) as member:
                    said = member.read(min(_READ, left))
                left -= len(said)
                if not said.startswith(b"PK"):
                    yield from texts_of(said)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError, ValueError):
        return
