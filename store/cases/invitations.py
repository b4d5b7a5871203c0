"""Ends a guest's access to a case, and discards the votes on it.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from sqlmodel import select

from store.cases import recusals
from store.cases.case_file import CaseFile
from store.tables.models import GuestRow
from store.tables.records import guest_id

VOTE = ":guest "  # what is voted on besides members: who is to be a guest stands behind it


def end(file: CaseFile, row: GuestRow) -> None:
    """End one guest's access."""
    guest = guest_id(row.member, row.desk)
    file.session.delete(row)
    recusals.forget_votes(file, f"{VOTE}{guest} ", prefix=True)
    file.note("guest-ended", {"guest": guest})
    file.look_again_at_readers()


def end_all(file: CaseFile) -> None:
    """End all guests' access; open votes for a guest are discarded, too."""
    for row in file.session.exec(select(GuestRow).where(GuestRow.case_id == file.row.id)).all():
        end(file, row)
    recusals.forget_votes(file, VOTE, prefix=True)
