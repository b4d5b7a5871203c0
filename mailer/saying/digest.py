"""What a digest, a reminder and a warning say: the cases that one member may know, sorted by what is to be done."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

from mailer.saying.deadlines import Deadline
from mailer.saying.notices import CaseView, name_of
from store.cases import junk, lookup, measures, overview, retention
from store.cases.case_file import Actor
from store.cases.deadlines import Due, Stage, dues
from store.context import Context
from store.kit.config import Desk
from store.kit.sentences import marked
from store.tables.models import MessageRow
from store.tables.records import Case
from store.team import rotation
from store.team.expiries import expiries
from store.team.members import Member, Roster

LISTED = "listed"
DEADLINES = "deadlines"
_LOOKED_BACK = timedelta(days=30)  # for so long it is shown that a look back on a closed case is late
_SECTIONS = (
    ("overdue", marked("Overdue")),
    ("new", marked("New, and not answered yet")),
    ("held", marked("Could not be opened")),
    ("us", marked("Waiting for us")),
    ("reporter", marked("Waiting for the reporter")),
)
_STAGES: Mapping[Stage, str] = {
    "acknowledge": marked("answer by"),
    "status": marked("write how things are by"),
    "respond": marked("decide by"),
    "follow-up": marked("follow up by"),
    "deadline": marked("deadline:"),
    "event": marked("end of the event:"),
}
_TO_DO: Mapping[Stage, str] = {
    "acknowledge": marked("answer the reporter"),
    "status": marked("write to the reporter how things are"),
    "respond": marked("decide"),
    "follow-up": marked("ask the reporter how things are"),
    "deadline": marked("the deadline that one of you set"),
    "event": marked("decide before the event is over"),
}


def digest_values(session: Session, context: Context, desk: Desk, roster: Roster, member: Member) -> dict[str, Any]:
    """The values of a digest for one member: only cases that they may know of; the ids of these as `LISTED`."""
    at = context.clock()
    lines: dict[str, list[dict[str, Any]]] = {}
    ending, deadlines = [], []
    listed = set()
    for case in overview.visible_cases(session, desk.id, overview.Viewer(roster, member.id, at), current=True):
        if case.state == "closed":
            row = lookup.row_by_id(session, case.id)
            end = retention.ends_at(session, row, desk)
            if end is not None and end - at <= retention.ANNOUNCED:
                ending.append({"codename": case.codename, "day": _day(desk, end)})
                listed.add(case.id)
        to_do = dues(case, desk)
        due = next(iter(to_do), None)
        if case.state == "closed" and (due is None or at - due.at > _LOOKED_BACK):
            continue
        if case.state != "automatic":
            section = _section(session, case, due, at)
            lines.setdefault(section, []).append(_line(desk, roster, case, due, at))
            listed.add(case.id)
            deadlines += [Deadline(case.codename, case.id, item, _TO_DO[item.stage]) for item in to_do]
    sections = [{"title": title, "cases": lines[key]} for key, title in _SECTIONS if key in lines]
    by = Actor(context.vault, desk, roster, member.id, at)
    held = measures.ends_soon(measures.visible(session, by), at.astimezone(desk.zone).date())
    total = sum(map(len, lines.values()))
    aside = junk.counted(session, by)
    return {
        "sections": sections, "ending": ending, "total": total, "measures": held, "junk": aside.number, "junk_more": aside.more, LISTED: frozenset(listed | aside.ids),
        DEADLINES: deadlines,
    }  # fmt: skip


def _section(session: Session, case: Case, due: Due | None, at: datetime) -> str:
    if due is not None and due.at < at:
        return "overdue"
    if case.state in ("new", "held"):
        return case.state
    spoken = select(MessageRow.direction).where(
        MessageRow.case_id == case.id,
        col(MessageRow.direction).in_(("in", "out")),
        MessageRow.author != "other",
        col(MessageRow.author).not_like(":%"),  # whoever else is heard
    )
    last = session.exec(spoken.order_by(col(MessageRow.position).desc())).first()
    return "reporter" if last == "out" else "us"


def _line(desk: Desk, roster: Roster, case: Case, due: Due | None, at: datetime) -> dict[str, Any]:
    return {
        "codename": case.codename,
        "state": case.state,
        "age": (at - case.received_at).days,
        "assignee": name_of(roster, case.assignee) if case.assignee else "-",
        "stage": _STAGES[due.stage] if due else "",
        "due": _day(desk, due.at) if due else None,
        "on_hold": case.on_hold,
        "urgent": case.urgent,
    }


def reminder_values(desk: Desk, view: CaseView, subject: str) -> dict[str, Any]:
    """The values of a reminder; what is due is worked out anew, and may be done by now."""
    stage, _, level = subject.partition(" ")
    due = next((item for item in dues(view.case, desk) if item.stage == stage), None)
    return {
        "stage": stage,
        "over": level not in ("half", "late"),
        "escalated": level in ("escalate", "again"),
        "due": due.at if due else None,
        "assignee": name_of(view.roster, view.case.assignee) if view.case.assignee else "",
    }


def warning_values(context: Context, desk: Desk, roster: Roster) -> dict[str, Any]:
    """What will go wrong with the roster and its keys."""
    today = context.clock().astimezone(desk.zone).date()
    found = rotation.warnings(roster, today, expiries(context.keyring, desk, roster))
    return {
        "warnings": [
            {"trouble": item.trouble, "who": name_of(roster, item.who), "day": item.day, "left": (item.day - today).days}
            for item in found
        ],
        "quorum": roster.quorum,
    }  # fmt: skip


def _day(desk: Desk, at: datetime) -> date:
    return at.astimezone(desk.zone).date()
