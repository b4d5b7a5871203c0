"""Words as names are compared: folded, and near to each other. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from anyascii import anyascii
from rapidfuzz.distance import OSA

WORD = re.compile(r"[^\W_]+")


_MOST_MARKS = 30  # as the Stream-Safe Text Format has it (UAX #15, section 13)


def _class_of(wanted: Callable[[str], object]) -> str:
    """The characters that something is true of, as a class of a regular expression. Beyond what is looked through there are none but tags."""
    found = "".join(char for char in map(chr, (*range(0x20000), *range(0xE0000, 0xE0080))) if wanted(char))
    return re.escape(found)


_MARKS = _class_of(unicodedata.combining)
# What may be so many marks, by a class that is quick to look for: runs of characters of which some are marks.
_MAY_BE = re.compile("[\u0300-\u2fff\u302a-\u302f\u3099\u309a\ua000-\uabff\ufe20-\ufe2f\U00010000-\U0001ffff]{31}")
_TOO_MANY_MARKS = re.compile(f"([{_MARKS}]{{{_MOST_MARKS}}})[{_MARKS}]+")
_INVISIBLE = frozenset(
    char for char in map(chr, (*range(0x20000), *range(0xE0000, 0xE0080))) if unicodedata.category(char) == "Cf"
)
_GONE = dict.fromkeys(map(ord, _INVISIBLE))


def composed(text: str) -> str:
    """A text in compatibility composition (NFKC), without invisible characters. Linear: sorting ever more marks on one letter would not be."""
    if text.isascii():
        return text
    if _MAY_BE.search(text):
        text = _TOO_MANY_MARKS.sub(r"\1", text)
    text = unicodedata.normalize("NFKC", text)
    return text.translate(_GONE) if not _INVISIBLE.isdisjoint(text) else text


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
