"""A mail opened: the one report in it, what stood around it, its files, and who signed.

Opened and unopened never mix: only one fully decrypted, integrity-protected part is the report; texts outside
it are kept apart. A mail that does not open has a `failure` and no report.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from intake.reading.armor import public_keys
from intake.reading.autocrypt import header_keys
from intake.reading.charsets import decode
from intake.reading.content import (
    FAILURES,
    FOREIGN,
    FORWARDED_NOTE,
    NESTED_NOTE,
    OUTSIDE_NOTE,
    REST_NOTE,
    UNSIGNED_NOTE,
    UNWRAPPED_NOTE,
    Content,
    Cover,
    join,
    with_beside,
)
from intake.reading.files import is_forwarded, is_public_key
from intake.reading.headers import parse
from intake.reading.message import Parsed, clean, header, one_line, read_head
from intake.reading.opened import OpenedMail, Opener
from intake.reading.piece import Piece, Region
from intake.reading.pieces import pieces, protected_head, protected_subject, text_pieces
from store.kit.sentences import Sentence
from store.openpgp.armor import armored
from store.openpgp.values import Failure, Signature
from store.tables.records import Attachment, Body, Encryption

_MOST_IN_FORWARDS = 10
_TEXT_NAMES = re.compile(r"(^|\.)(txt|text|md|eml|mime)$|^[^.]*$", re.IGNORECASE)


def open_mail(parsed: Parsed, gnupg: Opener) -> OpenedMail:
    """Open a parsed mail.

    Raises OpenPGPUnavailable when GnuPG could not do its work now.
    """
    mail, found = parsed.mail, pieces(parsed.raw, parsed.root)
    content = _open_sealed(found, gnupg)
    if content is None:
        content = _open_plain(found, gnupg)
    content.outside_files += _opened_in_forwards([*content.files, *content.outside_files], content, gnupg)
    subject = content.subject if content.subject is not None else mail.subject
    body = Body(
        sender=mail.sender_text,
        subject="" if content.failure else subject,
        text=content.text.strip("\n"),
        outside_text=content.outside.strip("\n"),
        outside_subject=_outside_subject(mail.subject, subject, held=bool(content.failure)),
        encryption=content.encryption,
        signature=content.cover.signature if content.cover else Signature(),
        failure=content.failure,
        notes=tuple(content.notes),
        date=mail.date,
        message_id=mail.message_id,
        chat=header(content.head if content.head is not None else parsed.root, "Chat-Version") != "",
    )
    head, authors = content.head, mail.sender
    protected = read_head(head) if head is not None else None
    inner_keys = header_keys(head, (*authors, *(protected.sender if protected else ()))) if head is not None else []
    keys = tuple(dict.fromkeys([*content.keys, *inner_keys, *header_keys(parsed.root, authors)]))
    files = (*content.files, *content.outside_files)
    return OpenedMail(
        body, files, keys, content.signed(), tuple(content.inside), tuple(filter(None, content.ciphertext)), protected
    )


def _opened_in_forwards(files: Sequence[Attachment], content: Content, gnupg: Opener) -> list[Attachment]:
    """What was encrypted to the desk in mails that are forwarded: nobody else could open it, so it is a file of its own."""
    opened: list[Attachment] = []
    for item in files:
        if not is_forwarded(item.type, item.name):
            continue
        for piece in pieces(item.data):
            if piece.kind != "sealed" or len(opened) == _MOST_IN_FORWARDS:
                continue
            result = gnupg.decrypt(piece.octets)
            if result.plain is not None:
                content.inside.append(result.plain)
                content.ciphertext.append(armored(piece.octets))
                kind = "message/rfc822" if piece.form == "pgp/mime" else _opened_type(piece)
                name = _bare_name(piece.name) or ("opened.eml" if piece.form == "pgp/mime" else "opened.txt")
                opened.append(Attachment(name, kind, result.plain, FORWARDED_NOTE))
    return opened


@dataclass
class _Found:
    """What the sealed parts of a mail turned out to be. `signed` was signed and not encrypted: a report where nothing else is one."""

    report: Content | None = None
    signed: Content | None = None
    failure: Failure | None = None
    form: Encryption = "none"
    opened: list[Attachment] = field(default_factory=list)
    unopened: list[Attachment] = field(default_factory=list)
    inside: list[bytes] = field(default_factory=list)
    ciphertext: list[bytes] = field(default_factory=list)

    def take(self, piece: Piece, gnupg: Opener) -> None:
        """Open one more part. The first one that opens as a report is the report."""
        result = gnupg.decrypt(piece.octets)
        if result.plain is None:
            self._take_unopened(piece, result.failure or "damaged")
            return
        self.inside.append(result.plain)
        self.ciphertext.append(armored(piece.octets))
        free = self.report is None if result.sealed else self.signed is None
        content = _report(piece, result.plain, result.signature, gnupg) if free else None
        if content is None:
            note = f"{'was encrypted; ' if result.sealed else ''}signature: {result.signature.status}"
            self.opened.append(
                Attachment(_bare_name(piece.name) or "part.txt", _opened_type(piece), result.plain, note)
            )
        elif result.sealed:
            self.report = replace(content, encryption=piece.form)
        else:
            self.signed = content

    def _take_unopened(self, piece: Piece, failure: Failure) -> None:
        self.unopened.append(_as_file(piece, FAILURES[failure]))
        if not (piece.quoted and failure == "no-key"):  # else it is somebody else's mail, to somebody else
            self.failure = self.failure or failure
            self.form = self.form if self.form != "none" else piece.form


def _open_sealed(found: Sequence[Piece], gnupg: Opener) -> Content | None:
    """The content of a mail with sealed parts; None when it has none.

    Where one opens as a report, every other file and text stood beside it; where none does, only sealed files lie beside a
    plain report.
    """
    parts = _Found()
    for piece in found:
        if piece.kind == "sealed":
            parts.take(piece, gnupg)
    if not (parts.report or parts.signed or parts.opened or parts.unopened):
        return None
    plain = _open_plain([piece for piece in found if piece.kind != "sealed"], gnupg)
    plain.inside += parts.inside
    plain.ciphertext += parts.ciphertext
    if parts.report is None and parts.failure is None and parts.signed is not None:
        return with_beside(parts.signed, plain, [*parts.opened, *parts.unopened], UNSIGNED_NOTE)
    if parts.signed is not None:
        plain = with_beside(plain, parts.signed, [], "")
    if parts.report is not None:
        return with_beside(parts.report, plain, [*parts.opened, *parts.unopened], OUTSIDE_NOTE)
    files = [*plain.files, *plain.outside_files, *parts.opened, *parts.unopened]
    if parts.failure is not None:
        around = join((plain.text, plain.outside))
        return Content(
            outside=around, encryption=parts.form, failure=FAILURES[parts.failure], outside_files=files, keys=plain.keys,
            inside=plain.inside,
        )  # fmt: skip
    plain.encryption = "none" if plain.text.strip() else "attachment"
    plain.outside_files += [*parts.opened, *parts.unopened]
    return plain


def _report(piece: Piece, plain: bytes, signature: Signature, gnupg: Opener) -> Content | None:
    """What a decrypted part says, if it is a text or a MIME entity and not just some file.

    A signature made together with the encryption covers all of it.
    """
    looks_mime = re.match(
        rb"(?:[\w-]+:[^\n]*\n(?:[ \t][^\n]*\n)*)*?(content-type|mime-version)[ \t]*:", plain[:16384], re.IGNORECASE
    )
    signed = signature.status != "none"
    if piece.form == "pgp/mime" or (piece.form == "attachment" and looks_mime):
        return _entity(plain, signature, gnupg)
    if piece.form == "inline" and looks_mime:
        return _entity(plain, signature, gnupg)
    if piece.form == "attachment" and not (_TEXT_NAMES.search(_bare_name(piece.name)) and _decodes(plain)):
        return None
    charset = piece.charset if piece.form == "inline" else ""
    return _open_plain(text_pieces(plain, charset), gnupg, Cover(signature, plain) if signed else None)


def _entity(plain: bytes, signature: Signature, gnupg: Opener) -> Content:
    """What a decrypted MIME entity says."""
    entity = parse(plain)
    cover = Cover(signature, plain, entity) if signature.status != "none" else None
    content = _open_plain(pieces(plain, entity), gnupg, cover)
    content.subject = protected_subject(entity)
    content.head = protected_head(entity)
    return content


def _open_plain(found: Sequence[Piece], gnupg: Opener, around: Cover | None = None) -> Content:
    """The content of an entity that needs no opening. If part of it is signed, that part is the report.

    `around` is a signature that covers all of it. Else, of several signed parts, what the first signature covers is
    the report: nobody else's words may pass for the first signer's, also when what was signed has no text.
    """
    content = Content()
    texts: list[tuple[str, Cover | None]] = []
    files: list[tuple[Attachment, Cover | None]] = []
    regions: dict[int, Cover] = {}
    covers: list[Cover] = []
    for piece in found:
        cover = around
        if cover is None and piece.region is not None:
            if id(piece.region) not in regions:
                regions[id(piece.region)] = _checked(piece.region, gnupg)
            cover = regions[id(piece.region)]
        if piece.kind == "clear-signed":
            octets, signature = gnupg.verify_clear(piece.octets)
            text = clean(decode(octets if octets is not None else piece.octets, piece.charset))
            cover = around or Cover(signature, octets or b"")
            texts.append((text, cover))
        elif piece.kind == "text":
            texts.append((piece.text, cover))
            content.keys += public_keys(piece.text.encode("utf-8", "replace"))
        elif piece.kind in ("rest", "unwrapped"):
            content.notes.append(Sentence(REST_NOTE if piece.kind == "rest" else UNWRAPPED_NOTE))
        else:
            files.append((_as_file(piece, NESTED_NOTE if piece.kind == "sealed" else ""), cover))
            if piece.kind != "within" and is_public_key(piece.octets):
                content.keys.append(piece.octets)
        covers += [cover] if cover is not None and cover.signature.status != "none" else []
    if kind := _hidden(found):
        around_it = join(text for text, _ in texts)
        return Content(outside=around_it, failure=FOREIGN[kind], outside_files=[item for item, _ in files])
    first = next(iter(covers), None)
    content.cover = first
    content.text = join(text for text, cover in texts if first is None or cover is first)
    content.outside = join(text for text, cover in texts if first is not None and cover is not first)
    for item, cover in files:
        if first is not None and cover is not first:
            content.outside_files.append(replace(item, note=item.note or UNSIGNED_NOTE))
        elif item.within:  # whoever signed it: no member means to send on the logo below their mails
            content.outside_files.append(item)
        else:
            content.files.append(item)
    return content


def _hidden(found: Iterable[Piece]) -> str:
    """In which foreign wrapping the report itself must be; empty when it stands in the open.

    What S/MIME wraps is a file only behind a text: a list may have put a text below it. Outlook repeats its text as a
    plain one, unless it is told otherwise.
    """
    outlook = said = False
    for piece in found:
        said = said or piece.kind == "clear-signed" or bool(piece.kind == "text" and piece.text.strip())
        if piece.kind == "smime" and not said:
            return "smime"
        outlook = outlook or piece.kind == "tnef"
    return "tnef" if outlook and not said else ""


def _checked(region: Region, gnupg: Opener) -> Cover:
    return Cover(gnupg.verify(region.signed, region.signature), region.signed, region.entity)


def _outside_subject(outside: str, inside: str, *, held: bool) -> str:
    """The unprotected subject, where it says something else than the protected one."""
    says_nothing = outside.strip(" .[]()\u2026").casefold() in (
        "",
        "encrypted message",
        "encrypted",
        "openpgp message",
        inside.casefold(),
    )
    return outside if held or not says_nothing else ""


def _as_file(piece: Piece, note: str) -> Attachment:
    name = piece.name or ("encrypted.asc" if piece.kind == "sealed" else "part")
    return Attachment(name, one_line(piece.type), piece.octets, note, within=piece.kind == "within")


def _bare_name(name: str) -> str:
    return re.sub(r"\.(asc|gpg|pgp)$", "", name, flags=re.IGNORECASE)


def _opened_type(piece: Piece) -> str:
    if piece.form == "inline":
        return "text/plain"
    return "application/octet-stream" if piece.type.startswith(("application/pgp", "text/")) else piece.type


def _decodes(octets: bytes) -> bool:
    try:
        return b"\0" not in octets and bool(octets.decode("utf-8"))
    except UnicodeDecodeError:
        return False
