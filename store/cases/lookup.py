"""Which cases there are, and what is known of one without opening it.

Works within a transaction that the caller opened. Nothing here decides who may read (`store.cases.access`), but `row_for`,
which asks it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime

from sqlalchemy import and_, bindparam, or_
from sqlmodel import Session, col, select

from store.cases.access import may_know
from store.kit.clock import from_text
from store.kit.errors import NoSuchCase
from store.kit.sentences import marked
from store.outbox import queue
from store.tables.models import CaseRow, GuestRow, MessageRow, PromiseRow, RecusalRow
from store.tables.promise import Promise
from store.tables.records import Case, Recusal, Source, State, guest_id
from store.team.members import Roster

_AT_ONCE = 500
_MOST_MERGES = 100
# Written once, for every mail asks them: putting a statement together takes as long as running it.
_BY_DIGEST = (
    select(CaseRow.id, CaseRow.codename)
    .join(MessageRow, col(MessageRow.case_id) == col(CaseRow.id))
    .where(col(MessageRow.desk) == bindparam("desk"), col(MessageRow.digest) == bindparam("digest"))
)
_RECUSED = (
    select(RecusalRow)
    .where(col(RecusalRow.case_id) == bindparam("case"), col(RecusalRow.ended).is_(None))
    .order_by(col(RecusalRow.since), col(RecusalRow.member))
)
_OWED = (
    select(PromiseRow)
    .where(
        col(PromiseRow.case_id).in_(bindparam("cases", expanding=True)),
        col(PromiseRow.kept_at).is_(None),
        col(PromiseRow.ended_at).is_(None),
    )
    .order_by(col(PromiseRow.since), col(PromiseRow.id))
)
_INVITED = select(GuestRow).where(col(GuestRow.case_id).in_(bindparam("cases", expanding=True)))


def find_by_digest(session: Session, desk: str, digest: str) -> tuple[str, str] | None:
    """The case that a mail with this digest became, if it was taken in before: its id and its codename."""
    return session.exec(_BY_DIGEST, params={"desk": desk, "digest": digest}).first()


def row_for(session: Session, roster: Roster, codename: str, actor: str, at: datetime) -> CaseRow:
    """The row of a case for an actor: a member's id, or `operator`. Raises NoSuchCase alike for none and not yours."""
    row = find_row(session, codename)
    if row is None or (actor != "operator" and not may_know(case_of(session, row), roster, actor, at)):
        raise no_such_case(codename)
    return row


def no_such_case(codename: str) -> NoSuchCase:
    """The one answer for a case that does not exist and for one that the asker may not know of."""
    return NoSuchCase(marked("There is no case '{case}'."), case=codename)


def find_row(session: Session, codename: str) -> CaseRow | None:
    """The row of a codename; of a case that went into another one, that one's."""
    return where_it_went(session, session.exec(select(CaseRow).where(CaseRow.codename == codename)).first())


def where_it_went(session: Session, row: CaseRow | None) -> CaseRow | None:
    """The row of the case that one went into, if it did."""
    for _ in range(_MOST_MERGES):
        if row is None or row.merged_into is None:
            break
        row = session.get(CaseRow, json.loads(row.merged_into)["case"])
    return row


def row_by_id(session: Session, case_id: str) -> CaseRow:
    """The row of a case that is known to exist."""
    return session.get_one(CaseRow, case_id)  # asked for once in a transaction


def case_of(session: Session, row: CaseRow) -> Case:
    """What is known of a case without opening it."""
    return _case(
        row,
        recusals_of(session, row.id),
        _owed(session, [row.id]).get(row.id, ()),
        _guests(session, [row.id]).get(row.id, ()),
    )


def cases_of(session: Session, rows: Sequence[CaseRow]) -> list[Case]:
    """What is known of some cases without opening them, in their order: asked in few goes."""
    found: dict[str, list[Recusal]] = {}
    ids = [row.id for row in rows]
    for start in range(0, len(ids), _AT_ONCE):
        some = select(RecusalRow).where(
            col(RecusalRow.case_id).in_(ids[start : start + _AT_ONCE]), col(RecusalRow.ended).is_(None)
        )
        for item in session.exec(some.order_by(col(RecusalRow.since), col(RecusalRow.member))):
            found.setdefault(item.case_id, []).append(Recusal(item.member, source_of(item)))
    owed = _owed(session, ids)
    guests = _guests(session, ids)
    return [_case(row, tuple(found.get(row.id, ())), owed.get(row.id, ()), guests.get(row.id, ())) for row in rows]


