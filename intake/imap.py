"""A mailbox at a provider, emptied into the desk (RFC 9051, RFC 3501).

A message leaves the folder only after its case is committed. Nothing about the mailbox is remembered between
sessions: what lies in the folder is to be taken in, and what was taken in already (a crash, a second poller) is
known by its digest and only removed. So changes of UIDVALIDITY, and other clients, do no harm.
"""

from __future__ import annotations

import contextlib
import imaplib
import logging
import re
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from typing import Any

import structlog
from imapclient import IMAPClient
from imapclient.exceptions import CapabilityError, IMAPClientAbortError, IMAPClientError, LoginError

from intake.arrival import Envelope
from intake.directives import desk_of
from intake.message import addresses, header
from intake.receive import Receiver
from store.config import Config, Desk, Imap
from store.errors import Interrupted, OmbudError
from store.secrets import client_tls, fetch_token, read_secret

# imaplib and IMAPClient log commands, which hold addresses.
logging.getLogger("imapclient").disabled = True

_BATCH_MAILS = 100
_BATCH_OCTETS = 4_000_000
# A round of IDLE is far shorter than the 29 minutes after which a server may hang up (RFC 2177).
_FIRST_ROUND_SECONDS, _ROUND_SECONDS = 1.0, 60.0
_RECIPIENT_HEADERS = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Delivered-To", "To", "Cc")

log = structlog.get_logger("ombud.imap")


class MailboxDown(OmbudError):
    """The mailbox cannot be used now. The sentence says which part of the way is wrong, and what to do."""


@dataclass(frozen=True)
class Passed:
    """What one pass over a folder did: how many mails were removed, and how many must be tried again."""

    taken: int
    left: int


