"""Sentences that members read in their own language: marked for the catalogs, and kept apart from the values in them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Sentence:
    """An English sentence with places `{name}`, and what stands there. Without values a brace is just a brace."""

    pattern: str
    values: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.pattern)

    def __str__(self) -> str:
        return self.pattern.format_map(self.values) if self.values else self.pattern

    @classmethod
    def from_json(cls, value: str | Mapping[str, Any]) -> Sentence:
        """The sentence of a JSON value; what older stores hold is the bare text."""
        return cls(value) if isinstance(value, str) else cls(value["pattern"], value["values"])


NOTHING = Sentence("")


def marked(sentence: str) -> str:
    """The sentence itself. Those marked so are in the catalogs of every language (`mailer.saying.translation`)."""
    return sentence
