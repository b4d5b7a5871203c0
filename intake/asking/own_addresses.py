"""The addresses of a desk that stand in the header of a mail, each with its extensions (RFC 5233).

Only the desk's own addresses matter, so they are searched for as octets, and nothing is parsed: a field that no parser
reads must not hide an extension that keeps the mail from somebody. Linear in the size of the mail; raises nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from intake.asking.directives import ReporterRequest, desk_of
from intake.reading.message import decoded, one_line
from store.kit.config import Desk

_RECIPIENT_FIELDS = frozenset(
    (
        b"delivered-to", b"x-original-to", b"envelope-to", b"x-envelope-to", b"x-delivered-to", b"to", b"cc", b"bcc",
        b"resent-to", b"resent-cc", b"resent-bcc", b"apparently-to",
    )
)  # fmt: skip
_SENDER_FIELD = b"return-path"
# No mail server takes a header block nearly as long (Postfix: 100 kB); a longer one is somebody's attempt to keep the desk busy.
_HEADER_OCTETS = 2_000_000
_LONGEST_LOCAL_PART = 320
_MOST_ADDRESSES = 200
_SENDER_LENGTH = 320
_PIECE, _OVERLAP = 500_000, 2_000
# RFC 2047 allows 75 characters; a bound keeps the search for the end of each word short.
_ENCODED_WORD = re.compile(r"=\?[^?\s]{1,80}\?[qQbB]\?[^?]{0,1000}\?=")
_NOT_OF_AN_ADDRESS = str.maketrans(dict.fromkeys("<>,;:()[]\\\t", " "))


def own_addresses(raw: bytes, desk: Desk) -> tuple[tuple[str, ...], str | None]:
    """The addresses of a desk in the recipient fields of a mail, and the address in its return path, if it has one.

    What a provider strips from one field, an extension above all, may still stand in another. An extension that is not
    known is dropped, and those beside it count.
    """
    search = _Search(desk)
    sender: str | None = None
    for name, value in _fields(raw[:_HEADER_OCTETS]):
        if name in _RECIPIENT_FIELDS:
            search.look_at(_text(value))
        elif name == _SENDER_FIELD and sender is None and value.strip():
            sender = one_line(_text(value)[:_SENDER_LENGTH]).strip("<> ")
    return tuple(search.found), sender


def asked_by_header(raw: bytes, desk: Desk) -> ReporterRequest:
    """What the addresses in the header ask for, whatever a mail server made of the envelope; a token there proves nothing."""
    asked = ReporterRequest()
    for address in own_addresses(raw, desk)[0]:
        if found := desk_of(address, (desk,)):
            asked |= ReporterRequest(quiet=found[1].quiet, exclude=found[1].exclude)
    return asked


class _Search:
    """A search for the addresses of a desk, each with its known extensions, wherever they stand in the text of a field."""

    def __init__(self, desk: Desk) -> None:
        self.found: dict[str, None] = {}
        self._desk = desk
        self._bases = {tuple(address.casefold().rpartition("@")[::2]) for address in desk.addresses}
        self._seen: set[tuple[str, str]] = set()

    def look_at(self, text: str) -> None:
        """Note what stands in one field, which is looked at in pieces of bounded length."""
        for start in range(0, len(text), _PIECE):
            self._look_at_piece(" ".join(text[start : start + _PIECE + _OVERLAP].split()))

    def _look_at_piece(self, text: str) -> None:
        for reading in dict.fromkeys((text, _with_words_decoded(text))):
            # White space around the sign is an old way to write an address (RFC 5322 section 4.4).
            closed = reading.replace(" @", "@").replace("@ ", "@")
            for domain in {domain for _, domain in self._bases}:
                for match in re.finditer(rf"@{re.escape(domain)}(?![\w-]|\.\w)", closed, re.IGNORECASE):
                    before = closed[max(0, match.start() - _LONGEST_LOCAL_PART) : match.start()]
                    self._note(_local_part(before), domain)

    def _note(self, local: str, domain: str) -> None:
        base, *extensions = local.split("+")
        if (base.casefold(), domain) not in self._bases or (local, domain) in self._seen:
            return
        if len(self._seen) < _MOST_ADDRESSES:
            self._seen.add((local, domain))
            known = [item for item in extensions if desk_of(f"{base}+{item}@{domain}", (self._desk,)) is not None]
            self.found.setdefault("+".join([base, *known]) + f"@{domain}")


def _local_part(before: str) -> str:
    """What stands right before an @, with or without quotes."""
    if before.endswith('"'):
        return before[:-1].rpartition('"')[2]
    return before.translate(_NOT_OF_AN_ADDRESS).rpartition(" ")[2].strip("'\"")


def _fields(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The header fields, unfolded: their names in lower case, and their values. A line that is none ends nothing."""
    if b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")
    name, value = b"", bytearray()
    at, end = 0, len(raw)
    while at < end and raw[at] in b"\r\n":
        at += 1
    while at < end:
        following = raw.find(b"\n", at) + 1 or end
        line = raw[at:following].rstrip(b"\r\n")
        at = following
        if not line:
            break
        if line.startswith((b" ", b"\t")):
            value += line
            continue
        if name:
            yield name, bytes(value)
        head, colon, rest = line.partition(b":")
        name, value = (head.strip().lower(), bytearray(rest)) if colon else (b"", bytearray())
    if name:
        yield name, bytes(value)


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _with_words_decoded(text: str) -> str:
    if "=?" not in text:
        return text
    return _ENCODED_WORD.sub(lambda word: _decoded(word[0]), text.replace("?= =?", "?==?"))


def _decoded(word: str) -> str:
    try:
        return decoded(word)
    except Exception:  # a charset or an encoding that the library stumbles over
        return word
