"""A bar on the terminal for work that takes long; nothing at all where nobody looks on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Step = Callable[[int], None]


@contextmanager
def progress(what: str, total: int | None, *, octets: bool = False) -> Iterator[Step]:
    """Shows how much of `total` is done (None: nobody knows how much there is); each step says how much more."""
    amount = DownloadColumn() if octets else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=total)
        yield lambda step: bar.advance(task, step)
