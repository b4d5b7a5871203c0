"""Cases that belong together: said by a reader, or by a mail that points at a case without being sure to be its reporter's.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

import re
from dataclasses import replace

from sqlmodel import Session, col, select

from store.cases import content
from store.cases.case_file import Actor, CaseFile
from store.cases.correspondents import taking_over
from store.cases.lookup import recusals_of, where_it_went
from store.cases.recusals import doubted
from store.kit.clock import to_text
from store.tables.models import CaseRow, LinkRow
from store.tables.records import Arrival, Body, Change, Facts
from store.tables.vault import Vault

_CODENAME = re.compile(r"\b[a-z]+(?:-[a-z]+){1,2}\b")
_LOOKED_AT, _MOST_NAMES = 100_000, 500


def _named_in(session: Session, desk: str, body: Body) -> list[CaseRow]:
    """The cases of a desk whose codenames stand in what somebody wrote: only who was told of a case knows its name."""
    texts = (body.subject, body.outside_subject, body.text, body.outside_text)
    names = dict.fromkeys(name for text in texts for name in _CODENAME.findall(text[:_LOOKED_AT].casefold()))
    named = select(CaseRow).where(CaseRow.desk == desk, col(CaseRow.codename).in_(list(names)[:_MOST_NAMES]))
    rows = [where_it_went(session, row) for row in session.exec(named).all()] if names else []
    return [row for row in {item.id: item for item in rows if item is not None}.values() if row.wrapped_key is not None]


def with_links(
    session: Session, by: Actor, arrival: Arrival, points_at: CaseRow | None, own: str = ""
) -> tuple[Arrival, list[CaseRow]]:
    """A mail that becomes a case of its own, withheld from everybody from whom a related case is withheld; and those related cases, to be linked
    with it: the one that it points at, and those whose codenames it mentions. `own`: the id of the case, if it already exists."""
    if points_at is not None:
        arrival = _pointing_at(session, by.vault, points_at, arrival)
    known = {own} if points_at is None else {own, points_at.id}
    named = [item for item in _named_in(session, by.desk.id, arrival.body) if item.id not in known]
    for other in named:  # what its author asks for stays their wish
        arrival = _with_link(session, other, content.facts(by.vault, other), arrival)
    return arrival, named if points_at is None else [points_at, *named]


def _pointing_at(session: Session, vault: Vault, other: CaseRow, arrival: Arrival) -> Arrival:
    """A doubtful mail as a case of its own, which says to those who may know it to which one it may belong.

    Whom the other case is withheld from, this one is too: it may speak of the same. When it comes from an address on the
    other's record, that one's wish for silence holds as well. What it asks for itself is provisional.
    """
    facts, known = arrival.facts, content.facts(vault, other)
    doubtful = replace(arrival, facts=replace(facts, wishes=facts.wishes.doubted()), recusals=doubted(arrival.recusals))
    quiet = known.asks_quiet and bool(set(facts.reporters) & set(known.reporters))
    return _with_link(session, other, known, doubtful, quiet=quiet)


def _with_link(session: Session, other: CaseRow, known: Facts, arrival: Arrival, *, quiet: bool = False) -> Arrival:
    body = replace(arrival.body, done=(*arrival.body.done, Change("link", other.codename, other_case=other.id)))
    return taking_over(replace(arrival, body=body), known, recusals_of(session, other.id), quiet=quiet)


def link(file: CaseFile, other: CaseRow) -> None:
    """Link a case with the one that its mail points at."""
    one, two = sorted((file.row.id, other.id))
    if file.session.get(LinkRow, (one, two)) is None:
        file.session.add(LinkRow(one=one, other=two, by=file.actor, at=to_text(file.at)))
    file.note("linked", {"other": other.id})
