"""Who may know of a case. `readers` is the only way to recipients; everything that leaves asks it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Protocol

from store.team.members import Member, Roster


class Recusable(Protocol):
    """What the rule needs to know of a case."""

    @property
    def recused(self) -> frozenset[str]:
        """Ids of the members who must not know of the case."""

    @property
    def screened(self) -> frozenset[str]:
        """Identities of the members who were looked for in every message of the case."""

    @property
    def guests(self) -> Mapping[str, date]:
        """Ids of the members of other desks who may read this case, each with the last day."""

    @property
    def escalated(self) -> bool:
        """Whether nobody took care in time, and the alternates and escalation contacts are asked as well."""


def eligible(case: Recusable, roster: Roster, at: datetime) -> tuple[Member, ...]:
    """Who may know of a case at a moment once they were looked for in it, in roster order within each step.

    Responders and leads on duty who are not recused; while they are fewer than the quorum, alternates step in
    in roster order, then escalation contacts. All of these do when a case is escalated. Guests of the case read along with them. May be
    empty: then nobody may know but that a case waits.
    """
    free = [member for member in roster.on_duty(at) if member.id not in case.recused]
    chosen = [member for member in free if member.role in ("responder", "lead")]
    for role in ("alternate", "escalation"):
        missing = len(free) if case.escalated else max(0, roster.quorum - len(chosen))
        chosen += [member for member in free if member.role == role][:missing]
    return (*chosen, *_guests(case, roster, at)) if chosen else ()


def _guests(case: Recusable, roster: Roster, at: datetime) -> list[Member]:
    day = roster.day(at)
    return [
        member for member in roster.guests(at)
        if member.id not in case.recused and (last := case.guests.get(member.id)) is not None and day <= last
    ]  # fmt: skip


def readers(case: Recusable, roster: Roster, at: datetime) -> tuple[Member, ...]:
    """The members who may know of a case at a moment: who is eligible, and was looked for in every message of it.

    Who was not looked for yet may be named there. They count for the quorum: nobody steps in for a look that is due.
    """
    return tuple(member for member in eligible(case, roster, at) if member.identity in case.screened)


def may_know(case: Recusable, roster: Roster, member_id: str, at: datetime) -> bool:
    """Whether a member may know that a case exists."""
    return any(member.id == member_id for member in readers(case, roster, at))
