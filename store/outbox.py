"""The outbox: notices that wait, who claimed them, and how each delivery of them stands.

A notice names an event. Its recipients are worked out each time it is handled, so a recusal made meanwhile
holds; who was reached already is on record, and a notice is done when nobody it is for is left waiting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text
from sqlmodel import Session, col, select, update

from store import chores, rows
from store.backoff import delay
from store.clock import from_text, to_text
from store.config import Outbox as OutboxConfig
from store.models import CaseRow, DeliveryRow, KeyTroubleRow, NoticeRow, new_id
from store.records import Recusal

# Kinds that go to the readers of a case, and are told to whoever becomes a reader later.
TO_READERS = frozenset({"report", "held", "message", "note", "pattern", "pattern-other", "flood"})
OPEN_STATES = frozenset({"new", "held", "acknowledged", "investigating", "decided"})
_COUNT_TODAY = text(
    "INSERT INTO reply_counts (address_hash, day, count) VALUES (:hash, :day, 1) "
    "ON CONFLICT (address_hash, day) DO UPDATE SET count = reply_counts.count + 1 RETURNING count"
)
_CLAIM = (
    "WITH free AS MATERIALIZED (SELECT id FROM notices WHERE done = 0 AND due <= :now "
    "AND (owned_until IS NULL OR owned_until < :now) ORDER BY due LIMIT :limit{lock}) "
    "UPDATE notices SET owner = :owner, owned_until = :until WHERE id IN (SELECT id FROM free) "
    "RETURNING id, case_id, desk, kind, subject_id, reopened, due"
)
_CLAIMS = {"sqlite": text(_CLAIM.format(lock="")), "postgresql": text(_CLAIM.format(lock=" FOR UPDATE SKIP LOCKED"))}
_SENT = text("UPDATE deliveries SET state = 'sent', sent_at = :at, reason = '' WHERE id = :id")
_OWNED = text(
    "SELECT recusals.member, recusals.source FROM notices "
    "LEFT JOIN recusals ON recusals.case_id = notices.case_id AND recusals.ended IS NULL "
    "WHERE notices.id = :id AND notices.owner = :owner AND notices.owned_until >= :now "
    "ORDER BY recusals.since, recusals.member"
)
# What every mail goes through is written in SQL: objects of the ORM took as long as gpg.
_DELIVERIES = text("SELECT id, recipient, message_id, state, due FROM deliveries WHERE notice_id = :notice")
_NEW_DELIVERY = text(
    "INSERT INTO deliveries (id, notice_id, case_id, recipient, state, reason, tries, due, message_id) "
    "VALUES (:id, :notice, :case, :recipient, 'waiting', '', 0, :due, :message_id)"
)
_MOVED = text("UPDATE deliveries SET state = :state, reason = :reason, due = :due WHERE id = :id")
_GIVEN_BACK = text(
    "UPDATE notices SET owner = NULL, owned_until = NULL WHERE id = :id AND owner = :owner RETURNING reopened, created"
)
_FIRST_LEFT = text(
    "SELECT min(due) FROM deliveries WHERE notice_id = :id AND state NOT IN ('sent', 'bounced', 'withdrawn')"
)
_DONE = text("UPDATE notices SET done = 1 WHERE id = :id")
_DUE = text("UPDATE notices SET due = :due WHERE id = :id")
_TELL_AGAIN = timedelta(days=7)
FINAL = frozenset({"sent", "bounced", "withdrawn"})


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


@dataclass(frozen=True)
class Delivery:
    """One notice to one recipient, to be made now."""

    id: str
    recipient: str
    message_id: str


def enqueue(
    session: Session,
    kind: str,
    desk: str,
    at: datetime,
    *,
    case_id: str | None = None,
    subject_id: str | None = None,
) -> None:
    """Put a notice into the outbox, due at once, in the transaction of what it tells of."""
    when = to_text(at)
    rows.add(session, NoticeRow, kind=kind, desk=desk, case_id=case_id, subject_id=subject_id, created=when, due=when)


def enqueue_once(
    session: Session,
    kind: str,
    desk: str,
    at: datetime,
    *,
    case_id: str | None = None,
    subject_id: str | None = None,
) -> None:
    """Put a notice into the outbox unless the same one waits there already."""
    same = select(NoticeRow.id).where(
        NoticeRow.kind == kind,
        NoticeRow.desk == desk,
        NoticeRow.case_id == case_id,
        NoticeRow.subject_id == subject_id,
        NoticeRow.done == 0,
    )
    if session.exec(same).first() is None:
        enqueue(session, kind, desk, at, case_id=case_id, subject_id=subject_id)


def alarm(session: Session, kind: str, desk: str, at: datetime) -> bool:
    """Tell the operator of something that goes wrong, once a day at most; whether they are told now."""
    if not chores.once(session, f"alarm {kind} {desk} {at.date().isoformat()}", at):
        return False
    enqueue(session, kind, desk, at)
    return True


def reopen(session: Session, *, at: datetime, case_id: str | None = None, desk: str | None = None) -> None:
    """Have the notices to readers looked at again, because who reads may have changed: of a case, or of a desk's open cases."""
    change = update(NoticeRow).where(col(NoticeRow.kind).in_(TO_READERS))
    if case_id is not None:
        change = change.where(col(NoticeRow.case_id) == case_id)
    if desk is not None:
        still_open = select(CaseRow.id).where(CaseRow.desk == desk, col(CaseRow.state).in_(OPEN_STATES))
        change = change.where(col(NoticeRow.case_id).in_(still_open))
    session.connection().execute(change.values(done=0, due=to_text(at), reopened=NoticeRow.reopened + 1))


