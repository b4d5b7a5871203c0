"""What a case is called everywhere: a colour and an animal, such as `amber-heron`.

The words are coolname's, narrowed to colours and to animals that nobody is compared with to hurt them: a
reporter may read their case's codename one day.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import cache
from typing import Any

from coolname.data import config as coolname_words

_UNKIND = frozenset(
    """
    ape baboon bear bull bulldog cow cougar coyote cuckoo dodo donkey dog goat gorilla hog hound hyena jackal jackass
    jackrabbit leech louse maggot mole mongoose mongrel monkey mule orangutan parasite pig poodle rat rooster shrew
    skunk sloth slug snake toad vulture whale worm wolf wasp weasel viper vixen cock chicken tapir lemming ostrich
    sheep lamb dragon mosquito cockroach hippo rhino buffalo walrus manatee turkey goose mammoth crow raven spider
    scorpion piranha shark barracuda tarantula cobra python asp boa rattlesnake macaque mandrill bonobo chimpanzee
    capuchin raccoon adder anaconda mamba taipan sidewinder swine warthog hornet termite earwig woodlouse bug elephant
    pigeon raptor prawn shrimp muskrat polecat wolverine stallion mouse mink cat bat crab beaver earthworm millipede
    centipede peacock swallow
    """.split()
)
_LOADED = frozenset("black brown ebony white wine yellow".split())


@cache
def _lists() -> tuple[tuple[str, ...], tuple[str, ...]]:
    return _words("adjective_near", _LOADED), _words("animal", _UNKIND)


def _words(name: str, without: frozenset[str]) -> tuple[str, ...]:
    rules: dict[str, Any] = coolname_words
    found = {word for word in rules[name]["words"] if isinstance(word, str)}
    return tuple(sorted(word for word in found - without if word.isascii() and word.isalpha() and 3 <= len(word) <= 10))


def new_codename(taken: Callable[[str], bool]) -> str:
    """A codename that is not taken; a third word is added when the short ones run out."""
    colours, animals = _lists()
    for attempt in range(200):
        first = [secrets.choice(colours)] if attempt < 20 else [secrets.choice(colours), secrets.choice(animals)]
        name = "-".join([*first, secrets.choice(animals)])
        if not taken(name):
            return name
    raise RuntimeError("no codename is free")  # 200 draws from hundreds of millions
