"""How often handling one mail was begun without coming to an end, so that no mail can block those behind it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlmodel import Session, col, delete

from store.kit.clock import to_text
from store.tables.models import AttemptRow

GIVE_UP_AFTER = 3
_BEGIN = text(
    "INSERT INTO attempts (digest, count, at) VALUES (:digest, 1, :at) "
    "ON CONFLICT (digest) DO UPDATE SET count = attempts.count + 1, at = excluded.at RETURNING count"
)
_END = text("DELETE FROM attempts WHERE digest = :digest")
_FORGET_AFTER = timedelta(days=7)


def begin(session: Session, digest: str, at: datetime) -> int:
    """Note that handling begins; which attempt this is."""
    count = session.connection().execute(_BEGIN, {"digest": digest, "at": to_text(at)}).scalar_one()
    return int(count)


def uncount(session: Session, digest: str) -> None:
    """The attempt failed for a reason that is not in the mail."""
    row = session.get(AttemptRow, digest)
    if row is not None and row.count > 0:
        row.count -= 1
        session.add(row)


def end(session: Session, digest: str) -> None:
    """Handling came to an end."""
    session.connection().execute(_END, {"digest": digest})


def forget_old(session: Session, at: datetime) -> None:
    """Drop notes of mails that never came again."""
    session.connection().execute(delete(AttemptRow).where(col(AttemptRow.at) < to_text(at - _FORGET_AFTER)))
