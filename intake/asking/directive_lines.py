"""The lines by which a reporter asks for something, with the values that go on below them. Pure, and linear in the text.

A value may be wrapped, or stand below its word as a list; a list ends with a blank line unless it has bullets or numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from intake.reading.authorship import Whose, authored, greets

# In English, as the pages for reporters say it, and in the other languages that they may be answered in.
_EXCLUDE = r"exclude|excluir|exclure|ausschlie(?:ß|ss)en|ausschluss|استثناء|استبعاد"
REPLY = r"reply|respuesta|responder|resposta|r[ée]ponse|r[ée]pondre|antwort(?:en)?|(?:ال)?رد"
_ONLY = r"(?:only|nur|s[oó]lo|solamente|[uú]nicamente|somente|apenas|seulement|uniquement|فقط)(?:[ \t]{1,5}(?:to|for|an|f[uü]r|para|a|[aà]|pour))?"
_WORD = rf"(?:(?P<exclude>{_EXCLUDE})|(?P<only>{_ONLY})|{REPLY})[ \t\xa0*_`]{{0,20}}[:\uff1a](?P<value>[^\n]*)"
_BEFORE = r"[ \t\xa0*_#`\-\u2022]{0,100}"
_LINE = re.compile(rf"{_BEFORE}{_WORD}", re.IGNORECASE)
_WITHIN = re.compile(rf"(?<=[.!?(,;:\u060c\u061f\u3002\uff01])[ \t\xa0]{{0,5}}{_WORD}", re.IGNORECASE)
_ALL_BUT = re.compile(
    r"\W*(?:every(?:one|body)?|all|alle|jede[rn]?|todos|todas|tou(?:s|te?s?)(?: le monde)?|toda a gente|الجميع|الكل)(?:\s+(?:the|die|los|les|os)?\s*\w+)?,?\s+"
    r"(?:except|but|besides|other than|apart from|au(?:ß|ss)er|excepto|salvo|menos|exceto|sauf|except[eé]|hormis|باستثناء|إلا|ما عدا|عدا)\b(?:\s+(?:for|to|à|a))?\s+(\S.*)",
    re.IGNORECASE,
)
_NEGATES = re.compile(
    r"\b(?:not|never|no|nobody|without|except|but|nicht|nie|kein\w*|ohne|au(?:ß|ss)er|nunca|sin|salvo|menos|pas|jamais|sans|sauf|n[aã]o|sem|exceto)\b|لا|ليس|بدون|باستثناء|ما عدا",
    re.IGNORECASE,
)
_FURTHER_DOWN = re.compile(rf"^{_BEFORE}{_WORD}", re.IGNORECASE | re.MULTILINE)
_IN_QUOTATION_MARKS = re.compile(
    r"\s*[\"'\u2018\u201a\u201c\u201e\u00ab](.*)[\"'\u2018\u2019\u201c\u201d\u00bb][.!]?\s*$"
)
_QUOTATION_ENDS = re.compile(r"[\"\u201c\u201d\u00bb]")
_BULLET = re.compile(
    r"\s*(?:[-*+\u00b7\u2013\u2014\u2022\u2023\u25aa\u25cf\u25e6]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+", re.IGNORECASE
)
_AND = r"and|or|und|oder|sowie|y|o|et|ou|e|plus|و|أو"
_BETWEEN_NAMES = re.compile(rf"[,;/&\u3001\uff0c\u060c]|\s(?:{_AND})\s", re.IGNORECASE)
_GOES_ON = re.compile(rf"(?:[,;/&+\u3001\uff0c\u060c]|\s(?:{_AND}))$", re.IGNORECASE)
_CONTINUES = re.compile(rf"\s*(?:[,;/&+\u3001\uff0c\u060c]|(?:{_AND})\s)", re.IGNORECASE)
_SENTENCE = re.compile(r"\S\s+\S+\s+\S+[.!?:\u061f\u3002]$")
_EMPHASIS = " \t\xa0*_`"

_READ_CLOSELY = 1_000_000
_WRAPPED_FROM = 60
_NAME_WORDS = 4
_LIST_LINE = 300
_LONG_VALUE = 2000
_MOST_BLANK = 2


Word = Literal["exclude", "only", "reply"]


@dataclass(frozen=True)
class Directive:
    """One wish, as it was written. `whose` is `own` where it surely is the author's."""

    word: Word
    value: str
    whose: Whose


def directives_in(text: str) -> Iterator[Directive]:
    """The wishes in a text, in their order. Of a very long text what is far down counts as uncertain."""
    end = text.find("\n", _READ_CLOSELY)
    end = len(text) if end < 0 else end
    reading = _Reading()
    for whose, line in authored(text[:end]):
        yield from reading.line(whose, line)
    yield from reading.close()
    seen: set[str] = set()
    for found in _FURTHER_DOWN.finditer(text, end):
        if found[0] not in seen:
            seen.add(found[0])
            yield Directive(_word_of(found), found["value"].strip(_EMPHASIS), "unsure")


def names(value: str) -> list[str]:
    """The single names in what follows `Exclude:`, which may list several."""
    return [name for piece in _BETWEEN_NAMES.split(value) if (name := piece.strip())]


def is_directive(line: str) -> bool:
    """Whether a line begins with a word such as `Exclude:`."""
    return _LINE.match(line) is not None


def only_value(line: str) -> str:
    """What stands after `Only:` on a line; empty for any other line."""
    found = _LINE.match(line)
    return found["value"].strip(_EMPHASIS) if found and found["only"] else ""


