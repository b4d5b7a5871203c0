"""The desk's daily mail to itself by way of the world: when it left, and when one came back.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlmodel import Session

from store.kit.clock import from_text, to_text
from store.tables.models import ChoreRow
from store.tables.vault import Vault

_LIVES = timedelta(days=2)
# Between two that should be a day apart: more, and the desk was not at work meanwhile.
_A_DAY = (timedelta(hours=20), timedelta(hours=28))


def token_of(vault: Vault, desk: str, day: date) -> str:
    """What the mail of a day says, which nobody else can make up: 32 characters."""
    return vault.digest("canary", f"{desk} {day.isoformat()}".encode())[:32]


def tokens_at(vault: Vault, desk: str, at: datetime) -> tuple[str, ...]:
    """The tokens of the mails that may still be on their way."""
    return tuple(token_of(vault, desk, (at - timedelta(days=back)).date()) for back in range(_LIVES.days + 1))


def note_sent(session: Session, desk: str, at: datetime) -> None:
    """One is sent now."""
    session.merge(ChoreRow(name=f"canary sent {desk}", due=to_text(at)))


def note_back(session: Session, desk: str, at: datetime) -> None:
    """One came back."""
    session.merge(ChoreRow(name=f"canary back {desk}", due=to_text(at)))


def last(session: Session, desk: str) -> tuple[datetime | None, datetime | None]:
    """When the last one left, and when one came back last."""
    sent, back = session.get(ChoreRow, f"canary sent {desk}"), session.get(ChoreRow, f"canary back {desk}")
    return (from_text(sent.due) if sent else None, from_text(back.due) if back else None)


def is_missing(session: Session, desk: str, at: datetime) -> bool:
    """Whether the mail of a day ago did not come back until now. After a pause of the desk that is not known."""
    sent, back = last(session, desk)
    if sent is None or not _A_DAY[0] <= at - sent <= _A_DAY[1]:
        return False
    return back is None or back < sent
