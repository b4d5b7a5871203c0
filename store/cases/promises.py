"""What the desk owes on a case, each as a row with the time at which it was kept: an answer, news while it is open, a
decision that the reporter hears of, a look back afterwards.

What is owed to the reporter is kept when a mail by the team reached them, not when somebody says so. Where nobody can be
written to, or who asked for silence, a first look and a decision are enough.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, insert
from sqlmodel import Session, col, select

from store.cases.case_file import Actor, CaseFile, open_case
from store.kit.clock import to_text
from store.outbox.queue import OPEN_STATES
from store.tables.models import CaseRow, PromiseRow, new_id
from store.tables.promise import PromiseKind

ANSWER: PromiseKind = "acknowledge"
STATUS: PromiseKind = "status"
DECISION: PromiseKind = "respond"
FOLLOW_UP: PromiseKind = "follow-up"
_OVER = ("decided", "closed")
# Written once: putting a statement together takes as long as running it.
_NEW = insert(PromiseRow)
_OF_A_CASE = (
    select(PromiseRow)
    .where(col(PromiseRow.case_id) == bindparam("case"))
    .order_by(col(PromiseRow.since), col(PromiseRow.id))
)


def begin(session: Session, row: CaseRow, since: datetime) -> None:
    """A report came, or came again after it was closed: an answer and a decision are owed from now."""
    _owe(session, row.id, (ANSWER, DECISION), since)


def begin_again(session: Session, row: CaseRow, at: datetime) -> None:
    """The reporter wrote on a case that was closed."""
    _end(session, row.id, (FOLLOW_UP,), at)
    begin(session, row, at)


def note_writable(session: Session, by: Actor) -> None:
    """Note for the open cases of a desk, which an older version may have made, whether their reporters can be written to."""
    rows = session.exec(select(CaseRow).where(CaseRow.desk == by.desk.id, col(CaseRow.state).in_(OPEN_STATES))).all()
    for row in rows:
        file = open_case(session, by, row)
        file.remember(file.facts)


def count_anew(session: Session, case_id: str, at: datetime) -> None:
    """What is owed on a case counts from now: it just came from another desk."""
    for item in _rows(session, case_id):
        item.since = to_text(at)
        session.add(item)


def reached(session: Session, row: CaseRow, at: datetime) -> None:
    """A mail by the team reached the reporter."""
    row.acknowledged_at = row.acknowledged_at or to_text(at)
    session.add(row)
    _keep(session, row.id, ANSWER, at)
    if row.state not in _OVER:
        _keep(session, row.id, STATUS, at)
        if row.state in OPEN_STATES:
            _add(session, row.id, STATUS, at)
    elif _keep_decision(session, row.id, at):
        _end(session, row.id, (STATUS, FOLLOW_UP), at)
        _add(session, row.id, FOLLOW_UP, at)
    else:
        _keep(session, row.id, FOLLOW_UP, at)


def not_reached(session: Session, row: CaseRow) -> None:
    """The last mail by the team came back: what it kept is owed still."""
    kept = [item for item in _rows(session, row.id) if item.kept_at is not None]
    last = max((item.kept_at or "" for item in kept), default="")
    for item in kept:
        if item.kept_at == last:
            item.kept_at = item.ended_at = None
            session.add(item)
    if row.acknowledged_at == last:
        row.acknowledged_at = None
        session.add(row)


def state_set(file: CaseFile, before: str, state: str) -> None:
    """A reader said how far the case is. That keeps only what is owed to nobody outside; what was decided and is not any more
    is to be decided again."""
    session, row = file.session, file.row
    if before in _OVER and state not in _OVER:
        _end(session, row.id, (FOLLOW_UP,), file.at)
        _owe(session, row.id, (DECISION,) if row.acknowledged_at else (ANSWER, DECISION), file.at)
    if not row.writable:
        row.acknowledged_at = row.acknowledged_at or to_text(file.at)
        _keep(session, row.id, ANSWER, file.at)
        if state in _OVER:
            _keep(session, row.id, DECISION, file.at)
    if state == "closed":
        _end(session, row.id, (ANSWER, STATUS, DECISION), file.at)
        looked_back = any(item.kind == FOLLOW_UP for item in _rows(session, row.id))
        if row.writable and row.acknowledged_at and not looked_back:
            _add(session, row.id, FOLLOW_UP, file.at)
    session.add(row)


def _keep_decision(session: Session, case_id: str, at: datetime) -> bool:
    """Note that the reporter heard of the decision; whether they had not before."""
    left = [item for item in _rows(session, case_id) if item.kind == DECISION and item.kept_at is None]
    for item in left[-1:]:
        item.kept_at, item.ended_at = to_text(at), None
        session.add(item)
    return bool(left)


def _keep(session: Session, case_id: str, kind: PromiseKind, at: datetime) -> None:
    for item in _open(session, case_id, kind):
        item.kept_at = to_text(at)
        session.add(item)
    session.flush()


def _end(session: Session, case_id: str, kinds: tuple[PromiseKind, ...], at: datetime) -> None:
    for kind in kinds:
        for item in _open(session, case_id, kind):
            item.ended_at = to_text(at)
            session.add(item)
    session.flush()


def _owe(session: Session, case_id: str, kinds: tuple[PromiseKind, ...], since: datetime) -> None:
    """Owe what is not owed already."""
    owed = {item.kind for item in _rows(session, case_id) if item.is_open}
    for kind in kinds:
        if kind not in owed:
            _add(session, case_id, kind, since)


def _add(session: Session, case_id: str, kind: PromiseKind, since: datetime) -> None:
    session.flush()
    values = {"id": new_id(), "case_id": case_id, "kind": kind, "since": to_text(since)}
    session.connection().execute(_NEW, values)


def _open(session: Session, case_id: str, kind: PromiseKind) -> list[PromiseRow]:
    """What is owed of a kind: more than one where a mail came back after the next was owed."""
    return [item for item in _rows(session, case_id) if item.kind == kind and item.is_open]


def _rows(session: Session, case_id: str) -> list[PromiseRow]:
    return list(session.exec(_OF_A_CASE, params={"case": case_id}))
