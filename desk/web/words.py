"""The words of receipts, in each language of the pages: short lists that others keep, less what nobody wants to read there. Pure."""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Iterable
from functools import cache
from importlib import resources

from babel import Locale

from store.openpgp.receipts import canonical

# As many words are taken as have this many bits.
BITS = 77

# EFF's long list and one after its rules; lists of BIP 39. For the rest: places and languages, as CLDR calls them.
_LISTS = {
    "en": ("diceware.wordlists", "wordlist_en_eff.txt"),
    "de": ("diceware.wordlists", "wordlist_de.txt"),
    "es": ("mnemonic.wordlist", "spanish.txt"),
    "fr": ("mnemonic.wordlist", "french.txt"),
    "pt": ("mnemonic.wordlist", "portuguese.txt"),
}
_UNWANTED = re.compile(
    r"abus|agress|arma$|assass|crim|cadaver|delit|femini|folter|gewalt|golpe|hitler|hure|kill|leich|mata|mord|muert|murder|nackt|nazi|nud[eo]|"
    r"opfer|pistol|porn|prison|prostit|rape|rass|schlamp|schuld|sex|suizid|terror|tod|tot|toet|vergewalt|victim|viol[ae]|waffe"
)


@cache
def words_of(language: str) -> tuple[str, ...]:
    """The words that a receipt in a language is made of; no two of them are the same when they are typed without accents."""
    kept = {
        canonical(word): word
        for word in _listed(language)
        if 3 <= len(word) <= 9 and " " not in canonical(word) and not _UNWANTED.search(canonical(word))
    }
    return tuple(sorted(kept.values()))


def count_of(language: str) -> int:
    """How many words a receipt in a language has."""
    return math.ceil(BITS / math.log2(len(words_of(language))))


def new_words(language: str) -> str:
    """The words of a new receipt."""
    known = words_of(language)
    return " ".join(secrets.choice(known) for _ in range(count_of(language)))


def _listed(language: str) -> Iterable[str]:
    if language in _LISTS:
        package, name = _LISTS[language]
        lines = resources.files(package.partition(".")[0]).joinpath(package.partition(".")[2], name).read_text("utf-8")
        return [line.split()[-1] for line in lines.splitlines() if line.strip()]
    locale = Locale.parse(language)
    cities = (item.get("city", "") for item in locale.time_zones.values())
    named = (*locale.territories.values(), *locale.languages.values(), *cities)
    return [name for name in named if name.isalpha()]
