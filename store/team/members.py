"""The people of a desk, as values: members, their terms, and the roster they stand on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

Role = Literal["responder", "lead", "alternate", "escalation"]
Public = Literal["no", "name", "role"]


@dataclass(frozen=True)
class Member:
    """One person of a roster. `until` is the last day of the term, that day included.

    `alert` is where a push goes that something cannot wait (a URL of Apprise), which names the case only with `alert_codename`.
    `public` is how the web form shows them to everybody, with the `languages` that they read and their time zone.
    `identity` is a keyed hash of everything by which they can be named: what a case was screened for.
    """

    id: str
    name: str
    email: str
    fingerprint: str
    role: Role
    start: date
    until: date
    aliases: tuple[str, ...] = ()
    language: str = "en"
    key: str = ""
    identity: str = ""
    alert: str = field(default="", repr=False)
    alert_codename: bool = False
    public: Public = "no"
    languages: tuple[str, ...] = ()
    timezone: str = ""

    def serves(self, day: date) -> bool:
        """Whether the term covers a day."""
        return self.start <= day <= self.until


@dataclass(frozen=True)
class Roster:
    """The members of one desk in their order, how many must read along, and where its days begin."""

    members: tuple[Member, ...] = ()
    quorum: int = 2
    zone: ZoneInfo | None = None

    def get(self, member_id: str) -> Member | None:
        """The member with that id."""
        return next((member for member in self.members if member.id == member_id), None)

    def on_duty(self, at: datetime) -> tuple[Member, ...]:
        """Every member whose term covers the day of that moment, in the desk's time zone."""
        day = at.astimezone(self.zone or UTC).date()
        return tuple(member for member in self.members if member.serves(day))
