"""The sections of the configuration, every field typed and with a default."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ByteSize, ConfigDict, Field, field_validator, model_validator

from store.kit.kinds import CENTURY_DAYS, Address, Port, Seconds, at_most

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Section(BaseModel):
    """What all sections have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DatabaseSettings(Section):
    """Where cases are kept: an SQLAlchemy URL for SQLite or PostgreSQL."""

    url: str = "sqlite:///ombud.sqlite3"

    @field_validator("url")
    @classmethod
    def _known(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
            raise ValueError("must begin with sqlite:/// or postgresql://")
        return value.replace("postgresql://", "postgresql+psycopg://", 1)


class GnuPG(Section):
    """The program, its home folder, and the bounds on each call."""

    program: str = "gpg"
    home: Path = Path("gnupg")
    passphrase_file: Path | None = None
    seconds: Annotated[float, Field(gt=0)] = 60
    unpack_limit: ByteSize = ByteSize(100_000_000)


class OpenPGP(Section):
    """Where the secret keys are while the desk works: `process` takes them from GnuPG's agent when it starts, `agent` leaves them there
    (a smart card has no other way)."""

    custody: Literal["process", "agent"] = "process"


class Listener(Section):
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


class RelaySettings(Section):
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
    def _sealed_login(self) -> RelaySettings:
        if self.user and self.tls == "none" and self.host not in LOOPBACK:
            raise ValueError("a password would travel in clear: set tls to 'starttls' or 'tls'")
        if self.user and (self.password_file is None) == (not self.token_command):
            raise ValueError("user is set: set either password_file or token_command as well, one of the two logs in")
        return self


class OutboxSettings(Section):
    """How long and how often a delivery is tried."""

    retry_days: Annotated[float, Field(gt=0), at_most(CENTURY_DAYS)] = 5
    first_retry_seconds: Seconds = 30
    longest_retry_seconds: Seconds = 3600
    claim_seconds: Seconds = 300
    alarm_minutes: Annotated[float, Field(ge=0)] = 60


class SenderChecks(Section):
    """Whether the desk itself looks at who vouches for a mail (DKIM, SPF, DMARC, ARC), and whom it asks for DNS.

    Without `nameservers` it asks those of the system. `seconds` is the time that one mail may wait for answers. `spf` is for a
    listener that takes mail from the Internet itself: behind a mail server, the client is always that one.
    """

    enabled: bool = False
    spf: bool = False
    nameservers: tuple[str, ...] = ()
    port: Port = 53
    seconds: Annotated[float, Field(gt=0, le=30)] = 5


class Junk(Section):
    """The filter that is asked whether a mail is junk, where the mail server did not say: rspamd, over HTTP.

    `rspamd` is its worker for scans, `controller` that which learns; `password_file` is the password of the latter.
    """

    rspamd: str = ""
    controller: str = ""
    password_file: Path | None = None
    seconds: Annotated[float, Field(gt=0, le=60)] = 10

    @field_validator("rspamd", "controller")
    @classmethod
    def _within_the_house(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("must be a URL such as http://127.0.0.1:11333")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ValueError("reports would travel in clear: give a loopback address, or https")
        return value.rstrip("/")


class Web(Section):
    """The web form, for a web server or an onion service that stands in front of it.

    `listen` is a loopback address with a port, or a socket (`unix:web.sock`); without it there is no form. `url` is where people find
    it, `onion` the same as an onion service, `origins` are sites that a copy of the form is served from (`ombud web export`).
    `per_hour` reports are taken at a desk in an hour, of these `plain_per_hour` from browsers without scripts; `work` is how many steps
    of a proof of work a browser takes on average.
    """

    listen: str = ""
    url: str = ""
    onion: str = ""
    origins: tuple[str, ...] = ()
    size_limit: ByteSize = ByteSize(25_000_000)
    seconds: Annotated[float, Field(gt=0)] = 300
    connections: Annotated[int, Field(ge=1)] = 50
    per_hour: Annotated[int, Field(ge=1)] = 60
    plain_per_hour: Annotated[int, Field(ge=0)] = 20
    work: Annotated[int, Field(ge=0, le=100_000)] = 100

    @field_validator("listen")
    @classmethod
    def _loopback(cls, value: str) -> str:
        if not value or (value.startswith("unix:") and len(value) > len("unix:")):
            return value
        host, _, port = value.rpartition(":")
        if host.strip("[]") not in LOOPBACK or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(
                "must be a loopback address with a port, as 127.0.0.1:8025, or unix:web.sock: a web server stands in front of it"
            )
        return value

    @field_validator("url", "onion")
    @classmethod
    def _address(cls, value: str) -> str:
        return _origin(value) if value else value

    @field_validator("origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_origin, value))

    def receipt_url(self, desk: str) -> str:
        """Where a receipt of a desk is opened; empty where nobody said under which address the form is found."""
        return f"{self.url}/{desk}/receipt" if self.url else ""


def _origin(value: str) -> str:
    """An address that begins a URL, without a slash behind it; raises ValueError."""
    parts = urlsplit(value)
    hidden = (parts.hostname or "").endswith(".onion")
    plain = parts.scheme == "http" and (hidden or parts.hostname in LOOPBACK)
    if not parts.hostname or not (parts.scheme == "https" or plain) or parts.query or parts.fragment:
        raise ValueError("must be an address such as https://report.example.org; http is for onion services alone")
    return value.rstrip("/")


class Operator(Section):
    """Who runs the machine. Their mail never holds content; none is sent when the address is empty."""

    address: Address | Literal[""] = ""


class Event(Section):
    """Something that the desk serves: what comes in from its first day to its last one (both included) is to be decided by its end."""

    name: str = ""
    start: date
    end: date

    @model_validator(mode="after")
    def _in_order(self) -> Event:
        if self.end < self.start:
            raise ValueError(f"ends on {self.end}, before it starts on {self.start}")
        return self


class Imap(Section):
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
    junk: bool = False
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
