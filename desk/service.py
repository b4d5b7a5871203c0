"""The running service: listeners, mailer workers, and the tick that notices changed rosters."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import resource
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog

from intake.poller import pollers
from intake.receive import Receiver
from intake.screening import screen_desk
from intake.smtp import Listeners
from mailer import render
from mailer.delivery import Mailer
from mailer.samples import sample_values
from mailer.schedule import Schedule
from mailer.seal import Sealer
from store import answers, attempts, outbox
from store.config import Config
from store.context import Context, open_context, refresh_roster
from store.errors import OmbudError

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # of glibc's malloc.h
_TICK_SECONDS = 5.0
_LONGEST_WAIT_SECONDS = 5.0
_AFTER_FAILURE_SECONDS = 5.0
_FORGET_EVERY = timedelta(hours=6)

log = structlog.get_logger("ombud.service")


class Bell:
    """Wakes workers when there is work; a ring before the wait began is not missed."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._rings = 0

    @property
    def rings(self) -> int:
        """How often it rang so far."""
        return self._rings

    def ring(self) -> None:
        """Wake all who wait."""
        with self._condition:
            self._rings += 1
            self._condition.notify_all()

    def wait(self, seen: int, seconds: float) -> None:
        """Wait for a ring after the one that was seen, at most for a number of seconds."""
        with self._condition:
            self._condition.wait_for(lambda: self._rings != seen, seconds)


class Worker(threading.Thread):
    """A mailer at work until it is told to stop."""

    def __init__(self, context: Context, sealer: Sealer, bell: Bell) -> None:
        super().__init__(name="mailer", daemon=True)
        self._context = context
        self._mailer = Mailer(context, sealer)
        self._bell = bell
        self._stopping = threading.Event()

    def run(self) -> None:
        """Handle what is due; sleep until something is."""
        while not self._stopping.is_set():
            seen = self._bell.rings
            try:
                if self._mailer.run_once() == 0:
                    self._bell.wait(seen, self._idle_seconds())
            except OmbudError as error:
                log.warning("the mailer waits", reason=str(error))
                self._stopping.wait(_AFTER_FAILURE_SECONDS)
            except Exception as error:
                log.error("the mailer failed", error=type(error).__name__)  # noqa: TRY400
                self._stopping.wait(_AFTER_FAILURE_SECONDS)
        self._mailer.close()

    def stop(self) -> None:
        """End after the notice at hand."""
        self._stopping.set()
        self._bell.ring()

    def _idle_seconds(self) -> float:
        with self._context.database.read() as session:
            due = outbox.next_due(session, self._context.clock())
        until = (due - self._context.clock()).total_seconds() if due else _LONGEST_WAIT_SECONDS
        return min(max(until, 0.05), _LONGEST_WAIT_SECONDS)


def run(config_file: Path, *, listen: bool = True) -> None:
    """Serve until SIGTERM or SIGINT; without listening when mail comes from mailboxes alone. Raises ConfigError and its like when it cannot begin."""
    os.umask(0o077)
    _give_memory_back()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    context = open_context(config_file)
    try:
        check_templates(context.config)
        asyncio.run(_serve(context, listen=listen))
    finally:
        context.close()


def _give_memory_back() -> None:
    """Have the C library (glibc) return large blocks when they are freed, instead of keeping them for each thread."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 2)
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 20)


def poll_once(context: Context) -> list[dict[str, object]]:
    """Empty every mailbox, then send what is due: what the service does all the time, done once for cron."""
    receiver = Receiver(context)
    found: list[dict[str, object]] = []
    for poller in pollers(context.config, receiver, context.clock):
        try:
            passed = poller.once()
            found.append({"mailbox": poller.title, "taken": passed.taken, "left": passed.left, "trouble": ""})
        except OmbudError as error:
            found.append({"mailbox": poller.title, "taken": 0, "left": 0, "trouble": str(error)})
    sealer = Sealer(context.keyring)
    _tick(context, Schedule(context, sealer), Bell())
    mailer = Mailer(context, sealer)
    while mailer.run_once():
        pass
    mailer.close()
    return found


def check_templates(config: Config) -> None:
    """Render each template of each desk with sample values. Raises ConfigError."""
    for desk in config.desk:
        render.check(config, desk, sample_values(desk))


async def _serve(context: Context, *, listen: bool) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    halt = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    bell = Bell()
    sealer = Sealer(context.keyring)
    workers = [Worker(context, sealer, bell) for _ in range(context.config.relay.connections)]
    with ThreadPoolExecutor(max_workers=2 * (os.cpu_count() or 1), thread_name_prefix="intake") as executor:
        receiver = Receiver(context, bell.ring)
        listeners = Listeners(context.config, receiver, executor)
        schedule = Schedule(context, sealer)
        _look_at_rosters(context)
        if listen:
            await listeners.open()
        for worker in workers:
            worker.start()
        watchers = [
            threading.Thread(target=poller.run, args=(halt,), name="imap", daemon=True)
            for poller in pollers(context.config, receiver, context.clock, partial(_mailbox_fails, context))
        ]
        for watcher in watchers:
            watcher.start()
        ticker = asyncio.create_task(_tick_on(context, schedule, bell, executor))
        log.info("ready", desks=[desk.id for desk in context.config.desk])
        await stopped.wait()
        log.info("stopping")
        await listeners.close()
        ticker.cancel()
        halt.set()
        for worker in workers:
            worker.stop()
        await asyncio.gather(*(loop.run_in_executor(None, worker.join, 30) for worker in (*workers, *watchers)))
        await asyncio.sleep(0)


async def _tick_on(context: Context, schedule: Schedule, bell: Bell, executor: ThreadPoolExecutor) -> None:
    loop = asyncio.get_running_loop()
    forgotten = context.clock()
    while True:
        await loop.run_in_executor(executor, _tick, context, schedule, bell)
        await asyncio.sleep(_TICK_SECONDS)
        if context.clock() - forgotten > _FORGET_EVERY:
            forgotten = context.clock()
            await loop.run_in_executor(executor, _forget, context)


def _tick(context: Context, schedule: Schedule, bell: Bell) -> None:
    """Take note of rosters that changed and terms that began or ended; look for who is new in the cases; do what is due."""
    _look_at_rosters(context)
    _screen(context)
    try:
        schedule.run()
    except Exception as error:
        log.error("what is due was not done", error=type(error).__name__)  # noqa: TRY400 - a traceback may hold content
    bell.ring()


def _look_at_rosters(context: Context) -> None:
    for desk in context.config.desk:
        try:
            refresh_roster(context, desk)
        except OmbudError as error:
            log.warning("the roster could not be looked at", desk=desk.id, reason=str(error))


def _screen(context: Context) -> None:
    """Look in the cases for members who were not looked for yet. Until then these are closed to them."""
    for desk in context.config.desk:
        try:
            screen_desk(context, desk)
        except Exception as error:
            log.error("cases were not searched for new members", desk=desk.id, error=type(error).__name__)  # noqa: TRY400


def _mailbox_fails(context: Context, desk: str) -> None:
    try:
        with context.database.write() as session:
            outbox.alarm(session, "mailbox-fails", desk, context.clock())
    except OmbudError as error:
        log.warning("the operator was not told", reason=str(error))


def _forget(context: Context) -> None:
    try:
        with context.database.write(durable=False) as session:
            attempts.forget_old(session, context.clock())
            longest = max(desk.signature_hours for desk in context.config.desk)
            answers.forget_old(session, context.clock(), timedelta(hours=2 * longest))
    except OmbudError as error:
        log.warning("old notes were not cleared", reason=str(error))
