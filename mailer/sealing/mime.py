"""Mails put together: the protected entity, the sealed and the signed mail around it (RFC 3156). Pure."""

from __future__ import annotations

import email.policy
import mimetypes
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from email.charset import QP, Charset
from email.encoders import encode_base64
from email.header import Header
from email.message import Message
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.utils import formataddr
from functools import lru_cache
from typing import Any, NamedTuple

from mailer.sealing.padding import filled
from store.kit.addresses import to_ascii
from store.tables.records import Attachment


@dataclass(frozen=True)
class DeskKey(Attachment):
    """The desk's own public key: it is announced as one (RFC 3156 section 7), what others attached never is."""


class Field(NamedTuple):
    """A header field as it travels, with its line end."""

    name: str
    octets: bytes


Pad = Callable[[int], int]
Headers = Sequence[tuple[str, str]]

# What a reader is shown of a header, and what places a mail in a conversation.
_PROTECTED = frozenset({"From", "To", "Subject", "Date", "Message-ID", "Reply-To", "In-Reply-To", "References"})

_CRLF = email.policy.compat32.clone(linesep="\r\n")
# RFC 5322 section 2.1.1, less the colon and the space.
_LINE = 76
_SAME = frozenset({"From", "Autocrypt", "Auto-Submitted", "X-Auto-Response-Suppress", "MIME-Version"})
_UTF8 = Charset("utf-8")
_UTF8.body_encoding = QP


def content(text: str, files: Iterable[Attachment] = ()) -> bytes:
    """A text and files as an entity to be sealed, which begins with its type: its other header fields come before it."""
    whole = _mixed(text, files)
    whole.set_param("protected-headers", "v1")  # what programs knew before RFC 9788
    whole.set_param("hp", "cipher")
    return _ended(whole)


def bare_content(text: str, files: Iterable[Attachment] = ()) -> bytes:
    """The same, which says nothing of header fields."""
    return _ended(_mixed(text, files))


def _mixed(text: str, files: Iterable[Attachment]) -> MIMEMultipart:
    whole = MIMEMultipart("mixed", boundary=_boundary(), policy=_CRLF)
    del whole["MIME-Version"]
    whole.attach(_text_part(text))
    for file in files:
        whole.attach(_file_part(file))
    return whole


def _ended(whole: MIMEMultipart) -> bytes:
    made = whole.as_bytes(policy=_CRLF)
    return made if made.endswith(b"\r\n") else made + b"\r\n"


def protected(outside: Sequence[Field], subject: str, entity: bytes, pad: Pad) -> bytes:
    """The payload of a sealed mail (RFC 9788 section 5.2): what the fields outside say, under the true subject, and how each of them stands
    outside (section 2.2); of the length that `pad` makes of its own, in whole lines.
    """
    shown = [item for item in outside if item.name in _PROTECTED]
    within = [_folded("Subject", subject) if item.name == "Subject" else item.octets for item in shown]
    return filled(b"".join((*within, *(b"HP-Outer: " + item.octets for item in shown), entity)), pad)


def sealed_mail(outside: Sequence[Field], armored: bytes) -> bytes:
    """A multipart/encrypted mail (RFC 3156 section 4) around an armored message."""
    version = b"Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"
    head = (
        b'Content-Type: application/octet-stream; name="encrypted.asc"\r\n'
        b'Content-Disposition: inline; filename="encrypted.asc"\r\n'
    )
    kind = 'multipart/encrypted; protocol="application/pgp-encrypted"'
    block = b"".join(item.octets for item in (*outside, *fields([("MIME-Version", "1.0")])))
    return _framed(block, kind, version, head, armored.replace(b"\n", b"\r\n"))


def signed_mail(headers: Headers, signed: bytes, signature: bytes, micalg: str) -> bytes:
    """A multipart/signed mail (RFC 3156 section 5). `signed` must be the exact octets that were signed."""
    return signed_entity(signed, signature, micalg, [*headers, ("MIME-Version", "1.0")])


