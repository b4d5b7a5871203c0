"""What the machine must offer for a desk to work and to keep its secrets: room, no swap, no core dumps."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from store.kit.config import Config
from store.kit.files import user_name

Level = Literal["ok", "warning", "failure"]

_LITTLE_ROOM, _NO_ROOM = 1_000_000_000, 100_000_000


@dataclass(frozen=True)
class Finding:
    """One check and how it went; where it is not well, `detail` ends with what to do."""

    check: str
    level: Level
    detail: str


def examine(config: Config) -> Iterator[Finding]:
    """Look at the machine."""
    yield disk(config.folder, shutil.disk_usage(config.folder).free)
    yield swap(Path("/proc/swaps").read_text(encoding="utf-8") if Path("/proc/swaps").exists() else "")
    yield core_dumps(resource.getrlimit(resource.RLIMIT_CORE)[1])


def foreign(folder: Path) -> str:
    """What is to be said to a user whom a desk's folder does not belong to; empty to its owner."""
    owner = folder.stat().st_uid
    if owner == os.geteuid():
        return ""
    return (
        f"{folder} belongs to '{user_name(owner)}', and this runs as '{user_name()}': what is written now may be closed to its "
        f"owner later. Run it as '{user_name(owner)}'."
    )


def disk(folder: Path, free: int) -> Finding:
    """Whether there is room for mail to come; `free` in octets."""
    room = f"{free / 1e9:.1f} GB free"
    if free < _NO_ROOM:
        return Finding("disk", "failure", f"{room} at {folder}: soon mail is answered 451. Make room.")
    if free < _LITTLE_ROOM:
        return Finding("disk", "warning", f"{room} at {folder}. Make room before it is full.")
    return Finding("disk", "ok", room)


def swap(table: str) -> Finding:
    """Whether what is opened in memory could be written to a disk; `table` is that of /proc/swaps (proc(5))."""
    devices = [line.split()[0] for line in table.splitlines()[1:] if line.split()]
    plain = [device for device in devices if not device.startswith(("/dev/zram", "/dev/mapper/", "/dev/dm-"))]
    if plain:
        remedy = "Encrypt it, switch it off (swapoff -a), or run the service from deploy/systemd, which may not swap."
        return Finding("swap", "warning", f"{plain[0]} may take in what is opened in memory. {remedy}")
    return Finding("swap", "ok", "none" if not devices else "compressed in memory, or encrypted")


def core_dumps(limit: int) -> Finding:
    """Whether a crash could leave memory on the disk; `limit` in octets. The service itself sets it to 0."""
    name = "core dumps"
    return Finding(name, "ok", "off" if limit == 0 else "the service switches them off for itself")
