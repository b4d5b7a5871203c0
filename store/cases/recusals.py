"""Who is recused from a case, as it is written down.

Works within a transaction that the caller opened. Who may recuse or bring back whom: `store.withholding`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import text
from sqlmodel import Session, col, select

from store.kit.clock import to_text
from store.outbox import queue
from store.tables import audit
from store.tables.models import CaseRow, RecusalRow, VoteRow
from store.tables.records import Recusal, Source
from store.tables.vault import Box, Vault

_STANDING = text(
    "SELECT member, source FROM recusals WHERE case_id = :case_id AND ended IS NULL ORDER BY since, member"
)


def recuse(
    session: Session,
    vault: Vault,
    row: CaseRow,
    box: Box,
    recusals: Sequence[Recusal],
    actor: str,
    at: datetime,
    reason: str = "",
) -> list[Recusal]:
    """Recuse members from a case; the recusals that are new. What had a weaker reason gets the stronger one."""
    if not recusals:
        return []
    known = {item.member: item for item in standing(session, row.id)}
    added = []

    def note(kind: str, recusal: Recusal) -> None:
        detail = {"member": recusal.member, "source": recusal.source} | ({"reason": reason} if reason else {})
        audit.append(session, vault, kind, actor, at, case_id=row.id, box=box, detail=detail)

    for recusal in recusals:
        before = known.get(recusal.member)
        if before is not None:
            if recusal.strength > Recusal(before.member, source_of(before)).strength:
                before.source, before.by = recusal.source, actor
                session.add(before)
                note("recusal-confirmed", recusal)
            continue
        known[recusal.member] = item = RecusalRow(
            case_id=row.id, member=recusal.member, source=recusal.source, since=to_text(at), by=actor
        )
        session.add(item)
        forget_votes(session, row.id, recusal.member)
        note("recused", recusal)
        added.append(recusal)
    if added:
        session.flush()
        queue.reopen(session, case_id=row.id, at=at)
    return added


def forget_votes(session: Session, case_id: str, member: str) -> None:
    """Forget the votes on a member of a case: what they were for is done."""
    for vote in session.exec(select(VoteRow).where(VoteRow.case_id == case_id, VoteRow.member == member)):
        session.delete(vote)


def has_withheld(session: Session, case_id: str, reader: str) -> bool:
    """Whether a reader has withheld a case from somebody else before, by a command or by naming them, also if that ended."""
    mine = select(RecusalRow.id).where(RecusalRow.case_id == case_id, RecusalRow.by == reader)
    return session.exec(mine.where(RecusalRow.member != reader)).first() is not None


def doubted(found: Sequence[Recusal]) -> tuple[Recusal, ...]:
    """What is withheld when it is not sure who asks for it: from the same members, but two readers may bring them back."""
    return tuple(replace(item, source="doubtful") if item.source == "reporter" else item for item in found)


def recusals_of(session: Session, case_id: str) -> tuple[Recusal, ...]:
    """Who is recused from a case now, asked without loading the case."""
    found = session.connection().execute(_STANDING, {"case_id": case_id}).all()
    return tuple(Recusal(member, source) for member, source in found)


def standing(session: Session, case_id: str) -> Sequence[RecusalRow]:
    """The recusals of a case that were not ended, as rows."""
    return session.exec(
        select(RecusalRow)
        .where(RecusalRow.case_id == case_id, col(RecusalRow.ended).is_(None))
        .order_by(col(RecusalRow.since), col(RecusalRow.member))
    ).all()


def source_of(row: RecusalRow) -> Source:
    """Where a recusal comes from."""
    return row.source  # type: ignore[return-value]  # only ever written from a Source


def recuse_alike(session: Session, vault: Vault, member: str, other: str, at: datetime) -> None:
    """Recuse one member from every case that another id is recused from: it is the same person."""
    same = select(RecusalRow, CaseRow).join(CaseRow, col(CaseRow.id) == col(RecusalRow.case_id))
    mine = same.where(
        RecusalRow.member == member, col(RecusalRow.ended).is_(None), col(CaseRow.wrapped_key).is_not(None)
    )
    for recusal, row in session.exec(mine).all():
        box = vault.case_box(row.wrapped_key or b"", row.id)
        recuse(session, vault, row, box, [Recusal(other, source_of(recusal))], "desk", at)
