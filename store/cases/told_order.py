"""Who told a member something, and when, as it is written behind `/new`. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from store.cases.dates import day_written
from store.kit.errors import NotAllowed
from store.kit.kinds import mail_address
from store.kit.sentences import marked

WRONG = marked(
    "Write who told you, their address in angle brackets if they have one, and 'on' and a day; all of it can be left out."
)
_ORDER = re.compile(
    r"(?P<name>[^<>]{0,100}?)\s*(?:<\s*(?P<address>[^<>\s]{1,254})\s*>)?\s*(?:\bon\s+(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2}))?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Told:
    """Who told it; `day` (ISO 8601) is when. Each may be empty."""

    name: str = field(default="", repr=False)
    address: str = field(default="", repr=False)
    day: str = ""

    @property
    def sender(self) -> str:
        """As an author is shown."""
        return f"{self.name} <{self.address}>".strip() if self.address else self.name


def read_told(written: str) -> Told:
    """What stands behind `/new`. Raises NotAllowed."""
    found = _ORDER.fullmatch(" ".join(written.split()))
    if found is None:
        raise NotAllowed(WRONG)
    address = found["address"] or ""
    try:
        address = mail_address(address) if address else ""
    except ValueError:
        raise NotAllowed(WRONG) from None
    day = day_written(found["day"]).isoformat() if found["day"] else ""
    return Told(found["name"].strip(" \"'"), address, day)
