"""How a program loads its modules."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Load modules without looking for garbage meanwhile: there is none, and to look takes a third of the time.

    What was loaded is not looked through later either, so that forked processes go on sharing it.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
