"""Claims: a worker takes notices for a while, works out their deliveries, and gives them back with their outcomes.

Every mail goes through this: it is written in SQL, since objects of the ORM took as long as gpg. Works within a transaction
that the caller opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text
from sqlmodel import Session

from store.kit.clock import from_text, to_text
from store.outbox.outcomes import FINAL, UNDONE, Delivery, Outcome, require_all
from store.tables.models import new_id
from store.tables.records import Recusal

_CLAIM = (
    "WITH free AS MATERIALIZED (SELECT id FROM notices WHERE done = 0 AND due <= :now "
    "AND (owned_until IS NULL OR owned_until < :now) ORDER BY due LIMIT :limit{lock}) "
    "UPDATE notices SET owner = :owner, owned_until = :until WHERE id IN (SELECT id FROM free) "
    "RETURNING id, case_id, desk, kind, subject_id, reopened, due"
)
_CLAIMS = {"sqlite": text(_CLAIM.format(lock="")), "postgresql": text(_CLAIM.format(lock=" FOR UPDATE SKIP LOCKED"))}
_OWNED = text(
    "SELECT recusals.member, recusals.source FROM notices "
    "LEFT JOIN recusals ON recusals.case_id = notices.case_id AND recusals.ended IS NULL "
    "WHERE notices.id = :id AND notices.owner = :owner AND notices.owned_until >= :now "
    "ORDER BY recusals.since, recusals.member"
)
_DELIVERIES = text("SELECT id, recipient, message_id, state, due, first_try FROM deliveries WHERE notice_id = :notice")
_NEW_DELIVERY = text(
    "INSERT INTO deliveries (id, notice_id, case_id, recipient, state, reason, tries, due, message_id) "
    "VALUES (:id, :notice, :case, :recipient, 'waiting', '', 0, :due, :message_id)"
)
_MOVED = text(
    "UPDATE deliveries SET state = :state, reason = '', due = :due, tries = 0, first_try = NULL WHERE id = :id"
)
_GIVEN_BACK = text(
    "UPDATE notices SET owner = NULL, owned_until = NULL WHERE id = :id AND owner = :owner RETURNING reopened, created"
)
_FIRST_LEFT = text(
    "SELECT min(due) FROM deliveries WHERE notice_id = :id AND state NOT IN ('sent', 'bounced', 'withdrawn')"
)
_DONE = text("UPDATE notices SET done = 1 WHERE id = :id")
_DUE = text("UPDATE notices SET due = :due WHERE id = :id")
_NEXT = text(
    "SELECT min(CASE WHEN owned_until > due AND owned_until > :now THEN owned_until ELSE due END) FROM notices WHERE done = 0"
)
_POSTPONED = text("UPDATE notices SET owner = NULL, owned_until = NULL, due = :due WHERE id = :id AND owner = :owner")
_RELEASED = text(
    "UPDATE notices SET owner = NULL, owned_until = NULL WHERE done = 0 AND substr(owner, 1, :length) = :owner"
)
_NONE: Mapping[str, Outcome] = {}


@dataclass(frozen=True)
class Claim:
    """A notice that this worker may handle until its time is over."""

    id: str
    case_id: str | None
    desk: str
    kind: str
    subject_id: str | None
    owner: str
    reopened: int = 0


def claim(session: Session, owner: str, at: datetime, seconds: float, limit: int) -> list[Claim]:
    """Claim notices that are due, for a number of seconds. Two workers never hold the same one."""
    connection = session.connection()
    values = {"owner": owner, "until": to_text(at + timedelta(seconds=seconds)), "now": to_text(at), "limit": limit}
    rows = connection.execute(_CLAIMS[connection.dialect.name], values).all()
    return [
        Claim(row.id, row.case_id, row.desk, row.kind, row.subject_id, owner, row.reopened)
        for row in sorted(rows, key=lambda row: str(row.due))
    ]


def still_owned(connection: Connection, claim: Claim, at: datetime) -> tuple[Recusal, ...] | None:
    """Who is recused now from the case of a claim; None when the claim is lost: a worker that was slow may have lost it."""
    found = connection.execute(_OWNED, {"id": claim.id, "owner": claim.owner, "now": to_text(at)}).all()
    return tuple(Recusal(member, source) for member, source in found if member) if found else None


def expand(session: Session, claim: Claim, wanted: Mapping[str, str], at: datetime) -> list[Delivery]:
    """The deliveries to make now, for those who should have the notice now.

    `wanted` gives each recipient's Message-ID, in order of sending. Each new recipient gets a row. Deliveries to
    those who should no longer have it are withdrawn.
    """
    connection, now = session.connection(), to_text(at)
    due: dict[str, Delivery] = {}
    known = set()
    for row in connection.execute(_DELIVERIES, {"notice": claim.id}).all():
        known.add(row.recipient)
        if row.state not in FINAL and row.recipient not in wanted:
            connection.execute(_MOVED, {"id": row.id, "state": "withdrawn", "due": row.due})
        elif row.state == "withdrawn" and row.recipient in wanted:
            connection.execute(_MOVED, {"id": row.id, "state": "waiting", "due": now})
            due[row.recipient] = Delivery(row.id, row.recipient, row.message_id)
        elif row.state in UNDONE and row.due <= now:
            first = from_text(row.first_try) if row.first_try else None
            due[row.recipient] = Delivery(row.id, row.recipient, row.message_id, row.state, first)
    fresh = {
        recipient: Delivery(new_id(), recipient, message_id)
        for recipient, message_id in wanted.items()
        if recipient not in known
    }
    if fresh:
        same = {"notice": claim.id, "case": claim.case_id, "due": now}
        made = [
            {**same, "id": item.id, "recipient": item.recipient, "message_id": item.message_id}
            for item in fresh.values()
        ]
        connection.execute(_NEW_DELIVERY, made)
        due.update(fresh)
    return [due[recipient] for recipient in wanted if recipient in due]


def settle(
    session: Session, claim: Claim, made: Sequence[Delivery] = (), outcomes: Mapping[str, Outcome] = _NONE
) -> None:
    """Give a claim back: done when all its deliveries are final, otherwise due with the first of them.

    `made` are the deliveries that it was for, and each has its outcome (by id): Unsettled is raised otherwise. A notice
    that was reopened since it was claimed is due at once: its readers changed while it was sent.
    """
    require_all(made, outcomes)
    connection = session.connection()
    row = connection.execute(_GIVEN_BACK, {"id": claim.id, "owner": claim.owner}).first()
    if row is None or row.reopened != claim.reopened:
        return
    left = connection.execute(_FIRST_LEFT, {"id": claim.id}).scalar_one()
    if left is None:
        connection.execute(_DONE, {"id": claim.id})
    else:
        connection.execute(_DUE, {"id": claim.id, "due": max(left, row.created)})


def give_back(session: Session, claims: Sequence[Claim]) -> None:
    """Give claims back that were not begun: they stay due as they were."""
    for item in claims:
        session.connection().execute(_GIVEN_BACK, {"id": item.id, "owner": item.owner})


def release(session: Session, owner: str) -> None:
    """Give back what workers had claimed whose names begin so: their process is dead."""
    session.connection().execute(_RELEASED, {"owner": owner, "length": len(owner)})


def postpone(session: Session, claim: Claim, at: datetime, seconds: float) -> None:
    """Give a claim back untouched, to be handled later."""
    due = to_text(at + timedelta(seconds=seconds))
    session.connection().execute(_POSTPONED, {"id": claim.id, "owner": claim.owner, "due": due})


def next_due(session: Session, now: datetime) -> datetime | None:
    """When there is a notice to claim next: one that another worker is at, when its time with it is over."""
    found = session.connection().execute(_NEXT, {"now": to_text(now)}).scalar_one()
    return from_text(found) if found else None
