"""The roster file: read, checked line by line, and kept up to date while the desk runs.

`parse` is pure. `RosterBook` is the edge: it notices that a file changed, checks keys with GnuPG, keeps the
last good roster (sealed, so that it survives a restart), and says when a file is refused.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from store.kit.addresses import bare
from store.kit.clock import Clock, system_clock
from store.kit.config import Config, Desk
from store.kit.errors import KeyProblem, RosterError
from store.kit.files import toml_trouble, why_unread
from store.kit.kinds import Fingerprint, plain_address
from store.openpgp.keyring import Keyring
from store.team.members import Member, Role, Roster

_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
RESERVED_IDS = frozenset({"reporter", "other", "operator", "desk", "me", "machine"})


def member_id(value: str) -> str:
    """The value, if it can be the short id of a member; raises ValueError."""
    if not _ID.fullmatch(value):
        raise ValueError("must be lower-case letters, digits, '-' and '_'")
    if value in RESERVED_IDS:
        raise ValueError(f"'{value}' has a meaning of its own; choose another id")
    return value


def one_line(value: str) -> str:
    """The value on one line; raises ValueError when there is nothing in it."""
    clean = " ".join(value.split())
    if not clean:
        raise ValueError("must not be empty")
    return clean


def member_address(value: str) -> str:
    """The value, if it is a mail address without a display name; raises ValueError."""
    # A member's own address may carry an extension; only a desk's must not.
    plain_address(re.sub(r"\+[^@+]*@", "@", value))
    return value


class _Entry(BaseModel):
    """One `[[member]]` block as written."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    id: Annotated[str, AfterValidator(member_id)]
    name: Annotated[str, AfterValidator(one_line)]
    aliases: tuple[str, ...] = ()
    email: Annotated[str, AfterValidator(member_address)]
    fingerprint: Fingerprint
    key: str = ""
    role: Role = "responder"
    start: date = Field(alias="from")
    until: date
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] = "en"


_FIELD_HELP = {
    "from": "the first day of the term, as 2026-01-31",
    "until": "the last day of the term, as 2026-12-31",
}


def parse(source: str, file: Path, desk: Desk) -> Roster:
    """Read the text of a roster file; an empty one is an empty roster.

    Raises RosterError naming file, line, field and remedy.
    """
    try:
        content = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise RosterError(f"{file}: not valid TOML: {toml_trouble(error)}.") from None
    for key in content:
        if key != "member":
            raise RosterError(
                f"{file}:{_line_of(source, key)}: {key}: there is no such field; members stand in [[member]] blocks."
            )
    blocks = content.get("member", [])
    if not isinstance(blocks, list):
        raise RosterError(
            f"{file}:{_line_of(source, 'member')}: write [[member]] in double brackets, once for each person."
        )
    lines = Lines(source, file)
    members = [_member(block, index, lines) for index, block in enumerate(blocks)]
    _refuse_twins(members, lines)
    own = {bare(address) for address in desk.addresses}
    for index, member in enumerate(members):
        if bare(member.email) in own:
            raise lines.error(index, "email", "this is the desk's own address; give the member's")
    return Roster(tuple(members), desk.quorum, desk.zone)


def _member(block: Any, index: int, lines: Lines) -> Member:
    try:
        entry = _Entry.model_validate(block)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] == "missing":
            raise lines.error(index, field, f"must be set{_help(field)}") from None
        if first["type"] == "extra_forbidden":
            raise lines.error(index, field, "there is no such field") from None
        message = str(first["msg"]).removeprefix("Value error, ")
        raise lines.error(index, field, f"{message[0].lower()}{message[1:]}{_help(field)}") from None
    if entry.until < entry.start:
        raise lines.error(index, "until", "the term ends before it begins")
    return Member(
        id=entry.id, name=entry.name, email=entry.email, fingerprint=entry.fingerprint, role=entry.role,
        start=entry.start, until=entry.until, aliases=tuple(map(one_line, filter(str.strip, entry.aliases))),
        language=entry.language, key=entry.key,
    )  # fmt: skip


def _help(field: str) -> str:
    return f" ({_FIELD_HELP[field]})" if field in _FIELD_HELP else ""


def _refuse_twins(members: list[Member], lines: Lines) -> None:
    checks: list[tuple[str, Callable[[Member], str]]] = [
        ("id", lambda member: member.id),
        ("email", lambda member: member.email.casefold()),
        ("fingerprint", lambda member: member.fingerprint),
    ]
    for field, value in checks:
        seen: dict[str, int] = {}
        for index, member in enumerate(members):
            first = seen.setdefault(value(member), index)
            if first != index:
                raise lines.error(
                    index, field, f"the same as on line {lines.of(first, field)}; each member has their own"
                )


class Lines:
    """Where the blocks and fields of a roster stand; the TOML reader does not say."""

    def __init__(self, source: str, file: Path) -> None:
        self._file = file
        self._lines = source.splitlines()
        self._starts = [
            n for n, line in enumerate(self._lines, 1) if re.match(r"\s*\[\[\s*['\"]?member['\"]?\s*\]\]", line)
        ]

    def of(self, index: int, field: str) -> int:
        """The line of a field in the nth block, or that of the block."""
        start = self._starts[index] if index < len(self._starts) else 1
        end = self._starts[index + 1] if index + 1 < len(self._starts) else len(self._lines) + 1
        for number in range(start, end):
            if re.match(rf"\s*['\"]?{re.escape(field)}['\"]?\s*=", self._lines[number - 1]):
                return number
        return start

    def error(self, index: int, field: str, message: str) -> RosterError:
        """A complaint about a field, with its line."""
        return RosterError(f"{self._file}:{self.of(index, field)}: {field}: {message}.")


def _line_of(source: str, key: str) -> int:
    for number, line in enumerate(source.splitlines(), 1):
        if re.match(rf"\s*\[*\s*['\"]?{re.escape(key)}\b", line):
            return number
    return 1


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
    for bad, why in (
        (key.revoked, "is revoked"),
        (not key.can_encrypt and key.expired, "has expired"),
        (not key.can_encrypt, "cannot encrypt"),
    ):
        if bad:
            raise lines.error(index, "fingerprint", f"the key {why}; ask {member.id} for a renewed one")
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
