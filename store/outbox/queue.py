"""The outbox: notices that wait, who claimed them, and how each delivery of them stands.

A notice names an event. Its recipients are worked out each time it is handled, so a recusal made meanwhile
holds; who was reached already is on record, and a notice is done when nobody it is for is left waiting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, text
from sqlmodel import Session, col, select, update

from store.kit.clock import from_text, to_text
from store.outbox import chores
from store.outbox.outcomes import FINAL, UNDONE, Delivery, Outcome, begin_anew, require_all
from store.tables.models import CaseRow, DeliveryRow, KeyTroubleRow, NoticeRow, ReplyCountRow, new_id
from store.tables.records import Recusal

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
_OWNED = text(
    "SELECT recusals.member, recusals.source FROM notices "
    "LEFT JOIN recusals ON recusals.case_id = notices.case_id AND recusals.ended IS NULL "
    "WHERE notices.id = :id AND notices.owner = :owner AND notices.owned_until >= :now "
    "ORDER BY recusals.since, recusals.member"
)
# What every mail goes through is written in SQL: objects of the ORM took as long as gpg.
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
_DUE_NOW = text("UPDATE notices SET due = :due, done = 0, reopened = reopened + 1 WHERE id = :id")
_TELL_AGAIN = timedelta(days=7)
_KEPT = timedelta(days=30)
_ENDED = "-ended"
_TELLS = col(NoticeRow.kind).not_like(f"%{_ENDED}")
_NONE: Mapping[str, Outcome] = {}
_NEXT = text(
    "SELECT min(CASE WHEN owned_until > due AND owned_until > :now THEN owned_until ELSE due END) FROM notices WHERE done = 0"
)


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
    session.add(NoticeRow(kind=kind, desk=desk, case_id=case_id, subject_id=subject_id, created=when, due=when))
    session.flush()


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
    session.connection().execute(ended.values(done=1, kind=f"{kind}{_ENDED}", reopened=NoticeRow.reopened + 1))


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


def postpone(session: Session, claim: Claim, at: datetime, seconds: float) -> None:
    """Give a claim back untouched, to be handled later."""
    row = session.get(NoticeRow, claim.id)
    if row is not None and row.owner == claim.owner:
        row.owner = row.owned_until = None
        row.due = to_text(at + timedelta(seconds=seconds))
        session.add(row)


def retry_now(session: Session, at: datetime, *, desk: str | None = None, held_only: bool = False) -> int:
    """Make everything that waits due now; how many deliveries."""
    states = ["held"] if held_only else list(UNDONE)
    chosen = select(DeliveryRow).join(NoticeRow).where(col(DeliveryRow.state).in_(states))
    if desk is not None:
        chosen = chosen.where(NoticeRow.desk == desk)
    rows = session.exec(chosen).all()
    for row in rows:
        row.due = to_text(at)
        session.add(row)
    _have_due(session, rows, at)
    return len(rows)


def retry_bounced(session: Session, at: datetime, *, reporters: bool) -> int:
    """Take up again what was given up, as if it were new; how many deliveries. What was meant for reporters only when asked for.

    What is so no more (`retire`) stays over, and whoever may not know by now is left out when it is sent.
    """
    chosen = select(DeliveryRow).join(NoticeRow).where(DeliveryRow.state == "bounced", _TELLS)
    if not reporters:
        chosen = chosen.where(DeliveryRow.recipient != "reporter")
    rows = session.exec(chosen).all()
    for row in rows:
        begin_anew(row, at)
        session.add(row)
    _have_due(session, rows, at)
    return len(rows)


def wake(session: Session, at: datetime) -> None:
    """The relay takes mail again: what waited for it is due now."""
    chosen = select(DeliveryRow).where(DeliveryRow.state == "away", DeliveryRow.due > to_text(at))
    rows = session.exec(chosen).all()
    for row in rows:
        row.due = to_text(at)
        session.add(row)
    _have_due(session, rows, at)


def _have_due(session: Session, rows: Sequence[DeliveryRow], at: datetime) -> None:
    session.flush()
    if rows:
        notices = [{"id": notice_id, "due": to_text(at)} for notice_id in {row.notice_id for row in rows}]
        session.connection().execute(_DUE_NOW, notices)


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


def next_due(session: Session, now: datetime) -> datetime | None:
    """When there is a notice to claim next: one that another worker is at, when its time with it is over."""
    found = session.connection().execute(_NEXT, {"now": to_text(now)}).scalar_one()
    return from_text(found) if found else None


def forget_old(session: Session, at: datetime) -> None:
    """Forget who wrote on which day, when the day is over, and notices of no case that are long over."""
    connection = session.connection()
    counted = delete(ReplyCountRow).where(col(ReplyCountRow.day) < (at - timedelta(days=1)).date().isoformat())
    connection.execute(counted)
    over = (col(NoticeRow.case_id).is_(None), col(NoticeRow.done) == 1, col(NoticeRow.created) < to_text(at - _KEPT))
    notices = select(NoticeRow.id).where(*over)
    connection.execute(delete(DeliveryRow).where(col(DeliveryRow.notice_id).in_(notices)))
    connection.execute(delete(NoticeRow).where(*over))
