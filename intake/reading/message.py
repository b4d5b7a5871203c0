"""A mail as received, read without trusting it. Pure: octets in, values out (RFC 5322, RFC 2045-2047).

The structure comes from the standard library's parser. What stands in a mail may be broken in any way; every
function here gives the best that can be had, and whoever calls `read_mail` treats an exception as a mail that
can't be read, never as one that can be refused.
"""

from __future__ import annotations

import re
from copy import copy
from dataclasses import dataclass, field, replace
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses
from itertools import pairwise

from intake.reading.charsets import decode
from intake.reading.headers import parse, raw_text
from intake.reading.transfer import undone

_ID = re.compile(r"<[^<>\s@]{1,500}@[^<>\s]{1,500}>")
_MOST_REFERENCES = 200
_RETURNED = frozenset({"message/rfc822", "text/rfc822-headers", "message/rfc822-headers"})
_SHOWN_LIMIT = 998


@dataclass(frozen=True)
class Address:
    """A mailbox of an address header."""

    name: str
    address: str


@dataclass(frozen=True)
class Mail:
    """What rules ask for of a mail's header.

    `references` are the Message-IDs that it answers or refers to, the nearest last; `refers` says whether it claims to
    answer anything. `hidden`: no author stands in the open, where mail servers read it, so no domain could disown the mail.
    """

    subject: str
    sender: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    recipients: tuple[Address, ...]
    message_id: str
    date: str
    references: tuple[str, ...] = ()
    refers: bool = False
    list_id: str = ""
    hidden: bool = False

    def protecting(self, inner: Mail) -> Mail:
        """This header, with that from inside the encryption: what only its author can have written (RFC 9788 section 4).

        Somebody else who is the author inside is one more author, so that neither is taken at their word.
        """
        known = {item.address.casefold() for item in self.sender}
        return replace(
            self,
            sender=(*self.sender, *(item for item in inner.sender if item.address.casefold() not in known)),
            reply_to=inner.reply_to or self.reply_to,
            recipients=tuple(dict.fromkeys((*self.recipients, *inner.recipients))),
            references=tuple(dict.fromkeys((*self.references, *inner.references))),
            refers=self.refers or inner.refers,
        )

    @property
    def sender_text(self) -> str:
        """The author as shown to a reader."""
        return ", ".join(f"{item.name} <{item.address}>" if item.name else item.address for item in self.sender)


@dataclass(frozen=True)
class Parsed:
    """A mail with its tree."""

    root: Message = field(repr=False)
    raw: bytes = field(repr=False)
    mail: Mail


def read_mail(raw: bytes) -> Parsed:
    """Parse a mail and read its headers."""
    root = parse(raw)
    return Parsed(root, raw, read_head(root))


def read_head(root: Message) -> Mail:
    """What rules ask for of the headers of a mail, or of those that are protected within it (RFC 9788)."""
    return Mail(
        subject=header(root, "Subject"),
        sender=addresses(root, "From") or addresses(root, "Sender"),
        reply_to=addresses(root, "Reply-To"),
        recipients=addresses(root, "To", "Cc", "Bcc", "Resent-To", "Resent-Cc"),
        message_id=header(root, "Message-ID"),
        date=header(root, "Date"),
        references=tuple(_referred(root)),
        refers=bool(header_values(root, "References", "In-Reply-To")),
        list_id=header(root, "List-Id"),
        hidden=not _in_the_open(root),
    )


def _referred(root: Message) -> list[str]:
    """The Message-IDs that a mail answers or refers to (RFC 5322 section 3.6.4), the nearest last; of a report on a
    delivery, that of the mail which it returns (RFC 3462)."""
    heads = []
    if content_type(root) == "multipart/report":
        for part in children(root):
            if content_type(part) in _RETURNED:
                inner = children(part)
                heads.append(inner[0] if inner else parse(part_octets(part)))
    values = [header(head, "Message-ID") for head in heads]
    references = header_values(root, "References") + header_values(root, "In-Reply-To")
    return [found for value in (*references, *values) for found in _ID.findall(value)][-_MOST_REFERENCES:]


def _in_the_open(root: Message) -> bool:
    """Whether an author stands in the header as servers read it: what is wholly an encoded word, no domain can disown."""
    return any(
        "@" in address for value in header_values(root, "From", "Sender") for _, address in getaddresses([value])
    )


def header(entity: Message, name: str) -> str:
    """The first header of a name, decoded (RFC 2047), on one line, of bounded length, without control characters."""
    values = header_values(entity, name)
    return one_line(decoded(values[0])) if values else ""


def header_values(entity: Message, *names: str) -> list[str]:
    """All values of headers of these names, undecoded and of bounded length."""
    wanted = {name.lower() for name in names}
    return [raw_text(str(value)) for name, value in entity.raw_items() if name.lower() in wanted]


