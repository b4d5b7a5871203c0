"""The roster file: read, and checked line by line. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from babel import Locale, UnknownLocaleError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from store.kit.addresses import bare, folded
from store.kit.config import Desk
from store.kit.errors import RosterError
from store.kit.files import toml_trouble
from store.kit.kinds import Fingerprint, Zone, plain_address
from store.team.members import Member, Public, Roster, Serving

_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
RESERVED_IDS = frozenset({"reporter", "other", "operator", "desk", "me", "machine"})


def member_id(value: str) -> str:
    """The value, if it can be the short id of a member; raises ValueError."""
    if not _ID.fullmatch(value):
        raise ValueError("must be lower-case letters, digits, '-' and '_'")
    if value in RESERVED_IDS:
        raise ValueError(f"'{value}' has a meaning of its own; choose another id")
    return value


def one_line(value: str) -> str:
    """The value on one line; raises ValueError when there is nothing in it."""
    clean = " ".join(value.split())
    if not clean:
        raise ValueError("must not be empty")
    return clean


def member_address(value: str) -> str:
    """The value, if it is a mail address without a display name; raises ValueError."""
    # A member's own address may carry an extension; only a desk's must not.
    plain_address(re.sub(r"\+[^@+]*@", "@", value))
    return value


def alert_url(value: str) -> str:
    """The value, if it has the form of a service's address; raises ValueError."""
    if value and not re.fullmatch(r"[A-Za-z][A-Za-z0-9.+-]*://\S+", value):
        raise ValueError("must be the address of a service as Apprise writes it, such as ntfy://topic")
    return value


def known_language(value: str) -> str:
    """The value, if it is the code of a language that has a name; raises ValueError."""
    try:
        Locale.parse(value)
    except (ValueError, UnknownLocaleError):
        raise ValueError("must be the code of a language, as en, de or ar") from None
    return value


class _Entry(BaseModel):
    """One `[[member]]` block as written."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    id: Annotated[str, AfterValidator(member_id)]
    name: Annotated[str, AfterValidator(one_line)]
    aliases: tuple[str, ...] = ()
    email: Annotated[str, AfterValidator(member_address)]
    fingerprint: Fingerprint
    key: str = ""
    role: Serving = "responder"
    start: date = Field(alias="from")
    until: date
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] = "en"
    alert: Annotated[str, AfterValidator(alert_url)] = ""
    alert_codename: bool = False
    public: Public = "no"
    languages: tuple[Annotated[str, AfterValidator(known_language)], ...] = ()
    timezone: Zone | Literal[""] = ""


_FIELD_HELP = {
    "from": "the first day of the term, as 2026-01-31",
    "until": "the last day of the term, as 2026-12-31",
}


def parse(source: str, file: Path, desk: Desk) -> Roster:
    """Read the text of a roster file; an empty one is an empty roster.

    Raises RosterError naming file, line, field and remedy.
    """
    try:
        content = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise RosterError(f"{file}: not valid TOML: {toml_trouble(error)}.") from None
    for key in content:
        if key != "member":
            raise RosterError(
                f"{file}:{_line_of(source, key)}: {key}: there is no such field; members stand in [[member]] blocks."
            )
    blocks = content.get("member", [])
    if not isinstance(blocks, list):
        raise RosterError(
            f"{file}:{_line_of(source, 'member')}: write [[member]] in double brackets, once for each person."
        )
    lines = Lines(source, file)
    members = [_member(block, index, lines) for index, block in enumerate(blocks)]
    _refuse_twins(members, lines)
    own = {bare(address) for address in desk.addresses}
    for index, member in enumerate(members):
        if bare(member.email) in own:
            raise lines.error(index, "email", "this is the desk's own address; give the member's")
    return Roster(tuple(members), desk.quorum, desk.zone)


def _member(block: Any, index: int, lines: Lines) -> Member:
    try:
        entry = _Entry.model_validate(block)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] == "missing":
            raise lines.error(index, field, f"must be set{_help(field)}") from None
        if first["type"] == "extra_forbidden":
            raise lines.error(index, field, "there is no such field") from None
        message = str(first["msg"]).removeprefix("Value error, ")
        raise lines.error(index, field, f"{message[0].lower()}{message[1:]}{_help(field)}") from None
    if entry.until < entry.start:
        raise lines.error(index, "until", "the term ends before it begins")
    return Member(
        id=entry.id, name=entry.name, email=entry.email, fingerprint=entry.fingerprint, role=entry.role,
        start=entry.start, until=entry.until, aliases=tuple(map(one_line, filter(str.strip, entry.aliases))),
        language=entry.language, key=entry.key, alert=entry.alert, alert_codename=entry.alert_codename,
        public=entry.public, languages=entry.languages, timezone=entry.timezone,
    )  # fmt: skip


def _help(field: str) -> str:
    return f" ({_FIELD_HELP[field]})" if field in _FIELD_HELP else ""


def _refuse_twins(members: list[Member], lines: Lines) -> None:
    checks: list[tuple[str, Callable[[Member], str]]] = [
        ("id", lambda member: member.id),
        ("email", lambda member: folded(member.email)),
        ("fingerprint", lambda member: member.fingerprint),
    ]
    for field, value in checks:
        seen: dict[str, int] = {}
        for index, member in enumerate(members):
            first = seen.setdefault(value(member), index)
            if first != index:
                raise lines.error(
                    index, field, f"the same as on line {lines.of(first, field)}; each member has their own"
                )


class Lines:
    """Where the blocks and fields of a roster stand; the TOML reader does not say."""

    def __init__(self, source: str, file: Path) -> None:
        self._file = file
        self._lines = source.splitlines()
        self._starts = [
            n for n, line in enumerate(self._lines, 1) if re.match(r"\s*\[\[\s*['\"]?member['\"]?\s*\]\]", line)
        ]

    def of(self, index: int, field: str) -> int:
        """The line of a field in the nth block, or that of the block."""
        start = self._starts[index] if index < len(self._starts) else 1
        end = self._starts[index + 1] if index + 1 < len(self._starts) else len(self._lines) + 1
        for number in range(start, end):
            if re.match(rf"\s*['\"]?{re.escape(field)}['\"]?\s*=", self._lines[number - 1]):
                return number
        return start

    def error(self, index: int, field: str, message: str) -> RosterError:
        """A complaint about a field, with its line."""
        return RosterError(f"{self._file}:{self.of(index, field)}: {field}: {message}.")


def _line_of(source: str, key: str) -> int:
    for number, line in enumerate(source.splitlines(), 1):
        if re.match(rf"\s*\[*\s*['\"]?{re.escape(key)}\b", line):
            return number
    return 1
