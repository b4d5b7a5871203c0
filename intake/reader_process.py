"""Mails are read in processes of their own, each bounded in time and memory: one mail cannot hurt the desk.

Whatever parses, opens, searches or sorts what a stranger wrote runs there; only values come back. The processes are few,
are kept, and are replaced after a breach. They have no database and no vault key. When nothing is read for a while they
end.

- Time is that of the processor: a mail that was slow because the machine was busy, or GnuPG was, did no wrong. The kernel
  ends a process that used up its time, whatever it is at.
- What takes more is `TooCostly`, which is said of the mail. A process that ended otherwise is `Interrupted`.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Callable
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pebble import ProcessExpired, ProcessPool

from intake.arrival import Job, Opened
from intake.faults import lacks
from intake.open_job import Tools, open_job
from store.kit.config import Config
from store.kit.errors import Interrupted, OmbudError, TryLater
from store.kit.memory import give_back_now
from store.openpgp.keyring import Keyring, open_keyring

if TYPE_CHECKING:
    from intake.authentication.lookups import Lookups

CPU_SECONDS = 30.0
_WALL_SECONDS = 300.0
_MEMORY_OCTETS = 1_500_000_000
_MAILS_PER_PROCESS = 500
_IDLE_SECONDS = 300.0
_LARGE = 1_000_000
_STOPPED = "Reading a mail was interrupted. It is tried again."
_NO_READER = "No process can be started to read a mail. Is the machine short of memory or processes? It is tried again."


# What the server that these processes come from loads before it makes the first of them.
preloaded = ["intake.reader_loaded"]


class Unreadable(Exception):
    """A mail is broken in a way that no reading copes with. Says which error it was, and nothing of the mail."""


class TooCostly(Unreadable):
    """Reading a mail takes more time or memory than one mail may take."""


def read(config: Config, job: Job, unread: str = "") -> Opened:
    """Read and open a mail, as `intake.open_job.open_job`, in a reader process.

    Raises Unreadable and TooCostly, which speak of the mail; Interrupted, OpenPGPUnavailable and TryLater, which need not.
    """
    opened: Opened = run(_read, config, job, unread)
    return replace(opened, job=replace(opened.job, envelope=job.envelope))


def run(work: Callable[..., Any], *arguments: object) -> Any:
    """Call a function of a module in a reader process, with values that can be sent there. Raises as `read`."""
    try:
        outcome = _readers.submit(work, arguments)
    except TookTooLong:
        raise Interrupted(_STOPPED) from None
    except ProcessExpired as error:
        if error.exitcode == -signal.SIGPROF:
            raise TooCostly("time") from None
        raise Interrupted(_STOPPED) from None
    except (OSError, RuntimeError, MemoryError):
        _readers.stop()
        raise TryLater(_NO_READER) from None
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def ready() -> None:
    """Have a reader process at work, so that what takes time is only the mail. Raises as `read`."""
    if not _readers.at_work:
        run(os.getpid)


def stop() -> None:
    """End the reader processes, unless a mail is being read. They are started again when one comes."""
    _readers.stop()


class _Readers:
    """The reader processes of this process, started when first asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ProcessPool | None = None
        self._busy = 0
        self._idle: threading.Timer | None = None

    @property
    def at_work(self) -> bool:
        """Whether the processes were started."""
        return self._pool is not None

    def submit(self, work: Callable[..., Any], arguments: tuple[object, ...]) -> Any:
        """Have a reader process do something; what it made, or the exception that it ended with."""
        with self._lock:
            self._busy += 1
            pool = self._pool = self._pool or _started()
        try:
            return pool.schedule(_bounded, args=[work, arguments], timeout=_WALL_SECONDS).result()
        finally:
            self._rest()

    def _rest(self) -> None:
        with self._lock:
            self._busy -= 1
            if self._idle is not None:
                self._idle.cancel()
            self._idle = threading.Timer(_IDLE_SECONDS, self.stop)
            self._idle.daemon = True
            self._idle.start()

    def stop(self) -> None:
        """End the processes, unless a mail is being read."""
        with self._lock:
            if self._busy:
                return
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()  # type: ignore[no-untyped-call]
            pool.join()


def _started() -> ProcessPool:
    # A fork server: forking this process, which has threads, could take over their locks.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(preloaded)
    return ProcessPool(
        max_workers=os.cpu_count() or 1, max_tasks=_MAILS_PER_PROCESS, initializer=_bound, context=context
    )


def _bound() -> None:
    """The bounds of a reader process."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_OCTETS, _MEMORY_OCTETS))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)


def _bounded(work: Callable[..., Any], arguments: tuple[object, ...]) -> Any:
    """In a reader process: do one thing, or say why not.

    What the machine lacks (files, memory to start GnuPG) is no verdict on the mail.
    """
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    try:
        return work(*arguments)
    except MemoryError:
        return TooCostly("memory")
    except OmbudError as error:
        return error
    except OSError as error:
        return lacks(error) or Interrupted(_STOPPED)
    except Exception as error:
        return Unreadable(type(error).__name__)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _read(config: Config, job: Job, unread: str) -> Opened:
    """In a reader process: read one mail. Its octets are not sent back."""
    opened = open_job(job, Tools(keyring_of(config), config.is_own, _lookups(config)), unread)
    if len(job.envelope.raw) > _LARGE:
        give_back_now()
    return replace(opened, job=replace(opened.job, envelope=replace(job.envelope, raw=b"")))


_keyrings: dict[str, Keyring] = {}


def keyring_of(config: Config) -> Keyring:
    """The keyring of a configuration, opened once in a process: that starts gpg, and takes the desk's keys from its agent.

    What Sequoia unpacks goes into a file in memory, which grows no larger than a mail may unpack to.
    """
    key = f"{config.folder} {config.gnupg.model_dump_json()} {config.openpgp.model_dump_json()}"
    if key not in _keyrings:
        _keyrings[key] = open_keyring(config)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(config.gnupg.unpack_limit), resource.RLIM_INFINITY))
    return _keyrings[key]


_asking: dict[str, Lookups] = {}


def _lookups(config: Config) -> Lookups | None:
    """DNS as a configuration has it asked, with what was answered before; None where it is not asked."""
    if not config.sender_checks.enabled:
        return None
    from intake.authentication.lookups import Lookups  # DNS and its libraries, for who wants them

    key = config.sender_checks.model_dump_json()
    if key not in _asking:
        _asking[key] = Lookups(config.sender_checks)
    return _asking[key]


_readers = _Readers()
atexit.register(_readers.stop)
