"""When two cases concern the same person: noticed by keyed hashes of the names, told only to those who may know.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

import re

from sqlmodel import Session, col, select

from store.cases.case_file import CaseFile
from store.outbox import queue
from store.tables.models import NoticeRow, PatternRow
from store.team.folding import fold, words

# The one goes to the readers of the case that it hangs on, the other to those of the second case who are not among them.
FIRST, SECOND = "pattern", "pattern-other"


def forms(value: str) -> list[str]:
    """The normalised forms of names, handles and addresses in a value; equal forms mean the same person.

    A name is its words in alphabetical order, folded: "Müller, Jo" and "jo muller" differ in nothing else.
    """
    found = [" ".join(sorted(words(value)))] if re.fullmatch(r"\s*\S+\s*,\s*\S+\s*", value) else []
    for piece in re.split(r"[,;/()<>\n\u3001\uff0c]|\s(?:and|und|y|et|e|aka)\s", value):
        piece = piece.strip().strip("\"'")
        if re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", piece):
            found.append(fold(piece))
        elif named := words(piece):
            found.append(" ".join(sorted(named)))
    return list(dict.fromkeys(form for form in found if len(form) > 2))


def note(file: CaseFile, value: str) -> None:
    """Write down whom a case concerns, in place of what was known; tell of other cases of the desk that concern them."""
    session, row = file.session, file.row
    digests = {file.by.vault.digest(f"reported at {row.desk}", form.encode()) for form in forms(value)}
    for old in session.exec(select(PatternRow).where(PatternRow.case_id == row.id)):
        session.delete(old)
    session.flush()
    alike = select(PatternRow.case_id).where(col(PatternRow.form).in_(digests), PatternRow.desk == row.desk)
    others = sorted(set(session.exec(alike)) - {row.id})
    for digest in sorted(digests):
        session.add(PatternRow(case_id=row.id, desk=row.desk, form=digest))
    session.flush()
    for other in others:
        if not _told(session, row.id, other):
            file.enqueue(FIRST, other)
            queue.enqueue(session, queue.Notice(SECOND, row.desk, file.at, case_id=other, subject_id=row.id))
            file.note("same-person", {"other": other})


def _told(session: Session, one: str, other: str) -> bool:
    pairs = select(NoticeRow.id).where(
        col(NoticeRow.kind).in_((FIRST, SECOND)),
        col(NoticeRow.case_id).in_((one, other)),
        col(NoticeRow.subject_id).in_((one, other)),
    )
    return session.exec(pairs).first() is not None
