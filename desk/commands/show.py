"""Cases, deliveries and rosters as JSON for scripts and as tables for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlmodel import Session, col, select

from store.cases import lookup, overview
from store.cases.overview import JSON, Viewer
from store.cases.threads import is_correspondent
from store.context import Context
from store.kit.clock import from_text
from store.outbox.outcomes import UNDONE
from store.tables.models import CaseRow, DeliveryRow, NoticeRow
from store.tables.records import Attachment, Case
from store.team.members import Roster

_PIPE_WIDTH = 240  # where nobody sees the edge of a screen, a cell is better left whole


def visible_cases(context: Context, session: Session, member: str | None) -> list[Case]:
    """All cases, or those that a member may know of."""
    found = []
    for desk in context.config.desk:
        roster, at = context.team(desk, session), context.clock()
        found += overview.visible_cases(session, desk.id, Viewer(roster, member, at))
    return sorted(found, key=lambda case: case.received_at)


def case_record(context: Context, session: Session, codename: str, member: str | None) -> JSON:
    """The whole of a case. Raises NoSuchCase, also when the member may not know of it."""
    row = lookup.find_row(session, codename)
    desk = context.config.find_desk(row.desk) if row else None
    if desk is None:
        raise lookup.no_such_case(codename)
    viewer = Viewer(context.team(desk, session), member, context.clock())
    return overview.case_record(session, context.vault, codename, viewer, desk)


def case_file(context: Context, session: Session, codename: str, member: str | None, number: int) -> Attachment:
    """One file of a case by its number. Raises NoSuchCase, NotAllowed."""
    row = lookup.find_row(session, codename)
    desk = context.config.find_desk(row.desk) if row else None
    if row is None or desk is None or row.wrapped_key is None:
        raise lookup.no_such_case(codename)
    viewer = Viewer(context.team(desk, session), member, context.clock())
    if not viewer.may_know(lookup.case_of(session, row)):
        raise lookup.no_such_case(codename)
    return overview.file_of(session, context.vault, row, number, viewer)


def deliveries(session: Session) -> list[JSON]:
    """Every delivery that is not over, and those that bounced."""
    found = session.exec(
        select(DeliveryRow, NoticeRow, CaseRow.codename)
        .join(NoticeRow, col(DeliveryRow.notice_id) == col(NoticeRow.id))
        .join(CaseRow, col(NoticeRow.case_id) == col(CaseRow.id), isouter=True)
        .where(col(DeliveryRow.state).in_((*UNDONE, "bounced")))
        .order_by(col(DeliveryRow.due))
    )
    rows = [_delivery(row, notice, codename) for row, notice, codename in found]
    begun = select(DeliveryRow.notice_id)
    fresh = session.exec(
        select(NoticeRow, CaseRow.codename)
        .join(CaseRow, col(NoticeRow.case_id) == col(CaseRow.id), isouter=True)
        .where(NoticeRow.done == 0, col(NoticeRow.id).not_in(begun))
        .order_by(col(NoticeRow.due))
    )
    return rows + [_undelivered(notice, codename) for notice, codename in fresh]


def _delivery(row: DeliveryRow, notice: NoticeRow, codename: str | None) -> JSON:
    return {
        "case": codename, "desk": notice.desk, "kind": notice.kind, "recipient": "correspondent" if is_correspondent(row.recipient) else row.recipient,
        "state": "waiting" if row.state == "away" else row.state,
        "reason": row.reason, "tries": row.tries, "due": row.due,
    }  # fmt: skip


def _undelivered(notice: NoticeRow, codename: str | None) -> JSON:
    return {
        "case": codename, "desk": notice.desk, "kind": notice.kind, "recipient": None, "state": "waiting",
        "reason": "", "tries": 0, "due": notice.due,
    }  # fmt: skip


def roster_lines(roster: Roster, at: datetime) -> list[JSON]:
    """The members of a roster, and who of them is on duty at a moment."""
    on_duty = {member.id for member in roster.on_duty(at)}
    return [
        {
            "id": member.id, "name": member.name, "role": member.role, "email": member.email, "fingerprint": member.fingerprint,
            "from": member.start.isoformat(), "until": member.until.isoformat(), "on_duty": member.id in on_duty,
        }
        for member in roster.members
    ]  # fmt: skip


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
    """Print a table, or a sentence when it has no rows. What reporters wrote is shown as it is, never as markup."""
    console = _console()
    if not rows:
        console.print(Text(empty))
        return
    made = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        made.add_column(column, overflow="fold", no_wrap=place == 0)  # a name that is to be copied stays in one piece
    for row in rows:
        made.add_row(*(Text("" if item is None else str(item)) for item in row))
    console.print(made)


def _console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=_PIPE_WIDTH)


def outbox_table(rows: Sequence[JSON]) -> None:
    """Print what waits, so that it can be read on 80 columns: why, below the table, as many wait for the same."""
    reasons = list(dict.fromkeys(row["reason"] for row in rows if row["reason"]))
    several = len({row["desk"] for row in rows}) > 1
    columns = ("case", *(["desk"] if several else []), "notice", "to", "state", "tries", "due (UTC)")
    cells = [
        (
            row["case"], *([row["desk"]] if several else []), row["kind"], row["recipient"] or "-",
            f"{row['state']} ({reasons.index(row['reason']) + 1})" if row["reason"] else row["state"],
            row["tries"], "" if row["state"] == "bounced" else moment(row["due"])[5:],
        )
        for row in rows
    ]  # fmt: skip
    table("Outbox", columns, cells, "Nothing waits.")
    for number, reason in enumerate(reasons, 1):
        _console().print(Text(f"({number}) {reason}"), highlight=False)


def moment(value: str) -> str:
    """A moment of the store for people: in UTC, to the minute."""
    return f"{from_text(value).astimezone(UTC):%Y-%m-%d %H:%M}"


def print_json(value: Any) -> None:
    """Print a JSON value."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def print_json_line(value: Any) -> None:
    """Print a JSON value on one line."""
    print(json.dumps(value, ensure_ascii=False))