def retire(session: Session, case_id: str, kind: str, subject_id: str | None = None) -> None:
    """End the notices of a kind on a case: what they tell of is so no more. Nobody who comes later is told it."""
    about = [col(NoticeRow.case_id) == case_id, col(NoticeRow.kind) == kind]
    if subject_id is not None:
        about.append(col(NoticeRow.subject_id) == subject_id)
    notices = select(NoticeRow.id).where(*about)
    waiting = update(DeliveryRow).where(col(DeliveryRow.notice_id).in_(notices), col(DeliveryRow.state).not_in(FINAL))
    session.connection().execute(waiting.values(state="withdrawn", reason=""))
    ended = update(NoticeRow).where(*about)
    session.connection().execute(ended.values(done=1, kind=f"{kind}-ended", reopened=NoticeRow.reopened + 1))


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
        state = row.state
        if state not in FINAL and row.recipient not in wanted:
            connection.execute(_MOVED, {"id": row.id, "state": "withdrawn", "reason": "", "due": row.due})
        elif state == "withdrawn" and row.recipient in wanted:
            connection.execute(_MOVED, {"id": row.id, "state": "waiting", "reason": "", "due": now})
            due[row.recipient] = Delivery(row.id, row.recipient, row.message_id)
        elif state in ("waiting", "held") and row.due <= now:
            due[row.recipient] = Delivery(row.id, row.recipient, row.message_id)
    fresh = {
        recipient: Delivery(new_id(), recipient, message_id)
        for recipient, message_id in wanted.items()
        if recipient not in known
    }
    if fresh:
        same = {"notice": claim.id, "case": claim.case_id, "due": now}
        connection.execute(_NEW_DELIVERY, [{**same, **asdict(delivery)} for delivery in fresh.values()])
        due.update(fresh)
    return [due[recipient] for recipient in wanted if recipient in due]


def mark_sent(session: Session, delivery_ids: Sequence[str], at: datetime) -> None:
    """The relay took them."""
    if delivery_ids:
        sent = [{"id": delivery_id, "at": to_text(at)} for delivery_id in delivery_ids]
        session.connection().execute(_SENT, sent)


def mark_held(session: Session, delivery_id: str, reason: str, at: datetime, settings: OutboxConfig) -> None:
    """It can't be sealed to its recipient now; it is tried again when keys change, and once in a while."""
    row = _delivery(session, delivery_id)
    row.state, row.reason, row.due = (
        "held",
        reason,
        to_text(at + timedelta(seconds=settings.longest_retry_seconds)),
    )


