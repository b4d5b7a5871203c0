"""Whether a text speaks of somebody by a member's first name alone. Pure; the weakest reason to withhold a case.

A greeting, the author's own name and a sign-off do not count. A first name that is a word as well ("Grace", "Will") counts with
a capital letter in the middle of a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from store.team.folding import words
from store.team.members import Member
from store.team.name_words import CLOSING, NO_NAME
from store.team.names import is_greeting, stands_as_name

_GREETING_LINES = 5
_LONGEST_CLOSING = 8
_READ = 500_000
_HELLO = re.compile(r"\W*([^,!:;.\n\u2013\u2014\u060c]{1,120})[,!:;.\u2013\u2014\u060c]")
_SIGNATURE = re.compile(r"^-- ?$", re.MULTILINE)


def who_may_be_called(text: str, members: Sequence[Member], author: Collection[str]) -> list[Member]:
    """The members whose first name, or alias of one word, a text says; `author` are the folded words of its author's name."""
    text = _without_address(text[:_READ], members)
    said: set[str] | None = None
    found = []
    for member in members:
        for name in _first_names(member) - set(author):
            if name in NO_NAME:
                if stands_as_name(text, name):
                    found.append(member)
                    break
                continue
            said = set(words(text)) if said is None else said
            if name in said:
                found.append(member)
                break
    return found


def _first_names(member: Member) -> set[str]:
    """The folded first name, and each alias that is one word; a single letter is none."""
    called = [words(member.name)[:1], *(words(alias) for alias in member.aliases)]
    return {form[0] for form in called if len(form) == 1 and len(form[0]) > 1}


def _without_address(text: str, everyone: Sequence[Member]) -> str:
    """A text less who is greeted in it, and less its sign-off."""
    text = _SIGNATURE.split(text)[0]
    lines = text.split("\n")
    spoken = [number for number, line in enumerate(lines) if line.strip()]
    for number in spoken[:_GREETING_LINES]:
        lines[number] = _without_hello(lines[number], everyone)
    return "\n".join(_without_closing(lines, spoken))


def _without_hello(line: str, everyone: Sequence[Member]) -> str:
    if is_greeting(line, everyone):
        return ""
    hello = _HELLO.match(line)
    return line[hello.end() :] if hello and is_greeting(hello[1], everyone) else line


def _without_closing(lines: list[str], spoken: Sequence[int]) -> list[str]:
    """Lines up to the one that closes a letter, such as "Best regards," above a name, or "Thanks, Bo"."""
    for back, number in enumerate(spoken[-3:][::-1]):
        said = words(lines[number])
        closes = bool(said) and len(said) <= _LONGEST_CLOSING and said[0] in CLOSING
        if closes and (sum(word not in CLOSING for word in said) <= (2 if back == 0 else 0)):
            return lines[:number]
    return lines
