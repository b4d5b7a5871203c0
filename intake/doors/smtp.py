"""The listener: SMTP (RFC 5321) or LMTP (RFC 2033) in, and 250 only once the case is committed.

A second LMTP listener stands on a private socket for `ombud deliver`; only there do the replies say which case
a mail became.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP

from intake.arrival import Envelope
from intake.receive import Receipt, Receiver
from store.kit.config import Config
from store.kit.errors import ConfigError, TryLater
from store.kit.local import UNKNOWN_SENDER, socket_address
from store.kit.sections import Listener

# aiosmtpd logs addresses, and at level debug every line of a mail.
logging.getLogger("mail.log").disabled = True

_COMMAND_LIMIT = 4096

log = structlog.get_logger("ombud.listener")


@dataclass
class _ConnectionCount:
    """How many connections there are."""

    limit: int
    now: int = 0


class Handler:
    """What the listener answers; `private` replies name outcome and codename."""

    def __init__(self, receiver: Receiver, executor: Executor, hostname: str, *, private: bool) -> None:
        self._receiver = receiver
        self._executor = executor
        self._private = private
        self.hostname = hostname

    async def handle_RCPT(
        self, _server: object, _session: object, envelope: Any, address: str, _options: list[str]
    ) -> str:
        """Take desk addresses with known extensions; refuse all others."""
        if not self._receiver.knows(address):
            return "550 5.1.1 No such address here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        """Keep the mail, then answer; one answer for each recipient in LMTP."""
        peer = str(session.peer[0]) if isinstance(session.peer, tuple) else ""
        mail = Envelope(
            envelope.content, self._sender(envelope.mail_from), tuple(envelope.rcpt_tos), peer, session.host_name or ""
        )
        envelope.content = envelope.original_content = None
        loop = asyncio.get_running_loop()
        try:
            receipts = await loop.run_in_executor(self._executor, self._receiver.receive, mail)
            reply = f"250 2.0.0 {self._said(receipts)}"
        except TryLater as error:
            log.warning("not taken in now", reason=str(error))
            reply = "451 4.3.0 Cannot keep this now; try again later"
        except Exception as error:
            log.error("not taken in", kind=type(error).__name__)  # noqa: TRY400 - a traceback may hold content
            reply = "451 4.3.0 Cannot keep this now; try again later"
        return "\r\n".join([reply] * len(envelope.rcpt_tos)) if isinstance(server, LMTP) else reply

    def _sender(self, given: str | None) -> str | None:
        if self._private and given == UNKNOWN_SENDER:
            return None
        return "" if given in (None, "<>") else given

    async def handle_exception(self, error: Exception) -> str:
        """Whatever goes wrong here is ours: the sender keeps the mail."""
        log.error("the listener failed", kind=type(error).__name__)
        return "451 4.3.0 Something went wrong here; try again later"

    def _said(self, receipts: Sequence[Receipt]) -> str:
        if not self._private or not receipts:
            return "Kept"
        return f"{receipts[0].outcome} {receipts[0].codename or '-'}"


class _Limits:
    """Mixed into aiosmtpd's protocols: long lines are taken, and there is a bound on connections."""

    crowd: _ConnectionCount

    def connection_made(self, transport: Any) -> None:
        """Count; say 421 to those who are too many."""
        if getattr(self, "_counted", False):  # the same connection, now with TLS
            super().connection_made(transport)  # type: ignore[misc]
            return
        if self.crowd.now >= self.crowd.limit:
            transport.write(b"421 4.7.0 Too many connections; try again later\r\n")
            transport.close()
            return
        self._counted = True
        self.crowd.now += 1
        super().connection_made(transport)  # type: ignore[misc]

    def connection_lost(self, error: Exception | None) -> None:
        """Count down."""
        if getattr(self, "_counted", False):
            self._counted = False
            self.crowd.now -= 1
            super().connection_lost(error)  # type: ignore[misc]

    def data_received(self, data: bytes) -> None:
        """Hand on what comes from those who are served."""
        if getattr(self, "_counted", False):
            super().data_received(data)  # type: ignore[misc]

    def eof_received(self) -> bool | None:
        """Hand on the end of what comes from those who are served."""
        return super().eof_received() if getattr(self, "_counted", False) else None  # type: ignore[misc]


