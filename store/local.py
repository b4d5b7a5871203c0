"""What the command and the service agree on, for a part of the program that loads the standard library alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONFIG_NAME = "ombud.toml"
SYSTEM_CONFIG = Path("/etc/ombud/ombud.toml")
# What `ombud deliver` says on the private socket when it was not told the envelope sender; the null sender would
# say that a program wrote (RFC 6761 for .invalid).
UNKNOWN_SENDER = "sender-unknown@localhost.invalid"

_ADDRESS_LIMIT = 100


def find(path: Path | None = None) -> Path:
    """The configuration file to use: the one given, $OMBUD_CONFIG, ./ombud.toml, or the system's."""
    if path is not None:
        return path
    if named := os.environ.get("OMBUD_CONFIG"):
        return Path(named)
    local = Path(CONFIG_NAME)
    return local if local.exists() or not SYSTEM_CONFIG.exists() else SYSTEM_CONFIG


@contextmanager
def socket_address(socket: Path) -> Iterator[str]:
    """A name for a Unix socket, also where its path is longer than a socket address may be. Raises OSError."""
    folder = os.open(socket.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        long = len(str(socket).encode()) > _ADDRESS_LIMIT
        yield f"/proc/self/fd/{folder}/{socket.name}" if long else str(socket)
    finally:
        os.close(folder)
