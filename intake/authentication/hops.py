"""The part of a header that the servers which a desk trusts wrote. Pure.

Each server puts its lines above those that it received (RFC 5321 section 4.4, RFC 8601 section 4), so that part ends
where another server's `Received` line stands below one of theirs. What a sender put at the top of their own mail can pass
for it: nothing that is read there is ever held in favour of a mail.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from intake.authentication.domains import is_within
from intake.reading.headers import raw_text
from intake.reading.message import Parsed, without_marks

# Exchange Online names no server in its lines, and writes some of them below all others.
MICROSOFT = "mx.microsoft.com"
_RESULTS = frozenset({"authentication-results", "arc-authentication-results"})
_MOST_FIELDS = 500
_LONGEST_FIELD = 8_000
_BY = re.compile(r"\bby\s+([^\s;()]{1,255})", re.IGNORECASE)
_INSTANCE = re.compile(r"\s*i\s*=\s*\d{1,3}\s*;")
_NO_HOST = re.compile(r"\[?[0-9a-f:.]+\]?$|localhost", re.IGNORECASE)

Field = tuple[str, str]


def trusted_fields(parsed: Parsed, trusted: Collection[str]) -> list[Field]:
    """The fields that the named servers wrote, from the top, as lower-case names and unfolded values of bounded length."""
    if not trusted:
        return []
    found = list(_fields(parsed))
    begun, end = False, 0
    for at, (name, value) in enumerate(found):
        if name == "received":
            theirs = _written_by(value, trusted)
            if begun and not theirs:
                break
            begun = begun or theirs == "named"
        elif name in _RESULTS and is_of(value, trusted):
            begun = True
        end = at + 1
    return found[:end] if begun else []


def exchange_fields(parsed: Parsed, trusted: Collection[str]) -> Sequence[Field]:
    """What Exchange Online wrote of a mail, wherever it stands, for a desk that trusts it: it takes out what came with the mail."""
    if MICROSOFT not in trusted:
        return ()
    return [item for item in _fields(parsed) if item[0].startswith(("x-forefront-", "x-ms-exchange-organization-"))]


def is_of(value: str, trusted: Collection[str]) -> bool:
    """Whether the value of a field with results bears the identifier of a named server, or of one below it (RFC 8601 section 2.5)."""
    value = without_instance(value)
    first = value.partition(";")[0].split()
    if not first or "=" in first[0]:
        return MICROSOFT in trusted
    return is_within(first[0].strip('"'), trusted)


def without_instance(value: str) -> str:
    """The value of a field with results, without the instance that it has in ARC (RFC 8617 section 4.1.1)."""
    return _INSTANCE.sub("", value, count=1)


def _fields(parsed: Parsed) -> Iterator[Field]:
    for name, value in list(parsed.root.raw_items())[:_MOST_FIELDS]:
        text = " ".join(without_marks(raw_text(str(value)[:_LONGEST_FIELD])).split())
        yield name.strip().lower(), text


def _written_by(received: str, trusted: Collection[str]) -> str:
    """Whose a `Received` line is: of a `named` server, of one `within` (without a name), or, empty, of another."""
    by = _BY.search(received)
    host = by[1] if by else ""
    if is_within(host, trusted):
        return "named"
    return "within" if not host or _NO_HOST.match(host) else ""
