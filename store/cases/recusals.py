"""Recusals as they are written down. Who may withhold a case from whom, and bring back: `store.cases.withholding`.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlmodel import Session, col, select

from store.cases.case_file import Actor, CaseFile, open_case
from store.cases.lookup import recusal_rows, source_of
from store.kit.clock import to_text
from store.tables.models import CaseRow, RecusalRow, VoteRow
from store.tables.records import Recusal

ERASE = ":erase"  # what is voted on besides members: that a case is erased


def recuse(file: CaseFile, recusals: Sequence[Recusal], reason: str = "") -> list[Recusal]:
    """Recuse members from a case; the recusals that are new. What had a weaker reason gets the stronger one."""
    if not recusals:
        return []
    known = {item.member: item for item in recusal_rows(file.session, file.row.id)}
    added = []
    for recusal in recusals:
        before = known.get(recusal.member)
        if before is None:
            known[recusal.member] = _add(file, recusal)
            _note(file, "recused", recusal, reason)
            added.append(recusal)
        elif recusal.strength > Recusal(before.member, source_of(before)).strength:
            before.source, before.by = recusal.source, file.actor
            file.session.add(before)
            _note(file, "recusal-confirmed", recusal, reason)
    if added:
        file.look_again_at_readers()
    return added


def _add(file: CaseFile, recusal: Recusal) -> RecusalRow:
    row = RecusalRow(
        case_id=file.row.id, member=recusal.member, source=recusal.source, since=to_text(file.at), by=file.actor
    )
    file.session.add(row)
    forget_votes(file, recusal.member)
    return row


def _note(file: CaseFile, kind: str, recusal: Recusal, reason: str) -> None:
    file.note(kind, {"member": recusal.member, "source": recusal.source})
    if reason:  # apart, for it may be taken out of the case, and who is withheld stays on record
        file.note("reason-given", {"member": recusal.member, "reason": reason})


def reinstate(file: CaseFile, member: str) -> None:
    """End the recusal of a member."""
    for row in recusal_rows(file.session, file.row.id):
        if row.member == member:
            row.ended = to_text(file.at)
            file.session.add(row)
    forget_votes(file, member)
    file.note("reinstated", {"member": member})
    file.look_again_at_readers()


def forget_votes(file: CaseFile, what: str, *, prefix: bool = False) -> None:
    """Forget the votes on a member of a case, or on something else: it is done, or the case is another one by now. `prefix`: on all
    whose name begins so."""
    for vote in file.session.exec(select(VoteRow).where(VoteRow.case_id == file.row.id)):
        if vote.member == what or (prefix and vote.member.startswith(what)):
            file.session.delete(vote)
    file.session.flush()


def has_withheld(file: CaseFile) -> bool:
    """Whether who acts has withheld the case from somebody else before, by a command or by naming them, also if that ended."""
    mine = select(RecusalRow.id).where(RecusalRow.case_id == file.row.id, RecusalRow.by == file.actor)
    return file.session.exec(mine.where(RecusalRow.member != file.actor)).first() is not None


def doubted(found: Sequence[Recusal]) -> tuple[Recusal, ...]:
    """What is withheld when it is not sure who asks for it: from the same members, but two readers may bring them back."""
    return tuple(replace(item, source="doubtful") if item.source == "reporter" else item for item in found)


def recuse_alike(session: Session, by: Actor, member: str, other: str) -> None:
    """Recuse one member from every case of a desk that another id is recused from: it is the same person."""
    same = select(RecusalRow, CaseRow).join(CaseRow)
    mine = same.where(
        RecusalRow.member == member,
        CaseRow.desk == by.desk.id,  # ids are those of a desk
        col(RecusalRow.ended).is_(None),
        col(CaseRow.wrapped_key).is_not(None),
    )
    for recusal, row in session.exec(mine).all():
        recuse(open_case(session, by, row), [Recusal(other, source_of(recusal))])
