"""The workers of the running service: each is a mailer that is woken when there is work."""

from __future__ import annotations

import threading
import time
from typing import Protocol

import structlog

from mailer.delivery import Mailer
from mailer.sealing.seal import Sealer
from store.context import Context
from store.kit.errors import OmbudError
from store.outbox import claims

_LONGEST_WAIT_SECONDS = 5.0
_AFTER_FAILURE_SECONDS = 5.0
_LOOK_AGAIN_SECONDS = 0.25
_HELPS_EVERY = 12
# Rounds of work without a pause in between, of up to four notices each.
_MANY_ROUNDS = 6

log = structlog.get_logger("ombud.service")


class WakeUp:
    """Wakes workers when there is work; one that comes before the wait began is not missed."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0

    @property
    def count(self) -> int:
        """How often it woke somebody so far."""
        return self._count

    def wake(self) -> None:
        """Wake all who wait."""
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def wait(self, seen: int, seconds: float) -> None:
        """Wait to be woken after the count that was seen, at most for a number of seconds."""
        with self._condition:
            self._condition.wait_for(lambda: self._count != seen, seconds)


class Second(Protocol):
    """A second process that sends while many notices wait (`desk.second_mailer.SecondMailer`)."""

    @property
    def at_work(self) -> bool:
        """Whether it runs."""

    def start(self) -> None:
        """Start it, unless it runs."""

    def died(self) -> str:
        """The group of its workers, once after it was killed or failed; else empty."""


class Worker(threading.Thread):
    """A mailer at work until it is told to stop."""

    def __init__(
        self, context: Context, sealer: Sealer, wake_up: WakeUp, second: Second | None = None, group: str = ""
    ) -> None:
        """While `second` runs, the worker leaves the work to it. `group` is as that of `mailer.delivery.Mailer`."""
        super().__init__(name="mailer", daemon=True)
        self._second = second
        self._rounds = self._looks = 0
        self._worked = time.monotonic()
        self._context = context
        self._mailer = Mailer(context, sealer, group)
        self._wake_up = wake_up
        self._stopping = threading.Event()

    def run(self) -> None:
        """Handle what is due; sleep until something is."""
        while not self._stopping.is_set():
            seen = self._wake_up.count
            try:
                if self._leaves_it_to_the_second():
                    self._stopping.wait(_LOOK_AGAIN_SECONDS)
                    continue
                self._take_over()
                if self._mailer.run_once() == 0:
                    self._rounds = 0
                    self._wake_up.wait(seen, _LOOK_AGAIN_SECONDS if self._looks else self._until_due())
                else:
                    self._count_round()
            except OmbudError as error:
                log.warning("the mailer waits", reason=str(error))
                self._stopping.wait(_AFTER_FAILURE_SECONDS)
            except Exception as error:
                log.error("the mailer failed", error=type(error).__name__)  # noqa: TRY400
                self._stopping.wait(_AFTER_FAILURE_SECONDS)
        self._mailer.close()

    def _leaves_it_to_the_second(self) -> bool:
        """Whether a second process is at work; now and then it is helped all the same, in case it hangs."""
        if self._second is None or not self._second.at_work:
            self._looks = 0
            return False
        self._looks += 1
        return self._looks % _HELPS_EVERY != 0

    def _take_over(self) -> None:
        """What a second process was at when it died is due for anybody."""
        if self._second is not None and (group := self._second.died()):
            with self._context.database.write(durable=False) as session:
                claims.release(session, group)

    def _count_round(self) -> None:
        """Note that there was work; where it does not end, have a second process do it."""
        self._worked = time.monotonic()
        self._rounds += 1
        if self._second is not None and self._rounds >= _MANY_ROUNDS:
            self._rounds = 0
            self._second.start()

    def idle_seconds(self) -> float:
        """For how long there was no work."""
        return time.monotonic() - self._worked

    def stop(self) -> None:
        """End after the notice at hand."""
        self._stopping.set()
        self._wake_up.wake()

    def _until_due(self) -> float:
        with self._context.database.read() as session:
            due = claims.next_due(session, self._context.clock())
        until = (due - self._context.clock()).total_seconds() if due else _LONGEST_WAIT_SECONDS
        return min(max(until, 0.05), _LONGEST_WAIT_SECONDS)
