"""The kinds of values in a configuration: what each may be, and the sentence for what it may not. Pure."""

from __future__ import annotations

import re
from typing import Annotated, Literal, get_args
from zoneinfo import available_timezones

import holidays
from pydantic import AfterValidator, Field

_DOMAIN = r"(?:[\w-]+(?:\.[\w-]+)*|\[[0-9A-Fa-f:.]+\])"
_ADDRESS = re.compile(rf"[^\s@<>,;:\"()\\+\x00-\x1f]+@{_DOMAIN}")


def plain_address(value: str) -> str:
    """The value, if it is an address without extension and display name; raises ValueError."""
    if not _ADDRESS.fullmatch(value):
        raise ValueError("must be a plain mail address such as conduct@example.org, without '+' or a display name")
    return value


def mail_address(value: str) -> str:
    """The value, if it is one address without a display name; raises ValueError."""
    local, _, domain = value.partition("@")
    plain_address(f"{local.replace('+', '')}@{domain}")
    return value


def is_fingerprint(text: str) -> bool:
    """Whether a text is an OpenPGP fingerprint as it is kept: 40 (or 64) hexadecimal digits, in upper case."""
    return re.fullmatch(r"[0-9A-F]{40}|[0-9A-F]{64}", text) is not None


def _fingerprint(value: str) -> str:
    bare = value.replace(" ", "").upper().removeprefix("0X")
    if not is_fingerprint(bare):
        raise ValueError("must be a full OpenPGP fingerprint: 40 (or 64) hexadecimal digits, as 'gpg -K' prints it")
    return bare


def _word(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", value):
        raise ValueError("must be one word of lower-case letters, digits and hyphens")
    return value


def _country(value: str) -> str:
    if value:
        name, _, part = value.partition("-")
        try:
            holidays.country_holidays(name, subdiv=part or None)
        except NotImplementedError:
            raise ValueError("must be a country as DE, or a part of one as US-CA, whose holidays are known") from None
    return value


def _timezone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("must be a time zone name such as Europe/Berlin or UTC")
    return value


def _schedule(value: str) -> str:
    when, _, zone = value.partition(" ")
    if when != "off" and not re.fullmatch(r"(daily|weekly)@([01]\d|2[0-3]):[0-5]\d", when):
        raise ValueError("must be daily@HH:MM or weekly@HH:MM (Mondays), with or without a time zone behind it, or off")
    if zone:
        _timezone(zone)
    return value


CENTURY_DAYS = 36_500


def at_most(most: float) -> AfterValidator:
    """More than a century is as good as one, and what is reckoned with it stays within the calendar."""
    return AfterValidator(lambda value: min(value, most))


Days = Annotated[int, Field(ge=0), at_most(CENTURY_DAYS)]
Hours = Annotated[int, Field(ge=0), at_most(CENTURY_DAYS * 24)]
Seconds = Annotated[float, Field(gt=0), at_most(CENTURY_DAYS * 86_400)]
Address = Annotated[str, AfterValidator(plain_address)]
Fingerprint = Annotated[str, AfterValidator(_fingerprint)]
Port = Annotated[int, Field(ge=1, le=65535)]
Zone = Annotated[str, AfterValidator(_timezone)]
Schedule = Annotated[str, AfterValidator(_schedule)]
Country = Annotated[str, AfterValidator(_country)]
Word = Annotated[str, AfterValidator(_word)]
Language = Literal["en", "es", "fr", "pt", "de", "ar"]
LANGUAGES: tuple[str, ...] = get_args(Language)
