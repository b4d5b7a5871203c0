"""Cases that belong together: said by a reader, or by a mail that points at a case without being sure to be its reporter's.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from dataclasses import replace

from sqlmodel import Session

from store.cases import content
from store.cases.case_file import CaseFile
from store.cases.correspondents import taking_over
from store.cases.lookup import recusals_of
from store.cases.recusals import doubted
from store.kit.clock import to_text
from store.tables.models import CaseRow, LinkRow
from store.tables.records import Arrival, Change
from store.tables.vault import Vault


def pointing_at(session: Session, vault: Vault, other: CaseRow, arrival: Arrival) -> Arrival:
    """A doubtful mail as a case of its own, which says to those who may know it to which one it may belong.

    Whom the other case is withheld from, this one is too: it may speak of the same. When it comes from an address on the
    other's record, that one's wish for silence holds as well. What it asks for itself is provisional.
    """
    known = content.facts(vault, other)
    facts = arrival.facts
    doubtful = replace(
        arrival,
        facts=replace(facts, wishes=facts.wishes.doubted()),
        recusals=doubted(arrival.recusals),
        body=replace(arrival.body, done=(*arrival.body.done, Change("link", other.codename, other_case=other.id))),
    )
    quiet = known.asks_quiet and bool(set(facts.reporters) & set(known.reporters))
    return taking_over(doubtful, known, recusals_of(session, other.id), quiet=quiet)


def link(file: CaseFile, other: CaseRow) -> None:
    """Link a case with the one that its mail points at."""
    one, two = sorted((file.row.id, other.id))
    if file.session.get(LinkRow, (one, two)) is None:
        file.session.add(LinkRow(one=one, other=two, by=file.actor, at=to_text(file.at)))
    file.note("linked", {"other": other.id})
