"""Questions to DNS, with a cache, and one limit of time for all that one mail asks."""

from __future__ import annotations

import time
from collections.abc import Sequence

import dns.exception
import dns.resolver
from dns.rdtypes.ANY.TXT import TXT

from intake.authentication.bounds import LONGEST_RECORD
from store.kit.sections import SenderChecks

_MOST_KEPT = 2_000


class Unanswered(Exception):
    """A question was not answered in time, or the servers failed."""


def resolver_of(settings: SenderChecks) -> dns.resolver.Resolver:
    """What asks the name servers of a configuration, or those of the system."""
    made = dns.resolver.Resolver(configure=not settings.nameservers)
    if settings.nameservers:
        made.nameservers = list(settings.nameservers)
        made.port = settings.port
    return made


class Lookups:
    """Asks the servers of a configuration, or those of the system."""

    def __init__(self, settings: SenderChecks) -> None:
        self._resolver = resolver_of(settings)
        self._resolver.cache = dns.resolver.LRUCache(_MOST_KEPT)
        self._resolver.timeout = min(2.0, settings.seconds)
        self._seconds = settings.seconds
        self.knows_clients = settings.spf
        self._until = 0.0

    def begin(self) -> None:
        """From now on the time for one mail runs."""
        self._until = time.monotonic() + self._seconds

    @property
    def left(self) -> float:
        """The seconds that are left for this mail."""
        return max(0.0, self._until - time.monotonic())

    def texts(self, name: str) -> list[bytes]:
        """The TXT records of a name, each as one string. Raises Unanswered."""
        return [b"".join(item.strings) for item in self.records(name, "TXT") if isinstance(item, TXT)]

    def key(self, name: bytes, timeout: float = 5) -> bytes | None:  # noqa: ARG002 (as the DKIM library asks)
        """The key of a signature. Raises Unanswered."""
        return next(iter(self.texts(name.decode("ascii", "replace"))), None)

    def records(self, name: str, kind: str) -> Sequence[dns.rdata.Rdata]:
        """The records of a name that are of usual length; none where there are none. Raises Unanswered."""
        if not self.left:
            raise Unanswered(kind)
        try:
            found = self._resolver.resolve(name, kind, lifetime=self.left, search=False)
            return [
                item for item in found if not isinstance(item, TXT) or sum(map(len, item.strings)) <= LONGEST_RECORD
            ]
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, ValueError, UnicodeError, OSError):
            raise Unanswered(kind) from None
