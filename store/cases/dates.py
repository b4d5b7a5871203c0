"""Days that are written into a case."""

from __future__ import annotations

import re
from datetime import date

from store.cases.case_file import CaseFile
from store.kit.errors import NotAllowed
from store.kit.sentences import marked

_YEARS = 100


def today(file: CaseFile) -> date:
    """The day at the desk."""
    return file.at.astimezone(file.by.desk.zone).date()


_WITHIN = re.compile(r"\buntil\s+[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}\b", re.IGNORECASE)


def require_no_day_within(text: str, sentence: str) -> None:
    """Raise NotAllowed, with a sentence that says where it belongs, for a text that has a day where it would not be read as one."""
    if _WITHIN.search(text):
        raise NotAllowed(sentence)


def day_written(written: str) -> date:
    """The day that was written (ISO 8601). Raises NotAllowed."""
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise NotAllowed(marked("'{day}' is not a date. Write it like this: 2026-01-31."), day=written) from None


def day_near(file: CaseFile, day: date) -> date:
    """A day that is not so far away that it must be a slip. Raises NotAllowed."""
    if abs(day.year - today(file).year) > _YEARS:
        raise NotAllowed(marked("{day} is too far away. Give a day within {number} years."), day=day, number=_YEARS)
    return day


def day_to_come(file: CaseFile, written: str) -> date:
    """A day that was written and is not over. Raises NotAllowed."""
    day = day_near(file, day_written(written))
    if day < today(file):
        raise NotAllowed(marked("{day} is in the past. Give a future day."), day=day)
    return day


def date_once(file: CaseFile, field: str) -> None:
    """Fill a date of the record with the day at the desk, unless it is filled."""
    if not file.fields.get(field):
        file.fill({field: today(file).isoformat()})
