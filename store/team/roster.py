"""The rosters in force while the desk runs: it is noticed that a file changed, keys are checked with GnuPG, and the last good
roster stays (sealed, so that it survives a restart) when a file is refused.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from store.kit.clock import Clock, system_clock
from store.kit.config import Config, Desk
from store.kit.errors import KeyProblem, RosterError
from store.kit.files import why_unread
from store.openpgp.keyring import Keyring
from store.openpgp.values import KeyTrouble
from store.team.members import Member, Roster
from store.team.roster_file import Lines, parse


def check_keys(roster: Roster, source: str, file: Path, folder: Path, keyring: Keyring) -> str:
    """Check that each member's key file holds a usable key of the pinned fingerprint; import them; their digest.

    All are checked before any is imported. Raises RosterError naming the line.
    """
    lines = Lines(source, file)
    good = [_key_material(member, index, folder, keyring, lines) for index, member in enumerate(roster.members)]
    for material in good:
        keyring.add_public(material)
    return hashlib.sha256(b"\0".join(good)).hexdigest()


def key_file(member: Member, folder: Path) -> Path:
    """The file of a member's key: the one named, or the id with `.asc`."""
    return folder / (member.key or f"{member.id}.asc")


_TROUBLES: Mapping[KeyTrouble, str] = {
    "revoked": "is revoked", "expired": "has expired", "cannot-encrypt": "cannot encrypt",
}  # fmt: skip


def _key_material(member: Member, index: int, folder: Path, keyring: Keyring, lines: Lines) -> bytes:
    path = key_file(member, folder)
    field = "key" if member.key else "fingerprint"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise lines.error(
            index,
            field,
            f"the key file {path} cannot be read: it is not there; ask {member.id} for 'gpg --export --armor {member.fingerprint}'",
        ) from None
    except OSError as error:
        raise lines.error(index, field, f"the key file {path} {why_unread(error)}") from None
    found = keyring.read_key_data(data)
    if any(key.secret for key in found):
        raise lines.error(index, field, f"{path} holds a SECRET key; delete it and put only the public key there")
    match = [key for key in found if key.fingerprint == member.fingerprint]
    if not match:
        raise lines.error(
            index,
            "fingerprint",
            f"{path} holds no key with this fingerprint; compare it with {member.id} by voice",
        )
    if len(found) > 1:
        raise lines.error(index, field, f"{path} holds more than one key; keep only {member.fingerprint}")
    key = match[0]
    if key.trouble:
        raise lines.error(index, "fingerprint", f"the key {_TROUBLES[key.trouble]}; ask {member.id} for a renewed one")
    return data


@dataclass(frozen=True)
class Loaded:
    """A roster in force, a digest of its members' key files, and the complaint about a newer file that was refused."""

    roster: Roster
    source: str
    keys: str = ""
    complaint: str = ""


@dataclass
class _Known:
    stamp: tuple[object, ...]
    loaded: Loaded


class RosterBook:
    """The rosters of all desks, read again when their files change."""

    def __init__(
        self,
        config: Config,
        keyring: Keyring,
        last_good: Callable[[str], str | None],
        clock: Clock = system_clock,
        identity: Callable[[Member], str] = lambda _: "",
    ) -> None:
        """`last_good` gives the text of a desk's last accepted roster, or None; `identity` a keyed hash of a member's names."""
        self._identity = identity
        self._clock = clock
        self._config = config
        self._keyring = keyring
        self._last_good = last_good
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()

    def current(self, desk: Desk) -> Loaded:
        """The roster in force for a desk. A file that is refused leaves the last good one in force."""
        with self._lock:
            known = self._known.get(desk.id)
            stamp = self._stamp(desk)
            if known is None or known.stamp != stamp:
                known = _Known(stamp, self._identified(self._load(desk, known.loaded if known else None)))
                self._known[desk.id] = known
            return known.loaded

    def roster(self, desk: Desk) -> Roster:
        """The members in force."""
        return self.current(desk).roster

    def check(self, desk: Desk) -> Roster:
        """Read the file as it is now. Raises RosterError."""
        return self._read(desk).roster

    def _identified(self, loaded: Loaded) -> Loaded:
        members = tuple(replace(member, identity=self._identity(member)) for member in loaded.roster.members)
        return replace(loaded, roster=replace(loaded.roster, members=members))

    def _load(self, desk: Desk, before: Loaded | None) -> Loaded:
        try:
            loaded = self._read(desk)
            if desk.require_signed_roster:
                self._require_signed(desk, loaded, before or self._restore(desk))
            if loaded.roster.members:
                return loaded
            # A file that is just being written, or was emptied by mistake, must not send everybody home.
            last = before or self._restore(desk)
            if not last.roster.members:
                return loaded
            file = self._config.path(desk.roster)
            return replace(last, complaint=f"{file}: names nobody any more. To end a term, set its 'until'.")
        except (RosterError, KeyProblem) as error:
            return replace(before or self._restore(desk), complaint=str(error))

    def _read(self, desk: Desk) -> Loaded:
        file = self._config.path(desk.roster)
        try:
            source = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise RosterError(
                f"{file}: no such file. Create it, or correct desk.roster in the configuration."
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise RosterError(f"{file}: {why_unread(error)}.") from None
        roster = parse(source, file, desk)
        keys = check_keys(roster, source, file, self._config.path(desk.keys), self._keyring)
        return Loaded(roster, source, keys)

    def _require_signed(self, desk: Desk, loaded: Loaded, last: Loaded) -> None:
        """Raise RosterError unless a lead on duty by the last good roster signed the file; of the first, its own leads."""
        file = self._config.path(desk.roster)
        signature = file.with_name(file.name + ".asc")
        if loaded.source == last.source:
            return
        try:
            found = self._keyring.verify(loaded.source.encode(), signature.read_bytes())
        except OSError:
            raise RosterError(f"{file}: is not signed. Sign it: gpg --armor --detach-sign {file.name}.") from None
        trusted = last.roster if last.roster.members else loaded.roster
        leads = {member.fingerprint for member in trusted.on_duty(self._clock()) if member.role == "lead"}
        if found.status != "valid" or found.fingerprint not in leads:
            raise RosterError(f"{signature}: is not a valid signature of the file by a lead who is on duty.")

    def _restore(self, desk: Desk) -> Loaded:
        source = self._last_good(desk.id)
        if source is None:
            return Loaded(Roster((), desk.quorum, desk.zone), "")
        # Its keys were checked when it was accepted; one that has gone bad since is found when it is used.
        return Loaded(parse(source, self._config.path(desk.roster), desk), source)

    def _stamp(self, desk: Desk) -> tuple[object, ...]:
        """What changes when the roster or any key file does; a refused roster may wait for a key of a new member."""
        folder, roster = str(self._config.path(desk.keys)), str(self._config.path(desk.roster))
        try:
            names = sorted(os.listdir(folder))  # noqa: PTH208
        except OSError:
            names = []
        files = [roster, f"{roster}.asc", *(f"{folder}/{name}" for name in names)]
        return tuple((file, _stat(file)) for file in files)


def _stat(file: str) -> tuple[int, int, int] | None:
    """Asked of each key file before each mail; by names, for objects of pathlib took twice as long."""
    try:
        found = os.stat(file)  # noqa: PTH116
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
