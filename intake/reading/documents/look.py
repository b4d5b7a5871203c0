"""What a file says, whatever it is: each kind by the library that reads it. Pure, and bounded; what is found is searched, never shown.

What cannot be looked into (pictures, sound, what is encrypted, what no library knows or copes with) is said.
"""

from __future__ import annotations

import io
import itertools
import re
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from intake.reading.armor import blocks, with_lines
from intake.reading.charsets import decode
from intake.reading.data_links import linked_files
from intake.reading.documents.bounds import TookTooLong, at_most
from intake.reading.documents.cms import content_of
from intake.reading.files import is_forwarded
from intake.reading.headers import parse
from intake.reading.html import html_to_text
from intake.reading.message import header
from intake.reading.pieces import MOST_WITHIN, pieces
from intake.reading.uuencode import uuencoded
from store.kit.documents import texts_of
from store.openpgp.armor import armored
from store.tables.records import Attachment

_SIGNATURES = frozenset({"application/pkcs7-signature", "application/x-pkcs7-signature"})
_DEEPEST = 20  # an archive and the mail in it are two: nine of these, and a document in the last
_MOST_FILES = 5_000
_TIMES_FORWARDED = 3  # a mail in a mail in a mail, as large as may come
_SECONDS = 4.0
_UNPACKED = 30_000_000
_MOST_MEMBERS = 200
_LONGEST_TEXT = 5_000_000

_MAIL = re.compile(
    rb"\s*(?:>?From [^\n]*\n)?(?:[\w-]{1,70}[ \t]?:[^\n]*\n(?:[ \t][^\n]*\n)*)*?(?:content-type|mime-version|from|received)[ \t]?:",
    re.IGNORECASE,
)

# What is called a mail is one if it has any of these fields; a card or a page has not, whatever stands before its colons.
_FIELDS = frozenset({"content-type", "mime-version", "from", "received", "to", "subject", "date", "message-id"})

_Reader = Callable[[bytes], Iterator[str | bytes]]


@dataclass
class Look:
    """What was seen of some files: their texts, and the names of those that were not looked into as a whole."""

    texts: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)


def look_into(files: Sequence[Attachment], opened: Collection[bytes] = ()) -> Look:
    """Look into the files of a mail. `opened`: armor that was decrypted, so that what it says is looked at by itself."""
    held = _UNPACKED + _TIMES_FORWARDED * sum(len(item.data) for item in files)
    left = _Left(held, frozenset(opened))
    look = Look()
    for item in files:
        if not _looked(item, look, left, 0) and item.type not in _SIGNATURES:
            look.missed.append(item.name)
    return look


@dataclass
class _Left:
    """What all files of a mail together may still take: octets that come out of archives and documents, and how many files.
    `held`: octets of what mails and texts hold, each time that they are read again. `opened`: armor that was decrypted."""

    held: int
    opened: frozenset[bytes]
    octets: int = _UNPACKED
    files: int = _MOST_FILES


def _looked(item: Attachment, look: Look, left: _Left, depth: int) -> bool:
    """Look into one file; whether all of it was seen."""
    if not item.data:
        return True
    left.files -= 1
    if depth > _DEEPEST or left.files < 0:
        return False
    if _MAIL.match(item.data[:16384]):
        return _mail(item.data, look, left, depth)
    if reader := _reader_of(item.data):
        return _read(reader, item, look, left, depth)
    called_mail = is_forwarded(item.type, item.name)
    if called_mail and any(name.lower() in _FIELDS for name in parse(item.data).keys()):  # noqa: SIM118 (a Message)
        return _mail(item.data, look, left, depth)
    is_page = called_mail or item.type == "text/html" or item.name.lower().endswith((".htm", ".html"))
    return _text(item.data, look, left, depth, is_page=is_page)


def _text(octets: bytes, look: Look, left: _Left, depth: int, *, is_page: bool) -> bool:
    """Look into what is read as a text, and into the files in it."""
    texts = list(texts_of(octets))
    pages = [page for text in texts[:1] if is_page and (page := html_to_text(text)) is not None]
    look.texts += [*texts, *pages]
    wide = texts[:1] if b"\0" in octets[:4096] else []  # which nothing but its zeros may tell
    seen = bool(texts) and _is_open([octets, *(text.encode("utf-8", "replace") for text in [*wide, *pages])], left)
    if wide or b"data:" in octets.lower() or b"begin " in octets:
        return _within(wide[0] if wide else decode(octets, None), look, left, depth) and seen
    return seen


def _is_open(texts: Sequence[bytes], left: _Left) -> bool:
    """Whether all that is encrypted in a text was decrypted, in each way to read it."""
    return all(
        armored(block.octets) in left.opened
        for text in texts
        if b"BEGIN PGP MESSAGE" in text
        for block in blocks(with_lines(_without_signing(text)))
    )


