"""Who writes on a case, as keyed hashes of their addresses and keys: a new mail of theirs takes over what they asked for.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import bindparam, insert
from sqlmodel import Session, col, select

from store.cases import content
from store.cases.case_file import Actor, CaseFile, open_case
from store.cases.lookup import recusals_of
from store.kit.addresses import bare
from store.outbox.queue import OPEN_STATES
from store.tables.models import CaseRow, CorrespondentRow
from store.tables.records import Arrival, Facts, Recusal
from store.tables.vault import Vault

# Written once, for every mail asks them.
_NEW = insert(CorrespondentRow)
_KNOWN = select(CorrespondentRow.digest).where(col(CorrespondentRow.case_id) == bindparam("case"))
_THEIRS = select(CorrespondentRow.case_id).where(col(CorrespondentRow.digest).in_(bindparam("digests", expanding=True)))
_OPEN = select(CaseRow).where(
    col(CaseRow.desk) == bindparam("desk"), col(CaseRow.state).in_(OPEN_STATES), col(CaseRow.id).in_(_THEIRS)
)


def note(file: CaseFile) -> None:
    """Write down by which addresses and keys the reporter of a case is known, as its facts have them now."""
    session, case_id = file.session, file.row.id
    known = set(session.exec(_KNOWN, params={"case": case_id}))
    fresh = sorted(_digests(file.by.vault, file.row.desk, file.facts) - known)
    if fresh:
        session.flush()  # the case comes before them
        values = [{"case_id": case_id, "desk": file.row.desk, "digest": digest} for digest in fresh]
        session.connection().execute(_NEW, values)


def note_all(session: Session, by: Actor) -> int:
    """Write it down for the cases of a desk that an older version made; for how many."""
    noted = select(CorrespondentRow.case_id)
    left = select(CaseRow).where(
        CaseRow.desk == by.desk.id, col(CaseRow.wrapped_key).is_not(None), col(CaseRow.id).not_in(noted)
    )
    rows = session.exec(left).all()
    for row in rows:
        note(open_case(session, by, row))
    return len(rows)


def inheriting(session: Session, by: Actor, arrival: Arrival, besides: str = "") -> Arrival:
    """A mail as a new case, with what the open cases of its author are kept from whom, and with their wish for silence.

    All of it is provisional: anybody can write as somebody else. `besides` is the id of a case that does not count.
    """
    for row in _open_cases_of(session, by, arrival.facts):
        if row.id != besides:
            known = content.facts(by.vault, row)
            arrival = taking_over(arrival, known, recusals_of(session, row.id), quiet=known.asks_quiet)
    return arrival


def taking_over(arrival: Arrival, known: Facts, recusals: Sequence[Recusal], *, quiet: bool) -> Arrival:
    """A mail as a case, kept provisionally from whom another case is kept as well; `quiet`: its silence holds too."""
    own = {item.member for item in arrival.recusals}
    linked = tuple(Recusal(item.member, "linked") for item in recusals if item.member not in own)
    facts = replace(arrival.facts, wishes=arrival.facts.wishes | known.wishes.doubted())
    if quiet:
        facts = replace(facts, reply_to="", answer_to="", no_reply_because=known.no_reply_because, asks_quiet=True)
    body = replace(arrival.body, reply_to=facts.reply_to) if quiet else arrival.body
    return replace(arrival, facts=facts, body=body, recusals=(*arrival.recusals, *linked))


def _open_cases_of(session: Session, by: Actor, facts: Facts) -> Sequence[CaseRow]:
    digests = _digests(by.vault, by.desk.id, facts)
    if not digests:
        return ()
    return session.exec(_OPEN, params={"digests": list(digests), "desk": by.desk.id}).all()


def is_known(session: Session, by: Actor, facts: Facts) -> bool:
    """Whether the author of a mail is the reporter of a case that readers were told of."""
    digests = _digests(by.vault, by.desk.id, facts)
    theirs = select(CorrespondentRow.case_id).where(col(CorrespondentRow.digest).in_(digests))
    told = select(CaseRow.id).where(
        CaseRow.desk == by.desk.id, col(CaseRow.state).not_in(("automatic", "junk")), col(CaseRow.id).in_(theirs)
    )
    return bool(digests) and session.exec(told.limit(1)).first() is not None


def _digests(vault: Vault, desk: str, facts: Facts) -> set[str]:
    addresses = {bare(item) for item in (*facts.reporters, facts.address) if item}
    known = addresses | ({facts.reporter_fingerprint} - {""})
    return {vault.digest(f"correspondent at {desk}", item.encode("utf-8", "surrogatepass")) for item in known}
