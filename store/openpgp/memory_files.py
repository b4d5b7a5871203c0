"""Anonymous files in memory: what a program reads or writes by a path, and no disk ever has."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def memory_file(data: bytes = b"") -> Iterator[int]:
    """The descriptor of a file in memory that holds data; it is gone at the end of the block."""
    number = os.memfd_create("ombud")
    try:
        with io.FileIO(number, "wb", closefd=False) as handle:
            view = memoryview(data)
            while view:
                view = view[handle.write(view) or 0 :]
        yield number
    finally:
        os.close(number)


def path_of(number: int) -> str:
    """The path by which this process, and those that it starts with the descriptor, open the file."""
    return f"/proc/self/fd/{number}"


def contents(number: int) -> bytes:
    """All octets of the file."""
    os.lseek(number, 0, os.SEEK_SET)
    with io.FileIO(number, "rb", closefd=False) as handle:
        return handle.readall() or b""
