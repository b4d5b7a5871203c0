"""What is noted of each look into a mailbox, and when the operator is told that mail waits there."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from intake.doors.poller import PollResult
from store.context import Context
from store.kit.config import Desk
from store.kit.sections import Imap
from store.outbox import heartbeat, queue

MAILBOX = "mailbox of "
_NOTED_EVERY = timedelta(seconds=20)

log = structlog.get_logger("ombud.imap")


def part_of(desk: Desk, imap: Imap) -> str:
    """What a mailbox is called among the signs of life."""
    return f"{MAILBOX}{desk.id} at {imap.title}"


class MailboxWatch:
    """Called after each look. Raises nothing: whatever goes wrong here, mail is taken in."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._well_at: dict[str, datetime] = {}
        self._since: dict[str, datetime] = {}
        self._said: set[str] = set()

    def __call__(self, look: PollResult) -> None:
        """Note how it ended; have the operator told, once a day, when it has not gone well for `warn_minutes`."""
        part, now = part_of(look.desk, look.imap), self._context.clock()
        if look.trouble or look.left:
            self._well_at.pop(part, None)
            self._since.setdefault(part, now)
            self._try_to_note(look, part, now)
            self._say(look, part, now)
            return
        self._since.pop(part, None)
        self._said.discard(part)
        before = self._well_at.get(part)
        if before is None or not timedelta() <= now - before < _NOTED_EVERY:
            self._try_to_note(look, part, now)

    def _try_to_note(self, look: PollResult, part: str, now: datetime) -> None:
        try:
            self._note(look, part, now)
        except Exception as error:
            log.warning("how the mailbox is was not noted", mailbox=look.imap.title, kind=type(error).__name__)

    def _note(self, look: PollResult, part: str, now: datetime) -> None:
        with self._context.database.write(durable=False) as session:
            if not look.trouble:
                heartbeat.beat(session, part, now)
            if not look.trouble and not look.left:
                heartbeat.works(session, part)
            else:
                self._since[part] = min(self._since[part], heartbeat.fails(session, part, now))
                if self._is_long(look, part, now):
                    queue.alarm(session, "mailbox-fails", look.desk.id, now)
        if not look.trouble and not look.left:
            self._well_at[part] = now

    def _is_long(self, look: PollResult, part: str, now: datetime) -> bool:
        return now - self._since[part] >= timedelta(minutes=look.imap.warn_minutes)

    def _say(self, look: PollResult, part: str, now: datetime) -> None:
        if part in self._said or not self._is_long(look, part, now):
            return
        self._said.add(part)
        log.error(
            "mail has waited in the mailbox for long",
            mailbox=look.imap.title,
            since=str(self._since[part]),
            left=look.left,
            reason=look.trouble or "the server does not give or remove single mails",
        )
