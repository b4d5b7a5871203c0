"""What the command and the service agree on, for a part of the program that loads the standard library alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONFIG_NAME = "ombud.toml"
SYSTEM_CONFIGS = (Path("/etc/ombud/ombud.toml"), Path("/var/lib/ombud/ombud.toml"))
# What `ombud deliver` says on the private socket when it was not told the envelope sender; the null sender would
# say that a program wrote (RFC 6761 for .invalid).
UNKNOWN_SENDER = "sender-unknown@localhost.invalid"

_ADDRESS_LIMIT = 100


def find(path: Path | None = None) -> Path:
    """The configuration file to use: the one given, $OMBUD_CONFIG, ./ombud.toml, or the first of the system's.

    One that a stranger left in the folder where somebody happens to be is not taken instead of the system's: programs
    are named in it.
    """
    if path is not None:
        return path
    if named := os.environ.get("OMBUD_CONFIG"):
        return Path(named)
    local = Path(CONFIG_NAME)
    # One that this user may read first; then one that lies where they may not even look.
    system = next((file for look in (_is_readable, _is_closed) for file in SYSTEM_CONFIGS if look(file)), None)
    return local if system is None or _is_ours(local) else system


def _is_readable(file: Path) -> bool:
    return os.access(file, os.R_OK, effective_ids=True)


def _is_closed(file: Path) -> bool:
    """Whether a file may not be read, or lies in somebody else's folder, if it is there."""
    try:
        file.stat()
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


def _is_ours(file: Path) -> bool:
    """Whether there is such a file, and neither it nor a link to it was made by another user than this one or root."""
    try:
        return {file.lstat().st_uid, file.stat().st_uid} <= {os.geteuid(), 0}
    except OSError:
        return False


@contextmanager
def socket_address(socket: Path) -> Iterator[str]:
    """A name for a Unix socket, also where its path is longer than a socket address may be. Raises OSError."""
    folder = os.open(socket.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        long = len(str(socket).encode()) > _ADDRESS_LIMIT
        yield f"/proc/self/fd/{folder}/{socket.name}" if long else str(socket)
    finally:
        os.close(folder)
