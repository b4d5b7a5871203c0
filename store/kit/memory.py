"""What a process does with memory that it no longer needs."""

from __future__ import annotations

import contextlib
import ctypes

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # of glibc's malloc.h


def give_back_now() -> None:
    """Have it return what is free at the moment: after work that took much, where returning each block would take too long."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def give_memory_back() -> None:
    """Have the C library (glibc) return large blocks when they are freed, instead of keeping them for each thread."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 2)
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 20)
