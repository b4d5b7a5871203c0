"""Words as names are compared: folded, and near to each other. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

from anyascii import anyascii
from rapidfuzz.distance import OSA

WORD = re.compile(r"[^\W_]+")


_MOST_MARKS = 30  # as the Stream-Safe Text Format has it (UAX #15, section 13)
# What may be so many marks, by a class that is quick to look for: runs of characters of which some are marks.
_MAY_BE = re.compile("[\u0300-\u2fff\u302a-\u302f\u3099\u309a\ua000-\uabff\ufe20-\ufe2f\U00010000-\U0001ffff]{31}")


@cache
def _too_many_marks() -> re.Pattern[str]:
    marks = re.escape("".join(filter(unicodedata.combining, _characters())))
    return re.compile(f"([{marks}]{{{_MOST_MARKS}}})[{marks}]+")


@cache
def _invisible() -> frozenset[str]:
    return frozenset(char for char in _characters() if unicodedata.category(char) == "Cf")


def _characters() -> Iterator[str]:
    """The planes in which there are marks and invisible characters. Looked through when first needed: most that starts meets ASCII alone."""
    return map(chr, (*range(0x20000), *range(0xE0000, 0xE0080)))


def composed(text: str) -> str:
    """A text in compatibility composition (NFKC), without invisible characters. Linear: sorting ever more marks on one letter would not be."""
    if text.isascii():
        return text
    if _MAY_BE.search(text):
        text = _too_many_marks().sub(r"\1", text)
    text = unicodedata.normalize("NFKC", text)
    gone = _invisible()
    return text if gone.isdisjoint(text) else text.translate(dict.fromkeys(map(ord, gone)))


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
