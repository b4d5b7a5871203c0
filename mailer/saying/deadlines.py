"""Something to be done on a case, as a calendar has it."""

from __future__ import annotations

from dataclasses import dataclass

from store.cases.deadlines import Due


@dataclass(frozen=True)
class Deadline:
    """Something to be done on a case: `what` in the member's language."""

    codename: str
    case_id: str
    due: Due
    what: str
