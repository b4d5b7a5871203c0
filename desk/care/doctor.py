"""`ombud check`: what must be well for a desk to work, each with a remedy. Reads no case."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from desk.care import liveness, machine, private, senders
from desk.care.liveness import Liveness
from desk.care.machine import Finding
from desk.service import check_templates, missing_key
from desk.web import assets
from desk.web.server import answers
from intake.doors.imap import Mailbox
from mailer.relay.connection import Relay, RelayDown
from mailer.sealing.seal import Sealer
from store.context import load_vault
from store.kit import presence
from store.kit.clock import Clock, system_clock
from store.kit.config import Config, Desk, load
from store.kit.errors import OmbudError
from store.openpgp.keyring import Keyring, open_keyring
from store.outbox.health import Health, look
from store.tables.database import Database
from store.team import rotation
from store.team.expiries import expiries
from store.team.members import Roster
from store.team.roster import RosterBook

_OLDEST_GNUPG = (2, 2)
_CLOCK_SLACK = timedelta(minutes=5)


def examine(config_file: Path, clock: Clock = system_clock) -> list[Finding]:
    """Run every check that can be run; one that fails, in whatever way, does not hide the others."""
    try:
        config = load(config_file)
    except OmbudError as error:
        return [Finding("configuration", "failure", str(error))]
    found = [Finding("configuration", "ok", str(config_file))]
    found += _looked_at("permissions", lambda: private.examine(config))
    try:
        presence.require_writable(config)
    except OmbudError as error:
        found.append(Finding("folder", "failure", str(error)))  # what GnuPG and the database would say then misleads
    else:
        found += _inside(config, clock)
    found += _looked_at("relay", lambda: _relay(config, clock()))
    found += _looked_at("mailboxes", lambda: _mailboxes(config, clock()))
    found += _looked_at("senders", lambda: senders.examine(config))
    found += _looked_at("web form", lambda: _web(config))
    found += _looked_at("machine", lambda: machine.examine(config))
    return found


def _inside(config: Config, clock: Clock) -> list[Finding]:
    """The checks of what lies in the desk's folder."""
    try:
        keyring = open_keyring(config)
    except OmbudError as error:
        return [Finding("GnuPG", "failure", str(error))]
    found = _looked_at("GnuPG", lambda: [_version(keyring)])
    found += _looked_at("key of the desk", lambda: _desk_keys(config, keyring))
    found += _looked_at("vault", lambda: [_try("vault", lambda: load_vault(config, keyring), "opens")])
    found += _looked_at("database", lambda: _database(config, clock()))
    found += _looked_at("roster", lambda: _rosters(config, keyring, clock()))
    found += _looked_at("templates", lambda: [_try("templates", lambda: check_templates(config), "all of them render")])
    return found


def _web(config: Config) -> Iterator[Finding]:
    """The web form, where there is to be one: its files, and whether it answers while the service runs."""
    web = config.web
    if not web.listen:
        return
    yield _try("web form", assets.check, f"at {web.listen}, for the web server in front of it")
    if not web.url and not web.onion:
        yield Finding(
            "web form",
            "warning",
            "web.url and web.onion are empty: a mail that says that an answer waits can't say where.",
        )
    if presence.runs_since(config) is not None and not answers(config):
        yield Finding(
            "web form",
            "failure",
            f"nothing answers at {web.listen}, though the service runs. Restart it, and look at its log.",
        )


