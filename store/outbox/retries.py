"""Deliveries that are tried again: at once because somebody asks for it, keys changed, or the relay is back.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select, update

from store.kit.clock import to_text
from store.outbox.outcomes import UNDONE, begin_anew
from store.outbox.queue import ENDED
from store.tables.models import DeliveryRow, NoticeRow

_TELLS = col(NoticeRow.kind).not_like(f"%{ENDED}")


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
    """Take up again what was given up, as if it were new; how many deliveries. What was meant for reporters and other correspondents (whose ids begin with a colon) only when asked for.

    What is so no more (`retire`) stays over, and whoever may not know by now is left out when it is sent.
    """
    chosen = select(DeliveryRow).join(NoticeRow).where(DeliveryRow.state == "bounced", _TELLS)
    if not reporters:
        chosen = chosen.where(DeliveryRow.recipient != "reporter", col(DeliveryRow.recipient).not_like(":%"))
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
        change = update(NoticeRow).where(col(NoticeRow.id).in_({row.notice_id for row in rows}))
        session.exec(change.values(due=to_text(at), done=0, reopened=NoticeRow.reopened + 1))
