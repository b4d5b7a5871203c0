"""What the team may say in public of a case: drafted by one reader, looked at for everybody in it, and released by another.

The desk publishes nothing: what is released is in the record, and goes to the readers. Works within a transaction that the caller
opened.
"""

from __future__ import annotations

from dataclasses import replace

from store.cases import telling
from store.cases.anonymity import Draft, require_anonymous
from store.cases.case_file import CaseFile
from store.cases.letters import draft_number
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.tables.records import Arrival, LetterTo

NO_TEXT = marked("The statement has no text: write it below the line '/statement'.")
NO_FILES = marked("A statement is a text: leave the files out.")


def as_statement(file: CaseFile, arrival: Arrival, text: str) -> Arrival:
    """A note as the draft of a statement. Raises NotAllowed when it tells of anybody in the case."""
    if not text:
        raise NotAllowed(NO_TEXT)
    if arrival.attachments:
        raise NotAllowed(NO_FILES)
    require_public(file, text)
    number = 1 + max(map(draft_number, file.messages()), default=0)
    body = replace(arrival.body, text=text, letter=LetterTo("", "statement", draft=number))
    return replace(arrival, body=body)


def require_public(file: CaseFile, text: str) -> None:
    """Raise NotAllowed when a text names a member or anybody in the case, or repeats what one of them wrote."""
    author = file.roster.get(file.actor)
    require_anonymous(Draft(text, (), author, (), file.row.codename), file.roster)
    telling.require_public(file, text)
