"""A throw-away desk with real people: real keys, a real service, a real mail server that keeps what it is sent.

The demo, the tests and the measurements play on it. Nothing of it outlives its folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import email
import itertools
import os
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

from desk.demo.mails import ciphertext
from desk.setup.folder import DeskBasics, NewDesk, create
from store.openpgp.keyring import Keyring

READY_SECONDS = 30.0
PEOPLE = (
    ("ada", "Ada Quist"),
    ("bo", "Bo Lindqvist"),
    ("chidi", "Chidi Okafor"),
    ("dana", "Dana Reyes"),
    ("eunji", "Eun-ji Park"),
)


@dataclass(frozen=True)
class Person:
    """Somebody with a mailbox and an OpenPGP key of their own."""

    id: str
    name: str
    email: str
    keyring: Keyring
    fingerprint: str

    @property
    def public_key(self) -> bytes:
        """Their public key, armored."""
        return self.keyring.export(self.fingerprint, armored=True)

    def opens(self, mail: bytes) -> bytes | None:
        """What a sealed mail says to this person; None when their key does not open it."""
        armored = ciphertext(mail)
        return self.keyring.decrypt(armored).plain if armored else None


def make_person(folder: Path, person_id: str, name: str, domain: str = "team.example") -> Person:
    """Somebody new, with a key made in a folder of their own."""
    home = folder / person_id
    home.mkdir(mode=0o700, parents=True)
    keyring = Keyring("gpg", home)
    address = f"{person_id}@{domain}"
    return Person(person_id, name, address, keyring, keyring.create(name, address))


def roster_text(people: Iterable[Person], roles: dict[str, str] | None = None) -> str:
    """A roster file that names these people, on duty for a long time."""
    return "\n".join(
        f'[[member]]\nid = "{person.id}"\nname = "{person.name}"\nemail = "{person.email}"\nfingerprint = "{person.fingerprint}"\n'
        f'role = "{(roles or {}).get(person.id, "responder")}"\nfrom = 2020-01-01\nuntil = 2099-12-31\n'
        for person in people
    )


@dataclass
class Delivered:
    """A mail that the mail server took."""

    sender: str
    recipient: str
    mail: bytes = field(repr=False)
    at: float

    @property
    def headers(self) -> Message:
        """The mail, parsed."""
        return email.message_from_bytes(self.mail)


class Sink:
    """A mail server on loopback that keeps what it is sent, or answers as it is told to."""

    def __init__(self) -> None:
        self.mails: list[Delivered] = []
        self.refuse_recipient: dict[str, str] = {}
        self.refuse_mail: dict[str, str] = {}
        self.holds = False
        self.port = free_port()
        self._controller: Controller | None = None

    async def handle_RCPT(
        self, _server: object, _session: object, envelope: Any, address: str, _options: list[str]
    ) -> str:
        """Take any recipient but those that are to be refused."""
        if address in self.refuse_recipient:
            return self.refuse_recipient[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:
        """Keep the mail; not yet, while it `holds`."""
        while self.holds:
            await asyncio.sleep(0.02)
        for recipient in envelope.rcpt_tos:
            if recipient in self.refuse_mail:
                return self.refuse_mail[recipient]
            self.mails.append(Delivered(envelope.mail_from, recipient, bytes(envelope.content), time.monotonic()))
        return "250 OK"

    def start(self) -> None:
        """Listen."""
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            enable_SMTPUTF8=True,
            data_size_limit=200_000_000,
            server_hostname="sink",
        )
        self._controller.start()

    def stop(self) -> None:
        """Stop listening; what was kept stays."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def to(self, address: str) -> list[Delivered]:
        """What was sent to an address."""
        return [item for item in self.mails if item.recipient == address]

    def wait_for(self, count: int, seconds: float = 30.0) -> None:
        """Wait until that many mails arrived. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while len(self.mails) < count:
            if time.monotonic() > end:
                raise TimeoutError(f"{len(self.mails)} of {count} mails arrived in {seconds:g} s")
            time.sleep(0.01)


MAIL_SERVER = "mx.desk.example"
# Below those that the system gives to connections. Processes that are started one after the other begin far from each other.
_FIRST_PORT, _PORTS, _APART = 10_000, 22_000, 8_403
_ports = (_FIRST_PORT + (os.getpid() * _APART + step) % _PORTS for step in itertools.count())


class Rehearsal:
    """A desk in a folder, its team, and the mail server that it sends through."""

    def __init__(
        self, folder: Path, team: Sequence[Person], *, address: str = "conduct@desk.example", database_url: str = ""
    ) -> None:
        self.folder = folder
        self.team = list(team)
        self.address = address
        self.sink = Sink()
        self.port = free_port()
        self.made: NewDesk = create(
            folder,
            DeskBasics(
                address, name="Conduct Team", operator="operator@desk.example", database_url=database_url,
                listen_port=self.port, relay_port=self.sink.port,
            ),
        )  # fmt: skip
        # It asks nobody on the Internet: the mail server of its example says who vouches for a mail.
        self.change_config(
            "enabled = true                          # look at", "enabled = false                         # look at"
        )
        self.change_config('# trusted_authserv = ["mx.example.org"]', f'trusted_authserv = ["{MAIL_SERVER}"]')
        self.change_config("canary = true  ", "canary = false ")
        self.set_team(self.team)
        self.form_url = ""
        self._service: subprocess.Popen[bytes] | None = None

    def serve_form(self) -> None:
        """Have the service serve the web form as well, at `form_url`."""
        self.form_url = f"http://127.0.0.1:{(port := free_port())}"
        self.change_config('# listen = "127.0.0.1:8025"', f'listen = "127.0.0.1:{port}"')

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.made.config

    def set_team(self, team: Sequence[Person], roles: dict[str, str] | None = None) -> None:
        """Write the roster and the key files."""
        for person in team:
            (self.folder / "keys" / f"{person.id}.asc").write_bytes(person.public_key)
        (self.folder / "roster.toml").write_text(roster_text(team, roles), encoding="utf-8")

    def change_config(self, old: str, new: str) -> None:
        """Replace a piece of the configuration file."""
        text = self.config.read_text(encoding="utf-8")
        if old not in text:
            raise ValueError(f"the configuration has no {old!r}")
        self.config.write_text(text.replace(old, new, 1), encoding="utf-8")

    def start(
        self, *, environment: dict[str, str] | None = None, command: str = "run", log: Path | None = None
    ) -> None:
        """Start the real service and wait until it answers. Raises RuntimeError with what it said when it does not."""
        with (log or self.folder / "service.log").open("ab") as said:
            self._service = subprocess.Popen(
                [sys.executable, "-m", "desk", command, "--config", str(self.config)],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, env={**os.environ, **(environment or {})},
            )  # fmt: skip
        end = time.monotonic() + READY_SECONDS
        while True:
            if self._service.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the service did not start:\n" + self.log())
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return

    @property
    def pid(self) -> int:
        """The process id of the running service."""
        if self._service is None:
            raise RuntimeError("the service does not run")
        return self._service.pid

    def log(self) -> str:
        """What the service said."""
        return (self.folder / "service.log").read_text(encoding="utf-8")

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop the service."""
        if self._service is not None:
            self._service.send_signal(number)
            self._service.wait(40)
            self._service = None

    def end(self) -> None:
        """Stop everything that was started here."""
        self.stop()
        self.sink.stop()
        Keyring("gpg", self.folder / "gnupg").close()

    def send(self, mail: bytes, *to: str, sender: str = "sam@reporter.example") -> None:
        """Hand a mail to the listener by SMTP, line ends made CRLF."""
        with smtplib.SMTP("127.0.0.1", self.port, "localhost", timeout=120) as connection:
            connection.sendmail(
                sender, list(to) or [self.address], mail.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            )

    def command(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run an `ombud` command on this desk."""
        return command(self.config, *arguments, stdin=stdin)

    @property
    def desk_key(self) -> bytes:
        """The desk's public key."""
        return Keyring("gpg", self.folder / "gnupg").export(self.made.fingerprint, armored=True)


def command(config: Path, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run an `ombud` command on the desk of a configuration file."""
    return run_command([*arguments, "--config", str(config)], stdin)


def run_command(arguments: Sequence[str], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run `ombud` with some arguments."""
    line = [sys.executable, "-m", "desk", *arguments]
    return subprocess.run(line, input=stdin, capture_output=True, check=False, timeout=120)


def free_port() -> int:
    """A port on loopback that nobody listens on now, and that no other process that asks so is given."""
    while True:
        port = next(_ports)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
