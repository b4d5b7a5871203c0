"""The people of a desk, as values: members, their terms, and the roster they stand on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from store.kit.addresses import same_mailbox

Role = Literal["responder", "lead", "alternate", "escalation", "guest"]
Serving = Literal["responder", "lead", "alternate", "escalation"]  # what a roster file can give
Public = Literal["no", "name", "role"]


@dataclass(frozen=True)
class Member:
    """One person of a roster; in the role `guest`, one of another desk who may read some case. `until` is the last day of the term, that day included.

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


def same_person(one: Member, other: Member) -> bool:
    """Whether two entries, of one roster or of two, are one person for certain: by their key or their mailbox."""
    return one.fingerprint == other.fingerprint or same_mailbox(one.email, other.email)


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
        """Every member of the desk's own whose term covers the day of that moment, in the desk's time zone."""
        day = self.day(at)
        return tuple(member for member in self.members if member.role != "guest" and member.serves(day))

    def guests(self, at: datetime) -> tuple[Member, ...]:
        """Members of other desks who are guests of some case here, and serve at their own."""
        day = self.day(at)
        return tuple(member for member in self.members if member.role == "guest" and member.serves(day))

    def day(self, at: datetime) -> date:
        """The day of a moment, in the desk's time zone."""
        return at.astimezone(self.zone or UTC).date()

    def of_case(self, guests: Collection[str]) -> Roster:
        """The same without the guests of other cases; `guests` are the ids of those of this one."""
        return replace(self, members=tuple(item for item in self.members if item.role != "guest" or item.id in guests))
