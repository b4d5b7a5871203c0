"""What a new desk is to be: read from a file of answers, or asked for one by one (`desk.interview`)."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from store.errors import ConfigError
from store.kinds import Address, Language, Port

Tls = Literal["none", "starttls", "tls"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Listen(_Part):
    """The way in by SMTP or LMTP."""

    host: str = "127.0.0.1"
    port: Port = 2525
    protocol: Literal["smtp", "lmtp"] = "smtp"


class Account(_Part):
    """A server, and how to log in there. The password lies in a file, or is given and then kept in one."""

    host: str
    port: Port | None = None
    tls: Tls = "tls"
    ca_file: Path | None = None
    user: str = ""
    password_file: Path | None = None
    password: str = Field(default="", repr=False)


class Wanted(_Part):
    """A first member; `key` is the file of their public key."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
    name: str
    email: Address
    key: Path
    role: Literal["responder", "lead", "alternate", "escalation"] = "responder"
    until: date
    aliases: tuple[str, ...] = ()
    language: str = "en"


class Wishes(_Part):
    """A new desk. Without `listener` and `mailbox`, mail comes by the pipe alone."""

    address: Address
    name: str = ""
    operator: Address | Literal[""] = ""
    language: Language = "en"
    database_url: str = ""
    passphrase_file: Path | None = None
    archive_keys: tuple[Path, ...] = ()
    listener: Listen | None = None
    mailbox: Account | None = None
    relay: Account = Account(host="127.0.0.1", port=25, tls="none")
    member: tuple[Wanted, ...] = ()


def read(file: Path) -> Wishes:
    """The answers in a TOML file; paths in it are relative to it. Raises ConfigError naming file and field."""
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"{file}: cannot be read. Check the path and its permissions.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: is not TOML: {error}.") from None
    try:
        wishes = Wishes.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"{file}: {field}: {first['msg']}. Correct the field; deploy/answers.toml has all of them."
        ) from None
    return _from_folder(wishes, file.parent)


def _from_folder(wishes: Wishes, folder: Path) -> Wishes:
    """The same with paths that hold from anywhere."""

    def account(value: Account | None) -> Account | None:
        if value is None:
            return None
        files = {name: folder / path for name in ("ca_file", "password_file") if (path := getattr(value, name))}
        return value.model_copy(update=files)

    return wishes.model_copy(
        update={
            "passphrase_file": folder / wishes.passphrase_file if wishes.passphrase_file else None,
            "archive_keys": tuple(folder / path for path in wishes.archive_keys),
            "mailbox": account(wishes.mailbox),
            "relay": account(wishes.relay),
            "member": tuple(item.model_copy(update={"key": folder / item.key}) for item in wishes.member),
        }
    )