class _LMTP(LMTP):
    """LMTP whose refusals after DATA come once for each recipient, as RFC 2033 section 4.2 asks."""

    async def push(self, status: Any) -> None:
        """Send a reply."""
        refused = isinstance(status, str) and status.startswith(("552 Error: Too much", "500 Line too long"))
        if refused and self.envelope is not None:
            status = "\r\n".join([status] * max(1, len(self.envelope.rcpt_tos)))
        await super().push(status)


class Listeners:
    """The listeners of a service, on one event loop."""

    def __init__(self, config: Config, receiver: Receiver, executor: Executor) -> None:
        self._config = config
        self._receiver = receiver
        self._executor = executor
        self._servers: list[asyncio.AbstractServer] = []
        self._crowd = _ConnectionCount(config.listener.connections)

    async def open(self) -> None:
        """Listen. Raises ConfigError when an address or a certificate cannot be used."""
        listener = self._config.listener
        context = tls_context(self._config)
        loop = asyncio.get_running_loop()
        socket = self._config.path(listener.socket)
        with _private_socket(socket) as path:
            private = _ConnectionCount(self._crowd.limit)
            self._servers.append(
                await loop.create_unix_server(self._protocol("lmtp", None, private, private=True), path)
            )
            socket.chmod(0o600)
        if listener.enabled:
            try:
                factory = self._protocol(listener.protocol, context, self._crowd, private=False)
                self._servers.append(await loop.create_server(factory, listener.host, listener.port))
            except OSError as error:
                raise ConfigError(
                    f"listener: cannot listen on {listener.host}:{listener.port} ({error.strerror}). Is another service there? Correct listener.host or listener.port."
                ) from None

    async def close(self) -> None:
        """Stop listening."""
        for server in self._servers:
            server.close()
        self._config.path(self._config.listener.socket).unlink(missing_ok=True)

    def _protocol(
        self, kind: str, context: ssl.SSLContext | None, crowd: _ConnectionCount, *, private: bool
    ) -> Callable[[], SMTP]:
        listener: Listener = self._config.listener
        size = int(listener.size_limit)
        base = _LMTP if kind == "lmtp" else SMTP
        # The longest line may be as long as the longest mail; RFC 5321's 1000 octets would refuse real mail.
        made = type(
            "Protocol",
            (_Limits, base),
            {"line_length_limit": size + 4, "crowd": crowd, "command_size_limit": _COMMAND_LIMIT},
        )
        hostname = self._config.relay.hello or "localhost"
        handler = Handler(self._receiver, self._executor, hostname, private=private)

        def protocol() -> SMTP:
            return made(  # type: ignore[no-any-return]
                handler,
                data_size_limit=size,
                enable_SMTPUTF8=True,
                hostname=hostname,
                ident="ombud",
                tls_context=context,
                timeout=listener.seconds,
                loop=asyncio.get_running_loop(),
            )

        return protocol


def tls_context(config: Config) -> ssl.SSLContext | None:
    """The listener's certificate for STARTTLS. Raises ConfigError."""
    listener = config.listener
    if listener.tls_certificate is None or listener.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(config.path(listener.tls_certificate), config.path(listener.tls_key))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"listener.tls_certificate: certificate or key cannot be used ({error.strerror or type(error).__name__}). Check both files."
        ) from None
    return context


@contextlib.contextmanager
def _private_socket(socket: Path) -> Iterator[str]:
    """An address to bind a socket at that its owner alone can use."""
    socket.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        with socket_address(socket) as address:
            yield address
    finally:
        os.umask(before)
