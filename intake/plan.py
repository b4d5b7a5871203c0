"""What a mail leads to, until it is written down, and what its author and the readers hear of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, Protocol

from sqlmodel import Session

from intake.arrival import Job
from store.cases.case_file import Actor
from store.context import Context
from store.kit.config import Desk
from store.kit.sentences import marked
from store.outbox import limits
from store.tables.records import Arrival

_HELD_REPLIES_PER_DAY = 2
_FAILURES_PER_DAY = 3
TO_THE_TEAM = marked("it went to an address that is for the team alone")

Taken = Literal["case", "thread", "duplicate", "automatic", "junk", "held", "refused"]


class Route(Protocol):
    """Where a mail goes, and what is to be written down of it there. Only `intake.routing` chooses one."""

    def carry_out(self, session: Session) -> tuple[Taken, str]:
        """Write it down; the outcome, and the codename of the case."""


def actor(context: Context, job: Job, name: str = "desk") -> Actor:
    """Who acts on cases because of a mail: the desk itself, or a member."""
    return Actor(context.vault, job.desk, job.roster, name, context.clock())


def may_reply(session: Session, context: Context, desk: Desk, address: str) -> bool:
    """Count a reply of the desk's own to an address; whether it may have one more today."""
    return limits.may_reply(session, context.vault, address, desk.replies_per_day, context.clock())


def with_acknowledgement(session: Session, context: Context, job: Job, arrival: Arrival, address: str) -> Arrival:
    """A mail with what the desk itself says to its author, if there is an address and it had not too many today; else why not.

    "We could not open it" has a small limit of its own: whoever does not hear that does not write again.
    """
    desk = job.desk
    if not address:
        return arrival
    if not desk.acknowledge:
        return unanswered(arrival, limits.NEVER)
    kind = "send-key" if job.asked.key else "acknowledge-held" if arrival.body.failure else "acknowledge"
    if kind == "acknowledge-held":
        held = _count_today(session, context, "held reply address", address)
        may = held <= min(_HELD_REPLIES_PER_DAY, desk.replies_per_day)
    else:
        may = may_reply(session, context, desk, address)
    if not may:
        return unanswered(arrival, limits.ENOUGH)
    return replace(arrival, notices=(*arrival.notices, kind))


def unanswered(arrival: Arrival, why: str) -> Arrival:
    """A mail whose author is not told that it came; its readers are told why, unless there is a reason already."""
    facts = arrival.facts
    return replace(arrival, facts=replace(facts, no_reply_because=facts.no_reply_because or why))


def within_the_flood_limit(session: Session, context: Context, source: str, arrival: Arrival, limit: int) -> Arrival:
    """A mail from outside, with the notices that the readers are spared when one source sends too many in a day.

    Up to the limit each is told. The first one beyond it says that a flood began; the rest of that day are kept
    without a word, so that whoever floods a desk cannot make its team switch it off.
    """
    if not arrival.notices:
        return arrival
    count = _count_today(session, context, f"source at {arrival.desk}", source)
    if count <= limit:
        return arrival
    return replace(arrival, state="automatic", notices=("flood",) if count == limit + 1 else ())


def may_tell_of_failure(session: Session, context: Context, case_id: str) -> bool:
    """Count a mail that says that another one could not be delivered: anybody can write one, and a few a day tell enough."""
    return _count_today(session, context, "failed delivery of", case_id) <= _FAILURES_PER_DAY


def _count_today(session: Session, context: Context, what: str, who: str) -> int:
    return limits.count_today(session, context.vault, what, who, context.clock())
