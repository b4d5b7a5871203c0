"""The configuration: one TOML file, every field typed and with a default.

Relative paths are relative to the folder of the file. A value may be overridden by an environment variable
such as `OMBUD_DATABASE__URL`; secrets are read from the files that `*_file` fields name (a systemd
credential is such a file), so that no secret stands in the configuration itself.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from store.kit.addresses import bare
from store.kit.errors import ConfigError
from store.kit.files import toml_trouble, why_unread
from store.kit.kinds import (
    CENTURY_DAYS,
    Address,
    Country,
    Days,
    Fingerprint,
    Hours,
    Language,
    Port,
    Schedule,
    Seconds,
    Word,
    Zone,
    at_most,
)

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Database(_Section):
    """Where cases are kept: an SQLAlchemy URL for SQLite or PostgreSQL."""

    url: str = "sqlite:///ombud.sqlite3"

    @field_validator("url")
    @classmethod
    def _known(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
            raise ValueError("must begin with sqlite:/// or postgresql://")
        return value.replace("postgresql://", "postgresql+psycopg://", 1)


class GnuPG(_Section):
    """The program, its home folder, and the bounds on each call."""

    program: str = "gpg"
    home: Path = Path("gnupg")
    passphrase_file: Path | None = None
    seconds: Annotated[float, Field(gt=0)] = 60
    unpack_limit: ByteSize = ByteSize(100_000_000)


class Listener(_Section):
    """The way in by SMTP or LMTP (RFC 5321, RFC 2033)."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Port = 2525
    protocol: Literal["smtp", "lmtp"] = "smtp"
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    size_limit: ByteSize = ByteSize(25_000_000)
    connections: Annotated[int, Field(ge=1)] = 50
    seconds: Annotated[float, Field(gt=0)] = 300
    socket: Path = Path("deliver.sock")

    @model_validator(mode="after")
    def _pair(self) -> Listener:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together: give both or neither")
        return self


class Relay(_Section):
    """The way out: the mail server that takes our mail."""

    host: str = "127.0.0.1"
    port: Port = 25
    tls: Literal["none", "starttls", "tls"] = "none"
    ca_file: Path | None = None
    user: str = ""
    password_file: Path | None = None
    token_command: tuple[str, ...] = ()
    token_mechanism: Literal["XOAUTH2", "OAUTHBEARER"] = "XOAUTH2"
    hello: str = ""
    seconds: Annotated[float, Field(gt=0)] = 60
    connections: Annotated[int, Field(ge=1, le=16)] = 3

    @model_validator(mode="after")
    def _sealed_login(self) -> Relay:
        if self.user and self.tls == "none" and self.host not in LOOPBACK:
            raise ValueError("a password would travel in clear: set tls to 'starttls' or 'tls'")
        if self.user and (self.password_file is None) == (not self.token_command):
            raise ValueError("user is set: set either password_file or token_command as well, one of the two logs in")
        return self


class Outbox(_Section):
    """How long and how often a delivery is tried."""

    retry_days: Annotated[float, Field(gt=0), at_most(CENTURY_DAYS)] = 5
    first_retry_seconds: Seconds = 30
    longest_retry_seconds: Seconds = 3600
    claim_seconds: Seconds = 300
    alarm_minutes: Annotated[float, Field(ge=0)] = 60


class Operator(_Section):
    """Who runs the machine. Their mail never holds content; none is sent when the address is empty."""

    address: Address | Literal[""] = ""


