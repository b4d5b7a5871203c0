"""Files that stand in an HTML page as `data:` links (RFC 2397): what a reader sees there as a picture. Pure, linear, and lazy."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator
from typing import NamedTuple

from intake.reading.transfer import undone, without_percent

# One that says nothing of its type is one where an attribute or a style begins; else somebody writes of data.
_LINK = re.compile(
    r"\bdata:(?:(?<=[\"'(=]data:)|(?=[\w;]))([\w.+-]{1,100}/[\w.+-]{1,100})?((?:;[^,;\"'<>()\s]{1,100}){0,9}),",
    re.IGNORECASE,
)
_END = re.compile(r"[\"'<>()]")
_LONG = re.compile(r"(;base64,)[A-Za-z0-9+/=%_\r\n-]{200,}", re.IGNORECASE)


class Linked(NamedTuple):
    """A file of a page: what it is called here, its type, and its octets."""

    name: str
    type: str
    octets: bytes


def linked_files(html: str) -> Iterator[Linked]:
    """The files in a page, each once."""
    seen: set[int] = set()
    found = _LINK.search(html)
    while found:
        after = _LINK.search(html, found.end())
        until = after.start() if after else len(html)
        end = _END.search(html, found.end(), until)
        body = html[found.end() : end.start() if end else until]
        if html[found.start() - 1 : found.start()] == "=":  # an attribute without quotes ends at white space
            body = "".join(body.split(maxsplit=1)[:1])
        if hash(body) not in seen:
            seen.add(hash(body))
            yield _file(found, body, len(seen))
        found = after


def without_long_links(html: str) -> str:
    """A page without the octets of its long links: they would make it too long to be read."""
    return _LONG.sub(r"\1", html)


def _file(link: re.Match[str], body: str, number: int) -> Linked:
    octets = without_percent(body.encode("utf-8", "replace"))
    if ";base64" in link[2].lower():
        octets = undone(octets, "base64")
    kind = (link[1] or "text/plain").lower()
    return Linked(f"in the page {number}{mimetypes.guess_extension(kind) or ''}", kind, octets)
