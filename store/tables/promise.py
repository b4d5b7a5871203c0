"""Something that a desk owes on a case."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

# A first answer, news while a case is open, a decision, a look back afterwards.
PromiseKind = Literal["acknowledge", "status", "respond", "follow-up"]


@dataclass(frozen=True)
class Promise:
    """What is owed, and since when."""

    kind: PromiseKind
    since: datetime
