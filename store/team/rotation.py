"""What a roster will run into: too few people, terms that end with nobody to follow, keys that expire. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from store.team.members import Member, Roster

Trouble = Literal["quorum", "term", "key", "desk-key"]
HORIZONS = (60, 30, 7)
DESK = "desk"


@dataclass(frozen=True)
class Warning:  # noqa: A001 - it is what it is called
    """Something that will happen on a day. `who` is a member's id, `desk`, or empty."""

    trouble: Trouble
    who: str
    day: date

    def horizon(self, today: date) -> int | None:
        """The nearest of the horizons that the day is within, in days; None when it is further away."""
        left = (self.day - today).days
        return min((days for days in HORIZONS if left <= days), default=None)


def warnings(roster: Roster, today: date, expiries: Mapping[str, date]) -> list[Warning]:
    """What will go wrong within the farthest horizon, the earliest first.

    `expiries` gives the last day of members' keys by id, and that of the desk's own key as `desk`.
    """
    last = today + timedelta(days=HORIZONS[0])
    found: list[Warning] = []
    for step in range(HORIZONS[0] + 1):
        day = today + timedelta(days=step)
        if len(_working(roster, day)) < roster.quorum:
            found.append(Warning("quorum", "", day))
            break
    for member in _working(roster, today):
        if member.until >= last:  # also on the last day that there is, after which there is no other
            continue
        after = member.until + timedelta(days=1)
        if len(_working(roster, after)) < len(_working(roster, member.until)):
            found.append(Warning("term", member.id, after))
    on_duty = {member.id for member in roster.members if member.serves(today)}
    for who, day in expiries.items():
        if day <= last and (who == DESK or who in on_duty):
            found.append(Warning("desk-key" if who == DESK else "key", who, day))
    return sorted(found, key=lambda warning: (warning.day, warning.trouble, warning.who))


def _working(roster: Roster, day: date) -> list[Member]:
    return [member for member in roster.members if member.role in ("responder", "lead") and member.serves(day)]
