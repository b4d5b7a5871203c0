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
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from desk.mailboxes import MAILBOX, MailboxWatch
from intake.doors.poller import pollers
from intake.doors.smtp import Listeners
from intake.receive import Receiver
from intake.screening import screen_desk
from mailer.delivery import Mailer
from mailer.saying import render
from mailer.saying.samples import sample_values
from mailer.schedule import Schedule
from mailer.sealing.seal import Sealer
from store.cases import answers
from store.context import Context, open_configured, refresh_roster
from store.kit import presence
from store.kit.config import Config, Desk, load
from store.kit.errors import ConfigError, OmbudError
from store.openpgp.keyring import Keyring
from store.outbox import attempts, heartbeat, queue

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # of glibc's malloc.h
_TICK_SECONDS = 5.0
_LONGEST_WAIT_SECONDS = 5.0
_AFTER_FAILURE_SECONDS = 5.0
_FORGET_EVERY = timedelta(hours=6)
_BEAT_EVERY = timedelta(seconds=20)

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
            due = queue.next_due(session, self._context.clock())
        until = (due - self._context.clock()).total_seconds() if due else _LONGEST_WAIT_SECONDS
        return min(max(until, 0.05), _LONGEST_WAIT_SECONDS)


class Ticker(threading.Thread):
    """Does what is due by time, and shows that the service is alive, until it is told to stop. Nothing that fails ends it."""

    def __init__(self, context: Context, schedule: Schedule, bell: Bell) -> None:
        super().__init__(name="ticker", daemon=True)
        self._context = context
        self._round = Round(context, schedule, heartbeat.SERVICE)
        self._bell = bell
        self._stopping = threading.Event()

    def run(self) -> None:
        """One round every few seconds."""
        forgotten = self._context.clock()
        while not self._stopping.is_set():
            self._round.run()
            self._bell.ring()
            if not timedelta() <= self._context.clock() - forgotten < _FORGET_EVERY:
                forgotten = self._context.clock()
                _forget(self._context)
            self._stopping.wait(_TICK_SECONDS)

    def stop(self) -> None:
        """End after the round at hand."""
        self._stopping.set()


class Round:
    """One look at the rosters, at who is new in the cases, and at what is due, with a note of what failed. Raises nothing."""

    def __init__(self, context: Context, schedule: Schedule, part: str) -> None:
        self._context = context
        self._schedule = schedule
        self._part = part
        self._noted: tuple[datetime, list[str]] | None = None

    def run(self) -> None:
        """Do it. `ombud check` knows what failed by the note."""
        failed = _look_at_rosters(self._context) + _screen(self._context)
        try:
            failed += self._schedule.run()
        except Exception as error:
            log.error("what is due was not done", error=type(error).__name__)  # noqa: TRY400 - a traceback may hold content
            failed.append("what is due by time")
        now = self._context.clock()
        if self._noted and self._noted[1] == failed and timedelta() <= now - self._noted[0] < _BEAT_EVERY:
            return
        try:
            with self._context.database.write(durable=False) as session:
                heartbeat.beat(session, self._part, now)
                mended = [part for part in heartbeat.troubles(session) if not part.startswith(MAILBOX)]
                for part in set(mended) - set(failed) - self._schedule.untried:
                    heartbeat.works(session, part)
                for part in failed:
                    heartbeat.fails(session, part, now)
            self._noted = now, failed
        except Exception as error:
            log.warning("the heartbeat was not noted", error=type(error).__name__)


def run(config_file: Path, *, listen: bool = True) -> None:
    """Serve until SIGTERM or SIGINT; without listening when mail comes from mailboxes alone. Raises ConfigError and its like when it cannot begin."""
    os.umask(0o077)
    _give_memory_back()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    config = load(config_file)
    presence.require_writable(config)
    context = open_configured(config)
    try:
        require_desk_keys(context)
        check_templates(config)
        if os.geteuid() == 0:
            log.warning("ombud runs as root: make a user for it alone, who owns the desk's folder (docs/operators.md)")
        with presence.running_service(config):
            asyncio.run(_serve(context, listen=listen))
    finally:
        context.close()