def print_case(record: JSON) -> None:
    """Print a case for a person."""
    console = Console(highlight=False, markup=False)
    withheld = ", ".join(f"{item['member']} ({item['source']})" for item in record["recused"]) or "nobody"
    console.print(Text(f"{record['codename']}  {record['state']}  {moment(record['received_at'])} UTC", style="bold"))
    console.print(f"readers:  {', '.join(record['readers']) or 'nobody'}\nwithheld: {withheld}")
    console.print(f"assigned: {record['assignee'] or 'nobody'}\ndeadline: {record['deadline'] or 'none'}")
    if record["outcome"] or record["on_hold"]:
        console.print(f"outcome:  {record['outcome'] or '-'}{'   (on hold)' if record['on_hold'] else ''}")
    if record["links"]:
        console.print(f"linked:   {', '.join(record['links'])}")
    for name, value in record["fields"].items():
        console.print(f"{name}: {value}")
    heard = {item["author"]: f"{item['name']} ({item['role']})" for item in record["correspondents"]}
    if heard:
        console.print(f"heard:    {', '.join(heard.values())}")
    for message in record["messages"]:
        signature = message["signature"]
        author = heard.get(message["author"], message["author"])
        to = f"  to {heard.get(message['thread'], '')}" if message["to"] else ""
        number = f" {message['number']}" if message["number"] else ""
        head = f"\n{message['direction']}{number}  {moment(message['at'])} UTC  {author}{to}  {message['from']}"
        console.print(Text(head, style="bold"))
        for item in message["done"]:
            console.print(f"- {item['verb']} {item['subject']} {item['text']}".rstrip())
        console.print(
            f"date:       {message['date'] or 'none'}\nsubject:    {message['subject']}\nencryption: {message['encryption']}   signature: {signature['status']} {signature['fingerprint'] or ''}"
        )
        if message["failure"]:
            console.print(f"held:       {message['failure']}")
        console.print(f"\n{message['text']}\n" if message["text"] else "")
        if message["outside_text"]:
            console.print(
                "outside the signed or encrypted part:\n"
                + "\n".join(f"> {line}" for line in message["outside_text"].splitlines())
            )
        for item in message["attachments"]:
            console.print(
                f"attached: {item['number']}. {item['name']} ({item['type']}, {item['size']} bytes) {item['note']}"
            )