def _looked_at(name: str, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """The findings of a check, up to where it fails."""
    found: list[Finding] = []
    try:
        found += check()
    except OmbudError as error:
        found.append(Finding(name, "failure", str(error)))
    except Exception as error:
        found.append(Finding(name, "failure", f"could not be looked at ({type(error).__name__}). Please report it."))
    return found


def _try(name: str, action: Callable[[], object], good: str) -> Finding:
    try:
        action()
    except OmbudError as error:
        return Finding(name, "failure", str(error))
    return Finding(name, "ok", good)


def _desk_keys(config: Config, keyring: Keyring) -> Iterator[Finding]:
    secret = {key.fingerprint: key for key in keyring.secret_keys()}
    for desk in config.desk:
        key = secret.get(desk.fingerprint)
        if key is None:
            yield Finding(
                f"key of {desk.id}",
                "failure",
                missing_key(keyring, desk),
            )
        elif key.trouble or key.expired:
            yield Finding(
                f"key of {desk.id}",
                "failure",
                f"{desk.fingerprint} is revoked, expired or cannot encrypt. Extend it with gpg --quick-set-expire.",
            )
        else:
            until = f"until {key.expires:%Y-%m-%d}" if key.expires else "without expiry"
            yield Finding(f"key of {desk.id}", "ok", f"{desk.fingerprint}, {until}")
        if desk.modern_fingerprint:
            yield _modern_key(desk, keyring)


def _modern_key(desk: Desk, keyring: Keyring) -> Finding:
    name, wanted = f"newer key of {desk.id}", desk.modern_fingerprint
    if not keyring.holds_modern(wanted):
        return Finding(
            name, "failure",
            f"the secret key {wanted} is not in {keyring.home / 'modern'}, or does not open. Bring the folder back from a backup, or take "
            "modern_fingerprint out of the configuration.",
        )  # fmt: skip
    return Finding(name, "ok", wanted)


def _version(keyring: Keyring) -> Finding:
    found = tuple(int(part) for part in keyring.version.split(".")[:2] if part.isdigit())
    if found < _OLDEST_GNUPG:
        return Finding("GnuPG", "failure", f"{keyring.version} is too old. Install version 2.2 or newer.")
    return Finding("GnuPG", "ok", keyring.version)


def _database(config: Config, now: datetime) -> Iterator[Finding]:
    database = Database(config.database_url)
    try:
        yield (first := _try("database", database.check_migrated, database.engine.dialect.name))
        if first.level == "ok":
            with database.read() as session:
                health, alive = look(session), liveness.liveness(config, session, now)
            yield from liveness.findings(alive, now)
            yield from _health(config, health, now)
            with database.read() as session:
                yield from senders.canaries(session, config, now)
    except OmbudError as error:
        yield Finding("database", "failure", str(error))
    finally:
        database.close()


def _health(config: Config, health: Health, now: datetime) -> Iterator[Finding]:
    """What the store tells of how the desk is doing."""
    minutes = int(health.waits_seconds(now) // 60)
    limit = config.outbox.alarm_minutes or 60
    if health.away_since:
        since = f"the relay has taken nothing since {health.away_since:%Y-%m-%d %H:%M} UTC: {health.away_reason.rstrip('.')}."
        remedy = "Nothing is given up; see 'ombud outbox list', and try at once with 'ombud outbox retry'."
        yield Finding("deliveries", "failure", f"{since} {remedy}")
    elif minutes >= limit:
        remedy = "See 'ombud outbox list', whether the relay takes mail, and whether the service runs."
        yield Finding("deliveries", "failure", f"the oldest has waited for {minutes} minutes. {remedy}")
    elif held := health.deliveries.get("held", 0):
        remedy = "Their owners were told; see 'ombud outbox list' and 'ombud key list'."
        yield Finding("deliveries", "warning", f"{held} are held for a key that cannot be used. {remedy}")
    else:
        yield Finding("deliveries", "ok", "none is late")
    if health.given_up:
        remedy = "See 'ombud outbox list', correct the address or ask its owner, then 'ombud outbox retry'."
        what = f"{health.given_up} for members or the operator were refused for good and given up"
        yield Finding("given up", "warning", f"{what}. {remedy}")
    else:
        yield Finding("given up", "ok", "no notice for a member or the operator")
    unread = health.cases.get("held", 0)
    if unread:
        remedy = "If an older key of the desk is missing, import it with gpg and run 'ombud case reopen NAME'."
        yield Finding("held cases", "warning", f"{unread} could not be opened; their readers were told. {remedy}")
    else:
        yield Finding("held cases", "ok", "none")
    if health.last_event and health.last_event > now + _CLOCK_SLACK:
        yield Finding("clock", "failure", "is behind the last event on record. Set it, and let it be set by NTP.")
    else:
        yield Finding("clock", "ok", f"{now:%Y-%m-%d %H:%M} UTC, after all that is on record")


def _rosters(config: Config, keyring: Keyring, now: datetime) -> Iterator[Finding]:
    book = RosterBook(config, keyring, lambda _: None)
    for desk in config.desk:
        name = f"roster of {desk.id}"
        try:
            roster = book.check(desk)
        except OmbudError as error:
            yield Finding(name, "failure", str(error))
            continue
        if not roster.members:
            where = config.path(desk.roster)
            yield Finding(
                name, "warning", f"{where} names nobody yet: reports are kept, but nobody is told. Add members."
            )
        elif len(roster.on_duty(now)) < desk.quorum:
            count = len(roster.on_duty(now))
            yield Finding(name, "warning", f"{count} on duty, fewer than quorum ({desk.quorum}). Add people or terms.")
        else:
            yield Finding(name, "ok", f"{len(roster.members)} members, {len(roster.on_duty(now))} on duty")
        yield from _keys(desk, roster, keyring, now)
        today = now.astimezone(desk.zone).date()
        ahead = rotation.warnings(roster, today, expiries(keyring, desk, roster))
        yield (
            Finding(f"terms of {desk.id}", "warning", _ahead(ahead[0]))
            if ahead
            else Finding(f"terms of {desk.id}", "ok", "nothing ends within 60 days")
        )


def _keys(desk: Desk, roster: Roster, keyring: Keyring, now: datetime) -> Iterator[Finding]:
    """Whether a notice can be sealed to each member on duty now."""
    sealer = Sealer(keyring)
    trouble = {member.id: why for member in roster.on_duty(now) if (why := sealer.key_trouble(member))}
    name = f"keys of {desk.id}"
    for member, why in trouble.items():
        remedy = f"Ask {member} for a key that works, and run 'ombud key add FILE'; what is held goes out then."
        yield Finding(name, "failure", f"{member}: {why}. {remedy}")
    if not trouble:
        yield Finding(name, "ok", "a notice can be sealed to each member on duty")


def _ahead(warning: rotation.Warning) -> str:
    what = {
        "quorum": "fewer than quorum will be on duty. Add people or terms to the roster.",
        "term": f"the term of {warning.who} ends with nobody to follow. Add somebody to the roster.",
        "key": f"the key of {warning.who} expires. Ask for a renewed one.",
        "desk-key": "the desk's key expires. Run 'ombud key extend'.",
    }[warning.trouble]
    return f"{warning.day}: {what}"


def _relay(config: Config, now: datetime) -> Iterator[Finding]:
    """Whether the relay takes mail: for somebody on a roster too, as many take it for their own domain from everybody."""
    relay = Relay(config)
    where = f"{config.relay.host}:{config.relay.port}"
    try:
        relay.check(_addresses(config, now))
        yield Finding("relay", "ok", where)
    except RelayDown as error:
        yield Finding("relay", "failure", f"{where}: {error}")
    except OmbudError as error:
        yield Finding("relay", "failure", str(error))
    finally:
        relay.close()


def _addresses(config: Config, now: datetime) -> list[str]:
    found: list[str] = []
    with contextlib.suppress(OmbudError):  # said where keys and rosters are looked at
        book = RosterBook(config, open_keyring(config), lambda _: None)
        for desk in config.desk:
            found += [member.email for member in book.check(desk).on_duty(now)]
    return found


def _mailboxes(config: Config, now: datetime) -> Iterator[Finding]:
    alive = _liveness(config, now)
    for desk in config.desk:
        for imap in desk.imap:
            mailbox = Mailbox(config, desk, imap, None)
            try:
                mailbox.open()
                lacks = mailbox.missing_capabilities()
                waiting = mailbox.waiting()
            except OmbudError as error:
                yield Finding(f"mailbox of {desk.id}", "failure", str(error))
                continue
            finally:
                mailbox.close()
            yield liveness.of_a_mailbox(desk, imap, liveness.MailboxContent(*waiting, lacks), alive, now)


def _liveness(config: Config, now: datetime) -> Liveness | None:
    """How the service is; None when the database does not say."""
    database = Database(config.database_url)
    try:
        database.check_migrated()
        with database.read() as session:
            return liveness.liveness(config, session, now)
    except OmbudError:
        return None
    finally:
        database.close()