class Mailbox:
    """One session on one mailbox. Every failure on the way is a MailboxDown; then it is opened anew."""

    def __init__(self, config: Config, desk: Desk, imap: Imap, receiver: Receiver | None) -> None:
        """`receiver` takes the mails in; without one the mailbox can only be looked at."""
        self._config = config
        self._desk = desk
        self._imap = imap
        self._receiver = receiver
        self._client: IMAPClient | None = None
        self._flagged: set[int] = set()

    def open(self) -> None:
        """Connect, log in, and select the folder. Raises MailboxDown, ConfigError."""
        self.close()
        self._flagged.clear()
        with self._named("connect"):
            self._client = self._connect()
        with self._named("login"):
            self._login(self._client)
        with self._named("folder"):
            self._client.select_folder(self._imap.folder)
        if self._imap.after == "archive":
            self._make_archive_folder()

    def missing_capabilities(self) -> list[str]:
        """What the server lacks, each with what that means."""
        has = self._open_client.has_capability
        lacks = []
        if self._imap.idle and not has("IDLE"):
            lacks.append(f"no IDLE: it is looked at every {self._imap.poll_seconds:g} s")
        if not has("UIDPLUS"):
            lacks.append("no UIDPLUS: mail is removed when no other client has deleted mail in the folder")
        return lacks

    @property
    def can_idle(self) -> bool:
        """Whether the server says by itself that mail has come."""
        return self._imap.idle and bool(self._open_client.has_capability("IDLE"))

    def take_all(self, stopping: Callable[[], bool] = lambda: False) -> Passed:
        """Take in everything that lies in the folder, in batches of bounded size, and remove what is kept.

        Also what is flagged as deleted: it may be kept already, by a program that ended before it could remove it.
        Raises MailboxDown; TryLater when nothing can be kept now (a full disk, a locked database).
        """
        taken = left = 0
        with self._named("fetch"):
            waiting = [uid for uid in self._open_client.search("ALL") if uid not in self._flagged]
        for start in range(0, len(waiting), _BATCH_MAILS):
            for group in self._groups(waiting[start : start + _BATCH_MAILS]):
                if stopping():
                    return Passed(taken, left)
                done, kept_back = self._take_group(group)
                taken, left = taken + done, left + kept_back
        return Passed(taken, left)

    def wait(self, seconds: float, stopping: Callable[[], bool]) -> None:
        """Wait for new mail by IDLE (RFC 2177), at most for a number of seconds. Raises MailboxDown.

        In short rounds, the first of them very short: IMAPClient waits on the socket, and does not see what the server
        said while IDLE began, which already lies in its buffer. The end of a round brings that to light.
        """
        end = time.monotonic() + seconds
        length = _FIRST_ROUND_SECONDS
        while (left := end - time.monotonic()) > 0 and not stopping():
            if self._idle(min(length, left), stopping):
                return
            length = _ROUND_SECONDS

    def _idle(self, seconds: float, stopping: Callable[[], bool]) -> bool:
        """One round of IDLE; whether the server spoke of mail."""
        end = time.monotonic() + seconds
        with self._named("idle"):
            client = self._open_client
            client.idle()
            said: list[Any] = []
            while not said and (left := end - time.monotonic()) > 0 and not stopping():
                said = client.idle_check(timeout=min(left, 2.0))
            _, at_the_end = client.idle_done()
        return any(len(item) > 1 and item[1] in (b"EXISTS", b"RECENT") for item in [*said, *at_the_end])

    def close(self) -> None:
        """Log out, if there is anybody to say it to."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.logout()
            with contextlib.suppress(Exception):
                client.shutdown()

    @property
    def _keeper(self) -> Receiver:
        if self._receiver is None:
            raise MailboxDown(f"{self._imap.title}: opened to be looked at only.")
        return self._receiver

    @property
    def _open_client(self) -> IMAPClient:
        if self._client is None:
            raise MailboxDown(f"{self._imap.title}: the mailbox is not open.")
        return self._client

    def _connect(self) -> IMAPClient:
        imap = self._imap
        context = client_tls(self._config, imap.ca_file, "desk.imap.ca_file") if imap.tls != "none" else None
        client = IMAPClient(
            imap.host, imap.server_port, ssl=imap.tls == "tls", ssl_context=context, timeout=imap.seconds, use_uid=True
        )
        if imap.tls == "starttls":
            try:
                client.starttls(context)
            except BaseException:
                client.shutdown()
                raise
        return client

    def _login(self, client: IMAPClient) -> None:
        imap = self._imap
        if imap.password_file is not None:
            client.login(imap.user, read_secret(self._config, imap.password_file))
            return
        token = fetch_token(self._config, imap.token_command)
        if imap.token_mechanism == "XOAUTH2":
            client.oauth2_login(imap.user, token)
        else:
            client.oauthbearer_login(imap.user, token)

    def _groups(self, uids: Sequence[int]) -> Iterator[list[int]]:
        """The messages in groups that are fetched at once; a large one is alone."""
        with self._named("fetch"):
            sizes = self._open_client.fetch(uids, ["RFC822.SIZE"])
        group: list[int] = []
        octets = 0
        for uid in uids:
            if uid not in sizes:
                continue  # another client took it away meanwhile
            size = int(sizes[uid].get(b"RFC822.SIZE", 0))
            if size > int(self._config.listener.size_limit):
                yield from ([group] if group else [])
                group, octets = [], 0
                self._take_too_large(uid)
                continue
            if group and octets + size > _BATCH_OCTETS:
                yield group
                group, octets = [], 0
            group.append(uid)
            octets += size
        if group:
            yield group

    def _take_group(self, uids: list[int]) -> tuple[int, int]:
        """Fetch, keep, then remove: how many were removed, and how many must be tried again."""
        with self._named("fetch"):
            fetched = self._open_client.fetch(uids, ["BODY.PEEK[]"])
        kept: list[int] = []
        left = 0
        try:
            for uid in uids:
                raw = fetched.pop(uid, {}).get(b"BODY[]")
                if raw is None:
                    continue
                try:
                    self._keeper.receive(envelope_of(raw, self._desk))
                    kept.append(uid)
                except Interrupted as error:
                    # This mail may be the cause: those behind it need not wait for it.
                    log.warning("a mail is tried again", mailbox=self._imap.title, reason=str(error))
                    left += 1
        finally:
            self._remove(kept, archive=self._imap.after == "archive")
        return len(kept), left

    def _take_too_large(self, uid: int) -> None:
        """A mail beyond the limit cannot be kept whole: its case is held, and the mail itself stays, in the archive folder."""
        with self._named("fetch"):
            found = self._open_client.fetch([uid], ["BODY.PEEK[HEADER]"]).get(uid, {})
        head = found.get(b"BODY[HEADER]")
        if head is None:
            return
        self._keeper.receive_too_large(envelope_of(head, self._desk), self._imap.archive_folder)
        self._make_archive_folder()
        self._remove([uid], archive=True)

    def _make_archive_folder(self) -> None:
        with self._named("archive folder"):
            if not self._open_client.folder_exists(self._imap.archive_folder):
                self._open_client.create_folder(self._imap.archive_folder)

    def _remove(self, uids: list[int], *, archive: bool) -> None:
        """Take messages out of the folder: by MOVE (RFC 6851), or copied if need be, flagged, and expunged alone."""
        if not uids:
            return
        client = self._open_client
        with self._named("remove"):
            if archive and client.has_capability("MOVE"):
                client.move(uids, self._imap.archive_folder)
                return
            if archive:
                client.copy(uids, self._imap.archive_folder)
            client.delete_messages(uids, silent=True)
            self._flagged.update(uids)
            if client.has_capability("UIDPLUS"):
                client.uid_expunge(uids)
            elif set(client.search("DELETED")) <= self._flagged:
                client.expunge()  # without UIDPLUS this removes whatever is flagged: only when that is ours alone

    @contextlib.contextmanager
    def _named(self, step: str) -> Iterator[None]:
        """Turn what libraries raise into one sentence about the step that failed; the session is over then."""
        try:
            yield
        except (
            LoginError,
            CapabilityError,
            IMAPClientError,
            imaplib.IMAP4.error,
            OSError,
            EOFError,
            ValueError,
        ) as error:
            client, self._client = self._client, None
            if client is not None:
                with contextlib.suppress(Exception):
                    client.shutdown()
            raise MailboxDown(f"{self._imap.title}: {_remedy(step, error)}") from None


def _remedy(step: str, error: Exception) -> str:
    kind = type(error).__name__
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not trusted ({error.verify_message}). Check desk.imap.host, or set desk.imap.ca_file."
    if isinstance(error, LoginError) or (step == "login" and not isinstance(error, IMAPClientAbortError | OSError)):
        return "the login was refused. Check desk.imap.user and the password or token."
    if isinstance(error, CapabilityError):
        return "the server does not offer what is configured (STARTTLS?). Check desk.imap.tls."
    if step == "connect":
        return f"cannot be reached ({kind}). Check desk.imap.host, desk.imap.port and desk.imap.tls."
    if step == "folder":
        return "the folder cannot be selected. Check desk.imap.folder."
    if step == "archive folder":
        return "the archive folder cannot be made. Check desk.imap.archive_folder."
    return f"the connection failed at {step} ({kind}). It is tried again."


def envelope_of(raw: bytes, desk: Desk) -> Envelope:
    """The envelope that a delivered mail's headers tell of (RFC 5321 section 4.4 for Return-Path).

    Every address of this desk in the recipient headers counts: what a provider strips from one of them, an
    extension above all, may still stand in another. A mail that names none is for the desk's own address.
    """
    head: Any = BytesHeaderParser().parsebytes(re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0] + b"\r\n\r\n")
    found = [item.address for name in _RECIPIENT_HEADERS for item in addresses(head, name)]
    ours = [address for address in found if (known := desk_of(address, (desk,))) is not None and known[0].id == desk.id]
    path = header(head, "Return-Path")
    sender = None if not path else path.strip("<> ")
    return Envelope(raw, sender, tuple(dict.fromkeys(ours)) or (desk.address,))
