"""A tar archive opened into a folder: plain files and folders below it, whatever the archive says.

`tarfile.data_filter` would be the library's way; Debian 12's Python 3.11.2 does not have it, and a check that depends on
the Python at hand is found missing on the day it is needed. A desk's archive holds nothing but files and folders, so
anything else means that somebody else made it.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from store.kit.errors import ConfigError


def unpack(archive: tarfile.TarFile, folder: Path, step: Callable[[int], None] = lambda _: None) -> None:
    """Write an archive's files below a folder, for their owner alone; `step` is told of the octets of each.

    Raises ConfigError at the first entry that is a link or a device, or would lie outside of the folder.
    """
    for entry in archive:
        *above, last = ".", *_parts(entry)
        place = folder
        for part in above if entry.isreg() else (*above, last):
            place /= part
            place.mkdir(mode=stat.S_IRWXU, exist_ok=True)
        if entry.isreg():
            _write(archive, entry, place / last)
        step(entry.size)


def _parts(entry: tarfile.TarInfo) -> tuple[str, ...]:
    """Where an entry goes below the folder."""
    name = PurePosixPath(entry.name)
    if not (entry.isreg() or entry.isdir()) or name.is_absolute() or ".." in name.parts:
        raise ConfigError(
            "The archive holds a link, a device or a path outside of its folder, which no backup of a desk does: it is "
            "not opened. Take another backup, and find out where this one came from."
        )
    return name.parts


def _write(archive: tarfile.TarFile, entry: tarfile.TarInfo, path: Path) -> None:
    content = archive.extractfile(entry)
    if content is None:
        raise tarfile.ReadError("a file without content")
    descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW, stat.S_IRUSR | stat.S_IWUSR)
    with content, os.fdopen(descriptor, "wb") as file:
        shutil.copyfileobj(content, file)