def _without_signing(text: bytes) -> bytes:
    """A text with what was clear-signed in it as it was before (RFC 9580 section 7)."""
    return text.replace(b"-----BEGIN PGP SIGNED MESSAGE-----", b"").replace(b"\n- ", b"\n")


def _within(text: str, look: Look, left: _Left, depth: int) -> bool:
    """Look into the files that stand in a text or a page; whether all of them were seen."""
    whole = True
    linked = (item.octets for item in linked_files(text))
    coded = (item.octets for item in uuencoded(text.encode("utf-8", "replace")))
    for number, file in enumerate(itertools.chain(linked, coded)):
        left.held -= len(file)
        if left.held < 0 or number == MOST_WITHIN:
            return False
        whole = _looked(Attachment("", "", file), look, left, depth + 1) and whole
    return whole


def _reader_of(octets: bytes) -> _Reader | None:
    head = octets[:1024]
    if b"%PDF-" in head:
        return _pdf_texts
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return _zip_texts
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _compound_texts
    if head.startswith(b"\x78\x9f\x3e\x22"):
        return _tnef_texts
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{\\rtf"):
        return _rtf_texts
    if head.startswith(b"\x1f\x8b"):
        return _gzip_texts
    if head.startswith(b"\x30") and content_of(octets) is not None:
        return _cms_texts
    return None


def _read(reader: _Reader, item: Attachment, look: Look, left: _Left, depth: int) -> bool:
    """What a library reads of a file; what it fails on counts as not seen, with what came before it."""
    whole = True
    found: list[str | bytes] = []
    try:
        with at_most(_SECONDS):
            for said in reader(item.data):
                left.octets -= len(said)
                if left.octets < 0:
                    whole = False
                    break
                found.append(said)
    except MemoryError:
        raise
    except (Exception, TookTooLong):
        whole = False
    for said in found:
        if isinstance(said, str):
            look.texts.append(said[:_LONGEST_TEXT])
            whole = _is_open([said.encode("utf-8", "replace")], left) and whole
        else:
            whole = _looked(Attachment("", "", said), look, left, depth + 1) and whole
    return whole


def _mail(octets: bytes, look: Look, left: _Left, depth: int) -> bool:
    forwarded = parse(octets)
    look.texts += [header(forwarded, name) for name in ("From", "To", "Cc", "Subject", "Reply-To")]
    whole = True
    for piece in pieces(octets, forwarded):
        left.held -= len(piece.octets)
        if left.held < 0 or piece.kind == "rest":
            return False
        look.texts += [piece.text, piece.name]
        whole = _looked(Attachment(piece.name, piece.type, piece.octets), look, left, depth + 1) and whole
    return whole


def _zip_texts(octets: bytes) -> Iterator[str | bytes]:
    unpacked = 0
    with zipfile.ZipFile(io.BytesIO(octets)) as archive:
        items = archive.infolist()
        for item in items[:_MOST_MEMBERS]:
            yield item.filename
            with archive.open(item) as member:
                said = member.read(max(0, _UNPACKED - unpacked))
            unpacked += len(said)
            yield said
        if len(items) > _MOST_MEMBERS or unpacked >= _UNPACKED:
            raise zipfile.LargeZipFile


# The libraries are imported when a file needs them: most mails bring none, and each process would pay for them.


def _pdf_texts(octets: bytes) -> Iterator[str | bytes]:
    from intake.reading.documents.pdf import pdf_texts

    return pdf_texts(octets)


def _compound_texts(octets: bytes) -> Iterator[str | bytes]:
    from intake.reading.documents.outlook import compound_texts

    return compound_texts(octets)


def _tnef_texts(octets: bytes) -> Iterator[str | bytes]:
    from intake.reading.documents.outlook import tnef_texts

    return tnef_texts(octets)


def _rtf_texts(octets: bytes) -> Iterator[str | bytes]:
    from striprtf.striprtf import rtf_to_text

    yield rtf_to_text(octets.decode("latin-1"), errors="replace")  # type: ignore[no-untyped-call]


def _gzip_texts(octets: bytes) -> Iterator[str | bytes]:
    while octets.startswith(b"\x1f\x8b"):  # a file may have several members (RFC 1952 section 2.2)
        unpack = zlib.decompressobj(wbits=31)
        yield unpack.decompress(octets, _UNPACKED)
        if not unpack.eof:
            raise zlib.error
        octets = unpack.unused_data


def _cms_texts(octets: bytes) -> Iterator[str | bytes]:
    yield content_of(octets) or b""
