"""Whether what is meant for one person in a case tells of another: their names, and what they wrote. Pure.

What leaves to a correspondent is searched for every protected person (`store.cases.persons`), and for runs of words that anybody else
in the case wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from store.cases.persons import Person
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.team.folding import words
from store.team.name_words import NO_NAME, PARTICLES
from store.team.names import who_may_be_named

NAMED = marked(
    "Your text names {name}, who has not agreed to be named in this. Take it out, or write '/consent {name} to be named' once they agreed."
)
REPORTER_NAMED = marked(
    "Your text names the reporter (\"{word}\"), who has not agreed to that. Take it out, or write '/consent reporter to be named' once they agreed."
)
QUOTED = marked(
    'Your text repeats what somebody else in this case wrote: "{words}". Say it in your own words; who wrote it can be known by it.'
)

RUN = 8
_INFLECTED, _LONGEST_ENDING = 4, 2
_TELLING = 5
_CAPITAL = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Recipient:
    """Whom a text is for: what they are called, and what they themselves wrote and were sent before."""

    name: str = field(repr=False)
    known: Sequence[str] = field(default=(), repr=False)


@dataclass(frozen=True)
class Secrets:
    """What a text must not tell: the persons, and what was written by others than its recipient."""

    persons: Sequence[Person] = field(repr=False)
    written: Sequence[str] = field(repr=False)


def require_discreet(texts: Sequence[str], secrets: Secrets, to: Recipient) -> None:
    """Raise NotAllowed when one of some texts names a protected person, or holds eight words in a row that somebody else wrote."""
    for text in texts:
        _require_nobody_named(text, secrets.persons, to)
    if run := _common_run(texts, secrets.written, to.known):
        raise NotAllowed(QUOTED, words=run)


def _require_nobody_named(text: str, persons: Sequence[Person], to: Recipient) -> None:
    own = set(words(to.name))
    without = re.sub(re.escape(to.name), " . ", text, flags=re.IGNORECASE) if to.name.strip() else text
    found = who_may_be_named([f"\n.\n{without}"], persons, ())
    if found:
        raise _named(found[0])
    spoken = {word for said in _CAPITAL.findall(without) if said[0].isupper() for word in words(said)} - own - PARTICLES
    said_at_all = set(words(without)) - own
    for person in persons:
        if named := _telling_names(person) & said_at_all:
            raise _named(person, min(named))
        if told := [word for word in spoken for name in _single_names(person) if _is_form_of(word, name)]:
            raise _named(person, min(told))


def _telling_names(person: Person) -> set[str]:
    """The words of a person's name that mean them however they are written: long enough, and no words of a language besides."""
    return {word for word in words(person.name) if len(word) >= _TELLING and word not in NO_NAME}


def _is_form_of(word: str, name: str) -> bool:
    """Whether a word is a name, or one with an ending ("Robins")."""
    if len(name) < _INFLECTED:
        return word == name
    return word.startswith(name) and len(word) - len(name) <= _LONGEST_ENDING


def _single_names(person: Person) -> set[str]:
    """The words each of which names a person where it is written as a name."""
    return {word for form in (person.name, *person.aliases, *person.calls) for word in words(form) if len(word) > 2}


def _named(person: Person, word: str = "") -> NotAllowed:
    if person.author == "reporter":
        return NotAllowed(REPORTER_NAMED, word=word or person.name or person.email)
    return NotAllowed(NAMED, name=person.name or word or person.email)


def _common_run(texts: Sequence[str], written: Iterable[str], known: Sequence[str]) -> str:
    """Eight words in a row that stand both in a text and in what others wrote; empty when there are none.

    The runs of the text are kept, and the rest read once: linear, and small however much was written.
    """
    ours = {run for text in texts for run in _runs(text)} - {run for text in known for run in _runs(text)}
    if not ours:
        return ""
    return next((" ".join(run) for text in written for run in _runs(text) if run in ours), "")


def _runs(text: str) -> Iterator[tuple[str, ...]]:
    said = words(text)
    return (tuple(said[at : at + RUN]) for at in range(len(said) - RUN + 1))
