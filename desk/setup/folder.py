"""A new desk: its folder, configuration, example roster, keys, vault and database. Never overwrites."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import tomlkit

from desk.setup.toml_tables import Value, set_fields
from store.context import create_vault
from store.kit.config import load
from store.kit.errors import ConfigError, KeyProblem, OmbudError
from store.kit.files import read_given, why_unread, write_private
from store.kit.kinds import plain_address
from store.kit.local import CONFIG_NAME
from store.openpgp.keyring import Keyring, open_keyring
from store.tables.database import Database
from store.team.keyfiles import one_public_key

_MADE = (
    CONFIG_NAME,
    "roster.toml",
    "keys",
    "gnupg",
    "vault.asc",
    "ombud.sqlite3",
    "relay-password",
    "mailbox-password",
)


@dataclass(frozen=True)
class DeskBasics:
    """What a new desk needs to be told."""

    address: str
    name: str = ""
    operator: str = ""
    database_url: str = ""
    listen_host: str = "127.0.0.1"
    listen_port: int = 2525
    protocol: str = "smtp"
    relay_host: str = "127.0.0.1"
    relay_port: int = 25
    passphrase_file: Path | None = None
    archive_keys: tuple[Path, ...] = ()


@dataclass(frozen=True)
class NewDesk:
    """A desk that was made."""

    config: Path
    fingerprint: str


def create(folder: Path, answers: DeskBasics, complete: Callable[[NewDesk], None] = lambda _: None) -> NewDesk:
    """Make a desk in a folder, and have it completed. On an error, what was made is taken away again.

    Raises ConfigError and its like.
    """
    try:
        plain_address(answers.address)
    except ValueError as error:
        raise ConfigError(f"--address: {error}.") from None
    require_free(folder)
    existed = folder.exists()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = _create(folder, answers)
        complete(made)
    except BaseException:
        with contextlib.suppress(OmbudError):
            Keyring("gpg", folder / "gnupg").close()
        for name in (*_MADE, "ombud.sqlite3-wal", "ombud.sqlite3-shm"):
            path = folder / name
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        if not existed:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return made


def require_free(folder: Path) -> None:
    """Raise ConfigError when a desk cannot be made in a folder: there is one, or its place cannot be written to."""
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.exists(path))  # noqa: PTH110 - pathlib raises where a folder may not be entered
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK, effective_ids=True):
        raise ConfigError(
            f"{place}: the user who runs this may not write there. Choose another folder, or give them this one: "
            f"install -d -m 0700 -o USER {folder}"
        )
    taken = [name for name in _MADE if (folder / name).exists()]
    if taken:
        raise ConfigError(f"{folder / taken[0]}: exists already, and nothing is overwritten. Choose another folder.")


def _create(folder: Path, answers: DeskBasics) -> NewDesk:
    (folder / "gnupg").mkdir(mode=0o700)
    (folder / "keys").mkdir(mode=0o700)
    passphrase = None
    if answers.passphrase_file is not None:
        try:
            passphrase = answers.passphrase_file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{answers.passphrase_file}: the passphrase {why_unread(error)}.") from None
    keyring = Keyring("gpg", folder / "gnupg", passphrase=passphrase)
    fingerprint = keyring.create(answers.name or f"{answers.address.partition('@')[0]} desk", answers.address)
    archive = [_archive_key(keyring, path) for path in answers.archive_keys]
    write_private(folder / CONFIG_NAME, config_text(answers, fingerprint, archive).encode())
    write_private(folder / "roster.toml", _ROSTER.encode())
    (folder / "keys" / "README.md").write_text(_KEYS, encoding="utf-8")
    config = load(folder / CONFIG_NAME)
    create_vault(config, open_keyring(config))
    database = Database(config.database_url)
    try:
        database.upgrade()
    finally:
        database.close()
    return NewDesk(folder / CONFIG_NAME, fingerprint)


def _archive_key(keyring: Keyring, path: Path) -> str:
    """Import an offline key that is to open the vault as well; its fingerprint."""
    data = read_given(path)
    try:
        key = one_public_key(data, keyring)
    except KeyProblem as error:
        raise ConfigError(f"{path}: {error}") from None
    keyring.add_public(data)
    return key.fingerprint


def config_text(answers: DeskBasics, fingerprint: str, archive: Sequence[str] = ()) -> str:
    """The configuration of a new desk; what is commented out is the default."""
    document = tomlkit.parse(_CONFIG)
    values: dict[str, dict[str, Value]] = {
        "database": {"url": answers.database_url or "sqlite:///ombud.sqlite3"},
        "gnupg": {"passphrase_file": str(answers.passphrase_file.absolute())} if answers.passphrase_file else {},
        "listener": {"host": answers.listen_host, "port": answers.listen_port, "protocol": answers.protocol},
        "relay": {"host": answers.relay_host, "port": answers.relay_port},
        "operator": {"address": answers.operator},
        "desk": {"address": answers.address, "name": answers.name, "fingerprint": fingerprint},
    }
    if archive:
        values["desk"]["archive_fingerprints"] = list(archive)
    for section, fields in values.items():
        set_fields(document, section, fields)
    return tomlkit.dumps(document)


_CONFIG = """\
# The configuration of an ombud desk. Paths are relative to this folder; what is commented out is the default.
# Run 'ombud check' after a change, and restart the service. Any value can come from the environment instead:
# OMBUD_RELAY__HOST is host in [relay].

