"""Who vouches for a mail, checked here: DKIM (RFC 6376), SPF (RFC 7208), and by them DMARC (RFC 7489); ARC (RFC 8617).

Only what can tell of the author's domain is looked at. What DNS does not answer in time is no result.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import dkim
import spf
from dkim.util import InvalidTagValueList, parse_tag_value

from intake.authentication import bounds
from intake.authentication.domains import aligned, domain_of, organisation
from intake.authentication.hops import is_of
from intake.authentication.lookups import Lookups, Unanswered
from intake.authentication.results import Result, judged, stated
from store.tables.authentication import Authentication, Vouched

_MOST_SIGNATURES = 3
_MOST_ARC_SETS = 10
_HEADER_OCTETS = 200_000

bounds.linear()


@dataclass(frozen=True)
class Received:
    """A mail as it was received: its octets, the envelope's sender, and the address and name that the client gave, if known."""

    raw: bytes = field(repr=False)
    sender: str = field(default="", repr=False)
    peer: str = field(default="", repr=False)
    helo: str = field(default="", repr=False)


def checked(mail: Received, author: str, trusted: Collection[str], lookups: Lookups) -> Authentication:
    """Who vouches for a mail of an author of this domain. `trusted` are the servers whose word in an intact ARC chain counts."""
    if not author:
        return Authentication()
    lookups.begin()
    try:
        if (told := _by_arc(mail, author, trusted, lookups)) is not None:
            return told
        return Authentication(_by_domain(mail, author, lookups), author)
    except Unanswered:
        return Authentication("none", author)


def _by_domain(mail: Received, author: str, lookups: Lookups) -> Vouched:
    results = [*_dkim(mail, author, lookups), *_spf(mail, author, lookups)]
    policy = _policy(author, lookups)
    strict = {"dkim": policy.get("adkim") == "s", "spf": policy.get("aspf") == "s"}
    counting = [
        item for item in results if item.result != "pass" or aligned(item.domain, author, strict=strict[item.method])
    ]
    verdict = judged(counting, author)
    unanswered = any(item.result == "none" for item in results)
    if verdict != "none" or not policy or unanswered:
        return verdict
    # Without a signature only SPF could vouch; where the client is not known, that cannot be told.
    return "fail" if _is_public(mail.peer) else "none"


def _dkim(mail: Received, author: str, lookups: Lookups) -> Iterator[Result]:
    """The result of each signature that can vouch for the author. One that covers only the beginning of the text cannot."""
    try:
        message = dkim.DKIM(mail.raw, minkey=1024)
    except dkim.DKIMException:
        return
    signatures = [value for name, value in message.headers if name.lower() == b"dkim-signature"]
    tried = 0
    for at, value in enumerate(signatures):
        domain = _signing_domain(value)
        if not aligned(domain, author) or tried == _MOST_SIGNATURES:
            continue
        tried += 1
        yield Result("dkim", _verified(message, at, lookups), domain)


def _signing_domain(value: bytes) -> str:
    if len(value) > bounds.LONGEST_FIELD:
        return ""
    try:
        tags = parse_tag_value(value)
    except InvalidTagValueList:
        return ""
    return "" if b"l" in tags else domain_of(tags.get(b"d", b"").decode("ascii", "replace"))


def _verified(message: dkim.DKIM, at: int, lookups: Lookups) -> str:
    try:
        return "pass" if message.verify(idx=at, dnsfunc=lookups.key) else "fail"
    except MemoryError:
        raise
    except Unanswered:
        return "none"
    except Exception:  # the library meets whatever a stranger wrote
        return "fail"


def _spf(mail: Received, author: str, lookups: Lookups) -> Iterator[Result]:
    """What SPF says of the client, if it is known and a host of the Internet: behind a mail server it is always that one."""
    domain = domain_of(mail.sender or mail.helo)
    if not _is_public(mail.peer) or not aligned(domain, author):
        return

    def ask(name: str, kind: str, strict: bool = True, timeout: float = 20) -> list[tuple[tuple[str, str], object]]:  # noqa: ARG001, FBT001, FBT002, RUF100
        try:
            found = lookups.records(name, kind)
        except Unanswered as error:
            raise spf.TempError(f"DNS {error}") from None
        return [
            ((name, kind), _as_spf_reads(kind, item)) for item in found if kind in ("A", "AAAA", "MX", "PTR", "TXT")
        ]

    spf.DNSLookup = ask
    result = spf.check2(mail.peer, mail.sender, mail.helo, querytime=max(1, int(lookups.left)))[0]
    if result == "temperror":
        raise Unanswered("SPF")
    yield Result("spf", result, domain)


def _as_spf_reads(kind: str, item: object) -> object:
    if kind in ("A", "AAAA"):
        return getattr(item, "address", "")
    if kind == "MX":
        return getattr(item, "preference", 0), str(getattr(item, "exchange", "")).rstrip(".")
    if kind == "PTR":
        return str(getattr(item, "target", "")).rstrip(".")
    return getattr(item, "strings", ())


def _is_public(peer: str) -> bool:
    try:
        return ipaddress.ip_address(peer).is_global
    except ValueError:
        return False


def _policy(author: str, lookups: Lookups) -> dict[str, str]:
    """The DMARC record of a domain, or of its organisation (RFC 7489 section 6.6.3); empty where there is not exactly one."""
    for domain in dict.fromkeys((author, organisation(author))):
        found = [text for text in lookups.texts(f"_dmarc.{domain}") if re.match(rb"v\s*=\s*DMARC1\s*(;|$)", text)]
        if len(found) == 1:
            tags = [item.partition("=") for item in found[0].decode("ascii", "replace").split(";")]
            return {name.strip().lower(): value.strip().lower() for name, _, value in tags if name.strip()}
    return {}


def _by_arc(mail: Received, author: str, trusted: Collection[str], lookups: Lookups) -> Authentication | None:
    """What a trusted server said before another one passed the mail on, where the chain is intact; None without one."""
    if not trusted or b"\narc-seal" not in b"\n" + mail.raw[:_HEADER_OCTETS].lower():
        return None
    message = dkim.ARC(mail.raw, minkey=1024)
    sets = [value for name, value in message.headers if name.lower() == b"arc-authentication-results"]
    long = any(
        name.lower().startswith(b"arc-") and len(value) > bounds.LONGEST_FIELD for name, value in message.headers
    )
    if long or not 0 < len(sets) <= _MOST_ARC_SETS:
        return None
    told = {_instance(value): " ".join(value.decode("ascii", "replace").split()) for value in sets}
    if not any(is_of(value, trusted) for value in told.values()):
        return None
    sealed_by = _sealers(message, lookups)
    theirs = [
        ("arc-authentication-results", value)
        for instance, value in told.items()
        if any(aligned(sealed_by.get(instance, ""), name) for name in trusted)
    ]
    return stated(theirs, trusted, author)


def _instance(value: bytes) -> int:
    found = re.match(rb"\s*i\s*=\s*(\d{1,3})", value)
    return int(found[1]) if found else 0


def _sealers(message: dkim.ARC, lookups: Lookups) -> dict[int, str]:
    """The domain that sealed each instance of a chain; empty when the chain is not intact. Raises Unanswered."""
    try:
        chain, details, _ = message.verify(dnsfunc=lookups.key)
    except (Unanswered, MemoryError):
        raise
    except Exception:  # the library meets whatever a stranger wrote
        return {}
    if chain != dkim.CV_Pass:
        return {}
    return {item["instance"]: domain_of(item["as-domain"].decode("ascii", "replace")) for item in details}
