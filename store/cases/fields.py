"""The fields of a case's record, as conduct procedures ask for them. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from store.kit.sentences import marked

# The name in commands and in the record, and what it holds.
FIELDS: Mapping[str, str] = {
    "contact": marked("how to reach the reporter"),
    "label": marked("how closely it is to be kept: written by '/classify'"),
    "kind": marked("what kind of thing it is, such as harassment: also for compilations, so without names"),
    "when": marked("when it happened"),
    "where": marked("where it happened"),
    "ongoing": marked("whether it is still going on"),
    "what": marked("what happened"),
    "reported": marked("who is reported: names or handles, with commas between them"),
    "harmed": marked("who was harmed, if it was not the reporter: names or handles, with commas between them"),
    "witnesses": marked("who saw it"),
    "circumstances": marked("what makes it weigh more or less, such as power over somebody, or earlier warnings"),
    "confidentiality": marked("what has to stay between whom"),
    "wishes": marked("what the reporter wants, and how they want to be contacted"),
    "actions": marked("what was done"),
    "reason": marked("why it was decided this way"),
    "acknowledged": marked("the day when the reporter was answered"),
    "decided": marked("the day of the decision"),
    "follow-up": marked("the day when the team follows up"),
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