# vault_file = "vault.asc"              # the key to the database, sealed to the keys below

[database]
url = "sqlite:///ombud.sqlite3"          # or postgresql://user@host/name

[gnupg]
home = "gnupg"
# passphrase_file = "passphrase"
# program = "gpg"
# seconds = 60                          # the longest that one call may take
# unpack_limit = "100MB"                # what a message may unpack to

[openpgp]
# custody = "process"                   # agent: the secret keys stay with GnuPG's agent, as on a smart card; slower

[listener]
# enabled = true
host = "127.0.0.1"
port = 2525
protocol = "smtp"                     # smtp or lmtp
# tls_certificate = "tls/fullchain.pem"
# tls_key = "tls/privkey.pem"
# size_limit = "25MB"
# connections = 50
# seconds = 300                         # the longest silence of a sender
# socket = "deliver.sock"               # where 'ombud deliver' hands over to the service

[relay]
host = "127.0.0.1"
port = 25
# tls = "none"                          # none, starttls or tls
# ca_file = "provider-ca.pem"
# user = ""
# password_file = "relay-password"
# token_command = ["oama", "access", "conduct@example.org"]    # instead of a password
# token_mechanism = "XOAUTH2"           # or OAUTHBEARER
# hello = ""                            # the name we greet with; this machine's when empty
# seconds = 60                          # the longest wait for an answer
# connections = 3

[outbox]
# retry_days = 5
# first_retry_seconds = 30
# longest_retry_seconds = 3600
# claim_seconds = 300                   # after which another worker may take over
# alarm_minutes = 60                    # the operator is told when notices wait for longer; 0: never

[sender_checks]
enabled = true                          # look at who vouches for a mail, where no server named in trusted_authserv says it
# spf = false                           # true: the listener takes mail from the Internet itself, and not from your mail server
# nameservers = ["127.0.0.1"]           # those of the machine when none is given
# port = 53
# seconds = 5                           # the longest that a mail waits for answers

[junk]
# rspamd = "http://127.0.0.1:11333"     # asked whether a mail is junk, where the mail server did not say
# controller = "http://127.0.0.1:11334" # told what readers found
# password_file = "rspamd-password"
# seconds = 10

[web]
# listen = "127.0.0.1:8025"             # or "unix:web.sock": the web form, for the web server in front of it; without it there is none
# url = "https://report.example.org"    # where people find it
# onion = ""                            # the same as an onion service, http://….onion
# origins = []                          # sites that serve a copy of it: 'ombud web export'
# size_limit = "25MB"
# seconds = 300                         # the longest that one report may take to come in
# connections = 50
# per_hour = 60                         # reports at one desk
# plain_per_hour = 20                   # of these from browsers without scripts
# work = 100                            # steps of the proof of work that a browser does

[operator]
address = "operator@example.org"                            # told, without content, when something needs a hand

