"""A second process that sends while many notices wait: a process of Python does one thing at a time, and the service takes mail in.

It ends when there was nothing to send for a while, when the service closes its standard input, and so when the service dies. Each
octet that comes in there says that there may be work.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import subprocess
import sys
import threading
import time
from typing import IO, cast

import structlog

from desk import logs
from desk.workers import WakeUp, Worker
from mailer.sealing.seal import Sealer
from store.context import Context, open_configured
from store.kit.config import Config
from store.kit.errors import OmbudError

_IDLE_SECONDS = 10.0
_JOIN_SECONDS = 30.0
_AFTER_FAILURE_SECONDS = 300.0

log = structlog.get_logger("ombud.service")


class SecondMailer:
    """The process, as the service has it. Safe to share between threads."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._not_before = 0.0

    @property
    def at_work(self) -> bool:
        """Whether it runs: whoever else sends leaves it to it."""
        process = self._process
        return process is not None and process.poll() is None

    def start(self) -> None:
        """Start it, unless it runs."""
        with self._lock:
            if self._stopped or self.at_work:
                return
            if self._process is not None and self._process.returncode:
                self._not_before = time.monotonic() + _AFTER_FAILURE_SECONDS
                self._process = None
            if time.monotonic() < self._not_before:
                return
            try:
                self._process = subprocess.Popen([sys.executable, "-m", __name__], stdin=subprocess.PIPE, bufsize=0)
                pickle.dump(self._config, cast("IO[bytes]", self._process.stdin))
            except OSError as error:
                log.warning("a second process cannot be started to send", error=type(error).__name__)

    def wake(self) -> None:
        """Say that there may be work."""
        process = self._process
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):  # it has just ended
                process.stdin.write(b".")

    def stop(self) -> None:
        """End it after the notices at hand."""
        with self._lock:
            self._stopped, process = True, self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
            try:
                process.wait(_JOIN_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class _Here(threading.Thread):
    """In that process: what the service says, and the time since there was work."""

    def __init__(self, wake_up: WakeUp, ended: threading.Event) -> None:
        super().__init__(name="service", daemon=True)
        self._wake_up = wake_up
        self._ended = ended

    def run(self) -> None:
        """Listen until the service is gone."""
        while os.read(0, 4096):
            self._wake_up.wake()
        self._ended.set()


def _serve(context: Context) -> None:
    wake_up, ended, sealer = WakeUp(), threading.Event(), Sealer(context.keyring)
    workers = [Worker(context, sealer, wake_up) for _ in range(context.config.relay.connections)]
    _Here(wake_up, ended).start()
    for worker in workers:
        worker.start()
    while not ended.wait(1.0):
        if all(worker.idle_seconds() > _IDLE_SECONDS for worker in workers):
            break
    for worker in workers:
        worker.stop()
    for worker in workers:
        worker.join(_JOIN_SECONDS)


def _configuration() -> Config:
    """The configuration of the service, which it says first."""
    config: Config = pickle.load(_Octets())  # noqa: S301  # from the service, which started this process
    return config


class _Octets:
    """Standard input, read to no further than what is asked for."""

    def read(self, size: int) -> bytes:
        """So many octets."""
        found = b""
        while len(found) < size and (piece := os.read(0, size - len(found))):
            found += piece
        return found

    def readline(self) -> bytes:
        """Octets to the end of a line."""
        found = b""
        while not found.endswith(b"\n") and (piece := os.read(0, 1)):
            found += piece
        return found


def main() -> None:
    """Send until there is nothing to send."""
    logs.set_up()
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        context = open_configured(_configuration())
    except OmbudError as error:
        log.warning("the second process that sends could not begin", reason=str(error))
        sys.exit(1)
    try:
        _serve(context)
    finally:
        context.close()


if __name__ == "__main__":
    main()
