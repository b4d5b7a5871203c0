"""What a member is shown of the junk: sender's domain, subject and day of each mail that they may know of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlmodel import Session

from store.cases import content, junk, lookup, overview
from store.cases.answers import Answer
from store.cases.case_file import Actor
from store.context import Context
from store.kit.clock import from_text
from store.kit.config import Desk
from store.tables.models import CaseRow


def junk_values(session: Session, context: Context, desk: Desk, viewer: overview.Viewer) -> dict[str, Any]:
    """The list, the newest last; `more` is how many there are besides, which have no number yet."""
    by = _viewer(context, desk, viewer)
    shown, there = junk.shown(session, by), junk.visible(session, by)
    return {
        "items": [{"number": number, **line(session, context, desk, row)} for number, row in shown],
        "more": len(there) - len(shown),
        "days": desk.junk_days,
    }


def codenames(session: Session, viewer: overview.Viewer, case_ids: Sequence[str]) -> list[str]:
    """What the cases are called that were made of junk, as far as the viewer may know of them."""
    known = overview.known_of(session, case_ids, viewer)
    return [lookup.row_by_id(session, case_id).codename for case_id in case_ids if case_id in known]


def listed(session: Session, context: Context, desk: Desk, viewer: overview.Viewer, answer: Answer) -> frozenset[str]:
    """The cases (ids) that an answer about junk tells of."""
    counted = {row.id for row in junk.visible(session, _viewer(context, desk, viewer))} if answer.junk else set()
    return overview.known_of(session, answer.made_reports, viewer) | counted


def line(session: Session, context: Context, desk: Desk, row: CaseRow) -> dict[str, Any]:
    """One mail of the list."""
    first = content.message(session, context.vault, row.id)
    body = first.body if first else None
    return {
        "codename": row.codename,
        "domain": junk.domain_of(body.sender) if body else "",
        "subject": body.subject if body and desk.notice == "full" else "",
        "day": from_text(row.received_at).astimezone(desk.zone).date(),
    }


def _viewer(context: Context, desk: Desk, viewer: overview.Viewer) -> Actor:
    return Actor(context.vault, desk, viewer.roster, viewer.member or "operator", viewer.at)