[[desk]]
address = "conduct@example.org"
name = "Conduct Team"
fingerprint = "0123456789ABCDEF0123456789ABCDEF01234567"
# id = "conduct"                        # stands in subjects and commands; the first part of the address
# aliases = ["aloha@example.org"]
# modern_fingerprint = ""               # a second key, for newer programs: made by 'ombud key add-modern'
# Offline keys that can open the vault too; after a change run 'ombud rewrap'.
# archive_fingerprints = []
# roster = "roster.toml"
# keys = "keys"
# require_signed_roster = false         # true: roster.toml.asc, a detached signature by a lead on duty, must fit
# quorum = 2                            # fewer readers, and alternates step in
# notice = "full"                       # or summary
# first_names = "withhold"              # or note: whose first name alone a mail says is only pointed out
# The servers whose Authentication-Results and spam headers count: what stands first in the former.
# trusted_authserv = ["mx.example.org"]
# dkim_selector = "mail"                # s= in the DKIM-Signature of the relay; for 'ombud check --outside'
# acknowledge = true
# replies_per_day = 4                   # acknowledgements to one address
# flood_limit = 30                      # mails of one sender in a day that the team is told of one by one
# timezone = "UTC"                      # in which terms begin and end
# language = "en"                       # or es, fr, pt, de, ar: for the operator, and reporters whose own is not certain
# templates = "templates"               # a folder with texts of your own
# extensions = true                     # false where conduct+anything@ is not delivered
# signature_hours = 72                  # how old the signature under a member's mail may be
# digest = "weekly@09:00"               # or "daily@HH:MM Europe/Berlin"; the desk's timezone when none is named; or off
# digest_when_empty = true              # so that nobody sees from outside whether there was anything
canary = true                           # a mail to its own address once a day, by the relay; you are told when none comes back
# web = true                            # false: no web form for this desk
# acknowledge_hours = 24                # after which a report must be answered; 0: no reminders
# urgent_hours = 2                      # the same for what cannot wait; all other times are a third
# danger_words = false                  # true: words of danger in a report make it urgent, as 'ongoing: yes' does
# respond_days = 7
# status_days = 14                      # after which a reporter hears how things are, while the case is open
# follow_up_days = 14                   # after a decision, how the reporter is
# working_days = ""                     # a country as DE or US-CA: weekends and holidays do not count
# junk_days = 30                        # after which junk is destroyed
# retention_days = 730                  # after which closed cases are destroyed; 0: never
# retention = { withdrawn = 90 }        # days for single outcomes
# keep_at_least = 0                     # days after closing before which '/erase' cannot destroy a case
# outcomes = ["no-action", "warning"]   # what a case can be closed with
# decide = { removal = 3, warning = 2 } # how many readers must agree to an outcome, by signed mail, before a case is closed with it
# labels = ["green", "amber", "red"]    # how closely a case is to be kept: '/classify amber' puts one on it, shown in its notices
# stays = ["red"]                       # cases with these leave neither by '/handover', '/guest' and '/export' nor by 'ombud case export'

# Something that the desk serves: what comes in from its first day to its last one is to be decided by its end.
# [[desk.event]]
# name = "Summit 2026"
# start = 2026-06-01
# end = 2026-06-05

# A mailbox at a provider that mail is taken from; see docs/mailbox.md.
# [[desk.imap]]
# host = "imap.example.org"
# port = 993                            # that of the kind of TLS
# tls = "tls"                           # tls, starttls or none
# ca_file = "provider-ca.pem"
# user = "conduct@example.org"
# password_file = "password"
# token_command = ["oama", "access", "conduct@example.org"]    # instead of a password
# token_mechanism = "XOAUTH2"           # or OAUTHBEARER
# folder = "INBOX"
# junk = false                          # true: it is the provider's folder for junk
# after = "delete"                      # or archive
# archive_folder = "Archive"
# idle = true
# poll_seconds = 60
# seconds = 60                          # the longest wait for an answer
# warn_minutes = 30
"""

_ROSTER = """\
# Who serves on this desk. The file is read again when it changes; terms begin and end by date alone.
# The public key of each member lies in keys/ID.asc. Try it with 'ombud roster check'.
#
# [[member]]
# id = "ada"
# name = "Ada Example"
# aliases = ["ada_l", "Countess"]       # nicknames and handles: a report that names one is kept from ada
# email = "ada@example.org"
# fingerprint = "0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567"
# role = "responder"                    # responder, lead, alternate or escalation
# from = 2026-01-01
# until = 2026-12-31                    # the last day
# language = "en"
# alert = "ntfy://a-topic-nobody-guesses" # a push when something cannot wait; Apprise knows more than a hundred services
# alert_codename = false                # true: it names the case
# public = "no"                         # or name, or role: how the web form shows them to everybody
# languages = ["en"]                    # that reports can be written in; shown there as well
# timezone = "Europe/Berlin"            # theirs, shown there; the desk's when none is given
"""

_KEYS = """\
One public key for each member, as ID.asc: gpg --armor --export FINGERPRINT > ID.asc

Never put a secret key here.
"""
