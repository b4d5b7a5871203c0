"""The web form served: HTTP on a loopback address or a socket, by uvicorn in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h11
import structlog
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from desk.web.site import Site
from intake.receive import Receiver
from store.context import Context
from store.kit.config import Config
from store.kit.errors import ConfigError

_HEADER_SECONDS = 20
_HEADER_OCTETS = 16_384
_KEEP_OPEN_SECONDS = 5
_STOP_SECONDS = 10
_WORKERS = 4
_ANSWER_SECONDS = 5

log = structlog.get_logger("ombud.web")


class _Patient(H11Protocol):
    """uvicorn's protocol waits for ever for the header of a request, for the rest of a form that was answered, and for a client that
    does not read: here, for some twenty seconds."""

    def connection_made(self, transport: Any) -> None:
        """Begin to wait."""
        super().connection_made(transport)
        self._unread = 0
        self._look_again()

    def _look_again(self) -> None:
        self._waiting = self.loop.call_later(_HEADER_SECONDS, self._look)

    def _look(self) -> None:
        if self.transport.is_closing():
            return
        unread, before = self.transport.get_write_buffer_size(), self._unread
        self._unread = unread
        answered = self.cycle is not None and self.cycle.response_complete and not unread
        stuck = 0 < before <= unread
        if self.conn.their_state is h11.IDLE or answered or stuck:
            self.transport.abort() if stuck else self.transport.close()
        else:
            self._look_again()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._waiting.cancel()
        super().connection_lost(exc)


def answers(config: Config) -> bool:
    """Whether anything listens where the form is to be."""
    listen = config.web.listen
    try:
        if listen.startswith("unix:"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.connect(str(config.path(Path(listen.removeprefix("unix:")))))
        else:
            host, _, port = listen.rpartition(":")
            socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_SECONDS).close()
    except OSError:
        return False
    return True


class WebServer(threading.Thread):
    """Serves the form until it is told to stop. `bind` first, where an address that cannot be had is still an error of the start."""

    def __init__(self, context: Context, receiver: Receiver) -> None:
        super().__init__(name="web", daemon=True)
        self._context = context
        self._receiver = receiver
        self._executor = ThreadPoolExecutor(max_workers=_WORKERS, thread_name_prefix="web")
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._path: Path | None = None

    def bind(self) -> None:
        """Listen, but answer nobody yet. Raises ConfigError."""
        listen = self._context.config.web.listen
        try:
            self._socket = self._bound(self._context.config, listen)
            self._socket.listen(128)
        except OSError as error:
            raise ConfigError(
                f"web.listen: cannot listen on {listen} ({error.strerror}). Is another service there? Correct web.listen."
            ) from None
        site = Site(self._context, self._receiver, self._executor)
        self._server = uvicorn.Server(
            uvicorn.Config(
                site.app(), http=_Patient, ws="none", lifespan="off", loop="asyncio", log_config=None, access_log=False,
                proxy_headers=False, server_header=False, limit_concurrency=self._context.config.web.connections,
                timeout_keep_alive=_KEEP_OPEN_SECONDS, h11_max_incomplete_event_size=_HEADER_OCTETS,
                timeout_graceful_shutdown=_STOP_SECONDS,
            )
        )  # fmt: skip

    def _bound(self, config: Config, listen: str) -> socket.socket:
        if listen.startswith("unix:"):
            self._path = config.path(Path(listen.removeprefix("unix:")))
            self._path.unlink(missing_ok=True)
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            made.bind(str(self._path))
            self._path.chmod(0o666)  # who may reach it, its folder says
            return made
        host, _, port = listen.rpartition(":")
        host = host.strip("[]")
        made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, int(port)))
        return made

    def run(self) -> None:
        """Serve."""
        if self._server is None or self._socket is None:
            raise RuntimeError("bind comes first")
        try:
            asyncio.run(self._server.serve(sockets=[self._socket]))
        except Exception as error:
            log.error("the web form failed", error=type(error).__name__)  # noqa: TRY400
        finally:
            self._executor.shutdown(wait=False)

    def stop(self) -> None:
        """Take no more; what was begun is ended."""
        if self._server is not None:
            self._server.should_exit = True
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()
