"""Files that stand in an HTML page as `data:` links (RFC 2397), most of them pictures. Pure, and linear."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from mimetypes import MimeTypes
from typing import NamedTuple

from intake.reading.percent import without_percent
from intake.reading.transfer import undone

_LINK = re.compile(
    r"\bdata:\s{0,9}(?:([\w.+-]{1,100}/[\w.+-]{1,100})\s{0,9})?((?:;[^,;\"'<>()]{1,100}){0,9}),", re.IGNORECASE
)
# What ends a link, by what stands before it: the quote or bracket that it began with; white space where it has none.
_ENDS = {'"': re.compile('"'), "'": re.compile("'"), "(": re.compile(r"\)"), "=": re.compile(r"[\s>]")}
_END = re.compile(r"[\s\"'<>)]")
_WHITE = 10
_TAG_WITH_LINK = re.compile(r"<[^<>]*;base64,[^<>]*>", re.IGNORECASE)
_LONG = re.compile(r"(;base64,)[A-Za-z0-9+/=%_\r\n-]{200,}", re.IGNORECASE)
_TYPES = MimeTypes()  # those that Python knows: a machine's own would make names differ


class LinkedFile(NamedTuple):
    """A file of a page: its type, the ending that its name should have, and its octets."""

    type: str
    suffix: str
    octets: bytes


def linked_files(page: str) -> Iterator[LinkedFile]:
    """The files in a page, each once."""
    seen: set[int] = set()
    after = _LINK.search(page)
    while after:
        link, after = after, _LINK.search(page, after.end())
        before = page[max(0, link.start() - _WHITE) : link.start()].rstrip()[-1:]
        coded = ";base64" in link[2].lower().replace(" ", "")
        if not coded and before not in _ENDS:
            continue  # somebody writes about data
        until = after.start() if after else len(page)
        end = _ENDS.get(before, _END).search(page, link.end(), until)
        body = page[link.end() : end.start() if end else until]
        if body.strip() and (known := hash((link[1], body))) not in seen:
            seen.add(known)
            yield _file((link[1] or "text/plain").lower(), html.unescape(body), coded=coded)


def without_long_links(page: str) -> str:
    """A page without the octets of long links in its tags: they would make it too long to be read."""
    return _TAG_WITH_LINK.sub(lambda tag: _LONG.sub(r"\1", tag[0]), page)


def _file(kind: str, body: str, *, coded: bool) -> LinkedFile:
    octets = without_percent(body.encode("utf-8", "replace"))
    return LinkedFile(kind, _TYPES.guess_extension(kind) or "", undone(octets, "base64") if coded else octets)
