"""Everything that a part of the desk needs to work, opened once: configuration, database, vault, keys, rosters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
from sqlmodel import Session

from store.cases import guests, measures, recusals
from store.cases.case_file import Actor
from store.kit.clock import Clock, system_clock, to_text
from store.kit.config import Config, Desk, load
from store.kit.errors import ConfigError, KeyProblem
from store.kit.files import replace_private, write_private
from store.openpgp.keyring import Keyring, open_keyring
from store.outbox import queue, retries
from store.tables import audit
from store.tables.database import Database
from store.tables.models import RosterRow
from store.tables.vault import Vault, new_key
from store.team.members import Member, Roster, same_person
from store.team.roster import Loaded, RosterBook
from store.team.roster_file import parse

_NOBODY = "-"
# Changed when members are looked for in more than before: then they are looked for once more in every case.
_SCREENING = "identity 2"

log = structlog.get_logger("ombud.roster")


@dataclass(frozen=True)
class Context:
    """The opened desk. Safe to share between threads."""

    config: Config
    database: Database
    vault: Vault
    keyring: Keyring
    rosters: RosterBook
    clock: Clock

    def roster(self, desk: Desk) -> Roster:
        """The roster in force for a desk."""
        return self.rosters.roster(desk)

    def team(self, desk: Desk, session: Session | None = None) -> Roster:
        """The same, with the members of other desks who are guests of some case: for everything that asks who may read one."""
        if len(self.config.desk) == 1:  # there is nowhere to be a guest from
            return self.roster(desk)
        if session is None:
            with self.database.read() as reading:
                return self.team(desk, reading)
        invited = guests.invited(session, desk.id)
        if not invited:
            return self.roster(desk)
        elsewhere = {item.id: self.roster(item) for item in self.config.desk if item.id != desk.id}
        return guests.with_guests(self.roster(desk), invited, elsewhere)

    def speakers(self, desk: Desk) -> Roster:
        """Everybody of this install, those of other desks as guests are: what they sign about a case is a member's message, if only to be refused.
        It is so whether they are guests of a case, were, or never were: none of them can tell from the answer."""
        elsewhere = {item.id: self.roster(item) for item in self.config.desk if item.id != desk.id}
        everybody = [(item.id, at, item.fingerprint) for at, roster in elsewhere.items() for item in roster.members]
        return guests.with_guests(self.roster(desk), everybody, elsewhere)

    def close(self) -> None:
        """Give back database connections."""
        self.database.close()


def open_context(config_file: Path, clock: Clock = system_clock) -> Context:
    """Open the desk that a configuration file describes.

    Raises ConfigError, KeyProblem or StoreUnavailable, each with what to do.
    """
    config = load(config_file)
    return open_configured(config, clock)


def open_configured(config: Config, clock: Clock = system_clock) -> Context:
    """Open the desk of a configuration that was read already. Raises as `open_context`."""
    keyring = open_keyring(config)
    vault = load_vault(config, keyring)
    database = Database(config.database_url)
    database.check_migrated()

    def last_good(desk_id: str) -> str | None:
        with database.read() as session:
            row = session.get(RosterRow, desk_id)
            return (
                vault.open(row.content_sealed, "rosters", "content", desk_id).decode()
                if row and row.content_sealed
                else None
            )

    return Context(
        config, database, vault, keyring, RosterBook(config, keyring, last_good, clock, partial(identity, vault)), clock
    )


def identity(vault: Vault, member: Member) -> str:
    """A keyed hash of everything by which a member can be named, and of how they are looked for."""
    parts = json.dumps([member.id, member.name, sorted(member.aliases), member.email.casefold()])
    return vault.digest(_SCREENING, parts.encode())[:16]


def create_vault(config: Config, keyring: Keyring) -> None:
    """Make the vault file with a new key. Never overwrites: raises ConfigError when there is one."""
    file = config.path(config.vault_file)
    try:
        write_private(file, _wrapped(config, keyring, new_key()))
    except FileExistsError:
        raise ConfigError(
            f"{file}: exists already; it is the only key to the database and is never overwritten."
        ) from None


def rewrap_vault(config: Config, keyring: Keyring) -> int:
    """Seal the vault key to every desk key and archive key of the configuration as it is now; to how many.

    Raises ConfigError or KeyProblem; the file is replaced as a whole or not at all.
    """
    file = config.path(config.vault_file)
    replace_private(file, _wrapped(config, keyring, _vault_key(config, keyring)))
    return len(_owners(config))


def _owners(config: Config) -> list[str]:
    return list(dict.fromkeys(item for desk in config.desk for item in (desk.fingerprint, *desk.archive_fingerprints)))


def _wrapped(config: Config, keyring: Keyring, key: bytes) -> bytes:
    """The vault key as an OpenPGP message to every desk key and archive key."""
    return keyring.seal(key, _owners(config), None)


def load_vault(config: Config, keyring: Keyring) -> Vault:
    """Open the vault file with GnuPG. Raises ConfigError or KeyProblem."""
    return Vault(_vault_key(config, keyring))


def _vault_key(config: Config, keyring: Keyring) -> bytes:
    file = config.path(config.vault_file)
    try:
        sealed = file.read_bytes()
    except OSError:
        raise ConfigError(
            f"{file}: the vault file cannot be read. Run 'ombud init', or bring it back from a backup: without it no case opens."
        ) from None
    opened = keyring.decrypt(sealed)
    if opened.plain is None:
        raise KeyProblem(
            f"{file}: GnuPG cannot open the vault. Is the desk's secret key in {keyring.home}, and its passphrase right?"
        )
    return opened.plain


def refresh_roster(context: Context, desk: Desk) -> Loaded:
    """Take note of a changed roster or duty: keep it, have waiting notices looked at again, report a refused file.

    Called on a tick by the service; costs a few file stats and one query when nothing changed.
    """
    loaded = context.rosters.current(desk)
    at = context.clock()
    duty = ",".join(f"{member.id}:{member.role}" for member in loaded.roster.on_duty(at))
    state = context.vault.digest("roster state", "\0".join([loaded.source, duty, loaded.keys]).encode())
    complaint = context.vault.digest("roster complaint", loaded.complaint.encode()) if loaded.complaint else ""
    with context.database.read() as session:
        row = session.get(RosterRow, desk.id)
        if row is not None and (row.state_digest, row.complaint_digest) == (state, complaint):
            return loaded
    with context.database.write() as session:
        _note_roster(session, context, desk, loaded, (state, complaint))
    return loaded


def _note_roster(session: Session, context: Context, desk: Desk, loaded: Loaded, digests: tuple[str, str]) -> None:
    state, complaint = digests
    at = context.clock()
    row = session.get(RosterRow, desk.id) or RosterRow(desk=desk.id, at=to_text(at), content_sealed=b"")
    if row.state_digest != state:
        _note_people(session, context, desk, loaded, row)
        if loaded.source:
            row.content_sealed = context.vault.seal(loaded.source.encode(), "rosters", "content", desk.id)
        row.state_digest, row.at = state, to_text(at)
        queue.reopen(session, at=at, desk=desk.id)
        retries.retry_now(session, at, desk=desk.id, held_only=True)
        audit.append(session, context.vault, audit.Event("roster-in-force", "desk", at))
    if row.complaint_digest != complaint:
        row.complaint_digest = complaint
        if complaint:
            queue.enqueue_once(session, queue.Notice("roster-refused", desk.id, at))
            audit.append(session, context.vault, audit.Event("roster-refused", "desk", at))
            log.warning("the roster is refused; the last good one stays in force", desk=desk.id, why=loaded.complaint)
    session.add(row)


def _note_people(session: Session, context: Context, desk: Desk, loaded: Loaded, row: RosterRow) -> None:
    """Welcome who comes on duty, thank who goes, and tell whose key was replaced. On a new desk nobody is welcomed."""
    at = context.clock()
    now = {member.id for member in loaded.roster.on_duty(at)}
    if row.duty:
        before = set(row.duty.split(",")) - {_NOBODY}
        for kind, ids in (("welcome", now - before), ("goodbye", before - now)):
            for who in sorted(ids):
                queue.enqueue(session, queue.Notice(kind, desk.id, at, subject_id=who))
    if row.content_sealed:
        source = context.vault.open(row.content_sealed, "rosters", "content", desk.id).decode()
        before_now = parse(source, Path(), desk)
        elsewhere = {item.id: (item, context.roster(item)) for item in context.config.desk if item.id != desk.id}
        by = Actor(context.vault, desk, loaded.roster, "desk", at, elsewhere=elsewhere)
        _keep_recusals(session, by, before_now)
        known = {member.id: member.fingerprint for member in before_now.members}
        for member in loaded.roster.members:
            if known.get(member.id, member.fingerprint) != member.fingerprint:
                queue.enqueue(session, queue.Notice("key-replaced", desk.id, at, subject_id=member.id))
    row.duty = ",".join(sorted(now)) or _NOBODY


def _keep_recusals(session: Session, by: Actor, before: Roster) -> None:
    """Who is on the roster under another id than before, by their key or address, stays recused from what they were."""
    for member in by.roster.members:
        if before.get(member.id) is None:
            same = {other.id for other in before.members if same_person(other, member)}
            for other in same | guests.former_guest_ids(session, by, member):
                recusals.recuse_alike(session, by, other, member.id)
                measures.withhold_alike(session, by.desk.id, other, member.id)
