"""One language: the sentences of the notices (gettext catalogs), days, times and spans (Babel, CLDR)."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from datetime import date, datetime, timedelta, tzinfo
from functools import cache
from pathlib import Path

from babel import Locale
from babel.dates import format_date, format_time, format_timedelta, get_datetime_format
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.units import format_unit

from mailer.saying import direction
from store.kit.kinds import LANGUAGES
from store.kit.sentences import Sentence

CATALOGS = Path(__file__).parent / "catalogs"
# RFC 5322 section 2.1.1 asks for lines of 78 characters at most.
_WIDTH = 76
_LABEL = 12


class Translation:
    """What can be said in one language. What its catalog lacks is said in English."""

    def __init__(self, language: str) -> None:
        self._locale = Locale.parse(language)
        self._sentences = _sentences(language)
        self._said: dict[str, str] = {}
        self._right_to_left = self._locale.text_direction == "rtl"

    def say(self, sentence: str, **values: object) -> str:
        """A sentence of a template with its values (`%(name)s`), in lines of a mail's width."""
        if not values:  # such a sentence is the same each time
            if sentence not in self._said:
                self._said[sentence] = self._filled(sentence, {})
            return self._said[sentence]
        return self._filled(sentence, values)

    @property
    def runs_right_to_left(self) -> bool:
        """Whether the language is written from right to left."""
        return self._right_to_left

    def _filled(self, sentence: str, values: Mapping[str, object]) -> str:
        pattern, turned = self._pattern(sentence)
        shown = {name: self._value(value) if isinstance(value, str) else value for name, value in values.items()}
        return self._in_lines(pattern % shown, turned=turned)

    def on_page(self, sentence: str, **values: object) -> str:
        """A sentence of a web page with its values: in one line, its direction left to the page."""
        return (
            (self._sentences.get(sentence) or sentence) % values
            if values
            else self._sentences.get(sentence) or sentence
        )

    def said(self, sentence: str | Sentence) -> str:
        """A marked sentence, to stand in another one; the values in it may be such sentences as well."""
        if isinstance(sentence, str):
            return self._pattern(sentence)[0]
        if not sentence.values:
            return self.said(sentence.pattern)
        values = {name: self._value(self.said(value)) for name, value in sentence.values.items()}
        return self._pattern(sentence.pattern)[0].format_map(values)

    def fold(self, text: str, width: int = _WIDTH) -> str:
        """What was said, in lines of a width."""
        return self._in_lines(text, width, turned=self._right_to_left and direction.runs_right_to_left(text))

    def row(self, name: str, value: object) -> str:
        """A label and its value. A long value goes on below itself: no piece of it can pass for a line of the desk's own."""
        head = label(direction.without_marks(name))
        lines = textwrap.wrap(" ".join(str(value).split()), _WIDTH - _LABEL, break_on_hyphens=False) or [""]
        heads = [head, *(" " * _LABEL for _ in lines[1:])]
        rows = "\n".join(f"{start}{self._value(line)}".rstrip() for start, line in zip(heads, lines, strict=True))
        return direction.right_to_left(rows) if self._right_to_left else rows

    def isolated(self, value: str) -> str:
        """Words of somebody else, that stand among the desk's own."""
        return self._value(value)

    def _value(self, value: str) -> str:
        return direction.isolated(value, always=self._right_to_left)

    def _pattern(self, sentence: str) -> tuple[str, bool]:
        """A sentence in this language, and whether it runs from right to left."""
        found = self._sentences.get(sentence)
        if found is None or not self._right_to_left:
            return found or sentence, False
        return direction.latin_isolated(found), True

    def _in_lines(self, said: str, width: int = _WIDTH, *, turned: bool) -> str:
        if len(said) > width and "\n" not in said:
            said = textwrap.fill(said, width, break_long_words=False, break_on_hyphens=False)
        return direction.right_to_left(said) if turned else direction.closed(said)

    def day(self, day: date | str) -> str:
        """A day (a date, or one in ISO 8601), with the name of its month."""
        known = date.fromisoformat(day) if isinstance(day, str) else day
        return str(format_date(known, "long", self._locale))

    def time(self, at: datetime, zone: tzinfo) -> str:
        """A moment in a time zone, to the minute."""
        local = at.astimezone(zone)
        clock = format_time(local, "HH:mm z", tzinfo=zone, locale=self._locale)
        return str(get_datetime_format("medium", self._locale)).format(clock, format_date(local, "long", self._locale))

    def number(self, number: int) -> str:
        """A number, with the separators of the language."""
        return str(format_decimal(number, locale=self._locale))

    def size(self, octets: int) -> str:
        """A number of octets, in kilobytes or megabytes."""
        unit, one = ("megabyte", 10**6) if octets >= 10**6 else ("kilobyte", 10**3)
        shown = max(round(octets / one, 1), 0.1) if octets else 0
        return str(format_unit(shown, f"digital-{unit}", "short", locale=self._locale))

    def age(self, days: int) -> str:
        """A number of days, short."""
        return self._days(days, narrow=True)

    def left(self, days: int) -> str:
        """In how many days something is."""
        return self._days(days, narrow=False)

    def _days(self, days: int, *, narrow: bool) -> str:
        # Past this threshold Babel would speak of weeks and months.
        return format_timedelta(
            timedelta(days=days), "day", threshold=10**6, add_direction=not narrow,
            format="narrow" if narrow else "long", locale=self._locale,
        )  # fmt: skip


def label(text: str) -> str:
    """A label, with what follows at the same place in each line."""
    return f"{text:<{_LABEL}}" if len(text) < _LABEL else f"{text} "


@cache
def speech(language: str) -> Translation:
    """What can be said in a language: one of `LANGUAGES`, otherwise English."""
    return Translation(language if language in LANGUAGES else "en")


def _sentences(language: str) -> dict[str, str]:
    path = CATALOGS / f"{language}.po"
    if not path.exists():
        return {}
    with path.open("rb") as file:
        catalog = read_po(file, locale=language)
    return {
        message.id: message.string
        for message in catalog
        if isinstance(message.id, str) and isinstance(message.string, str) and message.string and not message.fuzzy
    }
