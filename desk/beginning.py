"""A desk begun as it is wished for: each answer tried, the folder made, the first members told."""

from __future__ import annotations

import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from desk.setup import Answers, Made, config_text, create, quoted
from desk.wishes import Account, Wanted, Wishes
from intake.imap import Mailbox
from mailer.delivery import Mailer
from mailer.relay import Relay, RelayDown
from mailer.seal import Sealer
from store import outbox
from store.config import Config, load
from store.context import open_context, refresh_roster
from store.errors import ConfigError, OmbudError
from store.keyring import Keyring
from store.openpgp import PublicKey

_NOBODYS_KEY = "0" * 40


@dataclass(frozen=True)
class Told:
    """Whether a first member was sent the test notice, or why it waits."""

    member: str
    sent: bool
    reason: str


def try_relay(wishes: Wishes) -> str:
    """Connect to the relay and log in; what is wrong and what to do, empty when it is well."""
    with _tried(wishes) as config:
        relay = Relay(config)
        try:
            relay.check()
        except (RelayDown, OmbudError) as error:
            return f"relay {wishes.relay.host}: {error}. Check host, port, tls and the login."
        finally:
            relay.close()
    return ""


def try_mailbox(wishes: Wishes) -> str:
    """Log in to the mailbox and open its folder; what is wrong and what to do, empty when it is well."""
    if wishes.mailbox is None:
        return ""
    with _tried(wishes) as config:
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
    try:
        data = path.read_bytes()
    except OSError:
        raise ConfigError(f"{path}: cannot be read. Check the path.") from None
    with tempfile.TemporaryDirectory(prefix="ob-") as home:
        found = Keyring("gpg", Path(home)).read_key_data(data)
    if len(found) != 1 or found[0].secret:
        raise ConfigError(f"{path}: must hold one public key and nothing else: gpg --armor --export FINGERPRINT.")
    if found[0].revoked or not found[0].can_encrypt:
        raise ConfigError(f"{path}: this key is revoked, has expired or cannot encrypt. Ask for another.")
    return found[0]


def begin(folder: Path, wishes: Wishes) -> Made:
    """Make the desk. Raises ConfigError and its like; keys that cannot be used are found before anything is made."""
    keys = {item.id: read_key(item.key) for item in wishes.member}

    def complete(made: Made) -> None:
        made.config.write_text(_completed(made.config.read_text(encoding="utf-8"), wishes, folder), encoding="utf-8")
        for item in wishes.member:
            (folder / "keys" / f"{item.id}.asc").write_bytes(item.key.read_bytes())
        if wishes.member:
            roster = folder / "roster.toml"
            entries = "\n".join(_entry(item, keys[item.id].fingerprint) for item in wishes.member)
            roster.write_text(f"{roster.read_text(encoding='utf-8')}\n{entries}", encoding="utf-8")
        load(made.config)

    return create(folder, _answers(wishes), complete)


def greet(config: Path) -> list[Told]:
    """Send every member on duty a sealed test notice, now. Raises ConfigError and its like."""
    context = open_context(config)
    try:
        desk = context.config.desk[0]
        refresh_roster(context, desk)
        members = context.roster(desk).on_duty(context.clock())
        with context.database.write() as session:
            for member in members:
                outbox.enqueue(session, "test", desk.id, context.clock(), subject_id=member.id)
        mailer = Mailer(context, Sealer(context.keyring))
        while mailer.run_once():
            pass
        mailer.close()
        with context.database.read() as session:
            waits = outbox.reasons(session, "test")
    finally:
        context.close()
    return [Told(member.id, member.id not in waits, waits.get(member.id, "")) for member in members]


@contextmanager
def _tried(wishes: Wishes) -> Iterator[Config]:
    """A configuration to try servers with, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ob-") as name:
        folder = Path(name)
        file = folder / "ombud.toml"
        file.write_text(_completed(config_text(_answers(wishes), _NOBODYS_KEY), wishes, folder), encoding="utf-8")
        yield load(file)


def _answers(wishes: Wishes) -> Answers:
    listener = wishes.listener
    chosen = (
        {"listen_host": listener.host, "listen_port": listener.port, "protocol": listener.protocol} if listener else {}
    )
    return Answers(
        wishes.address, wishes.name, wishes.operator, wishes.database_url, relay_host=wishes.relay.host,
        relay_port=wishes.relay.port or {"none": 25, "starttls": 587, "tls": 465}[wishes.relay.tls],
        passphrase_file=wishes.passphrase_file, archive_keys=wishes.archive_keys, **chosen,  # type: ignore[arg-type]
    )  # fmt: skip


def _completed(text: str, wishes: Wishes, folder: Path) -> str:
    """The configuration of a new desk with what the plain one does not ask for. Passwords go to files of their own."""
    if wishes.listener is None:
        text = _with_values(text, "listener", {"enabled": "false"})
    if wishes.language != "en":
        text = _with_values(text, "[desk]", {"language": quoted(wishes.language)})
    text = _with_values(text, "relay", _login(wishes.relay, "relay-password", folder))
    if wishes.mailbox is not None:
        values = {"host": quoted(wishes.mailbox.host), **_login(wishes.mailbox, "mailbox-password", folder)}
        if wishes.mailbox.port:
            values["port"] = str(wishes.mailbox.port)
        text += "\n[[desk.imap]]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())
    return text


def _login(account: Account, name: str, folder: Path) -> Mapping[str, str]:
    values = {"tls": quoted(account.tls)}
    if account.ca_file:
        values["ca_file"] = quoted(str(account.ca_file.absolute()))
    if account.user:
        values["user"] = quoted(account.user)
    if account.password:
        file = folder / name
        file.touch(mode=stat.S_IRUSR | stat.S_IWUSR)
        file.write_text(f"{account.password}\n", encoding="utf-8")
        values["password_file"] = quoted(name)
    elif account.password_file:
        values["password_file"] = quoted(str(account.password_file.absolute()))
    return values


def _with_values(text: str, section: str, values: Mapping[str, str]) -> str:
    """Set fields of a section, in place of the lines that show their defaults."""
    before, mark, after = text.partition(f"\n[{section}]\n")
    for name, value in values.items():
        line = f"{name} = {value}".replace("\\", r"\\")
        after = re.sub(rf"^(# )?{name} = .*$", line, after, count=1, flags=re.MULTILINE)
    return before + mark + after


def _entry(item: Wanted, fingerprint: str) -> str:
    aliases = ", ".join(map(quoted, item.aliases))
    return (
        f"[[member]]\nid = {quoted(item.id)}\nname = {quoted(item.name)}\naliases = [{aliases}]\nemail = {quoted(item.email)}\n"
        f"fingerprint = {quoted(fingerprint)}\nrole = {quoted(item.role)}\nfrom = {datetime.now(UTC).date()}\nuntil = {item.until}\n"
        f"language = {quoted(item.language)}\n"
    )
