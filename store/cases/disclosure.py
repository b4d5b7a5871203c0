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
from store.team.folding import composed, words
from store.team.name_words import NO_NAME, single_words
from store.team.names import NO_WORD_EDGE, UNSPACED_RANGES, who_may_be_named

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
_CHARACTERS = 12
_SHORT = 2
_PREFIXES = re.compile(
    r"[\u0590-\u06ff]"
)  # Hebrew and Arabic write "to" and "and" in front of a name as one word with it
_UNSPACED_NAME = re.compile(f"{NO_WORD_EDGE}+")
# Without Hangul: Korean sets spaces between words, so it is compared by runs of words.
_UNSPACED_CLAUSE = re.compile(f"[{UNSPACED_RANGES}]+")
_LETTERS = re.compile(r"\w+")
_CAPITAL = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Recipient:
    """Whom a text is for: what they are called, and what they themselves wrote and were sent before."""

    name: str = field(repr=False)
    known: Iterable[str] = field(default=(), repr=False)


@dataclass(frozen=True)
class Secrets:
    """What a text must not tell: the persons, and what was written by others than its recipient, in the order in which it was; `True` stands
    with what the team itself wrote to somebody: words that it was the first to use are its own, also when they come back as a quote."""

    persons: Sequence[Person] = field(repr=False)
    written: Iterable[tuple[str, bool]] = field(repr=False)


def require_discreet(texts: Sequence[str], secrets: Secrets, to: Recipient) -> None:
    """Raise NotAllowed when one of some texts names a protected person, or holds eight words in a row that somebody else wrote."""
    for text in texts:
        _require_nobody_named(text, secrets.persons, to)
    if run := _common_run(texts, secrets.written, to.known):
        raise NotAllowed(QUOTED, words=run)


def _require_nobody_named(text: str, persons: Sequence[Person], to: Recipient) -> None:
    own, text = set(words(to.name)), composed(text)
    greeted = composed(to.name).strip()
    without = re.sub(rf"(?<!\w){re.escape(greeted)}(?!\w)", " . ", text, flags=re.IGNORECASE) if greeted else text
    found = who_may_be_named([f"\n.\n{without}"], persons, ())
    if found:
        raise _named(found[0])
    # Scripts without capitals write names as any other word.
    called = [said for said in _CAPITAL.findall(without) if not said[0].islower()]
    spoken = {word for said in called for word in words(said)} - own
    prefixed = {word for said in called if _PREFIXES.match(said) for word in words(said)} - own
    unspaced, said_at_all = "".join(without.split()), set(words(without)) - own
    for person in persons:
        if named := _telling_names(person) & said_at_all:
            raise _named(person, min(named))
        names = _single_names(person)
        told = [word for word in spoken for name in names if _is_form_of(word, name)]
        told += [word for word in prefixed for name in names if len(name) > _SHORT and word.endswith(name)]
        told += [name for name in _unspaced_names(person) if name in unspaced and name not in to.name]
        if told:
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
    return set().union(*(single_words(words(form)) for form in (person.name, *person.aliases, *person.calls)))


def _unspaced_names(person: Person) -> set[str]:
    """Given names in scripts that set no spaces, or endings right behind them: what follows the first character of a name."""
    names = ("".join(composed(form).split()) for form in (person.name, *person.aliases, *person.calls))
    return {name[1:] for name in names if len(name) > 2 and _UNSPACED_NAME.fullmatch(name)}


def _named(person: Person, word: str = "") -> NotAllowed:
    if person.author == "reporter":
        return NotAllowed(REPORTER_NAMED, word=word or person.name or person.email)
    return NotAllowed(NAMED, name=person.name or word or person.email)


def _common_run(texts: Sequence[str], written: Iterable[tuple[str, bool]], known: Iterable[str]) -> str:
    """Eight words in a row that stand both in a text and in what others wrote; empty when there are none.

    The runs of the text are kept, and the rest read once: linear, and small however much was written.
    """
    ours = {run for text in texts for run in _runs(text)}
    for text in known if ours else ():
        ours.difference_update(_runs(text))
    for text, by_team in written if ours else ():
        if by_team:
            ours.difference_update(_runs(text))
        elif run := next((run for run in _runs(text) if run in ours), None):
            return " ".join(run)
    return ""


def _runs(text: str) -> Iterator[tuple[str, ...]]:
    """Words in a row; of scripts that set no spaces, characters."""
    said = words(text)
    yield from (tuple(said[at : at + RUN]) for at in range(len(said) - RUN + 1))
    if not text.isascii():
        for clause in _UNSPACED_CLAUSE.findall("".join(_LETTERS.findall(composed(text)))):
            yield from (tuple(clause[at : at + _CHARACTERS]) for at in range(len(clause) - _CHARACTERS + 1))
