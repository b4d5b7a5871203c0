"""What the mail servers that a desk trusts say of who vouches for a mail (RFC 8601). Pure.

The worst that they say counts: a line that a sender slipped in can only be held against their own mail.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import authres
from authres import arc, dmarc

from intake.authentication.domains import aligned, domain_of, is_within
from intake.authentication.hops import Field, is_of, without_instance
from intake.reading.message import Parsed, header_values
from store.tables.authentication import Authentication, Vouched

_METHODS = authres.FeatureContext(dmarc, arc)
_MOST_FIELDS = 20
_LONGEST = 8_000


@dataclass(frozen=True)
class Result:
    """One result: of `dmarc`, `dkim` or `spf`, for which domain, and what it is."""

    method: str
    result: str
    domain: str


def stated(fields: Iterable[Field], trusted: Collection[str], author: str) -> Authentication | None:
    """What the named servers say; None when they say nothing. `author` is the domain of the author, `fields` theirs."""
    values = [
        value
        for name, value in fields
        if name in ("authentication-results", "arc-authentication-results") and is_of(value, trusted)
    ][:_MOST_FIELDS]
    if not values:
        return None
    by = without_instance(values[0]).partition(";")[0].split(" ")[0]
    try:
        found = [result for value in values for result in _results(value)]
    except (authres.SyntaxError, RecursionError, ValueError):
        # What cannot be read is not taken for a good word.
        failed = any("dmarc=fail" in value.casefold().replace(" ", "") for value in values)
        return Authentication("fail" if failed else "none", author, by)
    return Authentication(judged(found, author), author, by)


def before_it_was_passed_on(
    parsed: Parsed, fields: Iterable[Field], trusted: Collection[str], author: str
) -> Authentication | None:
    """What a named server said that passed the mail on, where another named one found the ARC chain intact; None without one.

    Forwarding breaks SPF, and lists break DKIM: what failed at the end may have been well before (RFC 8617 section 7).
    Only the topmost line is asked, which a sender cannot have written: this is the one place where a good word counts.
    """
    topmost = next((value for name, value in fields if name == "authentication-results" and is_of(value, trusted)), "")
    if not _arc_passed(topmost):
        return None
    sealed_by = {_tag(value, "i"): _tag(value, "d").lower() for value in header_values(parsed.root, "ARC-Seal")}
    told = [
        ("arc-authentication-results", " ".join(value.split()))
        for value in header_values(parsed.root, "ARC-Authentication-Results")
        if is_within(sealed_by.get(_tag(value, "i"), ""), trusted)
    ]
    return stated(told, trusted, author)


def _arc_passed(value: str) -> bool:
    return re.search(r";\s*arc\s*=\s*pass\b", value, re.IGNORECASE) is not None


def _tag(value: str, name: str) -> str:
    """The value of a tag of an ARC field (RFC 6376 section 3.2); empty when it has none."""
    found = re.search(rf"(?:^|;)\s*{name}\s*=\s*([^;\s]{{1,255}})", value[:_LONGEST])
    return found[1] if found else ""


def judged(results: Iterable[Result], author: str) -> Vouched:
    """What results come to for the domain of an author: `none`, `pass` or `fail`."""
    if not author:
        return "none"
    results = list(results)
    if any(item.method == "dmarc" and item.result == "pass" and _of_another(item.domain, author) for item in results):
        return "fail"  # another author was vouched for than the one who is read here
    own = [item for item in results if aligned(item.domain or author, author)]
    told = {(item.method, item.result) for item in own}
    if ("dmarc", "fail") in told:
        return "fail"
    if told & {("dmarc", "pass"), ("dkim", "pass"), ("spf", "pass")}:
        return "pass"
    if told & {("dkim", "fail"), ("spf", "fail"), ("spf", "softfail")}:
        return "fail"
    return "none"


def _of_another(domain: str, author: str) -> bool:
    return bool(domain) and not aligned(domain, author)


def disowned_by_anybody(parsed: Parsed) -> bool:
    """Whether any server on the way says that the author's domain disowns the mail. Anybody can write that, against themselves."""
    return any("dmarc=fail" in value.casefold() for value in header_values(parsed.root, "Authentication-Results"))


def _results(value: str) -> list[Result]:
    value = without_instance(value)
    if "=" in value.partition(";")[0]:
        value = f"unnamed; {value}"
    parsed = _METHODS.parse_value(value)
    return [
        Result(str(item.method).lower(), str(item.result).lower(), _domain(item))
        for item in parsed.results
        if item.method in ("dmarc", "dkim", "spf")
    ]


def _domain(result: authres.core.AuthenticationResult) -> str:
    """For which domain a result is."""
    known = {(item.type.lower(), item.name.lower()): str(item.value or "") for item in result.properties}
    if result.method == "dmarc":
        return domain_of(known.get(("header", "from"), ""))
    if result.method == "dkim":
        return domain_of(known.get(("header", "d")) or known.get(("header", "i"), "") or "unnamed.invalid")
    return domain_of(known.get(("smtp", "mailfrom"), "") or "unnamed.invalid")
