"""Files that stand in an HTML page as `data:` links (RFC 2397), most of them pictures. Pure, and linear."""

from __future__ import annotations

import re
from collections.abc import Iterator
from mimetypes import MimeTypes
from typing import NamedTuple

from intake.reading.percent import without_percent
from intake.reading.transfer import undone
from store.kit.entities import unescaped

# One in base64 is a link wherever it stands, another one where a quote, a bracket or an attribute begins: else somebody writes of data.
_LINK = re.compile(
    r"(?:\bdata:(?P<coded>[^,:\"<>]{0,300}?;\s{0,9}base64\s{0,9}),"
    r"|(?<=[\"'(=])data:(?P<plain>(?:[\w.+-]{1,100}/[\w.+-]{1,100})?(?:;[^,;\"'<>()\s]{1,100}){0,9}),)\s*",
    re.IGNORECASE,
)
_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}")
# What ends a link, by what stands before it: the quote or bracket that it began with; white space where it has none.
_ENDS = {'"': re.compile('"'), "'": re.compile("'"), "(": re.compile(r"\)"), "=": re.compile(r"[\s>]")}
_END = re.compile(r"[\s\"'<>)]")
_TAG = re.compile(r"<[a-z][^<>]*>", re.IGNORECASE)
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
        body = _body(page, link, after.start() if after else len(page))
        if body and (known := hash((link[0], body))) not in seen:
            seen.add(known)
            yield _file(link, body)


def without_long_links(page: str) -> str:
    """A page without the octets of long links in its tags: they would make it too long to be read."""
    if ";base64," not in page.lower():
        return page
    return _TAG.sub(lambda tag: _LONG.sub(r"\1", tag[0]), page)


def _body(page: str, link: re.Match[str], until: int) -> str:
    """What stands behind the head of a link, up to its end, or to the next one."""
    end = _ENDS.get(page[link.start() - 1 : link.start()], _END).search(page, link.end(), until)
    return page[link.end() : end.start() if end else until].strip()


def _file(link: re.Match[str], body: str) -> LinkedFile:
    head = unescaped(link["coded"] or link["plain"]).replace("\\", "")
    found = _TYPE.match(head.strip())
    kind = found[0].lower() if found else "application/octet-stream"
    octets = without_percent(unescaped(body).encode("utf-8", "replace"))
    suffix = _TYPES.guess_extension(kind, strict=False) or ""
    return LinkedFile(kind, suffix, undone(octets, "base64") if link["coded"] else octets)
