"""How long to wait before something is tried again."""

from __future__ import annotations

import random


def delay(tries: int, first: float, longest: float) -> float:
    """Seconds until the next try: doubling from the first up to the longest, with a quarter of jitter either way."""
    return min(first * 2.0 ** min(max(tries, 1) - 1, 30), longest) * random.uniform(0.75, 1.25)  # noqa: S311 - spreads load, hides nothing
