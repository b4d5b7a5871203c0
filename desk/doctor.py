"""`ombud check`: what must be well for a desk to work, each with a remedy. Reads no case."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from desk.service import check_templates
from intake.imap import Mailbox
from mailer.relay import Relay, RelayDown
from store.config import Config, load
from store.context import load_vault
from store.database import Database
from store.errors import OmbudError
from store.keyring import Keyring, open_keyring
from store.roster import RosterBook

Level = Literal["ok", "warning", "failure"]


@dataclass(frozen=True)
class Finding:
    """One check and how it went."""

    check: str
    level: Level
    detail: str


def examine(config_file: Path) -> list[Finding]:
    """Run every check that can be run; one that fails does not hide the others."""
    try:
        config = load(config_file)
    except OmbudError as error:
        return [Finding("configuration", "failure", str(error))]
    found = [Finding("configuration", "ok", str(config_file)), *_permissions(config)]
    try:
        keyring = open_keyring(config)
    except OmbudError as error:
        return [*found, Finding("GnuPG", "failure", str(error))]
    found.append(Finding("GnuPG", "ok", keyring.version))
    found += _desk_keys(config, keyring)
    found.append(_try("vault", lambda: load_vault(config, keyring), "opens"))
    found.append(_database(config))
    found += _rosters(config, keyring)
    found.append(_try("templates", lambda: check_templates(config), "all of them render"))
    found.append(_relay(config))
    found += _mailboxes(config)
    return found


def _try(name: str, action: Callable[[], object], good: str) -> Finding:
    try:
        action()
    except OmbudError as error:
        return Finding(name, "failure", str(error))
    return Finding(name, "ok", good)


def _permissions(config: Config) -> Iterator[Finding]:
    private = [config.path(config.gnupg.home), config.path(config.vault_file)]
    if config.database_url.startswith("sqlite:///"):
        private.append(Path(config.database_url.removeprefix("sqlite:///")))
    private += [
        config.path(file)
        for file in (config.gnupg.passphrase_file, config.relay.password_file, config.listener.tls_key)
        if file
    ]
    open_to_others = [path for path in private if path.exists() and path.stat().st_mode & 0o077]
    foreign = [path for path in private if path.exists() and path.stat().st_uid not in (os.geteuid(), 0)]
    if open_to_others:
        yield Finding(
            "permissions",
            "failure",
            f"{open_to_others[0]} can be read by others on this machine. Run: chmod go-rwx {open_to_others[0]}",
        )
    elif foreign:
        yield Finding(
            "permissions", "warning", f"{foreign[0]} belongs to another user than the one who runs this check."
        )
    else:
        yield Finding("permissions", "ok", "secrets are readable by their owner alone")


def _desk_keys(config: Config, keyring: Keyring) -> Iterator[Finding]:
    secret = {key.fingerprint: key for key in keyring.secret_keys()}
    for desk in config.desk:
        key = secret.get(desk.fingerprint)
        if key is None:
            yield Finding(
                f"key of {desk.id}",
                "failure",
                f"there is no secret key {desk.fingerprint} in {keyring.home}. Import it, or correct desk.fingerprint.",
            )
        elif key.revoked or key.expired or not key.can_encrypt:
            yield Finding(
                f"key of {desk.id}",
                "failure",
                f"{desk.fingerprint} is revoked, expired or cannot encrypt. Extend it with gpg --quick-set-expire.",
            )
        else:
            until = f"until {key.expires:%Y-%m-%d}" if key.expires else "without expiry"
            yield Finding(f"key of {desk.id}", "ok", f"{desk.fingerprint}, {until}")


def _database(config: Config) -> Finding:
    database = Database(config.database_url)
    try:
        return _try("database", database.check_migrated, database.engine.dialect.name)
    finally:
        database.close()


def _rosters(config: Config, keyring: Keyring) -> Iterator[Finding]:
    book = RosterBook(config, keyring, lambda _: None)
    for desk in config.desk:
        try:
            roster = book.check(desk)
        except OmbudError as error:
            yield Finding(f"roster of {desk.id}", "failure", str(error))
            continue
        if not roster.members:
            yield Finding(
                f"roster of {desk.id}",
                "warning",
                f"{config.path(desk.roster)} names nobody yet: reports are kept, but nobody is told.",
            )
        else:
            yield Finding(f"roster of {desk.id}", "ok", f"{len(roster.members)} members")


def _relay(config: Config) -> Finding:
    relay = Relay(config)
    where = f"{config.relay.host}:{config.relay.port}"
    try:
        relay.check()
    except RelayDown as error:
        return Finding("relay", "failure", f"{where}: {error}. Check relay.host, relay.port, relay.tls and the login.")
    except OmbudError as error:
        return Finding("relay", "failure", str(error))
    finally:
        relay.close()
    return Finding("relay", "ok", where)


def _mailboxes(config: Config) -> Iterator[Finding]:
    for desk in config.desk:
        for imap in desk.imap:
            name = f"mailbox of {desk.id}"
            mailbox = Mailbox(config, desk, imap, None)
            try:
                mailbox.open()
                lacks = mailbox.missing_capabilities()
            except OmbudError as error:
                yield Finding(name, "failure", str(error))
                continue
            finally:
                mailbox.close()
            yield Finding(name, "warning" if lacks else "ok", f"{imap.title}{': ' if lacks else ''}{'; '.join(lacks)}")