class Imap(_Section):
    """A mailbox at a provider that mail for a desk is taken from (RFC 9051, RFC 3501)."""

    host: str
    port: Port | None = None
    tls: Literal["tls", "starttls", "none"] = "tls"
    ca_file: Path | None = None
    user: str
    password_file: Path | None = None
    token_command: tuple[str, ...] = ()
    token_mechanism: Literal["XOAUTH2", "OAUTHBEARER"] = "XOAUTH2"
    folder: str = "INBOX"
    after: Literal["delete", "archive"] = "delete"
    archive_folder: str = "Archive"
    idle: bool = True
    poll_seconds: Annotated[float, Field(gt=0)] = 60
    seconds: Annotated[float, Field(gt=0)] = 60
    warn_minutes: Annotated[float, Field(gt=0)] = 30

    @model_validator(mode="after")
    def _login(self) -> Imap:
        if (self.password_file is None) == (not self.token_command):
            raise ValueError("set either password_file or token_command: one of the two logs in")
        if self.tls == "none" and self.host not in LOOPBACK:
            raise ValueError("a password would travel in clear: set tls to 'tls' or 'starttls'")
        if self.archives_into_itself and self.after == "archive":
            raise ValueError("folder and archive_folder are the same: mail would come in again and again")
        return self

    @property
    def archives_into_itself(self) -> bool:
        """Whether folder and archive_folder are the same; INBOX is that in any case of letters (RFC 9051 section 5.1)."""
        one, other = (name.upper() if name.upper() == "INBOX" else name for name in (self.folder, self.archive_folder))
        return one == other

    @property
    def server_port(self) -> int:
        """The port, by default that of the kind of TLS."""
        return self.port or (993 if self.tls == "tls" else 143)

    @property
    def title(self) -> str:
        """How the mailbox is called in logs and checks: without the user, which may be an address."""
        return f"{self.host}/{self.folder}"


