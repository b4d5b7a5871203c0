"""A bound on the processor time that one document may take, so that a hostile one costs its text and not the whole mail."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_AGAIN = 0.2


class TookTooLong(BaseException):
    """A document took its time. No library that catches `Exception` may go on with it."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """End with TookTooLong what takes more processor time. Only the main thread, in which a reader process works, has a bound."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGVTALRM, _stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, _AGAIN)
    try:
        yield
    finally:
        while signal.getsignal(signal.SIGVTALRM) is not before:
            with suppress(TookTooLong):  # it may come while this is put back
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
                signal.signal(signal.SIGVTALRM, before)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise TookTooLong
