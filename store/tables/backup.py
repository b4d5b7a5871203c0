"""A desk in one file: its folder and a snapshot of its database, encrypted to keys that are kept offline.

The snapshot is of one moment, taken while the service runs. Whatever the database, it is an SQLite file. Everything
goes through a pipe into gpg: on the disk lies only what was there before, the snapshot (sealed as the database is),
and the encrypted file.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from sqlalchemy import insert, select
from sqlmodel import SQLModel

from store.kit.config import Config
from store.kit.errors import ConfigError, KeyProblem
from store.kit.files import write_private
from store.kit.local import CONFIG_NAME
from store.tables.database import Database
from store.tables.models import CaseRow
from store.tables.unpack import unpack

SNAPSHOT = "ombud.sqlite3"
_ROWS = 500


def back_up(config: Config, file: Path) -> int:
    """Write a backup; its length in octets. Nothing is left behind when it fails.

    Raises ConfigError without archive keys or when the file exists, KeyProblem when gpg cannot use the keys.
    """
    keys = list(dict.fromkeys(item for desk in config.desk for item in desk.archive_fingerprints))
    if not keys:
        raise ConfigError(
            "desk.archive_fingerprints: names no key that is kept elsewhere, and a backup only helps when it opens "
            "without this machine. Import a public key with 'gpg --homedir GNUPGHOME --import', name its fingerprint, run 'ombud rewrap'."
        )
    if file.exists():
        raise ConfigError(f"{file}: exists already, and nothing is overwritten. Choose another name.")
    unfinished = file.with_name(file.name + ".part")
    try:
        with tempfile.TemporaryDirectory(prefix=".snapshot-", dir=config.folder) as folder:
            snapshot = Path(folder) / SNAPSHOT
            take_snapshot(Database(config.database_url), snapshot)
            with (
                _encrypting(config, keys, unfinished) as pipe,
                tarfile.open(mode="w|", fileobj=pipe, dereference=True) as archive,
            ):
                archive.add(snapshot, SNAPSHOT)
                for top in _of_the_folder(config):
                    for path in _with_all_in_it(top):
                        name = str(path.relative_to(config.folder.absolute()))
                        archive.add(path, name, recursive=False, filter=_of_nobody)
        unfinished.rename(file)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return file.stat().st_size


def restore(file: Path, folder: Path, home: Path | None = None, step: Callable[[int], None] = lambda _: None) -> Path:
    """Open a backup into a new folder, with a key of one's own GnuPG folder (or `home`); the configuration file.

    `step` is told of the octets of each file that is there.

    Raises ConfigError when the folder exists or the backup is none of a desk, KeyProblem when it does not open; then no
    folder is left.
    """
    if folder.exists():
        raise ConfigError(f"{folder}: exists already, and nothing is overwritten. Choose a folder that is new.")
    where = ["--homedir", str(home)] if home else []
    line = ["gpg", *where, "--batch", "--quiet", "--no-auto-key-retrieve", "--decrypt", "--", str(file)]
    partial = folder.with_name(folder.name + ".part")
    partial.mkdir(mode=0o700, parents=True)
    try:
        with (
            subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process,
            contextlib.suppress(tarfile.ReadError),
            tarfile.open(mode="r|", fileobj=process.stdout) as archive,
        ):
            unpack(archive, partial, step)
        if process.returncode != 0 or not (partial / CONFIG_NAME).exists():
            raise KeyProblem(
                f"{file}: does not open. It takes the secret key of an archive key; name its folder with --gnupg-home."
            )
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return folder / CONFIG_NAME


def take_snapshot(database: Database, file: Path) -> None:
    """Copy a database as it is at one moment into a new SQLite file of mode 0600. Raises StoreUnavailable."""
    write_private(file, b"")
    try:
        if database.file is not None:
            with database.read():
                pass  # says so when there is none
            with (
                contextlib.closing(sqlite3.connect(database.file)) as source,
                contextlib.closing(sqlite3.connect(file)) as target,
            ):
                source.backup(target)
            return
        file.unlink()
        copy = Database(f"sqlite:///{file}")
        copy.upgrade()
        copy_rows(database, copy)
        copy.close()
    finally:
        database.close()


def copy_rows(source: Database, target: Database) -> int:
    """Copy every row of one database into another of the same version that holds no case; how many.

    Raises ConfigError when it holds one.
    """
    count = 0
    with source.engine.connect() as reading, target.engine.begin() as writing:
        if writing.execute(select(CaseRow.id).limit(1)).first() is not None:  # type: ignore[call-overload]
            raise ConfigError(
                "database.url: the database holds cases already, and nothing is overwritten. Name an empty one."
            )
        if not source.is_sqlite:
            reading.execution_options(isolation_level="REPEATABLE READ")
        for table in SQLModel.metadata.sorted_tables:
            writing.execute(table.delete())
            found = reading.execution_options(yield_per=_ROWS).execute(select(table)).mappings()
            for rows in found.partitions():
                writing.execute(insert(table), [dict(row) for row in rows])
                count += len(rows)
    return count


def place_snapshot(config: Config) -> str:
    """Put the snapshot of a restored desk where its configuration looks for it; what was done, in words.

    Raises ConfigError when the PostgreSQL database that it names holds cases.
    """
    snapshot, database = config.folder.absolute() / SNAPSHOT, Database(config.database_url)
    try:
        if database.file is not None:
            if database.file != snapshot:
                database.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                snapshot.rename(database.file)
            return f"database: {database.file}"
        database.upgrade()
        copy = Database(f"sqlite:///{snapshot}")
        copy.upgrade()
        count = copy_rows(copy, database)
        copy.close()
        return f"database: {count} rows copied to PostgreSQL; {snapshot} can be removed when all is well"
    finally:
        database.close()


def left_out(config: Config) -> list[tuple[str, Path]]:
    """What a configuration names, a backup does not hold, and is not there: the field and the file of each."""
    named = [
        ("gnupg.passphrase_file", config.gnupg.passphrase_file),
        ("relay.password_file", config.relay.password_file),
        ("junk.password_file", config.junk.password_file),
        ("relay.ca_file", config.relay.ca_file),
        ("listener.tls_certificate", config.listener.tls_certificate),
        ("listener.tls_key", config.listener.tls_key),
    ]
    for desk in config.desk:
        for imap in desk.imap:
            named += [("desk.imap.password_file", imap.password_file), ("desk.imap.ca_file", imap.ca_file)]
    return [(field, config.path(file)) for field, file in named if file and not config.path(file).exists()]


def _of_the_folder(config: Config) -> Iterator[Path]:
    """What makes a desk besides its database: the configuration, rosters, keys, templates, the vault, GnuPG's folder."""
    wanted = [config.path(Path(CONFIG_NAME)), config.path(config.vault_file), config.path(config.gnupg.home)]
    for desk in config.desk:
        roster = config.path(desk.roster)
        wanted += [roster, roster.with_name(roster.name + ".asc"), config.path(desk.keys)]
        wanted += [config.path(desk.templates)] if desk.templates else []
    for path in dict.fromkeys(wanted):
        if not path.is_relative_to(config.folder.absolute()):
            raise ConfigError(
                f"{path}: lies outside {config.folder}, and a backup holds one folder. Move it there, and correct its field."
            )
        if path.exists() or path.is_symlink():
            yield path


