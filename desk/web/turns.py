"""What one desk's form takes in an hour and at once, so that whoever floods one way keeps nobody from the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from desk.web.intake_form import BadForm
from desk.web.limits import HourlyLimit
from store.kit.errors import OmbudError
from store.kit.sections import Web

# The least that opening a receipt takes, whether there is anything or not; more while many wrong ones are tried.
_SECONDS, _SECONDS_WHEN_GUESSED, _MANY_WRONG = 1.0, 5.0, 60
_AT_ONCE, _TURN_SECONDS = 4, 30.0
_NO_LIMIT, _ADDITIONS_OF_ONE, _MOST_KNOWN = 1_000_000, 20, 10_000


def turns(at_once: int = _AT_ONCE) -> asyncio.Semaphore:
    """Turns for what is done so many times at once."""
    return asyncio.Semaphore(at_once)


@asynccontextmanager
async def in_turn(of: asyncio.Semaphore) -> AsyncIterator[None]:
    """Wait for a turn, but not for ever. Raises BadForm."""
    try:
        await asyncio.wait_for(of.acquire(), _TURN_SECONDS)
    except TimeoutError:
        raise BadForm("busy") from None
    try:
        yield
    finally:
        of.release()


@contextmanager
def counted(*limits: HourlyLimit) -> Iterator[None]:
    """Something that counts for each of some limits, unless nothing comes of it. Raises BadForm when it is too much for one of them."""
    taken: list[HourlyLimit] = []
    try:
        for limit in limits:
            if not limit.take():
                raise BadForm("busy")
            taken.append(limit)
        yield
    except (BadForm, OmbudError):
        for limit in taken:
            limit.give_back()
        raise


@dataclass(frozen=True)
class DeskLimits:
    """What one desk takes by the form in an hour, and the turns of who opens receipts there, with and without scripts."""

    reports: HourlyLimit
    plain: HourlyLimit
    additions: HourlyLimit
    opening: asyncio.Semaphore = field(default_factory=turns)
    opening_plain: asyncio.Semaphore = field(default_factory=turns)
    adding: asyncio.Semaphore = field(default_factory=turns)
    _wrong: HourlyLimit = field(default_factory=lambda: HourlyLimit(_NO_LIMIT))
    _of_one: dict[str, HourlyLimit] = field(default_factory=dict)

    @classmethod
    def of(cls, web: Web) -> DeskLimits:
        """The limits that a configuration gives each desk."""
        return cls(HourlyLimit(web.per_hour), HourlyLimit(web.plain_per_hour), HourlyLimit(web.per_hour))

    def for_addition(self, letterbox: str) -> tuple[HourlyLimit, HourlyLimit]:
        """The limits of what somebody adds with a receipt: their own, and that of all together."""
        if letterbox not in self._of_one and len(self._of_one) >= _MOST_KNOWN:
            self._of_one.clear()
        return self._of_one.setdefault(letterbox, HourlyLimit(_ADDITIONS_OF_ONE, exact=True)), self.additions

    async def take_time(self, began: float, *, right: bool) -> None:
        """Whatever was found out, and however fast, takes a second since it `began` (a monotonic clock's seconds); what was wrong more,
        while much is. Nobody waits for it but who asked.
        """
        seconds = _SECONDS
        if not right:
            self._wrong.take()
            seconds = _SECONDS_WHEN_GUESSED if self._wrong.count() > _MANY_WRONG else _SECONDS
        await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
