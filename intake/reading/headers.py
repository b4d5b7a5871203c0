"""Header blocks that are damaged in the usual ways, mended before they are parsed (RFC 7103). Pure, and linear."""

from __future__ import annotations

import email.policy
import re
from email.message import Message
from email.parser import BytesParser

_HEAD_LIMIT = 1_000_000
_FIELD = re.compile(rb"[!-9;-~]+:")
_SPACED = re.compile(rb"([!-9;-~]+)[ \t]+:")
# What a broken line is taken for a piece of the field above it for: fields that a mail has, and its text rarely begins with.
_USUAL = re.compile(
    rb"(?:from|to|cc|subject|date|message-id|mime-version|content-[a-z-]+|received|return-path|reply-to|references|"
    rb"in-reply-to|dkim-signature|x-[a-z0-9-]+)[ \t]*:",
    re.IGNORECASE,
)


class _Policy(email.policy.Compat32):
    """The oldest policy of the standard library, the one that never gives up, with 8-bit octets in headers read as text."""

    def header_fetch_parse(self, name: str, value: str) -> str:  # noqa: ARG002
        """The value of a field, with octets that are not ASCII as UTF-8, or Latin-1 (RFC 7103 section 7.5)."""
        return raw_text(value)


_POLICY = _Policy()


def parse(raw: bytes) -> Message:
    """The tree of a MIME entity."""
    return BytesParser(policy=_POLICY).parsebytes(mended(raw))


def mended(raw: bytes) -> bytes:
    """An entity with a header block that a parser reads to its end.

    Empty lines above it go, and the line of an mbox file; so does white space in front of a colon. A line that is no
    field goes on with the one above it, where usual fields follow: what cut it must not hide them.
    """
    start = len(raw) - len(raw.lstrip(b"\r\n"))
    begins = raw[start : start + 2000]
    if start and not _USUAL.match(begins):
        start = 0  # an entity without a header, which begins with its text
    block = raw[start : start + _HEAD_LIMIT]
    ends = re.search(rb"\r?\n\r?\n", block)
    lines = (block[: ends.start()] if ends else block).split(b"\n")
    if not _needs_mending(lines) and not start:
        return raw
    rest = raw[start + (ends.start() if ends else len(block)) :]
    return b"\n".join(_mend(lines)) + rest


def _needs_mending(lines: list[bytes]) -> bool:
    return any(not _FIELD.match(line) and not line.startswith((b" ", b"\t")) and line.strip() for line in lines)


def _mend(lines: list[bytes]) -> list[bytes]:
    last = max((at for at, line in enumerate(lines) if _USUAL.match(line)), default=-1)
    found = []
    for at, line in enumerate(lines):
        if at == 0 and re.match(rb">?From ", line):
            continue
        if _SPACED.match(line):
            found.append(_SPACED.sub(rb"\1:", line, count=1))
        elif not _FIELD.match(line) and not line.startswith((b" ", b"\t")) and found and at < last:
            found.append(b" " + line)
        else:
            found.append(line)
    return found


def raw_text(value: str, limit: int = 64_000) -> str:
    """A header value as the parser gave it, of bounded length, with 8-bit octets read as UTF-8 or Latin-1."""
    text = str(value)[:limit]
    if text.isascii():
        return text
    octets = text.encode("utf-8", "surrogateescape")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")
