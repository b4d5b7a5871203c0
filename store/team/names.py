"""Whether a text names a member. Pure.

`who_is_named` asks for a full name, alias, handle or address; `who_may_be_named` for less. What a reporter wrote after `Exclude:` is
read more generously (`store.team.meant`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Protocol, TypeVar

from store.team.folding import WORD, composed, fold, near, words
from store.team.name_words import GREETING, MONTHS, NO_NAME, TITLES

_NOT_LETTERS = re.compile(r"[\W_]+")
_WITHIN_WORDS = re.compile(r"[^\w\s]+|_+")
_PIECE = 200_000
_OVERLAP = 500
# Ranges of characters of scripts that set no spaces within a clause; and a class of them and Hangul, which puts endings right behind a name.
UNSPACED_RANGES = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
NO_WORD_EDGE = rf"[{UNSPACED_RANGES}\uac00-\ud7af]"
_UNSPACED = re.compile(NO_WORD_EDGE)

_SENTENCE_BEGINS = re.compile(r"(?:^|[.!?:>*\u2022\u2026\u061f\u3002-])[\s\"'\u201c\u201e\u00ab(]*$")
_SURNAME_ALONE, _SHORT_SURNAME = 5, 3
_INFLECTED = 6
LONGEST_ENDING = 3
_BETWEEN = 2
_WRITTEN_TOGETHER = 7
_LONGEST_GREETING, _MOST_GREETED = 1000, 20


class Named(Protocol):
    """Somebody whom a text may name: a member, or a person in a case."""

    @property
    def id(self) -> str:
        """What tells them from others; with an @ before it, it is a handle."""

    @property
    def name(self) -> str:
        """Their name."""

    @property
    def email(self) -> str:
        """Their mail address; empty when none is known."""

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names, and handles."""


Somebody = TypeVar("Somebody", bound=Named)


def who_is_named(texts: Sequence[str], members: Sequence[Somebody], everyone: Sequence[Named]) -> list[Somebody]:
    """The members who are named in a report: full name, alias, handle or address.

    A greeting line alone does not count; `everyone` is the roster, for a greeting may name several of them.
    """
    found: set[str] = set()
    for read in _reads(texts, everyone):
        found |= {member.id for member in members if member.id not in found and _names(read, member)}
    return [member for member in members if member.id in found]


def _reads(texts: Sequence[str], everyone: Sequence[Named]) -> Iterator[_Read]:
    for text in filter(None, texts):
        yield from map(_Read, _pieces(_without_greeting(text, everyone)))


def who_may_be_named(texts: Sequence[str], members: Sequence[Somebody], everyone: Sequence[Named]) -> list[Somebody]:
    """The same, and who is called by less: a surname, one with a title or an initial, a first name with the initial of the
    surname, or a full name with something between; also inflected, hyphenated, or written together.
    """
    found: set[str] = set()
    for read in _reads(texts, everyone):
        left = [member for member in members if member.id not in found]
        found |= {member.id for member in left if _names(read, member) or _is_called(read, member)}
    return [member for member in members if member.id in found]


def _pieces(text: str) -> Iterator[str]:
    """A long text in pieces that overlap by more than any name is long, so that memory stays bounded."""
    for start in range(0, max(1, len(text)), _PIECE):
        yield text[max(0, start - _OVERLAP) : start + _PIECE]


