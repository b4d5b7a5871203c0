"""A second process that sends while many notices wait: a process of Python does one thing at a time, and the service takes mail in.

It comes from the server that the readers come from (`intake.reader_process`), and has what that has loaded. It ends when there was
nothing to send for a while, and when the service closes its end of the pipe between them, as it does when it dies. Each message in
that pipe says that there may be work.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import secrets
import signal
import threading
import time
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

import structlog

from desk import logs
from desk.workers import WakeUp, Worker
from intake import reader_process
from mailer.sealing.seal import Sealer
from store.context import Context, open_configured
from store.kit.config import Config
from store.kit.errors import OmbudError
from store.kit.memory import give_memory_back

_IDLE_SECONDS = 10.0
_JOIN_SECONDS = 30.0
_AFTER_FAILURE_SECONDS = 300.0

reader_process.preloaded.append(__name__)

log = structlog.get_logger("ombud.service")


class SecondMailer:
    """The process, as the service has it. Safe to share between threads."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.RLock()
        self._process: ForkServerProcess | None = None
        self._ours: Connection | None = None
        self._stopped = False
        self._not_before = 0.0
        self._group = ""

    @property
    def at_work(self) -> bool:
        """Whether it runs: whoever else sends leaves it to it."""
        with self._lock:  # to ask is to read how it ended, which only one may do
            return self._process is not None and self._process.is_alive()

    def start(self) -> None:
        """Start it, unless it runs, or failed a short while ago."""
        with self._lock:
            if self._stopped or self.at_work:
                return
            if self._process is not None and self._process.exitcode:
                self._process, self._not_before = None, time.monotonic() + _AFTER_FAILURE_SECONDS
            if time.monotonic() < self._not_before:
                return
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(reader_process.preloaded)
            theirs, ours = context.Pipe(duplex=False)
            group = f"{secrets.token_hex(6)}-"
            process = context.Process(target=_main, args=(self._config, theirs, group), name="mailer", daemon=True)
            try:
                process.start()
            except OSError as error:
                self._not_before = time.monotonic() + _AFTER_FAILURE_SECONDS
                log.warning("a second process cannot be started to send", error=type(error).__name__)
            else:
                self._process, self._ours, self._group = process, ours, group
            theirs.close()

    def died(self) -> str:
        """The group of its workers, once after it was killed or failed; else empty."""
        with self._lock:
            if self._process is None or self.at_work or not self._process.exitcode:
                return ""
            group, self._group = self._group, ""
            return group

    def wake(self) -> None:
        """Say that there may be work."""
        ours = self._ours
        if ours is not None and self.at_work:
            with contextlib.suppress(OSError):  # it has just ended
                ours.send_bytes(b".")

    def stop(self) -> None:
        """End it after the notices at hand."""
        with self._lock:
            self._stopped, process, ours = True, self._process, self._ours
        if process is not None and ours is not None:
            ours.close()
            process.join(_JOIN_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()


def _main(config: Config, service: Connection, group: str) -> None:
    """In the process: send until there is nothing to send, or the service is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is meant for the service, which then ends this
    logs.set_up()
    os.umask(0o077)
    give_memory_back()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        context = open_configured(config)
    except OmbudError as error:
        log.warning("the second process that sends could not begin", reason=str(error))
        raise SystemExit(1) from None
    try:
        _send(context, service, group)
    finally:
        context.close()


def _send(context: Context, service: Connection, group: str) -> None:
    wake_up, ended, sealer = WakeUp(), threading.Event(), Sealer(context.keyring)

    def listen() -> None:
        with contextlib.suppress(EOFError, OSError):
            while service.recv_bytes():
                wake_up.wake()
        ended.set()

    log.info("a second process sends")
    threading.Thread(target=listen, name="service", daemon=True).start()
    workers = [Worker(context, sealer, wake_up, group=group) for _ in range(context.config.relay.connections)]
    for worker in workers:
        worker.start()
    while not ended.wait(1.0):
        if all(worker.idle_seconds() > _IDLE_SECONDS for worker in workers):
            break
    for worker in workers:
        worker.stop()
    for worker in workers:
        worker.join(_JOIN_SECONDS)