def require_desk_keys(context: Context) -> None:
    """Raise ConfigError unless the secret key of each desk is there: nothing could be sealed or signed for it."""
    secret = {key.fingerprint for key in context.keyring.secret_keys()}
    for desk in context.config.desk:
        if desk.fingerprint not in secret:
            raise ConfigError(missing_key(context.keyring, desk))


def missing_key(keyring: Keyring, desk: Desk) -> str:
    """What is said of a desk whose key is not there."""
    return f"desk.fingerprint of {desk.id}: there is no secret key {desk.fingerprint} in {keyring.home}. Import it, or correct desk.fingerprint."


def _give_memory_back() -> None:
    """Have the C library (glibc) return large blocks when they are freed, instead of keeping them for each thread."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 2)
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 20)


def poll_once(context: Context) -> list[dict[str, object]]:
    """Empty every mailbox, then send what is due: what the service does all the time, done once for cron."""
    require_desk_keys(context)
    receiver = Receiver(context)
    found: list[dict[str, object]] = []
    for poller in pollers(context.config, receiver, MailboxWatch(context)):
        try:
            passed = poller.once()
            found.append({"mailbox": poller.title, "taken": passed.taken, "left": passed.left, "trouble": ""})
        except OmbudError as error:
            found.append({"mailbox": poller.title, "taken": 0, "left": 0, "trouble": str(error)})
        except Exception as error:
            trouble = f"{poller.title}: an error that should not be: {type(error).__name__}"
            found.append({"mailbox": poller.title, "taken": 0, "left": 0, "trouble": trouble})
    sealer = Sealer(context.keyring)
    Round(context, Schedule(context, sealer), heartbeat.POLL_ONCE).run()
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
            for poller in pollers(context.config, receiver, MailboxWatch(context))
        ]
        for watcher in watchers:
            watcher.start()
        ticker = Ticker(context, schedule, bell)
        ticker.start()
        log.info("ready", desks=[desk.id for desk in context.config.desk])
        await stopped.wait()
        log.info("stopping")
        await listeners.close()
        ticker.stop()
        halt.set()
        for worker in workers:
            worker.stop()
        await asyncio.gather(*(loop.run_in_executor(None, worker.join, 30) for worker in (*workers, *watchers, ticker)))


def _look_at_rosters(context: Context) -> list[str]:
    """Take note of rosters that changed and terms that began or ended; which could not be looked at."""
    failed = []
    for desk in context.config.desk:
        try:
            refresh_roster(context, desk)
        except OmbudError as error:
            log.warning("the roster could not be looked at", desk=desk.id, reason=str(error))
            failed.append(f"roster of {desk.id}")
        except Exception as error:
            log.error("the roster could not be looked at", desk=desk.id, error=type(error).__name__)  # noqa: TRY400
            failed.append(f"roster of {desk.id}")
    return failed


def _screen(context: Context) -> list[str]:
    """Look in the cases for members who were not looked for yet, who cannot read them until then; where it failed."""
    failed = []
    for desk in context.config.desk:
        try:
            screen_desk(context, desk)
        except Exception as error:
            log.error("cases were not searched for new members", desk=desk.id, error=type(error).__name__)  # noqa: TRY400
            failed.append(f"search for new members in the cases of {desk.id}")
    return failed


def _forget(context: Context) -> None:
    try:
        with context.database.write(durable=False) as session:
            attempts.forget_old(session, context.clock())
            longest = max(desk.signature_hours for desk in context.config.desk)
            answers.forget_old(session, context.clock(), timedelta(hours=2 * longest))
    except Exception as error:
        log.warning("old notes were not cleared", error=type(error).__name__)