class _Read:
    """A text, folded once for all members."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.folded = fold(text)
        self.words = WORD.findall(self.folded)
        self.line = f" {' '.join(self.words)} "
        self.vocabulary = set(self.words)
        self.tokens = _WITHIN_WORDS.sub("", self.folded).split()
        self.forms = self.vocabulary.union(self.tokens)
        self.unspaced = "" if text.isascii() else re.sub(r"\s+", "", composed(text))


def _names(text: _Read, member: Named) -> bool:
    if _holds_address(text.folded, fold(member.email)):
        return True
    if any(_holds_handle(text.folded, fold(handle)) for handle in (member.id, *member.aliases)):
        return True
    if any(f" {' '.join(form)} " in text.line for form in _full_forms(member)):
        return True
    if any(_unspaced_in(name, text.unspaced) for name in (member.name, *member.aliases)):
        return True
    return _nearly_there(words(member.name), text)


def _full_forms(member: Named) -> list[list[str]]:
    return _forms_of(member.name, member.aliases)


@lru_cache(maxsize=1000)
def _forms_of(full_name: str, aliases: tuple[str, ...]) -> list[list[str]]:
    forms = [form for alias in aliases if (form := words(alias))]
    name = words(full_name)
    if name:
        forms += [name, name[::-1], [*name[-1:], *name[:-1]]]
    if len(name) > 2:
        forms += [[name[0], name[-1]], [name[-1], name[0]]]
    return forms


def _is_called(text: _Read, member: Named) -> bool:
    """Whether a text calls a member by less than their full name."""
    name = [token for word in fold(member.name).split() if (token := _NOT_LETTERS.sub("", word))]
    if len(name) < 2:
        return False
    first, surname = name[0], name[-1]
    if len("".join(name)) >= _WRITTEN_TOGETHER and not text.forms.isdisjoint(
        {"".join(name), surname + "".join(name[:-1])}
    ):
        return True
    if _is_telling(surname) and any(_is_form_of(word, surname) for word in text.forms):
        return True
    if surname in text.vocabulary and _is_word_or_short(surname) and stands_as_name(text.text, surname):
        return True
    return any(_calls(line, first, last) for line in (text.words, text.tokens) for last in {surname, name[1]})


def _is_telling(surname: str) -> bool:
    return len(surname) >= _SURNAME_ALONE and surname not in NO_NAME


def _is_word_or_short(surname: str) -> bool:
    """Whether a surname means somebody only where it is written as a name."""
    return (
        len(surname) >= _SHORT_SURNAME
        and surname not in MONTHS
        and (surname in NO_NAME or len(surname) < _SURNAME_ALONE)
    )


def _is_form_of(word: str, surname: str) -> bool:
    """Whether a word is a surname, or one with an ending of some language."""
    if len(surname) < _INFLECTED:
        return word == surname
    return word.startswith(surname) and len(word) - len(surname) <= LONGEST_ENDING


def _calls(line: Sequence[str], first: str, surname: str) -> bool:
    """Whether a name stands in a line of words: with a title, with an initial, or with something between."""
    for at in _places(line, surname):
        before = line[at - 1] if at else ""
        if before in TITLES or before == first[0] or line[at + 1 : at + 2] == [first[0]]:
            return True
    for at in _places(line, first):
        behind = line[at + 1 : at + 2 + _BETWEEN]
        if behind[:1] == [surname[0]] or surname in behind:
            return True
    return False


def _places(line: Sequence[str], word: str) -> Iterator[int]:
    """Where a word stands."""
    at = -1
    for _ in range(line.count(word)):
        at = line.index(word, at + 1)
        yield at


def _holds_address(folded: str, address: str) -> bool:
    local, _, domain = address.partition("+")[0].partition("@")
    domain = domain or address.rpartition("@")[2]
    if not local or f"@{domain}" not in folded:
        return False
    mailbox = rf"(?<![\w.+-]){re.escape(local)}(?:\+[\w.+-]{{0,64}})?@{re.escape(domain)}(?![\w-])"
    return re.search(mailbox, folded) is not None


def _holds_handle(folded: str, handle: str) -> bool:
    bare = handle.removeprefix("@")
    if len(bare) < 2 or f"@{bare}" not in folded:
        return False
    return re.search(rf"(?<![\w.])@{re.escape(bare)}(?![\w-])", folded) is not None


def _unspaced_in(name: str, unspaced: str) -> bool:
    """Scripts that set no spaces: the name as it is, anywhere."""
    if not unspaced or name.isascii():
        return False
    bare = re.sub(r"\s+", "", composed(name))
    return len(bare) > 1 and _UNSPACED.search(bare) is not None and bare in unspaced


def _nearly_there(name: Sequence[str], text: _Read) -> bool:
    """A full name of two words or more with a slip in it, in either order."""
    if len(name) < 2 or sum(map(len, name)) < 7:
        return False
    alike = [{word for word in text.vocabulary if near(word, part)} for part in name]
    if not all(alike):
        return False
    return any(
        all(text.words[start + step] in alike[index] for step, index in enumerate(order))
        for order in (range(len(name)), range(len(name) - 1, -1, -1))
        for start in range(len(text.words) - len(name) + 1)
    )


def _without_greeting(text: str, everyone: Sequence[Named]) -> str:
    """The text less its first line, when that line greets and says nothing else."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        return "\n".join(lines[number + 1 :]) if is_greeting(line, everyone) else text
    return text


def is_greeting(line: str, everyone: Sequence[Named]) -> bool:
    """Whether a line greets members, and says nothing else."""
    said = words(line) if len(line) <= _LONGEST_GREETING else []
    if not any(word in GREETING for word in said) or "@" in line:
        return False
    names = {word for member in everyone for name in (member.name, member.id, *member.aliases) for word in words(name)}
    return len(said) <= _MOST_GREETED and all(word in GREETING or word in TITLES or word in names for word in said)


def stands_as_name(text: str, name: str) -> bool:
    """Whether a word stands with a capital where none is due, or behind a title."""
    before = ""
    for found in WORD.finditer(text):
        word = found[0]
        if fold(word) == name and word[:1].isupper() and not word.isupper():
            begins = _SENTENCE_BEGINS.search(text[max(0, found.start() - 12) : found.start()])
            if before in TITLES or not begins:
                return True
        before = fold(word) if len(word) < 12 else ""
    return False
