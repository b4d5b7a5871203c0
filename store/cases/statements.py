"""What the team may say in public of a case: drafted by one reader, looked at for everybody in it, and released by another.

The desk publishes nothing: what is released is in the record, and goes to the readers. Works within a transaction that the caller
opened.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from sqlmodel import Session, col, select

from store.cases import content, telling
from store.cases.anonymity import Draft, require_anonymous
from store.cases.case_file import CaseFile
from store.cases.letters import draft_number
from store.kit.clock import from_text
from store.kit.config import Desk
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.tables.models import CaseRow
from store.tables.records import Arrival, LetterKind, LetterTo, Message
from store.tables.vault import Vault

LONGEST_SUMMARY = 600
PUBLIC: frozenset[LetterKind] = frozenset({"statement", "summary"})
NO_TEXT = marked("The statement has no text: write it below the line '/statement'.")
TOO_LONG = marked("A summary has {most} characters at most.")
NO_FILES = marked("A statement is a text: leave the files out.")


def as_statement(file: CaseFile, arrival: Arrival, kind: LetterKind, text: str) -> Arrival:
    """A note as the draft of a statement, or of the summary in the yearly report. Raises NotAllowed when it tells of anybody in the case."""
    if not text:
        raise NotAllowed(NO_TEXT)
    if kind == "summary" and len(text) > LONGEST_SUMMARY:
        raise NotAllowed(TOO_LONG, most=LONGEST_SUMMARY)
    if arrival.attachments:
        raise NotAllowed(NO_FILES)
    require_public(file, text)
    number = 1 + max(map(draft_number, file.messages()), default=0)
    body = replace(arrival.body, text=text, letter=LetterTo("", kind, draft=number))
    return replace(arrival, body=body)


def require_public(file: CaseFile, text: str) -> None:
    """Raise NotAllowed when a text names a member or anybody in the case, or repeats what one of them wrote."""
    author = file.roster.get(file.actor)
    require_anonymous(Draft(text, (), author, (), file.names), file.roster)
    telling.require_public(file, text)


def summaries(session: Session, vault: Vault, desk: Desk, first: date, last: date) -> list[str]:
    """What was released as the summary of a closed case that came in from one day to another (both included): the last one of each, by their
    text, so that their order tells nothing."""
    closed = select(CaseRow).where(
        CaseRow.desk == desk.id, CaseRow.state == "closed", col(CaseRow.wrapped_key).is_not(None)
    )
    found = []
    for row in session.exec(closed):
        if first <= from_text(row.received_at).astimezone(desk.zone).date() <= last:
            told = content.messages(session, vault, row.id)
            released = [item.body.text for item in told if item.direction == "letter" and _is_summary(item)]
            found += released[-1:]
    return sorted(found)


def _is_summary(message: Message) -> bool:
    return message.body.letter is not None and message.body.letter.kind == "summary"
