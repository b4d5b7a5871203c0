"""What lies in a mailbox folder although it was to be taken in or removed, by UID (RFC 9051 section 2.3.1.1), and when each is tried again.

It is kept for as long as the program runs and the folder keeps its numbering. Nothing is lost with it: a mail that is
fetched once more is known by its digest. What it saves is fetching it all the time, and waiting behind it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from store.kit.backoff import delay

_FIRST_SECONDS, _LONGEST_SECONDS = 1.0, 3600.0
# A removal that the server accepted and that changed nothing; by then it is no other client's doing.
_STAYS_AFTER = 3


@dataclass
class _Retry:
    """How often something failed, and when it is to be tried again, in seconds of the monotonic clock."""

    tries: int = 0
    due: float = 0.0

    def later(self, now: float) -> None:
        self.tries += 1
        self.due = now + delay(self.tries, _FIRST_SECONDS, _LONGEST_SECONDS)


@dataclass
class _Kept(_Retry):
    """A mail that was taken in and only needs to be removed."""

    archive: bool = False
    refused: bool = False


class LeftMail:
    """The mails of one folder that something went wrong with."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._numbering: int | None = None
        self._failed: dict[int, _Retry] = {}
        self._kept: dict[int, _Kept] = {}
        self.flagged: set[int] = set()
        self.copied: set[int] = set()

    @property
    def count(self) -> int:
        """How many mails the server does not give, or does not remove."""
        stay = sum(item.refused or item.tries >= _STAYS_AFTER for item in self._kept.values())
        return stay + sum(item.tries > 0 for item in self._failed.values())

    def number(self, numbering: int) -> None:
        """The folder was selected; under another UIDVALIDITY, UIDs mean other mails."""
        if numbering != self._numbering:
            self._numbering = numbering
            self.see(())

    def see(self, uids: Iterable[int]) -> None:
        """What lies in the folder now. What is gone needs nothing any more."""
        there = set(uids)
        self.flagged &= there
        self.copied &= there
        for gone in self._failed.keys() - there:
            del self._failed[gone]
        for gone in self._kept.keys() - there:
            del self._kept[gone]

    def in_batches(self, uids: Iterable[int]) -> list[int]:
        """Those that nothing went wrong with: they are fetched many at once, before all others."""
        return [uid for uid in uids if uid not in self._failed and uid not in self._kept]

    def alone(self) -> list[int]:
        """Those that are due to be fetched one by one, with the fewest failures first."""
        now = self._now()
        return sorted(
            (uid for uid, item in self._failed.items() if item.due <= now),
            key=lambda uid: (self._failed[uid].tries, uid),
        )

    def failed(self, uids: Sequence[int]) -> None:
        """The server did not give these, or hung up over them. Of several, any may be the one: each is fetched alone next time."""
        for uid in uids:
            item = self._failed.setdefault(uid, _Retry())
            if len(uids) == 1:
                item.later(self._now())

    def keep(self, uids: Iterable[int], *, archive: bool) -> None:
        """These were taken in: they are not fetched again, only removed."""
        for uid in uids:
            self._failed.pop(uid, None)
            self._kept.setdefault(uid, _Kept(archive=archive))

    def to_remove(self, *, archive: bool) -> list[int]:
        """Those that are due to be removed, or moved to the archive folder."""
        now = self._now()
        return [uid for uid, item in self._kept.items() if item.archive == archive and item.due <= now]

    def tried_to_remove(self, uids: Iterable[int]) -> bool:
        """Whether the removal of one of these was tried before."""
        return any(self._kept[uid].tries > 0 for uid in uids if uid in self._kept)

    def removing(self, uids: Iterable[int], *, refused: bool) -> None:
        """A removal was tried; whether the server refused it. Whether it is gone shows when the folder is looked at next."""
        for uid in uids:
            if item := self._kept.get(uid):
                item.refused = refused
                item.later(self._now())
