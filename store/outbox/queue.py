"""The outbox: notices that wait, who claimed them, and how each delivery of them stands.

A notice names an event. Its recipients are worked out each time it is handled, so a recusal made meanwhile
holds; who was reached already is on record, and a notice is done when nobody it is for is left waiting.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, case, delete, insert, text
from sqlmodel import Session, col, select, update

from store.kit.clock import to_text
from store.outbox import chores
from store.outbox.outcomes import FINAL
from store.tables.models import CaseRow, DeliveryRow, KeyTroubleRow, NoticeRow, ReplyCountRow, new_id

# Kinds that go to the readers of a case, and are told to whoever becomes a reader later.
TO_READERS = frozenset({"report", "held", "message", "note", "pattern", "pattern-other", "flood"})
OPEN_STATES = frozenset({"new", "held", "acknowledged", "investigating", "decided"})
_TELL_AGAIN = timedelta(days=7)
_KEPT = timedelta(days=30)
ENDED = "-ended"
# Written once: putting a statement together takes as long as running it.
_NEW = insert(NoticeRow)
_COUNTED = text(
    "INSERT INTO reply_counts (address_hash, day, count) VALUES (:digest, :day, 1) "
    "ON CONFLICT (address_hash, day) DO UPDATE SET count = reply_counts.count + 1 RETURNING count"
)


@dataclass(frozen=True)
class Notice:
    """A notice to be sent. `subject_id` is what it is about: a message, a member, another case, as its kind has it."""

    kind: str
    desk: str
    at: datetime
    case_id: str | None = None
    subject_id: str | None = None


def enqueue(session: Session, notice: Notice) -> None:
    """Put a notice into the outbox, due at once, in the transaction of what it tells of."""
    when = to_text(notice.at)
    session.flush()  # the case that it is about comes before it
    values = {
        "id": new_id(), "kind": notice.kind, "desk": notice.desk, "case_id": notice.case_id, "subject_id": notice.subject_id,
        "created": when, "due": when, "done": 0, "reopened": 0,
    }  # fmt: skip
    session.connection().execute(_NEW, values)


def enqueue_once(session: Session, notice: Notice) -> None:
    """Put a notice into the outbox unless the same one waits there already."""
    same = select(NoticeRow.id).where(
        NoticeRow.kind == notice.kind,
        NoticeRow.desk == notice.desk,
        NoticeRow.case_id == notice.case_id,
        NoticeRow.subject_id == notice.subject_id,
        NoticeRow.done == 0,
    )
    if session.exec(same).first() is None:
        enqueue(session, notice)


def alarm(session: Session, kind: str, desk: str, at: datetime) -> bool:
    """Tell the operator of something that goes wrong, once a day at most; whether they are told now."""
    if not chores.once(session, f"alarm {kind} {desk} {at.date().isoformat()}", at):
        return False
    enqueue(session, Notice(kind, desk, at))
    return True


def reopen(session: Session, *, at: datetime, case_id: str | None = None, desk: str | None = None) -> None:
    """Have the notices to readers looked at again, because who reads may have changed: of a case, or of a desk's open cases."""
    change = update(NoticeRow).where(col(NoticeRow.kind).in_(TO_READERS))
    if case_id is not None:
        change = change.where(col(NoticeRow.case_id) == case_id)
    if desk is not None:
        still_open = select(CaseRow.id).where(CaseRow.desk == desk, col(CaseRow.state).in_(OPEN_STATES))
        change = change.where(col(NoticeRow.case_id).in_(still_open))
    begun = select(DeliveryRow.notice_id).where(col(DeliveryRow.notice_id) == NoticeRow.id).exists()
    # One that nobody had yet because its time has not come (a line of a chat) goes on waiting for it.
    due = case(
        (and_(col(NoticeRow.done) == 0, col(NoticeRow.due) > to_text(at), ~begun), NoticeRow.due), else_=to_text(at)
    )
    session.exec(change.values(done=0, due=due, reopened=NoticeRow.reopened + 1))


def retire(session: Session, case_id: str, kind: str, subject_id: str | None = None) -> None:
    """End the notices of a kind on a case: what they tell of is so no more. Nobody who comes later is told it."""
    about = [col(NoticeRow.case_id) == case_id, col(NoticeRow.kind) == kind]
    if subject_id is not None:
        about.append(col(NoticeRow.subject_id) == subject_id)
    notices = select(NoticeRow.id).where(*about)
    waiting = update(DeliveryRow).where(col(DeliveryRow.notice_id).in_(notices), col(DeliveryRow.state).not_in(FINAL))
    session.exec(waiting.values(state="withdrawn", reason=""))
    ended = update(NoticeRow).where(*about)
    session.exec(ended.values(done=1, kind=f"{kind}{ENDED}", reopened=NoticeRow.reopened + 1))


def count_today(session: Session, digest: str, day: str) -> int:
    """Count something (a keyed hash) on a day; how often it was counted, this time included."""
    return int(session.connection().execute(_COUNTED, {"digest": digest, "day": day}).scalar_one())


def cases_held_for(session: Session, desk: str, member: str) -> list[str | None]:
    """Ids of the cases of which something is held for a member's key; None for what belongs to no case."""
    held = (
        select(DeliveryRow.case_id)
        .join(NoticeRow)
        .where(NoticeRow.desk == desk, DeliveryRow.recipient == member, DeliveryRow.state == "held")
    )
    return list(set(session.exec(held)))


def tell_of_key(session: Session, notice: Notice, reason: str) -> None:
    """Tell a member (its subject) of a trouble with their key: once a week, and not each time that it is found."""
    desk, member, at = notice.desk, notice.subject_id or "", notice.at
    told = session.get(KeyTroubleRow, (desk, member, reason))
    if told is None or told.told_at < to_text(at - _TELL_AGAIN):
        session.merge(KeyTroubleRow(desk=desk, member=member, reason=reason, told_at=to_text(at)))
        enqueue_once(session, notice)


def latest(session: Session, kind: str) -> dict[str, tuple[str, str]]:
    """How the notice of a kind to each recipient stands, by id: the state of its delivery, and the reason."""
    found = (
        select(DeliveryRow.recipient, DeliveryRow.state, DeliveryRow.reason)
        .join(NoticeRow)
        .where(NoticeRow.kind == kind)
    )
    return {recipient: (state, reason) for recipient, state, reason in session.exec(found).all()}


def forget_old(session: Session, at: datetime) -> None:
    """Forget who wrote on which day, when the day is over, and notices of no case that are long over."""
    counted = delete(ReplyCountRow).where(col(ReplyCountRow.day) < (at - timedelta(days=1)).date().isoformat())
    session.exec(counted)
    over = (col(NoticeRow.case_id).is_(None), col(NoticeRow.done) == 1, col(NoticeRow.created) < to_text(at - _KEPT))
    notices = select(NoticeRow.id).where(*over)
    session.exec(delete(DeliveryRow).where(col(DeliveryRow.notice_id).in_(notices)))
    session.exec(delete(NoticeRow).where(*over))