def mark_failed(
    session: Session, delivery_id: str, reason: str, at: datetime, settings: OutboxConfig, *, final: bool
) -> bool:
    """A try failed. Try again later, exponentially and with jitter, or give up; whether it was given up now."""
    row = _delivery(session, delivery_id)
    if row.state in FINAL:
        return False
    row.first_try = row.first_try or to_text(at)
    row.tries += 1
    row.reason = reason
    if final or at - from_text(row.first_try) >= timedelta(days=settings.retry_days):
        row.state = "bounced"
        return True
    row.state = "waiting"
    row.due = to_text(
        at + timedelta(seconds=delay(row.tries, settings.first_retry_seconds, settings.longest_retry_seconds))
    )
    return False


def settle(session: Session, claim: Claim) -> None:
    """Give a claim back: done when all its deliveries are final, otherwise due with the first of them.

    A notice that was reopened since it was claimed is due at once: its readers changed while it was sent.
    """
    connection = session.connection()
    row = connection.execute(_GIVEN_BACK, {"id": claim.id, "owner": claim.owner}).first()
    if row is None or row.reopened != claim.reopened:
        return
    left = connection.execute(_FIRST_LEFT, {"id": claim.id}).scalar_one()
    if left is None:
        connection.execute(_DONE, {"id": claim.id})
    else:
        connection.execute(_DUE, {"id": claim.id, "due": max(left, row.created)})


def postpone(session: Session, claim: Claim, at: datetime, seconds: float) -> None:
    """Give a claim back untouched, to be handled later."""
    row = session.get(NoticeRow, claim.id)
    if row is not None and row.owner == claim.owner:
        row.owner = row.owned_until = None
        row.due = to_text(at + timedelta(seconds=seconds))
        session.add(row)


def retry_now(session: Session, at: datetime, *, desk: str | None = None, held_only: bool = False) -> int:
    """Make everything that waits due now; how many deliveries."""
    states = ["held"] if held_only else ["waiting", "held"]
    chosen = select(DeliveryRow).join(NoticeRow).where(col(DeliveryRow.state).in_(states))
    if desk is not None:
        chosen = chosen.where(NoticeRow.desk == desk)
    rows = session.exec(chosen).all()
    now = to_text(at)
    for row in rows:
        row.due = now
        session.add(row)
    session.connection().execute(
        update(NoticeRow).where(col(NoticeRow.id).in_({row.notice_id for row in rows})).values(due=now, done=0)
    )
    return len(rows)


def count_today(session: Session, digest: str, day: str) -> int:
    """Count something (a keyed hash) on a day; how often it was counted, this time included."""
    return int(session.connection().execute(_COUNT_TODAY, {"hash": digest, "day": day}).scalar_one())


def cases_held_for(session: Session, desk: str, member: str) -> list[str | None]:
    """Ids of the cases of which something is held for a member's key; None for what belongs to no case."""
    held = (
        select(DeliveryRow.case_id)
        .join(NoticeRow)
        .where(NoticeRow.desk == desk, DeliveryRow.recipient == member, DeliveryRow.state == "held")
    )
    return list(set(session.exec(held)))


def tell_of_key(session: Session, kind: str, desk: str, member: str, reason: str, at: datetime) -> None:
    """Tell a member of a trouble with their key, by a notice of a kind: once a week, and not each time that it is found."""
    told = session.get(KeyTroubleRow, (desk, member, reason))
    if told is None or told.told_at < to_text(at - _TELL_AGAIN):
        session.merge(KeyTroubleRow(desk=desk, member=member, reason=reason, told_at=to_text(at)))
        enqueue_once(session, kind, desk, at, subject_id=member)


def latest(session: Session, kind: str) -> dict[str, tuple[str, str]]:
    """How the notice of a kind to each recipient stands, by id: the state of its delivery, and the reason."""
    found = (
        select(DeliveryRow.recipient, DeliveryRow.state, DeliveryRow.reason)
        .join(NoticeRow)
        .where(NoticeRow.kind == kind)
    )
    return {recipient: (state, reason) for recipient, state, reason in session.exec(found).all()}


def next_due(session: Session) -> datetime | None:
    """When the next notice is due."""
    found = session.exec(select(NoticeRow.due).where(NoticeRow.done == 0).order_by(col(NoticeRow.due))).first()
    return from_text(found) if found else None


def _delivery(session: Session, delivery_id: str) -> DeliveryRow:
    return session.exec(select(DeliveryRow).where(DeliveryRow.id == delivery_id)).one()
