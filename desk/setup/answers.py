"""What a new desk is to be: read from a file of answers, or asked for one by one (`desk.setup.interview`)."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from store.kit.errors import ConfigError
from store.kit.files import toml_trouble, why_unread
from store.kit.kinds import Address, Language, Port
from store.kit.sections import LOOPBACK
from store.team.members import Role
from store.team.roster_file import member_address, member_id, one_line

Tls = Literal["none", "starttls", "tls"]
Mechanism = Literal["XOAUTH2", "OAUTHBEARER"]
IN_CLEAR = "the login would travel in clear: choose tls or starttls"


def day(value: object) -> object:
    """A day as people write it, 2027-12-31 or 31.12.2027; anything but text as it is. Raises ValueError."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    try:
        if found := re.fullmatch(r"(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})", text):
            return date(int(found[3]), int(found[2]), int(found[1]))
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return date.fromisoformat(text)
    except ValueError:
        raise ValueError("there is no such day in the calendar") from None
    raise ValueError("must be a day as 2027-12-31: year, month, day")


def coming_day(value: date) -> date:
    """The value, if that day is not over; raises ValueError."""
    if value < datetime.now(UTC).date():
        raise ValueError(f"{value} is in the past: give a last day that is still to come")
    return value


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ListenerAnswers(_Part):
    """The way in by SMTP or LMTP."""

    host: str = "127.0.0.1"
    port: Port = 2525
    protocol: Literal["smtp", "lmtp"] = "smtp"


class Account(_Part):
    """A server, and how to log in there: by a password that lies in a file, or is given and then kept in one, or by a token."""

    host: str
    port: Port | None = None
    tls: Tls = "tls"
    ca_file: Path | None = None
    user: str = ""
    password_file: Path | None = None
    password: str = Field(default="", repr=False)
    token_command: tuple[str, ...] = ()
    token_mechanism: Mechanism = "XOAUTH2"

    @model_validator(mode="after")
    def _login(self) -> Account:
        ways = [bool(self.password), self.password_file is not None, bool(self.token_command)]
        if self.user and sum(ways) != 1:
            raise ValueError("user is set: give one of password_file, password and token_command to log in with")
        if self.user and self.tls == "none" and self.host not in LOOPBACK:
            raise ValueError(IN_CLEAR)
        return self


class FirstMember(_Part):
    """A first member; `key` is the file of their public key."""

    id: Annotated[str, AfterValidator(member_id)]
    name: Annotated[str, AfterValidator(one_line)]
    email: Annotated[str, AfterValidator(member_address)]
    key: Path
    role: Role = "responder"
    until: Annotated[date, BeforeValidator(day), AfterValidator(coming_day)]
    aliases: tuple[str, ...] = ()
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] = "en"


class SetupAnswers(_Part):
    """A new desk. Without `listener` and `mailbox`, mail comes by the pipe alone."""

    address: Address
    name: str = ""
    operator: Address | Literal[""] = ""
    language: Language = "en"
    database_url: str = ""
    passphrase_file: Path | None = None
    archive_keys: tuple[Path, ...] = ()
    listener: ListenerAnswers | None = None
    mailbox: Account | None = None
    relay: Account = Account(host="127.0.0.1", port=25, tls="none")
    member: tuple[FirstMember, ...] = ()

    @model_validator(mode="after")
    def _each_their_own(self) -> SetupAnswers:
        if self.mailbox is not None and not self.mailbox.user:
            raise ValueError("mailbox: user: must be set")
        if self.operator and same_address(self.operator, self.address):
            raise ValueError(f"operator: {DESKS_OWN}")
        for number, member in enumerate(self.member, 1):
            if same_address(member.email, self.address):
                raise ValueError(f"member {number}: email: {DESKS_OWN}")
            for field in ("id", "email"):
                if other := owner(field, getattr(member, field), self.member[: number - 1]):
                    raise ValueError(f"member {number}: {field}: {taken(other)}")
        return self


DESKS_OWN = "this is the desk's own address; give another"


def same_address(one: str, other: str) -> bool:
    """Whether two addresses are written the same, whatever their case."""
    return one.casefold() == other.casefold()


def owner(field: str, value: str, members: Sequence[FirstMember]) -> FirstMember | None:
    """Who of some members has a value already, in any case."""
    return next((item for item in members if same_address(getattr(item, field), value)), None)


def taken(other: FirstMember) -> str:
    """What is said of a value that another member has."""
    return f"the same as {other.name} ({other.id}) has; each member has their own"


def read(file: Path) -> SetupAnswers:
    """The answers in a TOML file; paths in it are relative to it. Raises ConfigError naming file and field."""
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: is not TOML: {toml_trouble(error)}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {why_unread(error)}.") from None
    try:
        answers = SetupAnswers.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{file}: {item}" for item in complaints(error))) from None
    return _from_folder(answers, file.parent)


def complaints(error: ValidationError) -> Iterator[str]:
    """What is wrong with the answers, a sentence for each field; those that there are not come first."""
    found = error.errors(include_url=False, include_input=False)
    for item in sorted(found, key=lambda item: item["type"] != "extra_forbidden"):
        field = _field(item["loc"])
        if item["type"] == "extra_forbidden":
            yield f"{field}: there is no such field.{_did_you_mean(item['loc'])}"
        elif item["type"] == "missing":
            yield f"{field}: must be set."
        else:
            said = str(item["msg"]).removeprefix("Value error, ").rstrip(".")
            said = f"{said[0].lower()}{said[1:]}"
            yield f"{field}: {said}." if field else f"{said}."


def _field(loc: Sequence[int | str]) -> str:
    """A place in the answers as people count: the second member is `member 2`."""
    return "".join(f" {part + 1}" if isinstance(part, int) else f": {part}" for part in loc).removeprefix(": ")


def _did_you_mean(loc: Sequence[int | str]) -> str:
    models: dict[str, type[BaseModel]] = {
        "listener": ListenerAnswers,
        "mailbox": Account,
        "relay": Account,
        "member": FirstMember,
    }
    model: Any = models.get(str(loc[0]), SetupAnswers) if len(loc) > 1 else SetupAnswers
    near = difflib.get_close_matches(str(loc[-1]), list(model.model_fields), n=1)
    return f" Did you mean '{near[0]}'?" if near else " Remove it; deploy/answers.toml has all that there are."


def _from_folder(answers: SetupAnswers, folder: Path) -> SetupAnswers:
    """The same with paths that hold from anywhere."""

    def account(value: Account | None) -> Account | None:
        if value is None:
            return None
        files = {name: folder / path for name in ("ca_file", "password_file") if (path := getattr(value, name))}
        return value.model_copy(update=files)

    return answers.model_copy(
        update={
            "passphrase_file": folder / answers.passphrase_file if answers.passphrase_file else None,
            "archive_keys": tuple(folder / path for path in answers.archive_keys),
            "mailbox": account(answers.mailbox),
            "relay": account(answers.relay),
            "member": tuple(item.model_copy(update={"key": folder / item.key}) for item in answers.member),
        }
    )
