"""How a program loads its modules."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """While modules are loaded, nothing is looked for that could be given back: there is nothing, and to look takes a third of the time.

    What was loaded is not looked through later either, which processes that are forked would have to copy it for.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
