"""A push to a member's telephone or chat, by whichever service their address names (Apprise). It says nothing but that there
is something."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

# What Apprise logs may hold the address, which is a secret.
logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True)
class Push:
    """One push as it is handed over. `reader` is the member whom it is for."""

    url: str = field(repr=False)
    title: str
    text: str
    reader: str
    known: frozenset[str] = frozenset()
    listed: frozenset[str] = frozenset()


class NotPushed(Exception):
    """The service did not take it."""


def is_usable(url: str) -> bool:
    """Whether there is a service of this address, as far as its form tells."""
    from apprise import Apprise  # it takes a while to load, and most desks have none

    return Apprise.instantiate(url, suppress_exceptions=True) is not None


def push(made: Push) -> None:
    """Hand a push over, once. Raises NotPushed."""
    from apprise import Apprise, NotifyFormat

    service = Apprise()
    try:
        taken = service.add(made.url) and service.notify(made.text, title=made.title, body_format=NotifyFormat.TEXT)
    except Exception as error:  # plugins of many hands
        raise NotPushed(f"the service for alerts failed ({type(error).__name__})") from None
    if not taken:
        raise NotPushed("the service for alerts does not take it")
