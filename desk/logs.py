"""Logs: one JSON object a line on standard error; never content, an address or a subject."""

from __future__ import annotations

import logging
import sys

import structlog


def set_up(*, quiet: bool = False) -> None:
    """Have the program log; `quiet` leaves only warnings, for commands that people read."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING if quiet else logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Libraries log what they handle. Only what this program says is meant for others.
    logging.disable(logging.CRITICAL)
