"""A mailbox at a provider, emptied into the desk (RFC 9051, RFC 3501).

A message leaves the folder only after its case is committed. What lies in the folder is to be taken in, and what was
taken in already (a crash, a second poller) is known by its digest and only removed. So changes of UIDVALIDITY, and
other clients, do no harm. No single mail stops those behind it, whatever the server does with it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import structlog

from intake.arrival import Envelope
from intake.doors.envelope import envelope_of
from intake.doors.left import LeftMail
from intake.doors.session import CommandRefused, MailboxDown, Session
from intake.receive import Receiver
from store.kit.config import Config, Desk
from store.kit.errors import StoreUnavailable, TryLater
from store.kit.sections import Imap

_BATCH_MAILS = 100
_BATCH_OCTETS = 4_000_000
# After so many removals refused one after the other it is the folder, not the mail.
_REFUSED_IN_A_ROW = 3

log = structlog.get_logger("ombud.imap")


@dataclass(frozen=True)
class FolderPass:
    """What one pass over a folder did: how many mails were taken in, and how many must be tried again.

    `more` says that mail came meanwhile.
    """

    taken: int
    left: int
    more: bool = field(default=False, compare=False)


class Mailbox:
    """One mailbox, on one session at a time. A session that fails is a MailboxDown; then it is opened anew."""

    def __init__(self, config: Config, desk: Desk, imap: Imap, receiver: Receiver | None) -> None:
        """`receiver` takes the mails in; without one the mailbox can only be looked at."""
        self._limit = int(config.listener.size_limit)
        self._desk = desk
        self._imap = imap
        self._receiver = receiver
        self._session = Session(config, imap)
        self._left = LeftMail()
        self._not_kept = 0
        self._put_aside = False
        self.taken = 0

    def open(self) -> None:
        """Connect, log in, and select the folder; where nothing is to be taken in, see to the archive folder too. Raises MailboxDown, ConfigError."""
        self._put_aside = False
        self._session.open()
        self._left.number(self._session.numbering)
        if self._imap.after == "archive":
            try:
                self._make_archive_folder()
            except CommandRefused as error:
                if self._receiver is None:
                    raise MailboxDown(str(error)) from None
                log.warning("mail cannot be archived", mailbox=self._imap.title, reason=str(error))

    def close(self) -> None:
        """Log out."""
        self._session.close()

    def missing_capabilities(self) -> list[str]:
        """What the server lacks, each with what that means."""
        lacks = []
        if self._imap.idle and not self._session.offers("IDLE"):
            lacks.append(f"no IDLE: it is looked at every {self._imap.poll_seconds:g} s")
        if not self._session.offers("UIDPLUS"):
            lacks.append("no UIDPLUS: mail is removed when no other client has deleted mail in the folder")
        return lacks

    @property
    def can_idle(self) -> bool:
        """Whether the server says by itself that mail has come."""
        return self._imap.idle and self._session.offers("IDLE")

    @property
    def has_put_aside(self) -> bool:
        """Whether this session ended over certain mails, which the next one fetches last and one by one."""
        return self._put_aside

    def wait(self, seconds: float, stopping: Callable[[], bool]) -> None:
        """Wait for new mail by IDLE, at most for a number of seconds. Raises MailboxDown."""
        self._session.wait(seconds, stopping)

    def waiting(self) -> tuple[int, datetime | None]:
        """How many mails lie in the folder, and since when the oldest does, where the server says so. Raises MailboxDown."""
        uids = self._session.search()
        dates: list[datetime] = []
        with contextlib.suppress(CommandRefused):
            dates = self._session.dates(sorted(uids)[:_BATCH_MAILS])  # UIDs grow with time
        return len(uids), min(dates, default=None)

    def take_all(self, stopping: Callable[[], bool] = lambda: False) -> FolderPass:
        """Take in everything that lies in the folder, in batches of bounded size, and remove what is kept.

        Also what is flagged as deleted: it may be kept already, by a program that ended before it could remove it.
        What the server does not give comes last, one by one, after growing pauses.
        Raises MailboxDown; StoreUnavailable when nothing can be kept now (a full disk, a locked database).
        """
        uids = self._session.search()
        self._left.see(uids)
        self._not_kept, before = 0, self.taken
        in_batches = self._left.in_batches(uids)
        for start in range(0, len(in_batches), _BATCH_MAILS):
            self._take_batch(in_batches[start : start + _BATCH_MAILS], stopping)
        for uid in self._left.alone():
            self._take_batch([uid], stopping)
        for archive in (False, True):
            self._remove(self._left.to_remove(archive=archive), archive=archive)
        more = self._session.announced() > len(uids) and not stopping()
        return FolderPass(self.taken - before, self._left.count + self._not_kept, more)

    def _take_batch(self, uids: Sequence[int], stopping: Callable[[], bool]) -> None:
        if stopping():
            return
        for group in self._groups(uids):
            if stopping():
                return
            self._take(group)

    @property
    def _keeper(self) -> Receiver:
        if self._receiver is None:
            raise MailboxDown(f"{self._imap.title}: opened to be looked at only.")
        return self._receiver

    def _fetch(self, uids: Sequence[int], item: str) -> dict[int, Any]:
        """An item of some messages. What the server does not give is noted, and comes later; raises MailboxDown."""
        try:
            found = self._session.fetch(uids, item)
        except CommandRefused:
            self._left.failed(uids)
            return {}
        except MailboxDown:
            self._left.failed(uids)
            self._put_aside = True
            raise
        for uid in uids:
            if uid not in found:  # forgotten when another client took it away
                self._left.failed([uid])
        return found

    def _groups(self, uids: Sequence[int]) -> Iterator[dict[int, int]]:
        """The messages with their sizes, in groups that are fetched at once; a large one is alone, and one too large is seen to here."""
        sizes = self._fetch(uids, "RFC822.SIZE")
        group: dict[int, int] = {}
        for uid in uids:
            if uid not in sizes:
                continue
            size = int(sizes[uid])
            if group and sum(group.values()) + size > _BATCH_OCTETS:
                yield group
                group = {}
            if size > self._limit:
                self._take_too_large(uid)
            else:
                group[uid] = size
        if group:
            yield group

    def _take(self, sizes: dict[int, int]) -> None:
        """Fetch, keep, then remove. Raises MailboxDown, StoreUnavailable."""
        raws = self._fetch(list(sizes), "BODY.PEEK[]")
        kept: list[int] = []
        try:
            for uid, size in sizes.items():
                raw = raws.pop(uid, None)
                if raw == b"" and size:
                    self._left.failed([uid])
                elif raw is not None and self._keep(raw, self._keeper.receive):
                    kept.append(uid)
        finally:
            self._remove_kept(kept, archive=self._imap.after == "archive")

    def _take_too_large(self, uid: int) -> None:
        """A mail beyond the limit cannot be kept whole: its case is held, and the mail itself stays, in the archive folder."""
        head = self._fetch([uid], "BODY.PEEK[HEADER]").get(uid)
        folder = self._imap.archive_folder
        if head and self._keep(head, lambda envelope: self._keeper.receive_too_large(envelope, folder)):
            with contextlib.suppress(CommandRefused):
                self._make_archive_folder()
            self._remove_kept([uid], archive=True)

    def _keep(self, raw: bytes, receive: Callable[[Envelope], object]) -> bool:
        """Whether a mail was taken in. One that was not waits for the next pass, and those behind it need not wait for it."""
        try:
            envelope = envelope_of(raw, self._desk)
            receive(replace(envelope, filtered="junk") if self._imap.junk else envelope)
        except StoreUnavailable:
            raise
        except TryLater as error:
            log.warning("a mail is tried again", mailbox=self._imap.title, reason=str(error))
        except Exception as error:
            log.error("a mail was not taken in", mailbox=self._imap.title, kind=type(error).__name__)  # noqa: TRY400 - a traceback may hold content
        else:
            self.taken += 1
            return True
        self._not_kept += 1
        return False

    def _make_archive_folder(self) -> None:
        if not self._session.has_folder(self._imap.archive_folder):
            self._session.create_folder(self._imap.archive_folder)

    def _remove_kept(self, uids: list[int], *, archive: bool) -> None:
        """Note that these are kept, before anything can go wrong with their removal."""
        self._left.keep(uids, archive=archive)
        self._remove(uids, archive=archive)

    def _remove(self, uids: list[int], *, archive: bool) -> None:
        """Take messages out of the folder. What the server does not remove stays there, and is tried again later, one by one."""
        if not uids or (not self._left.tried_to_remove(uids) and self._removed(uids, archive=archive)):
            return
        if archive:
            with contextlib.suppress(CommandRefused):
                self._make_archive_folder()
        in_a_row = 0
        for position, uid in enumerate(uids):
            if in_a_row == _REFUSED_IN_A_ROW:
                self._left.removing(uids[position:], refused=True)
                break
            in_a_row = 0 if self._removed([uid], archive=archive) else in_a_row + 1
        if in_a_row:
            log.warning("mail is kept and cannot be removed from the mailbox", mailbox=self._imap.title)

    def _removed(self, uids: list[int], *, archive: bool) -> bool:
        """Remove by MOVE (RFC 6851), or copied if need be, flagged, and expunged alone; whether the server did it. Raises MailboxDown."""
        session, left = self._session, self._left
        if archive and self._imap.archives_into_itself:  # too large, and kept where it is: moved, it would be new again
            left.removing(uids, refused=True)
            return False
        try:
            if archive and session.offers("MOVE"):
                session.move(uids, self._imap.archive_folder)
            else:
                if archive and (fresh := [uid for uid in uids if uid not in left.copied]):
                    session.copy(fresh, self._imap.archive_folder)
                    left.copied.update(fresh)
                session.flag_deleted(uids)
                left.flagged.update(uids)
                session.expunge(uids, left.flagged)
        except CommandRefused:
            if len(uids) == 1:
                left.removing(uids, refused=True)
            return False
        except MailboxDown:
            left.removing(uids, refused=True)
            self._put_aside = True
            raise
        left.removing(uids, refused=False)
        return True
