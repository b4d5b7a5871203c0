"""What a command of members is: its name, how it is written, what it does, and what is said of it in `/help`.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sqlmodel import Session

from store.cases.case_file import Actor, CaseFile
from store.kit.errors import NoSuchCase, NotAllowed, OmbudError
from store.kit.sentences import marked
from store.tables.records import Change
from store.team.meant import who_is_meant
from store.team.members import Member, Roster

GUESTS = marked(
    "You are a guest on this case, and can't do that. You can read it, write notes and step back with '/recuse me'; if you were invited as 'voting', also '/agree' and '/object'."
)


@dataclass(frozen=True)
class Command:
    """A command as it was written. `subject` is whom or what it is about, `text` what is said of it; `line` is how it was
    asked for, to be named in an answer.

    `help` has the forms in which it is written, each with what it does, where `{outcomes}` stands for those of the desk.
    `lacking` is what one without a subject is answered; it is empty for a command that takes none.
    `on_junk`: it can be given on a case that is among the junk; `for_guests`: by a guest of it as well.
    """

    name: ClassVar[str]
    help: ClassVar[tuple[tuple[str, str], ...]] = ()
    lacking: ClassVar[str] = ""

    on_junk: ClassVar[bool] = False
    for_guests: ClassVar[bool] = False

    subject: str = ""
    text: str = ""
    line: str = ""

    @classmethod
    def split(cls, written: str) -> tuple[str, str]:
        """Subject and text, of what stands behind the name of the command."""
        return written, ""


class CaseCommand(Command, ABC):
    """A command that changes a case."""

    @abstractmethod
    def do(self, file: CaseFile) -> Change:
        """Do it. Raises NotAllowed, or NoSuchCase of another case."""

    @property
    def kept_text(self) -> str:
        """What of it is kept with the case, and searched for members."""
        return self.text

    @property
    def keeps_mail(self) -> bool:
        """Whether the mail that asks for it may be kept as it came."""
        return True

    def withdraws(self, actor: str, roster: Roster) -> bool:  # noqa: ARG002 (most never do)
        """Whether who acts withdraws themself by it."""
        return False


class DeskCommand(Command, ABC):
    """A command that needs no case."""

    @abstractmethod
    def do_at(self, session: Session, by: Actor) -> Change:
        """Do it at a desk. Raises NotAllowed."""


class Refused(NotAllowed):
    """One of several commands cannot be carried out. `line` is the one."""

    def __init__(self, line: str, why: OmbudError) -> None:
        super().__init__(why.sentence)
        self.line = line


def perform(file: CaseFile, commands: Sequence[CaseCommand]) -> tuple[Change, ...]:
    """Do it all, in order; withdrawing oneself comes last. Raises Refused naming the line that cannot be done.

    Nothing is undone then: that is for the caller's transaction.
    """
    done = []
    for command in sorted(commands, key=lambda command: command.withdraws(file.actor, file.roster)):
        try:
            _require_allowed(file, command)
            done.append(command.do(file))
        except (NotAllowed, NoSuchCase) as error:
            raise Refused(command.line, error) from None
        file.session.add(file.row)
        file.session.flush()
    return tuple(done)


def _require_allowed(file: CaseFile, command: CaseCommand) -> None:
    """Raise NotAllowed for what a guest cannot do; stepping back is for everybody."""
    if file.is_by_guest and not (command.for_guests or command.withdraws(file.actor, file.roster)):
        raise NotAllowed(GUESTS)


def perform_at(session: Session, by: Actor, commands: Sequence[DeskCommand]) -> tuple[Change, ...]:
    """Do what needs no case, in order. Raises Refused, as `perform`."""
    done = []
    for command in commands:
        try:
            done.append(command.do_at(session, by))
        except NotAllowed as error:
            raise Refused(command.line, error) from None
    return tuple(done)


def member_meant(file: CaseFile, written: str) -> Member:
    """The one member whom a name, id, alias or address means, or `me`. Raises NotAllowed."""
    members = file.roster.members
    if written.casefold() == "me":
        found = [member for member in members if member.id == file.actor]
    else:
        exact = file.roster.get(written.casefold())
        found = [exact] if exact else who_is_meant(written, members)
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotAllowed(marked("There is no member '{name}' on the roster of this desk."), name=written)
    ids = ", ".join(member.id for member in found)
    raise NotAllowed(marked("'{name}' could be any of {ids}. Use one of these."), name=written, ids=ids)
