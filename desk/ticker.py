"""What the running service does by time: a round every few seconds, of which nothing that fails ends the next."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import structlog

from desk.mailboxes import MAILBOX
from desk.workers import WakeUp
from intake.learning import teach_filter
from intake.screening import screen_desk
from mailer.schedule import Schedule
from store.cases import answers
from store.context import Context, refresh_roster
from store.kit.errors import OmbudError
from store.outbox import attempts, heartbeat

_TICK_SECONDS = 5.0
_FORGET_EVERY = timedelta(hours=6)
_BEAT_EVERY = timedelta(seconds=20)
_TEACH_EVERY = timedelta(minutes=5)
_TEACHING = "what rspamd is to learn"

log = structlog.get_logger("ombud.service")


class Ticker(threading.Thread):
    """Does what is due by time, and shows that the service is alive, until it is told to stop. Nothing that fails ends it."""

    def __init__(self, context: Context, schedule: Schedule, wake_up: WakeUp) -> None:
        super().__init__(name="ticker", daemon=True)
        self._context = context
        self._round = Round(context, schedule, heartbeat.SERVICE)
        self._wake_up = wake_up
        self._stopping = threading.Event()

    def run(self) -> None:
        """One round every few seconds."""
        forgotten = self._context.clock()
        while not self._stopping.is_set():
            self._round.run()
            self._wake_up.wake()
            if not timedelta() <= self._context.clock() - forgotten < _FORGET_EVERY:
                forgotten = self._context.clock()
                _forget(self._context)
            self._stopping.wait(_TICK_SECONDS)

    def stop(self) -> None:
        """End after the round at hand."""
        self._stopping.set()


class Round:
    """One look at the rosters, at who is new in the cases, and at what is due, with a note of what failed. Raises nothing."""

    def __init__(self, context: Context, schedule: Schedule, part: str) -> None:
        self._context = context
        self._schedule = schedule
        self._part = part
        self._noted: tuple[datetime, list[str]] | None = None
        self._teach_again: datetime | None = None

    def run(self) -> None:
        """Do it. `ombud check` knows what failed by the note."""
        failed = look_at_rosters(self._context) + _screen(self._context) + self._teach()
        try:
            failed += self._schedule.run()
        except Exception as error:
            log.error("what is due was not done", error=type(error).__name__)  # noqa: TRY400 - a traceback may hold content
            failed.append("what is due by time")
        now = self._context.clock()
        if self._noted and self._noted[1] == failed and timedelta() <= now - self._noted[0] < _BEAT_EVERY:
            return
        try:
            with self._context.database.write(durable=False) as session:
                heartbeat.beat(session, self._part, now)
                mended = [part for part in heartbeat.troubles(session) if not part.startswith(MAILBOX)]
                for part in set(mended) - set(failed) - self._schedule.untried:
                    heartbeat.works(session, part)
                for part in failed:
                    heartbeat.fails(session, part, now)
            self._noted = now, failed
        except Exception as error:
            log.warning("the heartbeat was not noted", error=type(error).__name__)

    def _teach(self) -> list[str]:
        """Tell the filter what readers found; what failed is tried again in a while."""
        now = self._context.clock()
        if self._teach_again and timedelta() <= self._teach_again - now <= _TEACH_EVERY:
            return [_TEACHING]
        try:
            teach_filter(self._context)
        except Exception as error:
            log.warning("the filter was not taught", error=type(error).__name__)
            self._teach_again = now + _TEACH_EVERY
            return [_TEACHING]
        self._teach_again = None
        return []


def look_at_rosters(context: Context) -> list[str]:
    """Take note of rosters that changed and terms that began or ended; which could not be looked at."""
    failed = []
    for desk in context.config.desk:
        try:
            refresh_roster(context, desk)
        except OmbudError as error:
            log.warning("the roster could not be looked at", desk=desk.id, reason=str(error))
            failed.append(f"roster of {desk.id}")
        except Exception as error:
            log.error("the roster could not be looked at", desk=desk.id, error=type(error).__name__)  # noqa: TRY400
            failed.append(f"roster of {desk.id}")
    return failed


def _screen(context: Context) -> list[str]:
    """Look in the cases for members who were not looked for yet, who cannot read them until then; where it failed."""
    failed = []
    for desk in context.config.desk:
        try:
            screen_desk(context, desk)
        except Exception as error:
            log.error("cases were not searched for new members", desk=desk.id, error=type(error).__name__)  # noqa: TRY400
            failed.append(f"search for new members in the cases of {desk.id}")
    return failed


def _forget(context: Context) -> None:
    try:
        with context.database.write(durable=False) as session:
            attempts.forget_old(session, context.clock())
            longest = max(desk.signature_hours for desk in context.config.desk)
            answers.forget_old(session, context.clock(), timedelta(hours=2 * longest))
    except Exception as error:
        log.warning("old notes were not cleared", error=type(error).__name__)
