"""Who reads what is sent by the form, as far as each of them lets everybody see. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from babel import Locale
from babel.dates import get_timezone_location

from store.kit.config import Desk
from store.kit.sentences import marked
from store.team.members import Member, Roster

_ROLES = {
    "responder": marked("a member of the team"),
    "lead": marked("a lead of the team"),
    "alternate": marked("an alternate, who steps in when too few can read a report"),
    "escalation": marked("somebody whom the team turns to when a report stays unanswered"),
}


@dataclass(frozen=True)
class Shown:
    """One person as the page shows them: by name, or by a role (a marked sentence); the languages that they read, and their time zone."""

    name: str
    role: str
    languages: tuple[str, ...]
    zone: str


def shown(desk: Desk, roster: Roster, at: datetime, language: str) -> list[Shown]:
    """Those on duty who let themselves be shown, in the order of the roster; texts in a language."""
    return [_shown(member, desk, Locale.parse(language)) for member in roster.on_duty(at) if member.public != "no"]


def hidden(roster: Roster, at: datetime) -> bool:
    """Whether there is anybody on duty who is not shown."""
    return any(member.public == "no" for member in roster.on_duty(at))


def _shown(member: Member, desk: Desk, locale: Locale) -> Shown:
    name = member.name if member.public == "name" else ""
    return Shown(
        name, _ROLES[member.role], _names(member.languages, locale), _place(member.timezone or desk.timezone, locale)
    )


def _names(languages: Sequence[str], locale: Locale) -> tuple[str, ...]:
    return tuple(locale.languages.get(code, code) for code in languages)


def _place(zone: str, locale: Locale) -> str:
    return "" if zone == "UTC" else str(get_timezone_location(zone, locale=locale))
