"""The fields of a case's record, as conduct procedures ask for them. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

# The name in commands and in the record, and what it holds.
FIELDS: Mapping[str, str] = {
    "contact": "how to reach the reporter",
    "when": "when it happened",
    "where": "where it happened",
    "ongoing": "whether it goes on",
    "what": "what happened",
    "reported": "who is reported: names or handles, with commas between them",
    "witnesses": "who saw it",
    "confidentiality": "what must stay among whom",
    "wishes": "what the reporter wishes for, and how they want to be contacted",
    "actions": "what was done",
    "reason": "why it was decided so",
    "acknowledged": "the day when the reporter was answered",
    "decided": "the day of the decision",
    "follow-up": "the day when the team asks again",
}
DATES = frozenset({"acknowledged", "decided", "follow-up"})
LONGEST = 4000


def field_name(written: str) -> str | None:
    """The field that is meant by a name, whatever its case and hyphens."""
    bare = "-".join(written.casefold().replace("_", " ").replace("-", " ").split())
    return bare if bare in FIELDS else None


def near_field(written: str) -> str:
    """A field whose name is near a wrong one; empty when none is."""
    return next(iter(difflib.get_close_matches(written.casefold(), list(FIELDS), n=1)), "")
