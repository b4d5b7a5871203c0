"""A mailbox watched for as long as the service runs: opened, emptied, waited on; opened anew when it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from intake.imap import Mailbox, Passed
from intake.receive import Receiver
from store.backoff import delay
from store.clock import Clock
from store.config import Config, Desk, Imap
from store.errors import OmbudError

_FIRST_SECONDS, _LONGEST_SECONDS = 1.0, 300.0
# What a server forgets to announce is found after this at the latest.
_LONGEST_IDLE_SECONDS = 300.0

Alarm = Callable[[str], None]

log = structlog.get_logger("ombud.imap")


class Poller:
    """Empties one mailbox, once or until it is told to stop."""

    def __init__(self, config: Config, desk: Desk, imap: Imap, receiver: Receiver, clock: Clock, alarm: Alarm) -> None:
        self._imap = imap
        self._mailbox = Mailbox(config, desk, imap, receiver)
        self._clock = clock
        self._desk = desk.id
        self._alarm = alarm
        self._failing_since: datetime | None = None
        self._warned = False

    @property
    def title(self) -> str:
        """How the mailbox is called in logs."""
        return self._imap.title

    def once(self) -> Passed:
        """Take in what waits, then close. Raises MailboxDown and its like."""
        try:
            self._mailbox.open()
            return self._empty(threading.Event())
        finally:
            self._mailbox.close()

    def run(self, stopping: threading.Event) -> None:
        """Take in what comes, until told to stop. Never ends by itself."""
        tries = 0
        while not stopping.is_set():
            try:
                self._mailbox.open()
                while not stopping.is_set():
                    passed = self._empty(stopping)
                    tries = 0
                    self._is_well()
                    self._wait(passed, stopping)
            except OmbudError as error:
                self._fails(str(error))
            except Exception as error:
                self._fails(f"{self.title}: an error that should not be: {type(error).__name__}")
            finally:
                self._mailbox.close()
            tries += 1
            stopping.wait(delay(tries, _FIRST_SECONDS, _LONGEST_SECONDS))

    def _empty(self, stopping: threading.Event) -> Passed:
        """Pass over the folder until nothing more can be taken."""
        taken = 0
        while True:
            passed = self._mailbox.take_all(stopping.is_set)
            taken += passed.taken
            if passed.taken == 0 or stopping.is_set():
                return Passed(taken, passed.left)

    def _wait(self, passed: Passed, stopping: threading.Event) -> None:
        if passed.left == 0 and self._mailbox.can_idle:
            self._mailbox.wait(_LONGEST_IDLE_SECONDS, stopping.is_set)
        else:
            stopping.wait(self._imap.poll_seconds)

    def _is_well(self) -> None:
        if self._failing_since is not None:
            log.info("the mailbox works again", mailbox=self.title)
        self._failing_since, self._warned = None, False

    def _fails(self, reason: str) -> None:
        now = self._clock()
        self._failing_since = self._failing_since or now
        if not self._warned and now - self._failing_since >= timedelta(minutes=self._imap.warn_minutes):
            self._warned = True
            log.error(
                "the mailbox has failed for long: mail waits there",
                mailbox=self.title,
                since=str(self._failing_since),
                reason=reason,
            )
            self._alarm(self._desk)
        else:
            log.warning("the mailbox fails", mailbox=self.title, reason=reason)


def pollers(config: Config, receiver: Receiver, clock: Clock, alarm: Alarm = lambda _: None) -> list[Poller]:
    """A poller for each mailbox of each desk. `alarm` is called with a desk's id when its mailbox has failed for long."""
    return [Poller(config, desk, imap, receiver, clock, alarm) for desk in config.desk for imap in desk.imap]
