"""The configuration: one TOML file, every field typed and with a default.

Relative paths are relative to the folder of the file. A value may be overridden by an environment variable
such as `OMBUD_DATABASE__URL`; secrets are read from the files that `*_file` fields name (a systemd
credential is such a file), so that no secret stands in the configuration itself.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from store.kit.addresses import bare, folded
from store.kit.config_errors import sentence_of
from store.kit.errors import ConfigError
from store.kit.files import toml_trouble, why_unread
from store.kit.kinds import (
    Address,
    Country,
    Days,
    Fingerprint,
    Hours,
    Language,
    Schedule,
    Word,
    Zone,
)
from store.kit.sections import (
    DatabaseSettings,
    Event,
    GnuPG,
    Imap,
    Junk,
    Listener,
    OpenPGP,
    Operator,
    OutboxSettings,
    RelaySettings,
    Section,
    SenderChecks,
    Web,
)


class Desk(Section):
    """One team behind one or more addresses."""

    id: str = ""
    address: Address
    aliases: tuple[Address, ...] = ()
    name: str = ""
    roster: Path = Path("roster.toml")
    keys: Path = Path("keys")
    fingerprint: Fingerprint
    modern_fingerprint: Fingerprint | Literal[""] = ""
    archive_fingerprints: tuple[Fingerprint, ...] = ()
    require_signed_roster: bool = False
    quorum: Annotated[int, Field(ge=1, le=50)] = 2
    notice: Literal["full", "summary"] = "full"
    first_names: Literal["withhold", "note"] = "withhold"
    trusted_authserv: tuple[str, ...] = ()
    dkim_selector: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$")] = ""
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
    decide: dict[str, Annotated[int, Field(ge=2, le=50)]] = Field(default_factory=dict)
    labels: tuple[Word, ...] = ()
    stays: tuple[Word, ...] = ()
    digest: Schedule = "weekly@09:00"
    digest_when_empty: bool = True
    acknowledge_hours: Hours = 24
    urgent_hours: Hours = 2
    danger_words: bool = False
    respond_days: Days = 7
    status_days: Days = 14
    follow_up_days: Days = 14
    working_days: Country = ""
    canary: bool = False
    web: bool = True
    junk_days: Annotated[int, Field(ge=1, le=365)] = 30
    retention_days: Days = 730
    retention: dict[str, Days] = Field(default_factory=dict)
    keep_at_least: Days = 0
    event: tuple[Event, ...] = ()
    imap: tuple[Imap, ...] = ()

    @model_validator(mode="after")
    def _retention_of_outcomes(self) -> Desk:
        unknown = [outcome for outcome in self.retention if outcome not in self.outcomes]
        if unknown:
            raise ValueError(f"retention names '{unknown[0]}', which is none of outcomes: {', '.join(self.outcomes)}")
        unknown = [label for label in self.stays if label not in self.labels]
        if unknown:
            raise ValueError(
                f"stays names '{unknown[0]}', which is none of labels: {', '.join(self.labels) or 'there are none'}"
            )
        undecided = [outcome for outcome in self.decide if outcome not in self.outcomes]
        if undecided:
            raise ValueError(f"decide names '{undecided[0]}', which is none of outcomes: {', '.join(self.outcomes)}")
        return self

    @field_validator("trusted_authserv", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("trusted_authserv")
    @classmethod
    def _server_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", name):
                raise ValueError(
                    f"'{name}' is no identifier of a mail server: give what stands first in its Authentication-Results, such as mx.example.org"
                )
        return tuple(name.lower() for name in value)

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
    database: DatabaseSettings = DatabaseSettings()
    gnupg: GnuPG = GnuPG()
    openpgp: OpenPGP = OpenPGP()
    vault_file: Path = Path("vault.asc")
    listener: Listener = Listener()
    relay: RelaySettings = RelaySettings()
    outbox: OutboxSettings = OutboxSettings()
    sender_checks: SenderChecks = SenderChecks()
    junk: Junk = Junk()
    web: Web = Web()
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

    def find_desk(self, desk_id: str) -> Desk | None:
        """The desk with that id; None when there is none."""
        return next((desk for desk in self.desk if desk.id == desk_id), None)

    def desk_by_id(self, desk_id: str) -> Desk:
        """The desk with that id; raises ConfigError when there is none."""
        if found := self.find_desk(desk_id):
            return found
        raise ConfigError(f"There is no desk '{desk_id}' in the configuration; its cases wait until it is back.")

    def is_own(self, address: str) -> bool:
        """Whether an address (extensions ignored) is one of any desk's."""
        return any(bare(address) == folded(own) for desk in self.desk for own in desk.addresses)


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
        raise ConfigError("\n".join(sentence_of(path, dict(item), values, Config) for item in error.errors())) from None
