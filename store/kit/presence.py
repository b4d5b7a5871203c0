"""Whether the service runs here: it holds a lock on a file of the desk's folder, which the system takes back when it ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from store.kit.config import Config
from store.kit.errors import ConfigError

_LOCK_FILE = Path("service.lock")


@contextmanager
def running_service(config: Config) -> Iterator[None]:
    """Show for the length of the block that the service runs; several may run. Raises ConfigError when the folder cannot be written to."""
    file = config.path(_LOCK_FILE)
    try:
        # Not inherited by the programs that are started: they may outlive the service.
        number = os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(number, fcntl.LOCK_SH)
        os.utime(number)
    except OSError as error:
        raise ConfigError(_not_writable(config.folder, error)) from None
    try:
        yield
    finally:
        os.close(number)


def runs_since(config: Config) -> datetime | None:
    """When the service of this folder was started that runs now, on this machine; None when none does."""
    try:
        number = os.open(config.path(_LOCK_FILE), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return datetime.fromtimestamp(os.fstat(number).st_mtime, UTC)
    else:
        return None
    finally:
        os.close(number)


def require_writable(config: Config) -> None:
    """Raise ConfigError unless files can be made in the desk's folder and in GnuPG's: nothing works without, and all else that is said misleads."""
    for folder in (config.folder, config.path(config.gnupg.home)):
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"x")
        except FileNotFoundError:
            continue  # a missing folder is named where it is used
        except OSError as error:
            raise ConfigError(_not_writable(folder, error)) from None


def _not_writable(folder: Path, error: OSError) -> str:
    return f"{folder}: nothing can be written here ({error.strerror}). The folder must belong to the user who runs the desk, on a disk with room that is not mounted read-only."