class Desk(_Section):
    """One team behind one or more addresses."""

    id: str = ""
    address: Address
    aliases: tuple[Address, ...] = ()
    name: str = ""
    roster: Path = Path("roster.toml")
    keys: Path = Path("keys")
    fingerprint: Fingerprint
    archive_fingerprints: tuple[Fingerprint, ...] = ()
    require_signed_roster: bool = False
    quorum: Annotated[int, Field(ge=1, le=50)] = 2
    notice: Literal["full", "summary"] = "full"
    acknowledge: bool = True
    replies_per_day: Annotated[int, Field(ge=0)] = 4
    flood_limit: Annotated[int, Field(ge=1)] = 30
    timezone: Zone = "UTC"
    language: Language = "en"
    templates: Path | None = None
    extensions: bool = True
    signature_hours: Annotated[float, Field(gt=0, le=720)] = 72
    outcomes: tuple[Word, ...] = (
        "no-action", "advice", "mediation", "warning", "restriction", "removal", "referred", "withdrawn", "out-of-scope",
    )  # fmt: skip
    digest: Schedule = "weekly@09:00"
    digest_when_empty: bool = True
    acknowledge_hours: Hours = 24
    respond_days: Days = 7
    follow_up_days: Days = 14
    working_days: Country = ""
    retention_days: Days = 730
    retention: dict[str, Days] = {}
    imap: tuple[Imap, ...] = ()

    @model_validator(mode="after")
    def _retention_of_outcomes(self) -> Desk:
        unknown = [outcome for outcome in self.retention if outcome not in self.outcomes]
        if unknown:
            raise ValueError(f"retention names '{unknown[0]}', which is none of outcomes: {', '.join(self.outcomes)}")
        return self

    @field_validator("id")
    @classmethod
    def _plain_id(cls, value: str) -> str:
        if value and not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", value):
            raise ValueError("must be lower-case letters, digits and hyphens")
        return value

    @model_validator(mode="before")
    @classmethod
    def _default_id(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("id") and isinstance(data.get("address"), str):
            local = re.sub(r"[^a-z0-9-]+", "-", data["address"].partition("@")[0].lower()).strip("-")
            data = {**data, "id": local[:31] or "desk"}
        return data

    @property
    def addresses(self) -> tuple[str, ...]:
        """The address and its aliases."""
        return (self.address, *self.aliases)

    @property
    def title(self) -> str:
        """The name shown to people; the local part of the address when none is set."""
        return self.name or self.address.partition("@")[0]

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which terms begin and end."""
        return ZoneInfo(self.timezone)


class Config(BaseSettings):
    """The whole configuration. Make it with `load`, which knows the file and turns errors into sentences."""

    model_config = SettingsConfigDict(env_prefix="OMBUD_", env_nested_delimiter="__", extra="forbid", frozen=True)

    folder: Path = Path()
    database: Database = Database()
    gnupg: GnuPG = GnuPG()
    vault_file: Path = Path("vault.asc")
    listener: Listener = Listener()
    relay: Relay = Relay()
    outbox: Outbox = Outbox()
    operator: Operator = Operator()
    desk: tuple[Desk, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment first, then the file."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def _desks(self) -> Config:
        if not self.desk:
            raise ValueError("there is no [[desk]]: add one with its address and fingerprint")
        for what, values in (
            ("id", [desk.id for desk in self.desk]),
            ("address", [a.lower() for desk in self.desk for a in desk.addresses]),
        ):
            twice = {value for value in values if values.count(value) > 1}
            if twice:
                raise ValueError(f"two desks share the {what} {sorted(twice)[0]}: give each its own")
        return self

    def path(self, path: Path) -> Path:
        """A path of this configuration, made absolute."""
        return (self.folder / path).absolute()

    @property
    def database_url(self) -> str:
        """The database URL, with a relative SQLite path made absolute."""
        prefix = "sqlite:///"
        if not self.database.url.startswith(prefix):
            return self.database.url
        return prefix + str(self.path(Path(self.database.url.removeprefix(prefix))))

    def desk_by_id(self, desk_id: str) -> Desk:
        """The desk with that id; raises ConfigError when there is none."""
        for desk in self.desk:
            if desk.id == desk_id:
                return desk
        raise ConfigError(f"There is no desk '{desk_id}' in the configuration; its cases wait until it is back.")

    def is_own(self, address: str) -> bool:
        """Whether an address (extensions ignored) is one of any desk's."""
        return any(bare(address) == own.casefold() for desk in self.desk for own in desk.addresses)


def load(path: Path) -> Config:
    """Read a configuration file.

    Raises ConfigError naming file, field and remedy.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file. Make a desk with 'ombud init', or name its file with --config."
        ) from None
    except PermissionError:
        raise ConfigError(
            f"{path}: cannot be read by the user who runs this. Run it as the user whom the desk belongs to, as deploy/ombud does."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {why_unread(error)}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {toml_trouble(error)}.") from None
    values["folder"] = path.absolute().parent
    try:
        return Config(**values)
    except ValidationError as error:
        raise ConfigError("\n".join(_sentence(path, dict(item), values) for item in error.errors())) from None


def _sentence(path: Path, item: dict[str, Any], values: dict[str, Any]) -> str:
    """One pydantic complaint as `file: field: what is wrong. What to do.`"""
    field = _field(item["loc"])
    if item["type"] == "extra_forbidden":
        return f"{path}: {field}: there is no such field.{_did_you_mean(item['loc'])}"
    if item["type"] == "missing":
        return f"{path}: {field}: must be set."
    message = str(item["msg"]).removeprefix("Value error, ").rstrip(".")
    value = _value_at(values, item["loc"])
    shown = f" (it is {value!r})" if isinstance(value, str | int | float | bool) else ""
    return f"{path}: {field or 'file'}: {message[0].lower()}{message[1:]}{shown}."


def _field(loc: tuple[int | str, ...]) -> str:
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text


def _value_at(values: Any, loc: tuple[int | str, ...]) -> Any:
    for part in loc:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def _did_you_mean(loc: tuple[int | str, ...]) -> str:
    model: Any = Config
    lists: dict[str, Any] = {"desk": Desk, "imap": Imap}
    for part in loc[:-1]:
        if isinstance(part, str):
            model = lists.get(part) or type(Config.model_fields[part].default)
    near = difflib.get_close_matches(str(loc[-1]), list(model.model_fields), n=1)
    return f" Did you mean '{near[0]}'?" if near else " Remove it, or look up its name in docs/operators.md."
