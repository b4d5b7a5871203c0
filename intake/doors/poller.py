"""A mailbox watched for as long as the service runs: opened, emptied, waited on; opened anew when it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from intake.doors.imap import FolderPass, Mailbox
from intake.doors.session import MailboxDown
from intake.receive import Receiver
from store.kit.backoff import delay
from store.kit.config import Config, Desk
from store.kit.errors import OmbudError
from store.kit.sections import Imap

_FIRST_SECONDS, _LONGEST_SECONDS = 1.0, 300.0
# So many sessions in a row may end over single mails, and take nothing in, before the next has to wait longer.
_SOON_AGAIN = 10
_SESSIONS_AT_ONCE = 50
_PASSES = 10
# What a server forgets to announce is found after this at the latest.
_LONGEST_IDLE_SECONDS = 300.0

log = structlog.get_logger("ombud.imap")


@dataclass(frozen=True)
class PollResult:
    """How one look into a mailbox ended: how many mails are left in it, or why it could not be looked at."""

    desk: Desk
    imap: Imap
    left: int = 0
    trouble: str = ""


Report = Callable[[PollResult], None]


class Poller:
    """Empties one mailbox, once or until it is told to stop."""

    def __init__(self, config: Config, desk: Desk, imap: Imap, receiver: Receiver, report: Report) -> None:
        """`report` is called after each look."""
        self._mailbox = Mailbox(config, desk, imap, receiver)
        self._desk = desk
        self._imap = imap
        self._report = report
        self._fails_now = False

    @property
    def title(self) -> str:
        """How the mailbox is called in logs."""
        return self._imap.title

    def once(self) -> FolderPass:
        """Take in what waits, then close. Raises MailboxDown and its like."""
        try:
            passed = self._once()
        except OmbudError as error:
            self._report(PollResult(self._desk, self._imap, trouble=str(error)))
            raise
        self._report(PollResult(self._desk, self._imap, passed.left))
        return passed

    def _once(self) -> FolderPass:
        """In as many sessions as it takes, when the server hangs up over single mails."""
        for session in range(1, _SESSIONS_AT_ONCE + 1):
            try:
                self._mailbox.open()
                left = self._empty(threading.Event()).left
            except MailboxDown:
                if not self._mailbox.has_put_aside or session == _SESSIONS_AT_ONCE:
                    raise
            else:
                break
            finally:
                self._mailbox.close()
        return FolderPass(self._mailbox.taken, left)

    def run(self, stopping: threading.Event) -> None:
        """Take in what comes, until told to stop. Never ends by itself."""
        tries = 0
        while not stopping.is_set():
            before = self._mailbox.taken
            try:
                self._mailbox.open()
                while not stopping.is_set():
                    passed = self._empty(stopping)
                    tries = 0
                    self._is_well(passed)
                    self._wait(passed, stopping)
            except OmbudError as error:
                self._fails(str(error))
            except Exception as error:
                self._fails(f"{self.title}: an error that should not be: {type(error).__name__}")
            finally:
                self._mailbox.close()
            tries = 1 if self._mailbox.taken > before else tries + 1
            soon = _SOON_AGAIN if self._mailbox.has_put_aside else 0
            stopping.wait(delay(tries - soon, _FIRST_SECONDS, _LONGEST_SECONDS))

    def _empty(self, stopping: threading.Event) -> FolderPass:
        """Pass over the folder until nothing more can be taken; a bounded number of times, whatever the server says is there."""
        before, passed = self._mailbox.taken, FolderPass(0, 0)
        for _ in range(_PASSES):
            passed = self._mailbox.take_all(stopping.is_set)
            if stopping.is_set() or (passed.taken == 0 and not passed.more):
                break
        return FolderPass(self._mailbox.taken - before, passed.left)

    def _wait(self, passed: FolderPass, stopping: threading.Event) -> None:
        if self._mailbox.can_idle:
            seconds = self._imap.poll_seconds if passed.left else _LONGEST_IDLE_SECONDS
            self._mailbox.wait(seconds, stopping.is_set)
        else:
            stopping.wait(self._imap.poll_seconds)

    def _is_well(self, passed: FolderPass) -> None:
        if self._fails_now:
            log.info("the mailbox works again", mailbox=self.title)
        self._fails_now = False
        self._report(PollResult(self._desk, self._imap, passed.left))

    def _fails(self, reason: str) -> None:
        self._fails_now = True
        log.warning("the mailbox fails", mailbox=self.title, reason=reason)
        self._report(PollResult(self._desk, self._imap, trouble=reason))


def pollers(config: Config, receiver: Receiver, report: Report = lambda _: None) -> list[Poller]:
    """A poller for each mailbox of each desk. `report` is called after each look into one, and raises nothing."""
    return [Poller(config, desk, imap, receiver, report) for desk in config.desk for imap in desk.imap]
