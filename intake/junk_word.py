"""What members do with the junk of a desk as a whole: have it listed, and make reports of what has these numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlmodel import Session

from store.cases import junk
from store.cases.answers import Answer
from store.cases.case_file import Actor, open_case
from store.cases.command import CaseCommand
from store.cases.junk_commands import Junk, NotJunk
from store.kit.errors import NotAllowed
from store.kit.sentences import marked

MOST_LISTED = 1_000


def is_about_the_list(commands: Sequence[CaseCommand]) -> bool:
    """Whether commands need no case: that the junk be listed, and numbers of that list. Raises NotAllowed for no numbers."""
    return bool(commands) and all(_lists(item) or _numbers(item) for item in commands)


def has_numbers(commands: Sequence[CaseCommand]) -> bool:
    """Whether commands are about numbers of the list, whichever case the mail answers. Raises NotAllowed as above, and when
    there are others beside them."""
    if not any(_numbers(item) for item in commands):
        return False
    if not is_about_the_list(commands):
        raise NotAllowed(marked("Write '/notjunk' with numbers in a mail of its own."))
    return True


def carry_out(session: Session, by: Actor, commands: Sequence[CaseCommand], answer: Answer) -> Answer:
    """Do it; what the member is answered. Raises NotAllowed, and then nothing is done."""
    numbers = frozenset[int]().union(*(_numbers(item) for item in commands))
    rows = junk.by_numbers(session, by, numbers) if numbers else []
    for row in rows:
        junk.take_out(open_case(session, by, row))
    if any(map(_lists, commands)):
        junk.number(session, by, MOST_LISTED)
        answer = replace(answer, junk=True)
    return replace(answer, made_reports=tuple(row.id for row in rows))


def _lists(command: CaseCommand) -> bool:
    return isinstance(command, Junk) and not command.subject


def _numbers(command: CaseCommand) -> frozenset[int]:
    return command.numbers if isinstance(command, NotJunk) else frozenset()
