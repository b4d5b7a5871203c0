"""The words of receipts."""

from __future__ import annotations

import math

import pytest

from desk.web.words import BITS, count_of, new_words, words_of
from store.kit.kinds import LANGUAGES
from store.openpgp.receipts import canonical


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_receipt_has_77_bits_in_every_language(language: str) -> None:
    words = words_of(language)
    assert count_of(language) * math.log2(len(words)) >= BITS
    assert len({canonical(word) for word in words}) == len(words), "two words would be typed alike"
    assert all(" " not in canonical(word) for word in words)
    assert count_of(language) <= 8


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_receipts_are_alike(language: str) -> None:
    made = {new_words(language) for _ in range(50)}
    assert len(made) == 50
    assert all(len(words.split()) == count_of(language) for words in made)


def test_words_of_harm_are_left_out() -> None:
    listed = {canonical(word) for language in LANGUAGES for word in words_of(language)}
    assert not {"gewalt", "mord", "opfer", "leiche", "matar", "muerte", "crimen", "abuse", "victim"} & listed
