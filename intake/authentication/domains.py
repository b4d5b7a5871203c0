"""Domains as DMARC compares them (RFC 7489 section 3). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import idna
from publicsuffixlist import PublicSuffixList

from intake.reading.message import Mail


def author_domain(mail: Mail) -> str:
    """The domain of the one author of a mail; empty where there is none, or authors of several domains."""
    found = {domain_of(item.address) for item in mail.sender}
    return found.pop() if len(found) == 1 else ""


def domain_of(address: str) -> str:
    """The domain of an address, or what may be a domain alone, in ASCII (RFC 5891) and in lower case."""
    domain = address.rpartition("@")[2].strip().rstrip(".").lower()
    try:
        return idna.encode(domain, uts46=True).decode() if not domain.isascii() else domain
    except idna.IDNAError:
        return domain


def aligned(domain: str, author: str, *, strict: bool = False) -> bool:
    """Whether two domains are the same, or, unless that is asked for, of the same organisation."""
    if domain == author:
        return bool(author)
    return not strict and bool(author) and organisation(domain) == organisation(author)


def organisation(domain: str) -> str:
    """The organisational domain of a domain (RFC 7489 section 3.2); the domain itself where the list knows none."""
    return str(_suffixes().privatesuffix(domain) or domain)


def is_within(host: str, names: Iterable[str]) -> bool:
    """Whether a host is one of some names, or stands below one."""
    host = host.lower().rstrip(".")
    return any(host == name or host.endswith(f".{name}") for name in names)


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()
