"""One language: the sentences of the notices (gettext catalogs), days, times and spans (Babel, CLDR)."""

from __future__ import annotations

import textwrap
from datetime import date, datetime, timedelta, tzinfo
from functools import cache
from pathlib import Path

from babel import Locale
from babel.dates import format_date, format_time, format_timedelta, get_datetime_format
from babel.messages.pofile import read_po

from store.kinds import LANGUAGES
from store.sentences import Sentence

CATALOGS = Path(__file__).parent / "catalogs"
# RFC 5322 section 2.1.1 asks for lines of 78 characters at most.
_WIDTH = 76
_LABEL = 12


class Speech:
    """What can be said in one language. What its catalog lacks is said in English."""

    def __init__(self, language: str) -> None:
        self._locale = Locale.parse(language)
        self._sentences = _sentences(language)

    def say(self, sentence: str, **values: object) -> str:
        """A sentence of a template with its values (`%(name)s`), in lines of a mail's width."""
        said = self._sentences.get(sentence, sentence) % values
        if len(said) <= _WIDTH or "\n" in said:
            return said
        return textwrap.fill(said, _WIDTH, break_long_words=False, break_on_hyphens=False)

    def said(self, sentence: str | Sentence) -> str:
        """A marked sentence; the values in it may be such sentences as well."""
        if isinstance(sentence, str):
            return self._sentences.get(sentence, sentence)
        if not sentence.values:
            return self.said(sentence.pattern)
        values = {name: self.said(value) for name, value in sentence.values.items()}
        return self._sentences.get(sentence.pattern, sentence.pattern).format_map(values)

    def day(self, day: date) -> str:
        """A day, with the name of its month."""
        return str(format_date(day, "long", self._locale))

    def time(self, at: datetime, zone: tzinfo) -> str:
        """A moment in a time zone, to the minute."""
        local = at.astimezone(zone)
        clock = format_time(local, "HH:mm z", tzinfo=zone, locale=self._locale)
        return str(get_datetime_format("medium", self._locale)).format(clock, format_date(local, "long", self._locale))

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
def speech(language: str) -> Speech:
    """What can be said in a language: one of `LANGUAGES`, otherwise English."""
    return Speech(language if language in LANGUAGES else "en")


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
