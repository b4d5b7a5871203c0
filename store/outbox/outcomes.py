"""How one attempt at a delivery ended, and what that makes of it. Every delivery of a claim gets one, before it is settled.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlmodel import Session, select

from store.kit.backoff import delay
from store.kit.clock import to_text
from store.kit.sections import OutboxSettings
from store.tables.models import DeliveryRow

FINAL = frozenset({"sent", "bounced", "withdrawn"})
# `away` waits as well: for the relay, not for the mailbox. People are shown one state for the two.
UNDONE = frozenset({"waiting", "away", "held"})
_ANEW_AT_ONCE = 3
_SENT = text("UPDATE deliveries SET state = 'sent', sent_at = :at, reason = '' WHERE id = :id")
# A push to a telephone says nothing of the relay.
_TAKEN_SINCE = text(
    "SELECT 1 FROM deliveries JOIN notices ON notices.id = deliveries.notice_id "
    "WHERE deliveries.sent_at >= :since AND notices.kind <> 'alert' LIMIT 1"
)


@dataclass(frozen=True)
class Sent:
    """The relay has it."""


@dataclass(frozen=True)
class Held:
    """It cannot be sealed to its recipient now; tried again when keys change, and once in a while."""

    reason: str


@dataclass(frozen=True)
class Later:
    """It is tried again. `away` when the relay takes mail for nobody, which says nothing of this mailbox: it is not given up.

    `made_anew` when what it tells of changed before it left: then it goes at once, the first few times.
    """

    reason: str
    away: bool = False
    made_anew: bool = False


@dataclass(frozen=True)
class Bounced:
    """It is given up."""

    reason: str


@dataclass(frozen=True)
class Withdrawn:
    """Its recipient should not have it any more, or there is nothing left to say."""


Outcome = Sent | Held | Later | Bounced | Withdrawn


@dataclass(frozen=True)
class Delivery:
    """One notice to one recipient, to be made now. `first_try` is when it was first tried without success, as `state` says it."""

    id: str
    recipient: str
    message_id: str
    state: str = "waiting"
    first_try: datetime | None = None


class Unsettled(Exception):
    """A claim was to be settled while one of its deliveries had no outcome: it would come back at once, for ever."""


def require_all(made: Sequence[Delivery], outcomes: Mapping[str, Outcome]) -> None:
    """Raise Unsettled unless each delivery has an outcome."""
    left = [delivery for delivery in made if delivery.id not in outcomes]
    if left:
        raise Unsettled(f"{len(left)} of {len(made)} deliveries")


def is_overdue(delivery: Delivery, at: datetime, settings: OutboxSettings) -> bool:
    """Whether a mailbox was tried for as long as one is tried."""
    first = delivery.first_try
    return delivery.state == "waiting" and first is not None and at - first >= timedelta(days=settings.retry_days)


def taken_since(session: Session, moment: datetime) -> bool:
    """Whether the relay took any mail since then."""
    return session.connection().execute(_TAKEN_SINCE, {"since": to_text(moment)}).first() is not None


def mark_sent(session: Session, delivery_ids: Sequence[str], at: datetime) -> None:
    """The relay took them."""
    if delivery_ids:
        sent = [{"id": delivery_id, "at": to_text(at)} for delivery_id in delivery_ids]
        session.connection().execute(_SENT, sent)


def conclude(session: Session, delivery_id: str, outcome: Outcome, at: datetime, settings: OutboxSettings) -> bool:
    """Write an outcome down; whether it was: what was over already (by somebody else's hand) stays so."""
    if isinstance(outcome, Sent):
        mark_sent(session, [delivery_id], at)
        return True
    row = session.exec(select(DeliveryRow).where(DeliveryRow.id == delivery_id)).one()
    if row.state in FINAL:
        return False
    if isinstance(outcome, Held):
        _begin_anew(row, "held", outcome.reason)
        row.due = to_text(at + timedelta(seconds=settings.longest_retry_seconds))
    elif isinstance(outcome, Later):
        _again(row, outcome, at, settings)
    elif isinstance(outcome, Bounced):
        row.state, row.reason, row.due = "bounced", outcome.reason, to_text(at)
        row.tries += 1
    else:
        _begin_anew(row, "withdrawn", "")
    session.add(row)
    session.flush()
    return True


def begin_anew(row: DeliveryRow, at: datetime) -> None:
    """Have a delivery tried now as if it had never been."""
    _begin_anew(row, "waiting", "")
    row.due = to_text(at)


def _begin_anew(row: DeliveryRow, state: str, reason: str) -> None:
    """What was tried before says nothing of the next time: it counts for itself."""
    row.state, row.reason, row.tries, row.first_try = state, reason, 0, None


def _again(row: DeliveryRow, outcome: Later, at: datetime, settings: OutboxSettings) -> None:
    """Tried later, exponentially and with jitter. What the relay kept waiting is not the mailbox's fault, nor the other way round."""
    if outcome.made_anew and row.tries < _ANEW_AT_ONCE:
        row.reason, row.due = outcome.reason, to_text(at)
        row.tries += 1
        return
    state = "away" if outcome.away else "waiting"
    if row.state != state:
        _begin_anew(row, state, "")
    row.state, row.reason = state, outcome.reason
    row.first_try = row.first_try or to_text(at)
    row.tries += 1
    wait = delay(row.tries, settings.first_retry_seconds, settings.longest_retry_seconds)
    row.due = to_text(at + timedelta(seconds=wait))