def _with_all_in_it(path: Path, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Path]:
    """A file, or a folder and what is in it, without sockets and locks. A link stands for what it leads to.

    Raises ConfigError for a link that leads nowhere: the backup would lack what it is for.
    """
    if path.name.startswith((".#", "S.")):
        return
    try:
        found = path.stat()
    except OSError as error:
        if path.is_symlink():
            raise ConfigError(
                f"{path}: is a link that leads nowhere. Remove it, or put back what it leads to."
            ) from None
        if isinstance(error, FileNotFoundError):  # of gpg's, and gone again
            return
        raise
    identity = (found.st_dev, found.st_ino)
    if stat.S_ISREG(found.st_mode):
        yield path
    elif stat.S_ISDIR(found.st_mode) and identity not in above:
        yield path
        for item in sorted(path.iterdir()):
            yield from _with_all_in_it(item, above | {identity})


def _of_nobody(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """An entry that does not say whose it is."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


@contextlib.contextmanager
def _encrypting(config: Config, keys: list[str], file: Path) -> Iterator[IO[bytes]]:
    """A pipe to gpg, which encrypts what is written to it into a file."""
    recipients = [part for key in keys for part in ("--recipient", key)]
    home = config.path(config.gnupg.home)
    line = [
        config.gnupg.program, "--homedir", str(home), "--batch", "--no-options", "--trust-model", "always", "--disable-dirmngr",
        "--no-auto-key-locate", "--output", str(file), *recipients, "--encrypt",
    ]  # fmt: skip
    with subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, umask=0o077
    ) as process:
        if process.stdin is None:
            raise ValueError("gpg needs a pipe")
        with contextlib.suppress(BrokenPipeError):  # gpg's exit code says why
            yield process.stdin
            process.stdin.close()
    if process.returncode != 0:
        raise KeyProblem(
            "GnuPG cannot encrypt the backup to desk.archive_fingerprints. Are all of them in its folder, and usable?"
        )
