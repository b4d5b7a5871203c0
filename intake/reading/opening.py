"""A mail opened: the one report in it, what stood around it, its files, and who signed.

Opened and unopened never mix: only one fully decrypted, integrity-protected part is the report; texts outside
it are kept apart. A mail that does not open has a `failure` and no report.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from email.message import Message

from intake.reading.armor import public_keys
from intake.reading.autocrypt import header_keys
from intake.reading.charsets import decode
from intake.reading.files import is_public_key
from intake.reading.headers import parse
from intake.reading.message import Parsed, addresses, clean, header, one_line
from intake.reading.opened import OpenedMail, Opener, Signed
from intake.reading.piece import Piece, Region
from intake.reading.pieces import pieces, protected_subject, text_pieces
from store.kit.sentences import Sentence, marked
from store.openpgp.status import Failure, Signature
from store.tables.records import Attachment, Body, Encryption

_TEXT_NAMES = re.compile(r"(^|\.)(txt|text|md|eml|mime)$|^[^.]*$", re.IGNORECASE)

FAILURES: dict[Failure, str] = {
    "no-key": marked("it is encrypted to a key that this desk does not have"),
    "damaged": marked("its encrypted part is damaged"),
    "no-integrity": marked("its encrypted part has no integrity protection"),
    "too-large": marked("it unpacks to more than the limit"),
}
FOREIGN: dict[str, str] = {
    "smime": marked("it is encrypted or wrapped with S/MIME, which this desk cannot open"),
    "tnef": marked("its text is in a file of Outlook (winmail.dat), which this desk cannot open"),
}
REST_NOTE = marked("this mail has more parts than are shown; all of it is kept")
UNWRAPPED_NOTE = marked("it was signed with S/MIME, and that signature is not checked here")
OUTSIDE_NOTE = marked("came outside the encrypted part")
NESTED_NOTE = marked("could not be opened: it is encrypted once more")
UNSIGNED_NOTE = marked("is not covered by the signature")


@dataclass(frozen=True)
class _Cover:
    """A signature, the octets under it, and the entity that they are (None for a bare text)."""

    signature: Signature
    octets: bytes
    entity: Message | None = None


@dataclass
class _Content:
    """What an opened entity says, while it is put together: text and files of the report, and what stood beside it."""

    text: str = ""
    outside: str = ""
    subject: str | None = None
    cover: _Cover | None = None
    encryption: Encryption = "none"
    failure: str = ""
    notes: list[Sentence] = field(default_factory=list)
    files: list[Attachment] = field(default_factory=list)
    outside_files: list[Attachment] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    inside: list[bytes] = field(default_factory=list)

    def signed(self) -> Signed | None:
        """What a valid signature covers; None when there is none."""
        cover = self.cover
        if self.failure or cover is None or cover.signature.status != "valid":
            return None
        files, digest = tuple(self.files), hashlib.sha256(b"".join(cover.octets.split())).hexdigest()
        if cover.entity is None:
            return Signed(cover.signature, digest, self.text.strip("\n"), files=files)
        recipients = tuple(item.address for item in addresses(cover.entity, "To", "Cc"))
        subject = header(cover.entity, "Subject")
        return Signed(cover.signature, digest, self.text.strip("\n"), subject, recipients, files)


def open_mail(parsed: Parsed, gnupg: Opener) -> OpenedMail:
    """Open a parsed mail.

    Raises OpenPGPUnavailable when GnuPG could not do its work now.
    """
    mail, found = parsed.mail, pieces(parsed.raw, parsed.root)
    content = _open_sealed(found, gnupg)
    if content is None:
        content = _open_plain(found, gnupg)
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
    )
    keys = tuple(dict.fromkeys([*content.keys, *header_keys(parsed)]))
    return OpenedMail(body, (*content.files, *content.outside_files), keys, content.signed(), tuple(content.inside))


def _open_sealed(found: Sequence[Piece], gnupg: Opener) -> _Content | None:
    """The content of a mail with sealed parts; None when it has none, or only sealed files beside a plain report.

    The first part that opens as a report is the report: every other file and text stood beside it.
    """
    report: _Content | None = None
    failure: Failure | None = None
    opened: list[Attachment] = []
    unopened: list[Attachment] = []
    inside: list[bytes] = []
    form: Encryption = "none"
    for piece in found:
        if piece.kind != "sealed":
            continue
        result = gnupg.decrypt(piece.octets)
        inside += [result.plain] if result.plain else []
        if result.plain is None and piece.quoted and result.failure == "no-key":
            unopened.append(_as_file(piece, FAILURES["no-key"]))  # somebody else's mail, to somebody else
        elif result.plain is None:
            failure = failure or result.failure or "damaged"
            form = form if form != "none" else piece.form
            unopened.append(_as_file(piece, FAILURES[result.failure or "damaged"]))
        elif report is None and (content := _report(piece, result.plain, result.signature, gnupg)) is not None:
            report = content
            report.encryption = piece.form
        else:
            note = f"was encrypted; signature: {result.signature.status}"
            opened.append(Attachment(_bare_name(piece.name) or "part.txt", _opened_type(piece), result.plain, note))
    if not (report or opened or unopened):
        return None
    plain = _open_plain([piece for piece in found if piece.kind != "sealed"], gnupg)
    outside = _join((plain.text, plain.outside))
    around = [*plain.files, *plain.outside_files]
    if report is None and failure is not None:
        return _Content(
            inside=inside,
            outside=outside,
            encryption=form,
            failure=FAILURES[failure],
            outside_files=[*around, *opened, *unopened],
            keys=plain.keys,
        )
    if report is None:
        plain.outside_files += unopened
        plain.encryption = "none" if plain.text.strip() else "attachment"
        plain.outside_files += opened
        plain.inside += inside
        return plain
    report.outside = _join((report.outside, outside))
    report.outside_files += [*opened, *unopened, *(replace(item, note=item.note or OUTSIDE_NOTE) for item in around)]
    report.keys += plain.keys
    report.notes += plain.notes
    report.inside += inside
    return report


def _report(piece: Piece, plain: bytes, signature: Signature, gnupg: Opener) -> _Content | None:
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
    return _open_plain(text_pieces(plain, charset), gnupg, _Cover(signature, plain) if signed else None)


def _entity(plain: bytes, signature: Signature, gnupg: Opener) -> _Content:
    """What a decrypted MIME entity says."""
    entity = parse(plain)
    cover = _Cover(signature, plain, entity) if signature.status != "none" else None
    content = _open_plain(pieces(plain, entity), gnupg, cover)
    content.subject = protected_subject(entity)
    return content


def _open_plain(found: Sequence[Piece], gnupg: Opener, around: _Cover | None = None) -> _Content:
    """The content of an entity that needs no opening. If part of it is signed, that part is the report.

    `around` is a signature that covers all of it. Else, of several signed parts, what the first signature covers is
    the report: nobody else's words may pass for the first signer's, also when what was signed has no text.
    """
    content = _Content()
    texts: list[tuple[str, _Cover | None]] = []
    files: list[tuple[Attachment, _Cover | None]] = []
    regions: dict[int, _Cover] = {}
    covers: list[_Cover] = []
    for piece in found:
        cover = around
        if cover is None and piece.region is not None:
            if id(piece.region) not in regions:
                regions[id(piece.region)] = _checked(piece.region, gnupg)
            cover = regions[id(piece.region)]
        if piece.kind == "clear-signed":
            octets, signature = gnupg.verify_clear(piece.octets)
            text = clean(decode(octets if octets is not None else piece.octets, piece.charset))
            cover = around or _Cover(signature, octets or b"")
            texts.append((text, cover))
        elif piece.kind == "text":
            texts.append((piece.text, cover))
            content.keys += public_keys(piece.text.encode("utf-8", "replace"))
        elif piece.kind in ("rest", "unwrapped"):
            content.notes.append(Sentence(REST_NOTE if piece.kind == "rest" else UNWRAPPED_NOTE))
        else:
            files.append((_as_file(piece, NESTED_NOTE if piece.kind == "sealed" else ""), cover))
            if is_public_key(piece.octets):
                content.keys.append(piece.octets)
        covers += [cover] if cover is not None and cover.signature.status != "none" else []
    if kind := _hidden(found):
        around_it = _join(text for text, _ in texts)
        return _Content(outside=around_it, failure=FOREIGN[kind], outside_files=[item for item, _ in files])
    first = next(iter(covers), None)
    content.cover = first
    content.text = _join(text for text, cover in texts if first is None or cover is first)
    content.outside = _join(text for text, cover in texts if first is not None and cover is not first)
    content.files = [item for item, cover in files if first is None or cover is first]
    content.outside_files = [
        replace(item, note=item.note or UNSIGNED_NOTE)
        for item, cover in files
        if first is not None and cover is not first
    ]
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


def _checked(region: Region, gnupg: Opener) -> _Cover:
    return _Cover(gnupg.verify(region.signed, region.signature), region.signed, region.entity)


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


def _join(texts: Iterable[str]) -> str:
    return "\n\n".join(text.strip("\n") for text in texts if text.strip())


def _as_file(piece: Piece, note: str) -> Attachment:
    name = piece.name or ("encrypted.asc" if piece.kind == "sealed" else "part")
    return Attachment(name, one_line(piece.type), piece.octets, note)


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
