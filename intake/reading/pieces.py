"""What a MIME entity is made of: texts, files, sealed parts and signed regions. Pure.

Sealed is whatever must be opened by GnuPG: PGP/MIME (RFC 3156), also when Exchange took its wrapping apart;
armor within a text; an attached `.asc`, `.gpg` or `.pgp` file. Parts of a forwarded message are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from email.message import Message

from intake.reading.armor import blocks, with_lines
from intake.reading.charsets import decode
from intake.reading.data_links import linked_files
from intake.reading.documents.cms import content_of
from intake.reading.files import FORWARDED, MESSAGE_TAGS, foreign_to_openpgp, looks_sealed, packet_tag
from intake.reading.flowed import unflowed
from intake.reading.headers import parse
from intake.reading.html import html_to_text
from intake.reading.message import (
    as_file_name,
    body_parts,
    canonical,
    charset_of,
    children,
    clean,
    content_type,
    file_name,
    header,
    part_octets,
    transfer_encoding,
)
from intake.reading.piece import Flow, Piece, Region, says, says_more, says_nothing
from intake.reading.transfer import undone
from intake.reading.uuencode import uuencoded

MOST_PIECES = 1000
MOST_COSTLY = 50
MOST_WITHIN = 100

_PAGE = re.compile(rb"\s*(?:<!doctype html|<html|<head|<body|<div|<p[ >]|<span|<br)", re.IGNORECASE)
# What mail programs repeat of protected headers for those that cannot read them (RFC 9788 section 5.2.2).
_LEGACY = re.compile(
    r'<div[^<>]{0,200}class="?header-protection-legacy-display"?.{0,2000}?</div>', re.DOTALL | re.IGNORECASE
)
_SPECIAL_TEXTS = frozenset(
    {"text/calendar", "text/vcard", "text/x-vcard", "text/directory", "text/css", "text/rfc822-headers"}
)


def pieces(octets: bytes, root: Message | None = None) -> list[Piece]:
    """The pieces of an entity, the files within its texts last; `root` is its tree when it was parsed already.

    They are at most 1000, and 100 files within texts; one of kind `rest` says that there were more. Of more than 50 that need
    GnuPG, those behind are files: a mail must not keep the desk busy for hours.
    """
    return _bounded(_walk(root if root is not None else parse(octets), octets, None))


def _bounded(walked: Iterator[Piece]) -> list[Piece]:
    """As many pieces as one mail may have."""
    found: list[Piece] = []
    within: list[Piece] = []
    costly = 0
    regions: set[int] = set()
    rest: list[Piece] = []
    for piece in walked:
        if piece.kind == "within":
            if len(within) < MOST_WITHIN:
                within.append(piece)
            else:
                rest = [Piece("rest")]
            continue
        if len(found) == MOST_PIECES:
            rest = [Piece("rest")]
            break
        if piece.region is not None and id(piece.region) not in regions:
            regions.add(id(piece.region))
            costly += 1
        costly += piece.kind in ("sealed", "clear-signed")
        found.append(piece if costly <= MOST_COSTLY else _set_aside(piece))
    return [*_with_text(found), *within, *rest]


def _with_text(found: list[Piece]) -> list[Piece]:
    """The pieces, with text files as the text where there is no other: some programs name, or attach, the text itself."""
    if any(piece.kind not in ("text", "file") or not says_nothing(piece.text) for piece in found):
        return found
    return [
        replace(piece, kind="text", text=_whole(piece.octets, piece.charset, "fixed"), octets=b"")
        if piece.kind == "file" and piece.type == "text/plain"
        else piece
        for piece in found
    ]


def _set_aside(piece: Piece) -> Piece:
    if piece.kind in ("sealed", "clear-signed"):
        return replace(piece, kind="file", name=piece.name or "encrypted.asc", region=None)
    return replace(piece, region=None)


def protected_head(entity: Message) -> Message:
    """The part of a protected entity that bears its headers: itself, or what its signature covers."""
    inner = children(entity)
    if content_type(entity) == "multipart/signed" and inner and entity.get("From") is None:
        return protected_head(inner[0])
    return entity


def protected_subject(entity: Message) -> str | None:
    """The subject within a protected entity (draft-autocrypt-lamps-protected-headers, RFC 9788), if it has one."""
    if entity.get("Subject") is not None:
        return header(entity, "Subject")
    if content_type(entity) == "multipart/signed" and children(entity):
        return protected_subject(children(entity)[0])
    return None


def _walk(part: Message, octets: bytes, region: Region | None) -> Iterator[Piece]:
    kind = content_type(part)
    below = children(part)
    if kind in FORWARDED or not part.is_multipart():
        yield from _leaf(part, kind, region)
    elif kind == "multipart/alternative":
        yield from _alternative(below, octets, region)
    elif kind == "multipart/encrypted":
        yield from _encrypted(below, region)
    elif kind == "multipart/signed" and len(below) > 1 and content_type(below[-1]) == "application/pgp-signature":
        yield from _signed(part, below, octets)
    else:
        yield from _mixed(below, octets, region)


def _mixed(below: list[Message], octets: bytes, region: Region | None) -> Iterator[Piece]:
    mangled = False
    for part in below:
        kind = content_type(part)
        if kind == "application/pgp-encrypted" and re.match(
            rb"\s*version\s*:\s*1\s*\Z", part_octets(part), re.IGNORECASE
        ):
            mangled = True  # Exchange turns multipart/encrypted into multipart/mixed
        elif mangled and not part.is_multipart() and looks_sealed(part_octets(part), file_name(part), kind):
            yield Piece("sealed", part_octets(part), form="pgp/mime", region=region)
            mangled = False
        else:
            yield from _walk(part, octets, region)


def _encrypted(below: list[Message], region: Region | None) -> Iterator[Piece]:
    found = [
        part_octets(part)
        for part in below
        if content_type(part) != "application/pgp-encrypted" and not part.is_multipart()
    ]
    best = [octets for octets in found if b"BEGIN PGP MESSAGE" in octets or packet_tag(octets) in MESSAGE_TAGS]
    yield Piece("sealed", (best or found or [b""])[0], form="pgp/mime", region=region)


def _signed(part: Message, below: list[Message], octets: bytes) -> Iterator[Piece]:
    exact = body_parts(octets, str(part.get_param("boundary") or ""))
    region = Region(canonical(exact[0]), part_octets(below[-1]), below[0]) if exact else None
    yield from _walk(below[0], exact[0] if exact else octets, region)
    for extra in below[1:-1]:
        yield from _walk(extra, octets, None)


def _alternative(below: list[Message], octets: bytes, region: Region | None) -> Iterator[Piece]:
    """The plain text if it says anything, otherwise the richest form that does.

    What another form says besides is a file, so that it is looked through and listed; so is whatever is no text.
    """
    forms = [list(_walk(part, octets, region)) for part in below]
    plain = [at for at, part in enumerate(below) if content_type(part) == "text/plain" and says(forms[at])]
    telling = [at for at in range(len(below)) if says(forms[at])]
    shown = next(iter(plain or reversed(telling)), None)
    if shown is None:
        yield from (piece for form in forms for piece in form)
        return
    yield from forms[shown]
    said = "".join(piece.text for piece in forms[shown])
    for at, form in enumerate(forms):
        if at == shown:
            continue
        yield from (piece for piece in form if piece.kind not in ("text", "clear-signed"))
        if says_more(form, said):
            text = "\n".join(piece.text for piece in form)
            name = "other form.txt" if at in telling else ""
            yield Piece("file", text.encode("utf-8", "replace"), name=name, charset="utf-8", region=region)


def _leaf(part: Message, kind: str, region: Region | None) -> Iterator[Piece]:
    name = file_name(part)
    if kind in FORWARDED:
        yield Piece("file", _forwarded(part), name=name or "forwarded.eml", type="message/rfc822", region=region)
        return
    octets = part_octets(part)
    foreign = foreign_to_openpgp(part, octets, name, kind)
    if foreign == "smime" and (inner := content_of(octets)) is not None:
        yield Piece("unwrapped")
        yield from _walk(parse(inner), inner, None)
        return
    if foreign:
        yield Piece(foreign, octets, name=name or _unnamed(kind), type=kind, region=region)
        return
    charset = charset_of(part) or ""
    attached = bool(name) or part.get_content_disposition() == "attachment"
    if kind == "text/rfc822-headers" and part.get_param("protected-headers"):
        return  # the legacy display of protected headers repeats the subject
    if attached and looks_sealed(octets, name, kind):
        yield Piece("sealed", octets, name=name, type=kind, charset=charset, form="attachment", region=region)
    elif kind == "text/html" and not attached:
        yield from _page(octets, charset, region)
    elif kind.startswith("text/") and kind not in _SPECIAL_TEXTS and not attached:
        yield from _text(_without_legacy_display(part, octets), charset, region, _flow_of(part))
    elif kind == "application/pgp-encrypted" and not attached:
        return
    elif not attached and kind.startswith("application/") and looks_sealed(octets, name, kind):
        yield Piece("sealed", octets, name=name, type=kind, form="attachment", region=region)
    elif octets or attached:
        yield Piece("file", octets, name=name or _unnamed(kind), type=kind, charset=charset, region=region)


def _without_legacy_display(part: Message, octets: bytes) -> bytes:
    """A text without the headers that are repeated above it (RFC 9788 section 5.2.1)."""
    if str(part.get_param("hp-legacy-display") or "") != "1":
        return octets
    return re.split(rb"\r?\n\r?\n", octets, maxsplit=1)[-1]


def _flow_of(part: Message) -> Flow:
    """How a text was wrapped for the way (RFC 3676 section 4)."""
    if str(part.get_param("format") or "").lower() != "flowed":
        return "fixed"
    return "delsp" if str(part.get_param("delsp") or "").lower() == "yes" else "flowed"


def _text(octets: bytes, charset: str, region: Region | None, flow: Flow = "fixed") -> Iterator[Piece]:
    """A text, cut at the armor within it; and the files that stand in it."""
    last = 0
    plain = Piece("text", charset=charset, region=region)
    for block in blocks(octets):
        yield replace(plain, text=_whole(octets[last : block.start], charset, flow))
        yield replace(
            plain,
            kind=block.form,
            octets=block.octets,
            form="inline" if block.form == "sealed" else "none",
            quoted=block.quoted,
        )
        last = block.end
    yield replace(plain, text=_whole(octets[last:], charset, flow))
    for item in uuencoded(octets):
        name = as_file_name(decode(item.name, charset))
        yield Piece("within", item.octets, name=name, type="application/octet-stream", region=region)


def text_pieces(octets: bytes, charset: str) -> list[Piece]:
    """The pieces of a bare text that was sealed: what it says, the armor in it, and a page as its text."""
    return _bounded(_page(octets, charset, None) if _PAGE.match(octets[:1000]) else _text(octets, charset, None))


def _page(octets: bytes, charset: str, region: Region | None) -> Iterator[Piece]:
    """An HTML page as text, cut at armor that stands in it with its lines as they were."""
    last = 0
    for block in blocks(octets):
        yield from _page_text(octets[last : block.start], charset, region)
        yield Piece(block.form, block.octets, charset=charset, form="inline", region=region)
        last = block.end
    yield from _page_text(octets[last:], charset, region)


def _page_text(octets: bytes, charset: str, region: Region | None) -> Iterator[Piece]:
    page = decode(octets, charset)
    text = html_to_text(_LEGACY.sub(" ", page))
    if text is None:
        yield Piece("file", octets, name="page.html", type="text/html", charset=charset, region=region)
        return
    yield from _text(with_lines(text.replace("\xa0", " ").encode("utf-8", "replace")), "utf-8", region)
    for item in linked_files(page):
        yield Piece("within", item.octets, name=f"embedded{item.suffix}", type=item.type, region=region)


def _whole(octets: bytes, charset: str, flow: Flow) -> str:
    text = clean(decode(octets, charset))
    return text if flow == "fixed" else unflowed(text, delsp=flow == "delsp")


def _forwarded(part: Message) -> bytes:
    """A forwarded mail, also where it was encoded for the way, which RFC 2046 section 5.2.1 forbids."""
    inner = children(part)
    try:
        octets = inner[0].as_bytes() if inner else part_octets(part)
    except (ValueError, LookupError, UnicodeError, TypeError, AttributeError):
        octets = str(part.get_payload()).encode("utf-8", "replace")
    return undone(octets.lstrip(b"\n"), transfer_encoding(part)) if inner else octets


def _unnamed(kind: str) -> str:
    return {"text/html": "page.html", "text/calendar": "invite.ics", "application/pgp-keys": "key.asc"}.get(
        kind, kind.replace("/", ".")
    )