def decoded(text: str) -> str:
    """Text with its encoded words decoded; words that can't be are left as they are."""
    if "=?" not in text:
        return text
    try:
        pieces = decode_header(text)
    except (HeaderParseError, ValueError):
        return text
    return "".join(piece if isinstance(piece, str) else decode(piece, charset) for piece, charset in pieces)


def addresses(entity: Message, *names: str) -> tuple[Address, ...]:
    """The mailboxes in all headers of these names; what is not one is left out."""
    values = [re.sub(r"[\r\n\x00]+", " ", value) for value in header_values(entity, *names)]
    found = [mailbox for value in values for mailbox in _mailboxes(value)]
    return tuple(Address(one_line(decoded(name)), address) for name, address in found if _plausible(address))


def _mailboxes(value: str) -> list[tuple[str, str]]:
    """The mailboxes of one header, as names and addresses."""
    found = []
    for name, address in getaddresses([value]):
        # Some programs write the whole mailbox as an encoded word, which RFC 2047 section 5 forbids.
        found += getaddresses([decoded(address)]) if "@" not in address and "=?" in address else [(name, address)]
    if any("@" in address for _, address in found):
        return found
    # Strict readings refuse a whole header for one bad mailbox: take what looks like an address.
    return [("", match) for match in re.findall(r"[^\s<>,;:\"()]+@[^\s<>,;:\"()]+", value)]


def _plausible(address: str) -> bool:
    local, _, domain = address.rpartition("@")
    return bool(local and domain) and len(address) <= 320 and not re.search(r"[\s\x00-\x1f\x7f<>]", address)


def clean(text: str) -> str:
    """Text with line feeds for line ends, and without the control characters that could steer a terminal."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", "\ufffd", text)


def without_marks(line: str) -> str:
    """A line without the marks of writing direction (UAX 9) that programs put beside words of another script."""
    return re.sub("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]", "", line)


def one_line(text: str) -> str:
    """Text on one line, of bounded length, fit for a header or a table."""
    return " ".join(clean(text).split())[:_SHOWN_LIMIT]


def part_octets(part: Message) -> bytes:
    """The content of a leaf part with its transfer encoding undone."""
    bare = copy(part)
    del bare["Content-Transfer-Encoding"]  # undone here: the standard library's way loses what is broken
    content = bare.get_payload(decode=True)
    if isinstance(content, bytes):
        return undone(content, transfer_encoding(part))
    return b"".join(item.as_bytes() for item in children(part)[:1])


def transfer_encoding(part: Message) -> str:
    """How the content of a part is encoded for the way, whatever stands around the word (RFC 2045 section 6)."""
    found = re.search(r"[A-Za-z0-9-]+", header(part, "Content-Transfer-Encoding"))
    return found[0].lower() if found else ""


def charset_of(part: Message) -> str | None:
    """The label of a text part's charset; None when it bears none."""
    value = part.get_param("charset")
    label = value[2] if isinstance(value, tuple) else value
    return str(label) if label else None


def file_name(part: Message) -> str:
    """What the sender called an attachment: the last component, for show and never a path; empty when unnamed.

    The charset of an extended parameter (RFC 2231) is read here: the standard library gives it to whatever codec bears
    that name.
    """
    try:
        value = part.get_param("filename", None, "content-disposition") or part.get_param("name", None)
    except (LookupError, ValueError, TypeError):
        value = None
    if isinstance(value, tuple):
        name = decode(str(value[2]).encode("latin-1", "replace"), value[0])
    else:
        name = decoded(raw_text(str(value or "")))
    return as_file_name(name)


def as_file_name(name: str) -> str:
    """The last component of a name that somebody else gave to a file."""
    return re.split(r"[/\\]", one_line(name))[-1].lstrip(".").strip()[:200]


def content_type(part: Message) -> str:
    """The media type of a part, in lower case. A multipart that has no parts is its text (RFC 7103 section 7.3)."""
    found = part.get_content_type().lower()
    return "text/plain" if found.startswith("multipart/") and not part.is_multipart() else found


def children(part: Message) -> list[Message]:
    """The parts of a multipart entity; of any other, none."""
    payload = part.get_payload()
    return [item for item in payload if isinstance(item, Message)] if isinstance(payload, list) else []


def body_parts(raw: bytes, boundary: str) -> list[bytes]:
    """The exact octets of the parts between boundary lines (RFC 2046 section 5.1.1): what a signature covers."""
    mark = re.escape(boundary.encode("utf-8", "surrogateescape"))
    lines = list(re.finditer(rb"(?:^|(?<=\n))--" + mark + rb"(--)?[ \t]*\r?(?:\n|\Z)", raw))
    parts = []
    for this, following in pairwise(lines):
        if this[1]:
            break
        parts.append(re.sub(rb"\r?\n\Z", b"", raw[this.end() : following.start()]))
    return parts


def canonical(octets: bytes) -> bytes:
    """With CRLF line ends, as a signature is made over them (RFC 3156 section 5)."""
    return re.sub(rb"\r?\n", b"\r\n", octets)
