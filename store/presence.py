"""Whether the service runs here: it holds a lock on a file of the desk's folder, which the system takes back when it ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from store.config import Config
from store.errors import ConfigError

_LOCK_FILE = Path("service.lock")


@contextmanager
def running_service(config: Config) -> Iterator[None]:
    """Show for the length of the block that the service runs; several may run. Raises ConfigError when the folder cannot be written to."""
    file = config.path(_LOCK_FILE)
    try:
        # Not inherited by the programs that are started: they may outlive the service.
        number = os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(number, fcntl.LOCK_SH)
    except OSError as error:
        raise ConfigError(
            f"{file}: cannot be written ({error.strerror}). The desk's folder must be on a disk that can be written to, and belong to the user who runs the desk."
        ) from None
    try:
        yield
    finally:
        os.close(number)


def service_runs(config: Config) -> bool:
    """Whether a service of this folder runs now, on this machine."""
    try:
        number = os.open(config.path(_LOCK_FILE), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(number)
