"""What a mail leads to, until it is written down: the one thing that the ways of reading a mail agree on."""

from __future__ import annotations

from typing import Literal, Protocol

from sqlmodel import Session

from store import outbox
from store.config import Desk
from store.context import Context

Outcome = Literal["case", "thread", "duplicate", "automatic", "held", "refused"]


class Plan(Protocol):
    """What is to be written down of one mail."""

    def carry_out(self, session: Session) -> tuple[Outcome, str]:
        """Write it down; the outcome, and the codename of the case."""


def may_reply(session: Session, context: Context, desk: Desk, address: str) -> bool:
    """Count a reply of the desk's own to an address; whether it may have one more today."""
    digest = context.vault.digest("reply address", address.casefold().encode())
    return outbox.allow_reply(session, digest, context.clock().date().isoformat(), desk.replies_per_day)
