"""The desk's own daily mail, come back from the world: noted, and not kept."""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import Session

from intake.arrival import Opened
from intake.plan import Taken
from store.context import Context
from store.kit.config import Desk
from store.outbox import canary


def is_canary(context: Context, opened: Opened) -> bool:
    """Whether a mail says what only the desk can have written: the token of these days."""
    desk, body = opened.job.desk, opened.content.body
    if not desk.canary or not all(context.config.is_own(item.address) for item in opened.mail.sender):
        return False
    said = f"{body.text}\n{body.outside_text}"
    return any(token in said for token in canary.tokens_at(context.vault, desk.id, context.clock()))


@dataclass(frozen=True)
class CanaryBack:
    """That people's mails arrive: nobody is told."""

    context: Context
    desk: Desk

    def carry_out(self, session: Session) -> tuple[Taken, str]:
        """Note it."""
        canary.note_back(session, self.desk.id, self.context.clock())
        return "automatic", ""
