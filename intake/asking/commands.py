"""The commands of members' mails: lines on top that begin with a slash, until the first other line. Pure.

Which commands there are: `store.cases.commands`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from intake.reading.message import without_marks
from intake.reading.quotes import below_leading_quote
from store.cases.command import CaseCommand, Command, DeskCommand, Refused
from store.cases.commands import COMMANDS
from store.cases.letter_order import Order, read_order
from store.cases.replies import How
from store.cases.told_order import Told, read_told
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.tables.records import LetterKind

_COMMAND = re.compile(r"/([A-Za-z]+)(?:[ \t]+(.*)|[ \t]*)$")
_LINE_LIMIT = 5000
_MOST = 50
_SHOWN = 200
_PUBLIC: dict[str, LetterKind] = {"": "statement", "for the year": "summary"}
_HOW: dict[str, How] = {"": "", "plain": "plain", "new-key": "new-key", "status": "status"}


@dataclass(frozen=True)
class Commands:
    """What a mail asks for, and the text below. `asks` are the names of commands that change no case; the text goes to the reporter with
    `reply`, to somebody else with `write`, and is a note when both are None; `case` is the codename behind `/case`, empty without one; `on_desk` are commands that need
    none, `days` what stands behind `/debrief`, `file` the number behind `/show file`; it is a `statement` of the team, or its `summary`, or, with `told`,
    is what somebody told its author, and becomes a case."""

    on_case: tuple[CaseCommand, ...] = ()
    asks: frozenset[str] = frozenset()
    reply: How | None = None
    write: Order | None = None
    case: str = ""
    rest: str = ""
    on_desk: tuple[DeskCommand, ...] = ()
    days: str = ""
    file: int = 0
    told: Told | None = None
    person: str = ""
    statement: LetterKind = ""

    @property
    def any(self) -> bool:
        """Whether there is a command."""
        return bool(self.on_case or self.on_desk or self.asks or self.case or self.told) or not self.is_note

    @property
    def is_note(self) -> bool:
        """Whether the text stays among the readers."""
        return self.reply is None and self.write is None and not self.statement


class WrongLine(NotAllowed):
    """A line that is no command, or lacks something. `line` is the one."""

    def __init__(self, line: str, sentence: str, **values: object) -> None:
        super().__init__(sentence, **values)
        self.line = _shown(line)


def begins_with_command(text: str) -> bool:
    """Whether the first line is a command that there is."""
    for line, _ in _lines(text):
        found = _COMMAND.match(line)
        return found is not None and found[1].lower() in COMMANDS
    return False


def named_case(text: str) -> str:
    """The codename behind `/case` among the commands on top, whatever else stands there; empty when there is none."""
    return next((behind.casefold() for name, behind in _on_top(text) if name == "case"), "")


def has_command(text: str, name: str) -> bool:
    """Whether a command is among those on top, whatever else stands there."""
    return any(found == name for found, _ in _on_top(text))


def _on_top(text: str) -> Iterator[tuple[str, str]]:
    """The commands on top, whether there are such ones or not: their names, and what stands behind each."""
    for line, _ in _lines(text):
        found = _COMMAND.match(line[:_LINE_LIMIT])
        if found is None:
            return
        yield found[1].lower(), (found[2] or "").strip()


def parse(text: str) -> Commands:
    """The commands on top of a text. A quoted line is never one. Raises WrongLine, Refused."""
    found = _Found()
    end = None
    for line, start in _lines(text):
        command = _COMMAND.match(line[:_LINE_LIMIT])
        if command is None:
            if line.startswith("/") and not line.startswith("//"):
                raise WrongLine(line, marked("This is not a command. Write '/help' for a list."))
            end = start
            break
        found.add(_command(command[1].lower(), line, (command[2] or "").strip()), line)
    rest = "" if end is None else below_leading_quote(text)[end:]
    return Commands(
        tuple(found.on_case),
        frozenset(found.asks),
        found.reply,
        found.write,
        found.case or "",
        rest,
        tuple(found.on_desk),
        found.days,
        found.file,
        found.told,
        found.person,
        found.statement,
    )


def _lines(text: str) -> Iterator[tuple[str, int]]:
    """The lines of a text that are not empty, below what is quoted on top, each with where it starts."""
    start = 0
    for raw in below_leading_quote(text).split("\n"):
        if line := without_marks(raw).strip():
            yield line, start
        start += len(raw) + 1


@dataclass
class _Found:
    """The commands that were found so far."""

    on_case: list[CaseCommand] = field(default_factory=list)
    on_desk: list[DeskCommand] = field(default_factory=list)
    asks: set[str] = field(default_factory=set)
    reply: How | None = None
    write: Order | None = None
    case: str | None = None
    days: str = ""
    file: int = 0
    told: Told | None = None
    person: str = ""
    statement: LetterKind = ""

    def add(self, command: Command, line: str) -> None:
        """One more. Raises WrongLine when there are too many, or two that exclude each other."""
        if len(self.on_case) + len(self.on_desk) >= _MOST:
            raise WrongLine(line, marked("There are more than {number} commands in this mail."), number=_MOST)
        if isinstance(command, CaseCommand):
            self.on_case.append(command)
        elif isinstance(command, DeskCommand):
            self.on_desk.append(command)
        elif command.name in ("reply", "write", "statement"):
            if self.reply is not None or self.write is not None or self.statement:
                raise WrongLine(line, marked("A mail can only contain one reply."))
            if command.name == "reply":
                self.reply = _how(line, command.subject)
            elif command.name == "write":
                self.write = _order(line, command.subject)
            else:
                self.statement = _public(line, command.subject)
        elif command.name == "case":
            named = command.subject.casefold()
            if self.case not in (None, named):
                raise WrongLine(line, marked("A mail can only be about one case."))
            self.case = named
        elif command.name == "new":
            self.told = _told(line, command.subject)
        elif command.name == "show" and command.subject:
            self.file = _file(line, command.subject)
            self.asks.add("file")
        else:
            self.asks.add(command.name)
            self.person = command.subject if command.name == "person" else self.person
            self.days = command.subject if command.name == "debrief" else self.days


def _how(line: str, written: str) -> How:
    how = _HOW.get(written.casefold().replace(" ", "-"))
    if how is None:
        raise WrongLine(
            line,
            marked(
                "After '/reply' you can only write 'plain', 'new-key' or 'status'. Your text starts on the next line."
            ),
        )
    return how


def _public(line: str, written: str) -> LetterKind:
    kind = _PUBLIC.get(" ".join(written.casefold().split()))
    if kind is None:
        raise WrongLine(
            line, marked("After '/statement' you can only write 'for the year'. Your text starts on the next line.")
        )
    return kind


def _file(line: str, written: str) -> int:
    found = re.fullmatch(r"file\s+([0-9]{1,6})", written.strip(), re.IGNORECASE)
    if found is None:
        raise WrongLine(line, marked("After '/show' you can only write 'file' and its number."))
    return int(found[1])


def _told(line: str, written: str) -> Told:
    try:
        return read_told(written)
    except NotAllowed as error:
        raise Refused(_shown(line), error) from None


def _order(line: str, written: str) -> Order:
    try:
        return read_order(written)
    except NotAllowed as error:
        raise Refused(_shown(line), error) from None


def _command(word: str, line: str, written: str) -> Command:
    kind = COMMANDS.get(word)
    if kind is None:
        near = difflib.get_close_matches(word, list(COMMANDS), n=1)
        if near:
            raise WrongLine(
                line, marked("There is no command '/{word}'. Did you mean '/{near}'?"), word=word, near=near[0]
            )
        raise WrongLine(line, marked("There is no command '/{word}'. '/help' gives a list."), word=word)
    subject, text = kind.split(written)
    if kind.lacking and not subject:
        raise WrongLine(line, kind.lacking)
    return kind(subject, text, _shown(line))


def _shown(line: str) -> str:
    return line if len(line) <= _SHOWN else line[:_SHOWN] + "\u2026"