def all_but(value: str) -> str:
    """Whom `Exclude: everyone but …` leaves; empty for any other value."""
    found = _ALL_BUT.fullmatch(value[:_LONG_VALUE])
    return found[1] if found else ""


def negates(value: str) -> bool:
    """Whether a value says no: `Only: not Bo` is no wish that Bo should know."""
    return _NEGATES.search(value[:_LONG_VALUE]) is not None


def is_list(said: str) -> bool:
    """Whether a value can be names: none of them has more words than names have."""
    return len(said) <= _LIST_LINE and all(len(name.split()) <= _NAME_WORDS for name in names(said))


Below = Literal["value", "list", "names", "paragraphs"]


class _Reading:
    """The wish whose value may go on in the next line.

    `below` is what was found below its word: nothing but the value; a list that surely is one; more names, which
    may be the first words of the text as well; or the same in paragraphs of their own, as HTML makes them.
    """

    def __init__(self) -> None:
        self._asked: Directive | None = None
        self._whose: Whose = "own"
        self._below: Below = "value"
        self._length = self._blank = 0  # of the line above; lines since then

    def line(self, whose: Whose, line: str) -> Iterator[Directive]:
        """Read one more line; the wishes that it ends or holds."""
        if not line:
            yield from self._blank_line()
        elif whose == "quoted":
            yield from self.close()
        elif found := _directive(line, whose):
            yield from self.close()
            self._asked, self._whose, self._length = found, whose, len(line)
        elif self._asked is not None and self._whose == whose:
            yield from self._further(self._asked, line)
        else:
            yield from self.close()
            yield from _within(line)

    def close(self) -> Iterator[Directive]:
        """The wish at hand, which ends here."""
        if self._asked is not None and (self._asked.value or self._asked.word == "reply"):
            yield self._asked
        self._asked, self._below, self._length, self._blank = None, "value", 0, 0

    def _blank_line(self) -> Iterator[Directive]:
        self._blank += 1
        asked = self._asked
        waits = asked and (not asked.value or self._below in ("list", "paragraphs") or _goes_on(asked.value))
        if not waits or self._blank > _MOST_BLANK:
            yield from self.close()

    def _further(self, asked: Directive, line: str) -> Iterator[Directive]:
        """A line below a wish: more of its value, one more name, or something else."""
        after_blank, self._blank = self._blank > 0, 0
        wrapped, self._length = not after_blank and self._length >= _WRAPPED_FROM, len(line)
        bullet = _BULLET.match(line)
        said = (line[bullet.end() :] if bullet else line).strip(_EMPHASIS)
        joins = bool(asked.value) and not after_blank and not bullet
        if asked.word == "reply":
            if wrapped or not asked.value:
                yield replace(asked, value=f"{asked.value} {said}".strip())
                self._asked = None
            yield from self.close()
        elif joins and (_goes_on(asked.value) or _CONTINUES.match(line) or (wrapped and is_list(said))):
            yield from self._join(asked, said)
        elif (
            not greets(line) and is_list(said) and (below := self._place(asked, said, bullet is not None, after_blank))
        ):
            length = self._length
            yield from self.close()
            self._asked = replace(asked, value=said, whose=self._whose if below == "list" else "unsure")
            self._below, self._length = below, length
        else:
            yield from self.close()
            if wrapped or not asked.value:
                yield replace(asked, value=said, whose="unsure")
            else:
                yield from _within(line)

    def _join(self, asked: Directive, said: str) -> Iterator[Directive]:
        if len(asked.value) > _LONG_VALUE:  # joined for ever, it would be copied for ever
            yield asked
            self._asked = replace(asked, value=said)
        else:
            self._asked = replace(asked, value=f"{asked.value} {said}".strip())

    def _place(self, asked: Directive, said: str, bullet: bool, after_blank: bool) -> Below | None:
        """What a line that may be one of a list belongs to; None when the list is over."""
        if bullet and (not after_blank or self._below == "list" or not asked.value):
            return "list"
        if self._below == "list" or (self._below == "value" and not asked.value):
            if not after_blank:
                return "list"
            return None if self._below == "list" else "paragraphs"
        if self._below == "paragraphs":
            return "paragraphs"
        return "names" if (not after_blank or _goes_on(asked.value)) and not _SENTENCE.search(said) else None


def _goes_on(value: str) -> bool:
    return _GOES_ON.search(value[-20:]) is not None


def _directive(line: str, whose: Whose) -> Directive | None:
    quoted = _IN_QUOTATION_MARKS.match(line)
    found = _LINE.match(quoted[1] if quoted else line)
    if found is None:
        return None
    word = _word_of(found)
    if whose == "unsure" and word == "reply" and (quoted or _QUOTATION_ENDS.search(found["value"])):
        return None  # that is how our acknowledgements say what may be written, and many quote them whole
    if (found["only"] or "").casefold() == "nur":
        whose = "unsure" if whose == "own" else whose  # a first name as well, as in a chat that somebody pastes
    return Directive(word, found["value"].strip(_EMPHASIS), whose)


def _within(line: str) -> Iterator[Directive]:
    """A wish behind a sentence, on the same line: nobody can tell where it ends."""
    if found := _WITHIN.search(line):
        yield Directive(_word_of(found), found["value"].strip(_EMPHASIS), "unsure")


def _word_of(found: re.Match[str]) -> Word:
    return "exclude" if found["exclude"] else "only" if found["only"] else "reply"