def open_cases(session: Session, desk: str) -> list[Case]:
    """The cases of a desk on which something may be due: those that are open, and the closed ones of which something is
    owed still. Asked in few goes, without who is recused."""
    looked_back = select(PromiseRow.case_id).where(
        col(PromiseRow.kept_at).is_(None), col(PromiseRow.ended_at).is_(None)
    )
    due = or_(
        col(CaseRow.state).in_(queue.OPEN_STATES),
        and_(col(CaseRow.state) == "closed", col(CaseRow.id).in_(looked_back)),
    )
    rows = session.exec(select(CaseRow).where(CaseRow.desk == desk, due)).all()
    owed = _owed(session, [row.id for row in rows])
    return [_case(row, (), owed.get(row.id, ())) for row in rows]


def _owed(session: Session, ids: Sequence[str]) -> dict[str, tuple[Promise, ...]]:
    """What is still owed on cases, by their ids."""
    found: dict[str, tuple[Promise, ...]] = {}
    for start in range(0, len(ids), _AT_ONCE):
        for item in session.exec(_OWED, params={"cases": ids[start : start + _AT_ONCE]}):
            promise = Promise(item.kind, from_text(item.since))  # type: ignore[arg-type]  # only ever written from a PromiseKind
            found[item.case_id] = (*found.get(item.case_id, ()), promise)
    return found


def _guests(session: Session, ids: Sequence[str]) -> dict[str, list[GuestRow]]:
    """The members of other desks who may read cases, by the cases' ids."""
    found: dict[str, list[GuestRow]] = {}
    for start in range(0, len(ids), _AT_ONCE):
        for item in session.exec(_INVITED, params={"cases": ids[start : start + _AT_ONCE]}):
            found.setdefault(item.case_id, []).append(item)
    return found


def guests_of(session: Session, case_id: str) -> list[str]:
    """The guests of a case (ids)."""
    return [guest_id(item.member, item.desk) for item in _guests(session, [case_id]).get(case_id, ())]


def _case(
    row: CaseRow, recusals: tuple[Recusal, ...], owed: tuple[Promise, ...], guests: Sequence[GuestRow] = ()
) -> Case:
    return Case(
        row.id, row.codename, row.desk, _state(row.state), from_text(row.received_at), recusals, row.handle,
        frozenset(screened_in(row).values()), row.assignee or "", row.deadline or "", row.outcome or "", bool(row.on_hold), bool(row.escalated),
        _moment(row.acknowledged_at), _moment(row.decided_at), _moment(row.closed_at),
        owed, bool(row.writable), bool(row.urgent), {guest_id(item.member, item.desk): date.fromisoformat(item.until) for item in guests},
        frozenset(guest_id(item.member, item.desk) for item in guests if item.votes),
    )  # fmt: skip


def recusals_of(session: Session, case_id: str) -> tuple[Recusal, ...]:
    """Who is recused from a case now."""
    return tuple(Recusal(row.member, source_of(row)) for row in recusal_rows(session, case_id))


def recusal_rows(session: Session, case_id: str) -> Sequence[RecusalRow]:
    """The recusals of a case that were not ended, as rows, the oldest first."""
    return session.exec(_RECUSED, params={"case": case_id}).all()


def source_of(row: RecusalRow) -> Source:
    """Where a recusal comes from."""
    return row.source  # type: ignore[return-value]  # only ever written from a Source


def screened_in(row: CaseRow) -> dict[str, str]:
    """Who was looked for in every message of a case: members' ids and identities."""
    known: dict[str, str] = json.loads(row.screened)
    return known


def screened_text(screened: Mapping[str, str]) -> str:
    """The same, as it is kept: equal for the same members."""
    return json.dumps(dict(screened), sort_keys=True)


def _moment(value: str | None) -> datetime | None:
    return from_text(value) if value else None


def _state(value: str) -> State:
    return value  # type: ignore[return-value]  # only ever written from a State
