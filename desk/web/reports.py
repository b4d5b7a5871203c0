"""What is filled into the form, as the text of a report: with the lines that a mail would have, so that the same code reads both. Pure.

The browser does the same where it runs scripts (`static/form.js`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from intake.asking.form import TELL_LABEL
from store.tables.records import Attachment

# The labels that intake reads (`intake.asking.form`), by the names of the form's fields, in their order.
LABELS = {
    "who": "Who",
    "ongoing": "Still going on",
    "when": "When",
    "where": "Where",
    "witnesses": "Who saw it",
    "private": "Keep private",
    "wishes": "What would help",
    "contact": "Contact",
}


@dataclass(frozen=True)
class FilledForm:
    """A form as it was sent: `exclude` are those whose boxes were checked, `fields` by the names of `LABELS`."""

    what: str = field(default="", repr=False)
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    exclude: Sequence[str] = field(default=(), repr=False)
    exclude_others: str = field(default="", repr=False)
    only: str = field(default="", repr=False)
    no_reply: bool = False
    files: Sequence[Attachment] = field(default=(), repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written and no file chosen."""
        written = (
            self.what,
            self.exclude_others,
            self.only,
            *(self.fields[name] for name in self.fields if name != "ongoing"),
        )
        return not self.files and not any(value.strip() for value in written)


def report_text(form: FilledForm) -> str:
    """The text of a report: from whom to keep it, what was filled in, and the reporter's own words."""
    asked = [f"Exclude: {name}" for name in (*form.exclude, *_lines(form.exclude_others))]
    asked += [f"Only: {name}" for name in _lines(form.only)]
    asked += ["Reply: no"] if form.no_reply else []
    told = [
        f"{label}: {value}" for name, label in LABELS.items() if (value := "\n".join(_lines(form.fields.get(name, ""))))
    ]
    parts = ("\n".join(asked), "\n".join(told), _unix(form.what).strip())
    return "\n\n".join(filter(None, parts)) + "\n"


def addition_text(text: str, tell: str) -> str:
    """What somebody adds with their receipt, and where they want to hear that an answer waits."""
    told = f"{TELL_LABEL}: {' '.join(tell.split())}" if tell.strip() else ""
    return "\n\n".join(filter(None, (told, _unix(text).strip()))) + "\n"


def _lines(value: str) -> list[str]:
    """The lines of a value; a blank one would end it."""
    return [line for item in _unix(value).split("\n") if (line := item.strip())]


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