def signed_entity(signed: bytes, signature: bytes, micalg: str, headers: Headers = ()) -> bytes:
    """A multipart/signed entity (RFC 3156 section 5) under a header."""
    head = b'Content-Type: application/pgp-signature; name="signature.asc"\r\n'
    kind = f'multipart/signed; protocol="application/pgp-signature"; micalg="{micalg}"'
    return _framed(header_block(headers), kind, signed, head, signature.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


def _framed(block: bytes, kind: str, first: bytes, head: bytes, body: bytes) -> bytes:
    """A part, and one of a head and a body, between boundaries; a large body is copied once."""
    boundary = _boundary()
    block += f'Content-Type: {kind};\r\n boundary="{boundary}"\r\n'.encode()
    mark = f"--{boundary}".encode()
    return b"\r\n".join([block, mark, first, mark, head, body, mark + b"--\r\n"])


def signable(subject: str, text: str, files: Sequence[Attachment] = ()) -> bytes:
    """An entity as it is signed: CRLF line ends, no trailing line end, nothing that a relay may change."""
    part: Message = _text_part(text)
    if files:
        part = MIMEMultipart("mixed", boundary=_boundary(), policy=_CRLF, _subparts=[part, *map(_file_part, files)])
        del part["MIME-Version"]
    part["Subject"] = _encoded("Subject", subject)
    part.set_param("protected-headers", "v1")
    return part.as_bytes(policy=_CRLF).rstrip(b"\r\n")


def header_block(headers: Headers) -> bytes:
    """Header fields in octets, as `fields` has them."""
    return b"".join(item.octets for item in fields(headers))


def fields(headers: Headers) -> list[Field]:
    """Header fields in octets, encoded where they need it (RFC 2047) and folded; no value can add a line."""
    # Folded one by one: written out as a message, a multipart type would come with boundaries of its own.
    return [Field(name, (_folded_once if name in _SAME else _folded)(name, value)) for name, value in headers]


def _folded(name: str, value: str) -> bytes:
    if len(name) + len(value) < _LINE and value.isascii() and value.isprintable():
        return f"{name}: {value}\r\n".encode()
    return bytes(_CRLF.fold_binary(name, _encoded(name, value)))


@lru_cache(maxsize=64)
def _folded_once(name: str, value: str) -> bytes:
    """For the desk's own values, which are the same in every mail: folding a long one is costly."""
    return _folded(name, value)


def _encoded(name: str, value: str) -> Any:
    flat = _flat(value)
    return flat if flat.isascii() else Header(flat, "utf-8", header_name=name)


def _flat(value: str) -> str:
    """A value without control characters and whatever else the header code takes for a line end."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", value)


def mailbox(name: str, address: str) -> str:
    """A mailbox for a header: display name and address, its domain in ASCII."""
    address = to_ascii(address)
    if not name:
        return address
    if address.isascii():
        return formataddr((_flat(name), address))
    return f"{formataddr((_flat(name), 'x')).removesuffix('<x>')}<{address}>"


def _text_part(text: str) -> Message:
    part = MIMENonMultipart("text", "plain", policy=_CRLF)
    del part["MIME-Version"]
    part.set_payload(text, _UTF8)
    return part


def _file_part(file: Attachment) -> Message:
    main, _, sub = _safe_type(file).partition("/")
    part = MIMEBase(main, sub, policy=_CRLF)
    del part["MIME-Version"]
    part.set_payload(file.data)
    encode_base64(part)
    part.add_header(
        "Content-Disposition", "attachment", filename=file.name if file.name.isascii() else ("utf-8", "", file.name)
    )
    return part


def _safe_type(file: Attachment) -> str:
    """The type to announce: never one that a mail client would take as a part of this very mail, or would open by itself."""
    if isinstance(file, DeskKey):
        return file.type
    kind = file.type if re.fullmatch(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*", file.type) else ""
    if kind.startswith(("multipart/", "message/", "application/pgp")) or kind in ("text/html", "text/calendar", ""):
        return "application/octet-stream"
    return kind if kind != "application/octet-stream" else mimetypes.guess_type(file.name)[0] or kind


def _boundary() -> str:
    return f"=_{secrets.token_hex(16)}"
