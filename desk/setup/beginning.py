"""A desk begun as it is wished for: each answer tried, the folder made, the first members told."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import tomlkit

from desk.setup.answers import Account, FirstMember, SetupAnswers
from desk.setup.folder import DeskBasics, NewDesk, config_text, create
from desk.setup.toml_tables import Value, add_block, set_fields
from intake.doors.imap import Mailbox
from mailer.delivery import Mailer
from mailer.relay.connection import Relay, RelayDown
from mailer.sealing.seal import Sealer
from store.context import open_context, refresh_roster
from store.kit.config import Config, load
from store.kit.errors import ConfigError, KeyProblem, OmbudError, RosterError
from store.kit.files import read_given, write_private
from store.openpgp.keyring import Keyring, open_keyring
from store.openpgp.values import PublicKey
from store.outbox import queue
from store.team.keyfiles import one_public_key
from store.team.roster import RosterBook

_NOBODYS_KEY = "0" * 40


@dataclass(frozen=True)
class TestNotice:
    """What became of the test notice to a first member: the state of its delivery, and why it is not sent."""

    member: str
    state: str
    reason: str

    def __str__(self) -> str:
        match self.state:
            case "sent":
                return "a sealed test notice was sent"
            case "bounced":
                return f"the test notice was refused: {self.reason}"
            case "held":
                return f"the test notice is held: {self.reason}"
        return f"the test notice waits: {self.reason or 'it was not tried yet'}"


def try_relay(answers: SetupAnswers) -> str:
    """Connect to the relay, log in and ask whether it takes mail; what is wrong and what to do, empty when it is well."""
    with _tried(answers) as config:
        relay = Relay(config)
        try:
            relay.check([item.email for item in answers.member])
        except RelayDown as error:
            return f"relay {answers.relay.host}: {error}"
        except OmbudError as error:
            return str(error)
        finally:
            relay.close()
    return ""


def try_mailbox(answers: SetupAnswers) -> str:
    """Log in to the mailbox and open its folder; what is wrong and what to do, empty when it is well."""
    if answers.mailbox is None:
        return ""
    with _tried(answers) as config:
        mailbox = Mailbox(config, config.desk[0], config.desk[0].imap[0], None)
        try:
            mailbox.open()
        except OmbudError as error:
            return str(error)
        finally:
            mailbox.close()
    return ""


def read_key(path: Path) -> PublicKey:
    """The one usable public key in a file. Raises ConfigError."""
    data = read_given(path)
    with tempfile.TemporaryDirectory(prefix="ob-") as home:
        try:
            return one_public_key(data, Keyring("gpg", Path(home)))
        except KeyProblem as error:
            raise ConfigError(f"{path}: {error}") from None


def begin(folder: Path, answers: SetupAnswers) -> NewDesk:
    """Make the desk. Raises ConfigError and its like; keys that cannot be used are found before anything is made.

    A desk whose roster would be refused is not left behind.
    """
    keys: dict[str, PublicKey] = {}
    for item in answers.member:
        keys[item.id] = key = read_key(item.key)
        if other := next((name for name, known in keys.items() if known == key and name != item.id), None):
            raise ConfigError(f"{item.key}: holds the key that {other} has; each member has their own.")

    def complete(made: NewDesk) -> None:
        made.config.write_text(_completed(made.config.read_text(encoding="utf-8"), answers, folder), encoding="utf-8")
        for item in answers.member:
            (folder / "keys" / f"{item.id}.asc").write_bytes(item.key.read_bytes())
        if answers.member:
            roster = folder / "roster.toml"
            entries = "\n".join(_entry(item, keys[item.id].fingerprint) for item in answers.member)
            roster.write_text(f"{roster.read_text(encoding='utf-8')}\n{entries}", encoding="utf-8")
        config = load(made.config)
        try:
            RosterBook(config, open_keyring(config), lambda _: None).check(config.desk[0])
        except RosterError as error:
            raise ConfigError(f"Nothing was made, for the roster would be refused. {error}") from None

    return create(folder, _answers(answers), complete)


def greet(config: Path) -> list[TestNotice]:
    """Send every member on duty a sealed test notice, now. Raises ConfigError and its like."""
    context = open_context(config)
    try:
        desk = context.config.desk[0]
        refresh_roster(context, desk)
        members = context.roster(desk).on_duty(context.clock())
        with context.database.write() as session:
            for member in members:
                queue.enqueue(session, queue.Notice("test", desk.id, context.clock(), subject_id=member.id))
        mailer = Mailer(context, Sealer(context.keyring))
        while mailer.run_once():
            pass
        mailer.close()
        with context.database.read() as session:
            found = queue.latest(session, "test")
    finally:
        context.close()
    return [TestNotice(member.id, *found.get(member.id, ("waiting", ""))) for member in members]


@contextmanager
def _tried(answers: SetupAnswers) -> Iterator[Config]:
    """A configuration to try servers with, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ob-") as name:
        folder = Path(name)
        file = folder / "ombud.toml"
        file.write_text(_completed(config_text(_answers(answers), _NOBODYS_KEY), answers, folder), encoding="utf-8")
        yield load(file)


def _answers(answers: SetupAnswers) -> DeskBasics:
    listener = answers.listener
    chosen = (
        {"listen_host": listener.host, "listen_port": listener.port, "protocol": listener.protocol} if listener else {}
    )
    return DeskBasics(
        answers.address, answers.name, answers.operator, answers.database_url, relay_host=answers.relay.host,
        relay_port=answers.relay.port or {"none": 25, "starttls": 587, "tls": 465}[answers.relay.tls],
        passphrase_file=answers.passphrase_file, archive_keys=answers.archive_keys, **chosen,  # type: ignore[arg-type]
    )  # fmt: skip


def _completed(text: str, answers: SetupAnswers, folder: Path) -> str:
    """The configuration of a new desk with what the plain one does not ask for. Passwords go to files of their own."""
    document = tomlkit.parse(text)
    if answers.listener is None:
        set_fields(document, "listener", {"enabled": False})
    if answers.language != "en":
        set_fields(document, "desk", {"language": answers.language})
    set_fields(document, "relay", _login(answers.relay, "relay-password", folder))
    if answers.mailbox is not None:
        values = {"host": answers.mailbox.host, **_login(answers.mailbox, "mailbox-password", folder)}
        if answers.mailbox.port:
            values["port"] = answers.mailbox.port
        add_block(document, "desk", "imap", values)
    return tomlkit.dumps(document)


def _login(account: Account, name: str, folder: Path) -> dict[str, Value]:
    values: dict[str, Value] = {"tls": account.tls}
    if account.ca_file:
        values["ca_file"] = str(account.ca_file.absolute())
    if account.user:
        values["user"] = account.user
    if account.password:
        write_private(folder / name, f"{account.password}\n".encode())
        values["password_file"] = name
    elif account.password_file:
        values["password_file"] = str(account.password_file.absolute())
    elif account.token_command:
        values["token_command"] = list(account.token_command)
        values["token_mechanism"] = account.token_mechanism
    return values


def _entry(item: FirstMember, fingerprint: str) -> str:
    """The block of a member in the roster."""
    member = tomlkit.table()
    for name, value in (
        ("id", item.id), ("name", item.name), ("aliases", list(item.aliases)), ("email", item.email),
        ("fingerprint", fingerprint), ("role", item.role), ("from", datetime.now(UTC).date()), ("until", item.until),
        ("language", item.language),
    ):  # fmt: skip
        member.add(name, value)
    blocks = tomlkit.aot()
    blocks.append(member)
    return tomlkit.dumps({"member": blocks})
