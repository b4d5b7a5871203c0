"""Words as names are compared: folded, and near to each other. Pure."""

from __future__ import annotations

import re
import unicodedata

from anyascii import anyascii
from rapidfuzz.distance import OSA

WORD = re.compile(r"[^\W_]+")


_MOST_MARKS = 30  # as the Stream-Safe Text Format has it (UAX #15, section 13)


def composed(text: str) -> str:
    """A text in compatibility composition (NFKC), without invisible characters. Linear: sorting ever more marks on one letter would not be."""
    if text.isascii():
        return text
    kept, marks = [], 0
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) else 0
        if marks <= _MOST_MARKS:
            kept.append(char)
    return "".join(char for char in unicodedata.normalize("NFKC", "".join(kept)) if unicodedata.category(char) != "Cf")


def fold(text: str) -> str:
    """A text as it is compared: compatibility forms, case, accents, script and invisible characters evened out."""
    if text.isascii():
        return text.casefold()
    return anyascii(composed(text)).casefold()


def words(text: str) -> list[str]:
    """The folded words of a text."""
    return WORD.findall(fold(text))


def near(one: str, other: str) -> bool:
    """Whether two folded words are the same but for a slip: one for four letters and more, two from eight on."""
    if one == other:
        return True
    shorter = min(len(one), len(other))
    allowed = 0 if shorter < 4 else 1 if shorter < 8 else 2
    return 0 < allowed >= abs(len(one) - len(other)) and OSA.distance(one, other, score_cutoff=allowed) <= allowed
