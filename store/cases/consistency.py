"""Whether what is in force agrees with the record: a recusal that was taken out of the database, or a vote or a word on a proposal put into it.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

import json

from sqlalchemy import bindparam
from sqlmodel import Session, col, select

from store.cases.content import box_of
from store.cases.lookup import recusal_rows
from store.kit.errors import VaultError
from store.tables.models import CaseRow, EventRow, ProposalRow, ProposalWordRow, VoteRow
from store.tables.vault import Vault

_AS = {"agreed": "agree", "objected": "object"}
_WORDS = (
    select(ProposalRow.number, ProposalWordRow.member, ProposalWordRow.word, ProposalWordRow.signer)
    .join(ProposalRow, col(ProposalRow.id) == col(ProposalWordRow.proposal_id))
    .where(col(ProposalWordRow.case_id) == bindparam("case"))
)
_KINDS = ("recused", "recusal-confirmed", "reinstated", "reinstatement-vote", "recusal-vote", "junk-vote", "vote")


def verify_recusals(session: Session, vault: Vault) -> None:
    """Compare recusals and votes with the events that tell of them. Raises VaultError naming the first case that differs."""
    for row in session.exec(select(CaseRow).where(col(CaseRow.wrapped_key).is_not(None))).all():
        standing, voted = _recorded(session, vault, row)
        found = {item.member: item.source for item in recusal_rows(session, row.id)}
        votes = session.exec(select(VoteRow.member, VoteRow.voter).where(VoteRow.case_id == row.id)).all()
        words = session.exec(_WORDS, params={"case": row.id}).all()
        if found != standing or not set(votes) <= voted or not set(words) <= _said(session, vault, row):
            raise VaultError(
                f"{row.codename}: from whom it is withheld is not what the record says: the database was changed. "
                "Bring it back from a backup."
            )


def _said(session: Session, vault: Vault, row: CaseRow) -> set[tuple[int, str, str, str]]:
    """Who said what to which proposal, by which key, as the record tells it."""
    box = box_of(vault, row)
    told = select(EventRow).where(EventRow.case_id == row.id, col(EventRow.kind).in_(tuple(_AS)))
    found = set()
    for event in session.exec(told):
        if event.detail_sealed is not None:
            detail = box.open_json(event.detail_sealed, "events", "detail", str(event.seq))
            found.add((detail["number"], event.actor, _AS[event.kind], detail["signer"]))
    return found


def _recorded(session: Session, vault: Vault, row: CaseRow) -> tuple[dict[str, str], set[tuple[str, str]]]:
    """Who is withheld by what, and who voted on whom, as the record tells it."""
    box = box_of(vault, row)
    told = (
        select(EventRow).where(EventRow.case_id == row.id, col(EventRow.kind).in_(_KINDS)).order_by(col(EventRow.seq))
    )
    standing: dict[str, str] = {}
    voted: set[tuple[str, str]] = set()
    for event in session.exec(told).all():
        detail = json.loads(box.open(event.detail_sealed or b"", "events", "detail", str(event.seq)))
        if event.kind in ("recused", "recusal-confirmed"):
            standing[detail["member"]] = detail["source"]
        elif event.kind == "reinstated":
            standing.pop(detail["member"], None)
        else:
            voted.add((detail["member"], event.actor))
    return standing, voted
