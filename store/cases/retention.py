"""Closed cases come to an end: announced, then destroyed, unless they are on hold or somebody wrote since.

Works within a transaction that the caller opened. What is left of a destroyed case is a tombstone: its name, dates (when it was
answered, decided, looked back on) and the category of its outcome. Its key is forgotten, and every row of it is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import delete, func, union, update
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from store.cases import measures
from store.kit.clock import from_text, to_text
from store.kit.config import Desk
from store.kit.errors import NotAllowed
from store.tables import audit
from store.tables.models import (
    AnswerRow,
    AttachmentRow,
    CaseRow,
    ChoreRow,
    CorrespondentRow,
    DeliveryRow,
    EventRow,
    GuestRow,
    JunkLessonRow,
    JunkNumberRow,
    LetterboxRow,
    LetterRow,
    LinkRow,
    MessageRow,
    NoticeRow,
    PatternRow,
    PromiseRow,
    ProposalRow,
    ProposalWordRow,
    RecusalRow,
    ThreadRow,
    VoteRow,
)
from store.tables.vault import Vault

ANNOUNCED = timedelta(days=30)
JUNK = ":junk"  # the outcome of a tombstone that was junk: no desk can name one so
_OF_A_CASE = (
    AttachmentRow,
    AnswerRow,
    MessageRow,
    RecusalRow,
    VoteRow,
    PatternRow,
    CorrespondentRow,
    JunkNumberRow,
    JunkLessonRow,
    LetterRow,
    LetterboxRow,
    ProposalWordRow,
    ProposalRow,
    ThreadRow,
    GuestRow,
    ChoreRow,
    DeliveryRow,
    NoticeRow,
)


def ends_at(session: Session, row: CaseRow, desk: Desk) -> datetime | None:
    """When a case is to be destroyed; None for one that is open, on hold, or kept for ever. Junk is not announced.

    A mail that came after the case was closed puts it off; the report itself did not, though one from an archive is
    written down later than it is closed. What two readers wanted to be erased ends on that day.
    """
    if row.state == "junk":
        return from_text(row.closed_at or row.received_at) + timedelta(days=desk.junk_days)
    days = desk.retention.get(row.outcome or "", desk.retention_days)
    if row.state != "closed" or row.closed_at is None or row.on_hold:
        return None
    if row.erase_at is not None:
        return from_text(row.erase_at)
    if not days:
        return None
    last = session.exec(
        select(func.max(MessageRow.at)).where(
            MessageRow.case_id == row.id, MessageRow.direction == "in", MessageRow.position > 1
        )
    ).one()
    since = max(from_text(row.closed_at), from_text(last) if last else from_text(row.closed_at))
    end = since + timedelta(days=days)
    # Nobody is to find a case gone of which they were not told in time.
    return max(end, from_text(row.announced_at) + ANNOUNCED) if row.announced_at else end


def overdue(session: Session, desk: Desk, at: datetime) -> int:
    """How many closed cases have passed their time without having been announced, as old ones from an archive."""
    rows = session.exec(_may_end(desk, at).where(CaseRow.state == "closed", col(CaseRow.announced_at).is_(None))).all()
    ends = [ends_at(session, row, desk) for row in rows]
    return sum(end is not None and end <= at for end in ends)


def care(
    session: Session, vault: Vault, desk: Desk, at: datetime, failed: Callable[[Exception], None] | None = None
) -> list[str]:
    """Announce what will be destroyed, and destroy what was announced in time; the names of what is gone.

    An error with one case (told to `failed`) leaves that one as it is, and keeps no other. An error of the
    database is raised.
    """
    gone = []
    for row in session.exec(_may_end(desk, at)).all():
        codename = row.codename
        try:
            with session.begin_nested():
                if _care_for(session, vault, row, desk, at):
                    gone.append(codename)
        except SQLAlchemyError:
            raise
        except Exception as error:
            if failed is None:
                raise
            failed(error)
    return gone


def _may_end(desk: Desk, at: datetime) -> SelectOfScalar[CaseRow]:
    """The cases of a desk that may have to be announced or destroyed by now: of a desk that has grown old these are few."""
    ids = select(CaseRow.id).where(CaseRow.desk == desk.id)
    found = [
        ids.where(CaseRow.state == "junk", col(CaseRow.closed_at) <= to_text(at - timedelta(days=desk.junk_days))),
        ids.where(CaseRow.state == "junk", col(CaseRow.closed_at).is_(None)),
        ids.where(or_(col(CaseRow.announced_at).is_not(None), col(CaseRow.erase_at).is_not(None))),
    ]
    named = [*desk.retention]
    others = col(CaseRow.outcome).is_(None) | col(CaseRow.outcome).not_in(named)
    for days, which in (
        (desk.retention_days, others),
        *((desk.retention[name], col(CaseRow.outcome) == name) for name in named),
    ):
        if days:
            closed = to_text(at - timedelta(days=days) + ANNOUNCED)
            found.append(ids.where(CaseRow.state == "closed", col(CaseRow.closed_at) <= closed, which))
    return select(CaseRow).where(col(CaseRow.id).in_(union(*found)))


def _care_for(session: Session, vault: Vault, row: CaseRow, desk: Desk, at: datetime) -> bool:
    """Whether the case was destroyed now."""
    end = ends_at(session, row, desk)
    if row.state == "junk":
        if end is None or at < end:
            return False
        destroy(session, vault, row, "desk", at)
        return True
    if end is None or at < end - ANNOUNCED:
        row.announced_at = None
    elif row.announced_at is None:
        row.announced_at = to_text(at)
    elif at >= end:
        destroy(session, vault, row, "desk", at)
        return True
    session.add(row)
    return False


def destroy(session: Session, vault: Vault, row: CaseRow, actor: str, at: datetime) -> None:
    """Destroy a case. Raises NotAllowed for one that is on hold or not closed."""
    require_destroyable(row)
    measures.keep_withheld(session, vault, row)
    audit.append(session, vault, audit.Event("destroyed", actor, at, row.id))
    session.exec(delete(LinkRow).where(or_(col(LinkRow.one) == row.id, col(LinkRow.other) == row.id)))
    told = select(NoticeRow.id).where(or_(NoticeRow.case_id == row.id, NoticeRow.subject_id == row.id))
    session.exec(delete(DeliveryRow).where(col(DeliveryRow.notice_id).in_(told)))
    session.exec(delete(NoticeRow).where(col(NoticeRow.subject_id) == row.id))
    session.exec(delete(PromiseRow).where(col(PromiseRow.case_id) == row.id, col(PromiseRow.kind) == "status"))
    for table in _OF_A_CASE:
        session.exec(delete(table).where(col(table.case_id) == row.id))
    session.exec(update(EventRow).where(col(EventRow.case_id) == row.id).values(detail_sealed=None))
    if row.state == "junk":
        row.outcome = JUNK
    row.state, row.wrapped_key, row.facts_sealed, row.fields_sealed = "destroyed", None, None, None
    row.screened, row.assignee, row.deadline, row.handle = "{}", None, None, f"gone-{row.id}"
    session.add(row)
    session.flush()


def require_destroyable(row: CaseRow) -> None:
    """Raise NotAllowed for a case that is on hold or not closed."""
    if row.on_hold:
        raise NotAllowed(f"{row.codename} is on hold. Release it first.")
    if row.state not in ("closed", "junk"):
        raise NotAllowed(f"{row.codename} is not closed. Close it first, with its outcome.")
