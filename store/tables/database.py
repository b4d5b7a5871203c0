"""The database: SQLite by default, PostgreSQL by URL, and the transactions on it.

SQLite runs in WAL mode with synchronous FULL: what was committed survives a power cut. Every transaction
that writes begins with BEGIN IMMEDIATE, so that it waits for its turn at the start and never fails half way.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, event, inspect, make_url, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool
from sqlmodel import Session, create_engine

from store.kit.errors import StoreOutdated, StoreUnavailable
from store.kit.files import write_private

MIGRATION_HEAD = "0011"
_EARLIER = frozenset(f"{number:04}" for number in range(1, int(MIGRATION_HEAD)))
_BUSY_SECONDS = 15
_POLL_SECONDS = 0.0005
# What a statement and its values bring about; all else is the database's own trouble.
_OF_THE_STATEMENT = (IntegrityError, DataError, ProgrammingError, NotSupportedError)
_VERSION = text("SELECT version_num FROM alembic_version")
_NEWER = "The database was made by a newer version of ombud. Install that version again."
_NO_TABLES = "The database has no tables: it is another one than the desk's, or it was lost. Correct database.url, or bring the desk back from a backup ('ombud restore')."


class Database:
    """One database and the sessions on it; safe to share between threads."""

    def __init__(self, url: str, busy_seconds: float = _BUSY_SECONDS) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self._engine = _engine(url, busy_seconds)
        self._file = Path(url.removeprefix("sqlite:///")) if self.is_sqlite else None
        self._turn: AbstractContextManager[object] = _Turn(self._file, busy_seconds) if self._file else nullcontext()

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's engine, for migrations and checks."""
        return self._engine

    @property
    def file(self) -> Path | None:
        """The database file, on SQLite."""
        return self._file

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Session]:
        """A transaction that may write; it commits at the end of the block, and rolls back on an error.

        A transaction that is not durable may be lost in a power cut (not in a crash of the program): it is for
        marks whose loss only means that something is done again.

        Raises StoreUnavailable when the database is locked, full or away.
        """
        with self._turn, self._session() as session:
            if self.is_sqlite:
                _begin(session, "FULL" if durable else "NORMAL")
            yield session
            session.commit()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that sees one state of the database and writes nothing. Raises StoreUnavailable."""
        with self._session() as session:
            if self.is_sqlite:
                session.connection().exec_driver_sql("BEGIN")
            yield session

    @contextmanager
    def look(self) -> Iterator[Connection]:
        """One question, without a session: a third of the time. Raises StoreUnavailable."""
        with self._reached(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with self._reached(), Session(self._engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def _reached(self) -> Iterator[None]:
        if self._file is not None and not self._file.exists():  # SQLite would make an empty one
            raise StoreUnavailable(
                f"There is no database at {self._file}: it was moved or lost. Bring it back, or the whole desk from a backup ('ombud restore')."
            )
        try:
            yield
        except _OF_THE_STATEMENT as error:
            if error.connection_invalidated:
                raise StoreUnavailable(_sentence(error.orig)) from None
            raise
        except DBAPIError as error:
            raise StoreUnavailable(_sentence(error.orig)) from None
        except PoolTimeoutError:
            raise StoreUnavailable(
                "All connections to the database are in use. The machine has too much to do; it is tried again."
            ) from None
        except sqlite3.Error as error:
            raise StoreUnavailable(_sentence(error)) from None

    def check_migrated(self) -> None:
        """Raise StoreOutdated for tables of an earlier version, and StoreUnavailable for none, or those of a later one."""
        found = self._version()
        if not found:
            raise StoreUnavailable(_NO_TABLES)
        if found in _EARLIER:
            raise StoreOutdated(
                "The database is of an earlier version of ombud. Make a backup and run 'ombud upgrade'."
            )
        if found != MIGRATION_HEAD:
            raise StoreUnavailable(_NEWER)

    def _version(self) -> str:
        """Which tables there are; empty when there are none."""
        with self.read() as session:
            connection = session.connection()
            if not inspect(connection).has_table("alembic_version"):
                return ""
            return max(connection.execute(_VERSION).scalars().all(), default="")

    def upgrade(self) -> None:
        """Bring the tables to this version (Alembic); makes a new SQLite file with mode 0600. Raises StoreUnavailable for those of a later one."""
        from alembic import command
        from alembic.config import Config as AlembicConfig

        if self.file is not None and not self.file.exists():
            write_private(self.file, b"")
        if self._version() not in ("", MIGRATION_HEAD, *_EARLIER):
            raise StoreUnavailable(_NEWER)
        settings = AlembicConfig()
        settings.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self._engine.connect() as connection:
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")
            connection.commit()

    def forget(self) -> None:
        """Have SQLite overwrite what was deleted also in its write-ahead log. Raises StoreUnavailable when it is busy."""
        if not self.is_sqlite:
            return
        with self._turn, self._session() as session:
            busy = session.connection().exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
        if busy:
            raise StoreUnavailable("The write-ahead log is in use; what was destroyed is still in it. Try again.")

    def close(self) -> None:
        """Give back the connections."""
        self._engine.dispose()
        if isinstance(self._turn, _Turn):
            self._turn.close()


class _Turn:
    """Whose turn it is to write, among the threads and processes of this machine.

    SQLite lets writers poll for it with sleeps of up to a tenth of a second; here they are short. Who does not get it in
    time goes on: SQLite then says who has the database.
    """

    def __init__(self, database: Path, seconds: float) -> None:
        self._seconds = seconds
        self._path = database.with_name(f"{database.name}-turn")
        self._threads = threading.Lock()
        self._number: int | None = None

    def __enter__(self) -> None:
        self._threads.acquire()
        try:
            if self._number is None:
                self._number = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._wait(self._number)
        except OSError:  # the turn is a courtesy
            pass
        except BaseException:
            self._threads.release()
            raise

    def _wait(self, number: int) -> None:
        end = time.monotonic() + self._seconds
        while time.monotonic() < end:
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_POLL_SECONDS)
            else:
                return

    def __exit__(self, *_: object) -> None:
        try:
            if self._number is not None:
                fcntl.flock(self._number, fcntl.LOCK_UN)
        except OSError:
            pass
        finally:
            self._threads.release()

    def close(self) -> None:
        """Give the file back."""
        with self._threads:
            number, self._number = self._number, None
        if number is not None:
            os.close(number)


def _engine(url: str, busy_seconds: float) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(
            url, pool_size=8, max_overflow=8, pool_pre_ping=True, poolclass=QueuePool, pool_timeout=busy_seconds
        )
    # A file that was moved away is not made anew, empty: what was asked for on other connections would then go on.
    where = f"file:{quote(make_url(url).database or '')}?mode=rw"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(where, uri=True, timeout=busy_seconds, check_same_thread=False)

    engine = create_engine(url, creator=connect, pool_size=8, max_overflow=16, pool_timeout=busy_seconds)
    event.listen(engine, "connect", _set_up_sqlite)
    return engine


def _begin(session: Session, synchronous: str) -> None:
    connection = session.connection()
    if connection.info.get("synchronous") != synchronous:
        connection.exec_driver_sql(f"PRAGMA synchronous={synchronous}")
        connection.info["synchronous"] = synchronous
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # The driver's own BEGIN comes too late and is deferred: transactions are begun in Database.write and .read.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
        "temp_store=MEMORY",
        # What stands in the schema of a file that somebody changed is not run (https://sqlite.org/security.html).
        "trusted_schema=OFF",
    ):
        connection.execute(f"PRAGMA {pragma}")
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)


def _sentence(error: BaseException | None) -> str:
    """What is wrong and what to do, by the code that the database gave."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF or getattr(error, "sqlstate", None)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, "55P03"):
        return (
            "The database is locked by another process for too long. See who holds it; the mail is taken again later."
        )
    if code in (sqlite3.SQLITE_FULL, "53100"):
        return "The disk of the database is full. Make room; nothing that was accepted is lost."
    if code in (sqlite3.SQLITE_READONLY, "25006"):
        return "The database cannot be written to. Check that its disk is not mounted read-only, and its permissions."
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, "XX001", "XX002"):
        return "The database is damaged, or the file is none. Bring the desk back from a backup ('ombud restore')."
    return "The database cannot be used now. Check that it runs, disk space and permissions ('ombud check')."
