"""The members of a new desk, asked for one by one: each answer is compared with those before, and each may be corrected."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeVar, get_args

import typer
from anyascii import anyascii

from desk.setup.answers import DESKS_OWN, FirstMember, SetupAnswers, coming_day, day, owner, same_address, taken
from desk.setup.beginning import read_key
from desk.setup.questions import Questions, one_of
from store.kit.errors import ConfigError
from store.kit.kinds import LANGUAGES
from store.openpgp.values import PublicKey
from store.team.members import Role
from store.team.roster_file import member_address, member_id, one_line

_YEAR = timedelta(days=365)
_FIELDS = ("name", "id", "email", "key", "aliases", "until", "role", "language")
_TAKE_BACK = "-"

_T = TypeVar("_T")


class _TakenBack(Exception):
    """The person is not to be a member after all."""


def ask_team(answers: SetupAnswers, questions: Questions) -> tuple[FirstMember, ...]:
    """Ask for the first members; nobody is an answer as well."""
    typer.echo(
        "\nWho is on the team? At least two; each with a file that holds their public key. An empty name ends it.\n"
        f"'{_TAKE_BACK}' in place of an answer takes a member back."
    )
    team = _Team(answers, questions)
    team.add()
    while team.members and (word := questions.ask_optional("team", team.summary(), team.change, "")):
        questions.forget("team")
        if word == "+":
            team.add()
        elif word.startswith(_TAKE_BACK):
            team.remove(word.removeprefix(_TAKE_BACK).strip())
        else:
            team.correct(word)
    return tuple(team.members)


class _Team:
    """The members so far. Their answers are remembered by number, so that numbers have no holes."""

    def __init__(self, answers: SetupAnswers, questions: Questions) -> None:
        self.members: list[FirstMember] = []
        self._desk = answers
        self._questions = questions
        self._fingerprints: dict[str, str] = {}

    def add(self) -> None:
        """Ask for members until a name is empty."""
        while True:
            number = len(self.members) + 1
            key = _key(number, "name")
            name = self._questions.ask_optional(key, f"Name of member {number}", _name_or_back, "")
            if not name:
                self._questions.forget(key)
                return
            if name == _TAKE_BACK:
                self._forget(number)
                continue
            try:
                self.members.append(self._member(number, name))
            except _TakenBack:
                self._forget(number)
                typer.echo("  Taken back.")

    def correct(self, member: str) -> None:
        """Ask for everything of a member again, with what stands as the default."""
        at = self._index(member)
        others, self.members = self.members, [item for item in self.members if item.id != member]
        try:
            name = self._questions.ask(_key(at + 1, "name"), f"Name of member {at + 1}", _name_or_back)
            if name == _TAKE_BACK:
                raise _TakenBack
            fresh = self._member(at + 1, name)
        except _TakenBack:
            self.members = others
            self.remove(member)
        else:
            self.members.insert(at, fresh)

    def remove(self, member: str) -> None:
        """Take a member out."""
        at = self._index(member)
        del self.members[at]
        self._forget(at + 1)
        typer.echo(f"  {member} is taken back.")

    def change(self, word: str) -> str:
        """A check for what the summary asks for."""
        member = word.removeprefix(_TAKE_BACK).strip()
        if word != "+" and not any(item.id == member for item in self.members):
            ids = ", ".join(item.id for item in self.members)
            raise ConfigError(f"Answer one of: {ids}; the same with - before it; +; or nothing.")
        return word

    def summary(self) -> str:
        """The members so far, and what may be done about them."""
        lines = [
            f"  {item.id}: {item.name} <{item.email}>, {item.role} until {item.until}"
            + (f", also called {', '.join(item.aliases)}" if item.aliases else "")
            for item in self.members
        ]
        alone = "  One member alone: nobody could be told of a report about them.\n" if len(lines) == 1 else ""
        one = self.members[0].id
        return (
            "\n".join(["", *lines, ""]) + f"{alone}Is that right? Enter goes on; {one} corrects {one}, "
            f"{_TAKE_BACK}{one} takes {one} back, + adds a member"
        )

    def _index(self, member: str) -> int:
        return [item.id for item in self.members].index(member)

    def _forget(self, number: int) -> None:
        """Forget the answers of one number; those behind move up."""
        last = number
        while self._questions.answered(_key(last + 1, "name")):
            last += 1
        for at in range(number, last):
            for field in _FIELDS:
                self._questions.remember(_key(at, field), self._questions.answered(_key(at + 1, field)))
        self._questions.forget(*(_key(last, field) for field in _FIELDS))

    def _member(self, number: int, name: str) -> FirstMember:
        """Ask for the rest of a member. Raises _TakenBack."""
        short = self._ask(number, "id", "short id", self._id, offered_id(name, [item.id for item in self.members]))
        email = self._ask(number, "email", "address", self._address)
        usual = Path(f"{short}.asc")
        path, key = self._ask(
            number, "key", "file with their public key", self._key_file, str(usual) if usual.is_file() else ""
        )
        self._fingerprints[short] = key.fingerprint
        typer.echo(f"  fingerprint: {_spaced(key.fingerprint)}\n  Compare it with {name}, by voice.")
        if key.addresses and not any(same_address(email, address) for address in key.addresses):
            typer.echo(f"  The key is for {', '.join(key.addresses[:3])}. Make sure that it is theirs.")
        aliases: tuple[str, ...] = self._questions.ask_optional(
            _key(number, "aliases"),
            "  nicknames and handles, with commas between (a report that names one is kept from them; empty: none)",
            _aliases,
            (),
        )
        ends = self._ask(number, "until", "last day of their term", _day, str(datetime.now(UTC).date() + _YEAR))
        if key.usable_until and key.usable_until.date() < ends:
            typer.echo(f"  Their key ends before, on {key.usable_until.date()}; ask for a renewed one in time.")
        role = self._ask(number, "role", f"role: {_in_words(get_args(Role))}", one_of(*get_args(Role)), "responder")
        reads = self._ask(number, "language", "language that they read", one_of(*LANGUAGES), self._desk.language)
        return FirstMember.model_validate(
            {
                "id": short, "name": name, "email": email, "key": path, "until": ends, "role": role,
                "language": reads, "aliases": aliases,
            }
        )  # fmt: skip

    def _ask(self, number: int, field: str, question: str, check: Callable[[str], _T], default: str = "") -> _T:
        def checked(text: str) -> _T:
            if text == _TAKE_BACK:
                raise _TakenBack
            return check(text)

        return self._questions.ask(_key(number, field), f"  {question}", checked, default)

    def _id(self, text: str) -> str:
        self._require_free("id", member_id(text))
        return text

    def _address(self, text: str) -> str:
        if same_address(member_address(text), self._desk.address):
            raise ConfigError(DESKS_OWN)
        self._require_free("email", text)
        return text

    def _require_free(self, field: str, value: str) -> None:
        if other := owner(field, value, self.members):
            raise ConfigError(taken(other))

    def _key_file(self, text: str) -> tuple[Path, PublicKey]:
        path = Path(text).expanduser().absolute()
        key = read_key(path)
        for other in self.members:
            if self._fingerprints[other.id] == key.fingerprint:
                raise ConfigError(f"{path}: the key is {taken(other)}")
        return path, key


def offered_id(name: str, others: Iterable[str]) -> str:
    """A short id for a name in any script, that nobody has yet: cleo, sam2."""
    first = re.sub(r"[^a-z0-9]", "", anyascii(name).split(" ")[0].lower()) if name.split() else ""
    base, taken_ids = first[:30] or "member", set(others)
    for number in range(1, len(taken_ids) + 3):
        offer = base if number == 1 else f"{base}{number}"
        try:
            if offer not in taken_ids:
                return member_id(offer)
        except ValueError:  # a word with a meaning of its own
            continue
    return f"member{len(taken_ids) + 1}"


def _key(number: int, field: str) -> str:
    return f"member.{number}.{field}"


def _name_or_back(text: str) -> str:
    return text if text == _TAKE_BACK else one_line(text)


def _day(text: str) -> date:
    found = day(text)
    if not isinstance(found, date):
        raise ConfigError("must be a day as 2027-12-31: year, month, day")
    return coming_day(found)


def _aliases(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one_line(part) for part in text.split(",") if part.strip()))


def _spaced(fingerprint: str) -> str:
    return " ".join(fingerprint[at : at + 4] for at in range(0, len(fingerprint), 4))


def _in_words(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
