"""Logs: one JSON object a line on standard error; never content, an address or a subject.

A line that cannot be written (the disk is full, the reader is gone) is lost: no mail may be for it.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
from typing import TextIO, cast

import structlog

_STDERR = 2


class _Lines(io.TextIOBase):
    """Standard error without a buffer, in which lines that cannot be written would pile up."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            os.write(_STDERR, text.encode("utf-8", "backslashreplace"))
        return len(text)


def set_up(*, quiet: bool = False) -> None:
    """Have the program log; `quiet` leaves only warnings, for commands that people read."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING if quiet else logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _Lines())),
        cache_logger_on_first_use=True,
    )
    # Libraries log what they handle. Only what this program says is meant for others.
    logging.disable(logging.CRITICAL)
