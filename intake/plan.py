"""What a mail leads to, until it is written down: the one thing that the ways of reading a mail agree on."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, Protocol

from sqlmodel import Session

from intake.arrival import Job
from store import outbox
from store.config import Desk
from store.context import Context
from store.records import Arrival

Outcome = Literal["case", "thread", "duplicate", "automatic", "held", "refused"]


class Plan(Protocol):
    """What is to be written down of one mail."""

    def carry_out(self, session: Session) -> tuple[Outcome, str]:
        """Write it down; the outcome, and the codename of the case."""


def may_reply(session: Session, context: Context, desk: Desk, address: str) -> bool:
    """Count a reply of the desk's own to an address; whether it may have one more today."""
    return _count_today(session, context, "reply address", address) <= desk.replies_per_day


def with_acknowledgement(session: Session, context: Context, job: Job, arrival: Arrival, address: str) -> Arrival:
    """A mail with what the desk itself says to its author, if there is an address and it had not too many today."""
    desk = job.desk
    if not (desk.acknowledge and address):
        return arrival
    if not may_reply(session, context, desk, address):
        return arrival
    kind = "send-key" if job.asked.key else "acknowledge-held" if arrival.body.failure else "acknowledge"
    return replace(arrival, notices=(*arrival.notices, kind))


def told_as_it_should(session: Session, context: Context, desk: Desk, source: str, arrival: Arrival) -> Arrival:
    """A mail from outside, with the notices that the readers are spared when one source sends too many in a day.

    Up to the limit each is told. The first one beyond it says that a flood began; the rest of that day are kept
    without a word, so that whoever floods a desk cannot make its team switch it off.
    """
    if not arrival.notices:
        return arrival
    count = _count_today(session, context, f"source at {desk.id}", source)
    if count <= desk.flood_limit:
        return arrival
    return replace(arrival, state="automatic", notices=("flood",) if count == desk.flood_limit + 1 else ())


def _count_today(session: Session, context: Context, what: str, who: str) -> int:
    digest = context.vault.digest(what, who.casefold().encode("utf-8", "surrogatepass"))
    return outbox.count_today(session, digest, context.clock().date().isoformat())
