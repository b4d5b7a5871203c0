"""One IMAP session (RFC 9051, RFC 3501): its commands, and what is said when the server does not do them.

What a server refuses (NO, BAD, an answer that cannot be read) is CommandRefused, and the session goes on. When the session is
over, or could not begin, that is MailboxDown.
"""

from __future__ import annotations

import contextlib
import imaplib
import logging
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from imapclient import IMAPClient
from imapclient.exceptions import CapabilityError, IMAPClientAbortError, IMAPClientReadOnlyError, LoginError

from store.kit.config import Config
from store.kit.errors import OmbudError
from store.kit.secrets import client_tls, fetch_token, read_secret
from store.kit.sections import Imap

# imaplib and IMAPClient log commands, which hold addresses.
logging.getLogger("imapclient").disabled = True

# A round of IDLE is far shorter than the 29 minutes after which a server may hang up (RFC 2177).
_FIRST_ROUND_SECONDS, _ROUND_SECONDS = 1.0, 60.0
_SPOKE_OF_MAIL = (b"EXISTS", b"RECENT")


class MailboxDown(OmbudError):
    """The mailbox cannot be used now. The sentence says which part of the way is wrong, and what to do."""


class CommandRefused(OmbudError):
    """The server refused one command; the session goes on."""


class Session:
    """A session on one folder. Opened anew after each MailboxDown."""

    def __init__(self, config: Config, imap: Imap) -> None:
        self._config = config
        self._imap = imap
        self._client: IMAPClient | None = None
        self.numbering = 0

    def open(self) -> None:
        """Connect, log in, and select the folder; one that cannot be written to is read all the same. Raises MailboxDown, ConfigError."""
        self.close()
        with self._step("connect"):
            self._client = self._connect()
        with self._step("login"):
            self._login(self.client)
        with self._step("folder"):
            try:
                selected = self.client.select_folder(self._imap.folder)
            except IMAPClientReadOnlyError:
                selected = self.client.select_folder(self._imap.folder, readonly=True)
            self.numbering = int(selected.get(b"UIDVALIDITY", 0))

    def close(self) -> None:
        """Log out, if there is anybody to say it to."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.logout()
            with contextlib.suppress(Exception):
                client.shutdown()

    @property
    def client(self) -> IMAPClient:
        """The library's session. Raises MailboxDown when there is none."""
        if self._client is None:
            raise MailboxDown(f"{self._imap.title}: the mailbox is not open.")
        return self._client

    def offers(self, capability: str) -> bool:
        """Whether the server has a capability."""
        with self._step("capability"):
            return bool(self.client.has_capability(capability))

    def search(self) -> list[int]:
        """Every UID of the folder, also of what is flagged as deleted. Raises MailboxDown: without it nothing can be done."""
        with self._step("search"):
            self._exists()
            return [int(uid) for uid in self.client.search("ALL")]

    def announced(self) -> int:
        """How many messages the server said the folder has, since the last search: it tells so once, with any answer."""
        with self._step("search"):
            return self._exists()

    def _exists(self) -> int:
        # IMAPClient has no name for it: imaplib keeps what came beside the answer to a command.
        _, said = self.client._imap.response("EXISTS")
        return max((int(number) for number in said if number), default=0)

    def fetch(self, uids: Sequence[int], item: str) -> dict[int, Any]:
        """One item of some messages, by UID; those that the server leaves out are not there. Raises CommandRefused, MailboxDown."""
        with self._command("fetch"):
            found = self.client.fetch(uids, [item])
            key = item.replace(".PEEK", "").encode()
            return {uid: values[key] for uid, values in found.items() if values.get(key) is not None}

    def dates(self, uids: Sequence[int]) -> list[datetime]:
        """When messages came into the mailbox; fewer than were asked for when the server leaves some out. Raises CommandRefused, MailboxDown."""
        with self._command("fetch"):
            self.client.normalise_times = False
            found = self.client.fetch(uids, ["INTERNALDATE"])
            dates = [values.get(b"INTERNALDATE") for values in found.values()]
            return [date if date.tzinfo else date.replace(tzinfo=UTC) for date in dates if date is not None]

    def has_folder(self, folder: str) -> bool:
        """Whether a folder is there. Raises CommandRefused, MailboxDown."""
        with self._command("archive folder"):
            return bool(self.client.folder_exists(folder))

    def create_folder(self, folder: str) -> None:
        """Make a folder. Raises CommandRefused, MailboxDown."""
        with self._command("archive folder"):
            self.client.create_folder(folder)

    def move(self, uids: Sequence[int], folder: str) -> None:
        """Move messages (RFC 6851). Raises CommandRefused, MailboxDown."""
        with self._command("remove"):
            self.client.move(uids, folder)

    def copy(self, uids: Sequence[int], folder: str) -> None:
        """Copy messages. Raises CommandRefused, MailboxDown."""
        with self._command("remove"):
            self.client.copy(uids, folder)

    def flag_deleted(self, uids: Sequence[int]) -> None:
        """Flag messages as deleted. Raises CommandRefused, MailboxDown."""
        with self._command("remove"):
            self.client.delete_messages(uids, silent=True)

    def expunge(self, uids: Sequence[int], ours: set[int]) -> None:
        """Remove flagged messages; without UIDPLUS only while all that is flagged is ours. Raises CommandRefused, MailboxDown."""
        with self._command("remove"):
            if self.client.has_capability("UIDPLUS"):
                self.client.uid_expunge(uids)
            elif set(self.client.search("DELETED")) <= ours:
                self.client.expunge()

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
        with self._step("idle"):
            client = self.client
            client.idle()
            said: list[Any] = []
            while not said and (left := end - time.monotonic()) > 0 and not stopping():
                said = client.idle_check(timeout=min(left, 2.0))
            _, at_the_end = client.idle_done()
        return any(len(item) > 1 and item[1] in _SPOKE_OF_MAIL for item in [*said, *at_the_end])

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
            self._login_by_password(client, read_secret(self._config, imap.password_file))
            return
        token = fetch_token(self._config, imap.token_command)
        if imap.token_mechanism == "XOAUTH2":
            client.oauth2_login(imap.user, token)
        else:
            client.oauthbearer_login(imap.user, token)

    def _login_by_password(self, client: IMAPClient, password: str) -> None:
        """LOGIN takes ASCII alone; beyond it, UTF-8 by the mechanism PLAIN (RFC 4616)."""
        user = self._imap.user
        if (user + password).isascii():
            client.login(user, password)
        elif client.has_capability("AUTH=PLAIN"):
            client.sasl_login("PLAIN", lambda _: f"\0{user}\0{password}".encode())
        else:
            raise MailboxDown(
                f"{self._imap.title}: user or password hold letters outside ASCII, and the server takes no such login (AUTH=PLAIN). Choose a password of ASCII letters."
            )

    @contextlib.contextmanager
    def _command(self, step: str) -> Iterator[None]:
        """Tell a command that the server refused from the end of the session."""
        try:
            yield
        except OmbudError:
            raise
        except (IMAPClientAbortError, OSError, EOFError, MemoryError) as error:
            self._drop()
            raise MailboxDown(f"{self._imap.title}: {_remedy(step, error)}") from None
        except Exception as error:  # NO, BAD, or an answer that the library cannot read
            raise CommandRefused(f"{self._imap.title}: {_remedy(step, error)}") from None

    @contextlib.contextmanager
    def _step(self, step: str) -> Iterator[None]:
        """Turn what libraries raise into one sentence about a step without which there is no session."""
        try:
            yield
        except OmbudError:
            self._drop()
            raise
        except Exception as error:
            self._drop()
            raise MailboxDown(f"{self._imap.title}: {_remedy(step, error)}") from None

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.shutdown()


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
    if isinstance(error, imaplib.IMAP4.error) and not isinstance(error, IMAPClientAbortError):
        return f"the server refused a command ({step}). It is tried again."
    return f"the connection failed at {step} ({kind}). It is tried again."
