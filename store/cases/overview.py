"""A case as it is shown to somebody: everything of it that they may know, as one value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CompoundSelect, union
from sqlmodel import Session, col, or_, select

from store.cases import content, correspondence, decisions, letterboxes, lookup
from store.cases.access import may_know, readers
from store.cases.correspondence import Thread
from store.cases.decisions import Proposal
from store.cases.threads import author_of, is_correspondent
from store.kit.clock import to_text
from store.kit.config import Desk
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.outbox import queue
from store.tables.models import CaseRow, LinkRow, PromiseRow
from store.tables.records import Attachment, Case, Change, Message
from store.tables.vault import Vault
from store.team.members import Roster

JSON = dict[str, Any]
_AT_ONCE = 500
_OF_LATE = timedelta(days=90)
NO_FILE = marked("There is no file of that number. '/show' lists them.")


def case_line(case: Case) -> JSON:
    """A case in a list."""
    return {
        "codename": case.codename, "desk": case.desk, "state": case.state, "received_at": to_text(case.received_at),
        "assignee": case.assignee, "deadline": case.deadline,
    }  # fmt: skip


@dataclass(frozen=True)
class Viewer:
    """Who looks at cases, and when: a member, or, for None, the operator."""

    roster: Roster
    member: str | None
    at: datetime

    def may_know(self, case: Case) -> bool:
        """Whether they may know that a case exists."""
        return self.member is None or may_know(case, self.roster, self.member, self.at)


def visible_cases(session: Session, desk: str, viewer: Viewer, *, current: bool = False) -> list[Case]:
    """The cases of a desk that somebody may know of, but for junk; the oldest first. `current`: without what was closed more than ninety
    days ago, of which nothing is owed and that is not about to be destroyed: a desk has ever more of these."""
    if current:  # asked by their ids alone: a database that also sees the desk goes over all of its cases
        found = session.exec(select(CaseRow).where(col(CaseRow.id).in_(_current(desk, viewer.at)))).all()
        some = [row for row in found if row.desk == desk and row.wrapped_key is not None and row.state != "junk"]
        rows: Sequence[CaseRow] = sorted(some, key=lambda row: row.received_at)
    else:
        kept = select(CaseRow).where(
            CaseRow.desk == desk, col(CaseRow.wrapped_key).is_not(None), CaseRow.state != "junk"
        )
        rows = session.exec(kept.order_by(col(CaseRow.received_at))).all()
    return [case for case in lookup.cases_of(session, rows) if viewer.may_know(case)]


def _current(desk: str, at: datetime) -> CompoundSelect[tuple[str]]:
    """The ids of what a desk is at work on, was until lately, owes something of, or is about to destroy. Each part has an index."""
    ids = select(CaseRow.id).where(CaseRow.desk == desk)
    return union(
        ids.where(col(CaseRow.state).in_((*queue.OPEN_STATES, "automatic"))),
        ids.where(CaseRow.state == "closed", col(CaseRow.closed_at) >= to_text(at - _OF_LATE)),
        ids.where(or_(col(CaseRow.announced_at).is_not(None), col(CaseRow.erase_at).is_not(None))),
        select(PromiseRow.case_id).where(col(PromiseRow.kept_at).is_(None), col(PromiseRow.ended_at).is_(None)),
    )


def known_of(session: Session, case_ids: Iterable[str], viewer: Viewer) -> frozenset[str]:
    """Which of some cases somebody may know of, by id."""
    ids, found = list(case_ids), set()
    for start in range(0, len(ids), _AT_ONCE):
        some = select(CaseRow).where(
            col(CaseRow.id).in_(ids[start : start + _AT_ONCE]), col(CaseRow.wrapped_key).is_not(None)
        )
        cases = lookup.cases_of(session, session.exec(some).all())
        found |= {case.id for case in cases if viewer.may_know(case)}
    return frozenset(found)


def case_record(session: Session, vault: Vault, codename: str, viewer: Viewer, desk: Desk) -> JSON:
    """The whole of a case of a desk. Raises NoSuchCase, also when the viewer may not know of it."""
    row = lookup.find_row(session, codename)
    if row is None or row.wrapped_key is None:
        raise lookup.no_such_case(codename)
    case = lookup.case_of(session, row)
    if not viewer.may_know(case):
        raise lookup.no_such_case(codename)
    linked = known_links(session, row.id, viewer)
    messages = content.messages(session, vault, row.id)
    known = _known_in(session, messages, viewer)
    numbers, mails = file_numbers(messages), mail_numbers(messages)
    read = letterboxes.read_times(session, [message.id for message in messages if message.direction == "out"])
    return {
        **case_line(case),
        "outcome": case.outcome,
        "urgent": case.urgent,
        "on_hold": case.on_hold,
        "readers": [reader.id for reader in readers(case, viewer.roster, viewer.at)],
        "recused": [{"member": recusal.member, "source": recusal.source} for recusal in case.recusals],
        "fields": content.fields(vault, row),
        "proposals": [_proposal(item) for item in decisions.proposals(session, row, desk, viewer.roster, viewer.at)],
        "links": sorted(other.codename for other in linked),
        "correspondents": [
            _correspondent(item) for item in correspondence.threads_in(session, content.box_of(vault, row), row.id)
        ],
        "may_be_named": list(content.facts(vault, row).may_be_named),
        "messages": [
            {
                **message_record(message, known, numbers),
                "number": mails.get(message.id, 0),
                "letter": _letter(message, read),
            }
            for message in messages
            if _says_something(message, known, viewer.member)
        ],
    }


def visible_messages(session: Session, vault: Vault, row: CaseRow, viewer: Viewer) -> list[Message]:
    """The messages of a case that somebody who may know of it may see."""
    messages = content.messages(session, vault, row.id)
    known = _known_in(session, messages, viewer)
    return [item for item in messages if _says_something(item, known, viewer.member)]


def _known_in(session: Session, messages: Iterable[Message], viewer: Viewer) -> set[str]:
    """Which of the other cases that messages tell of somebody may know of, by id."""
    mentioned = {item.other_case for message in messages for item in message.body.done if item.other_case}
    return set(known_of(session, mentioned, viewer))


def _correspondent(item: Thread) -> JSON:
    return {
        "author": item.author, "name": item.name, "address": item.address, "role": item.role, "language": item.language,
        "key": item.fingerprint, "new_key": item.new_fingerprint,
    }  # fmt: skip


def _proposal(item: Proposal) -> JSON:
    return {
        "number": item.number, "outcome": item.outcome, "by": item.by, "until": item.until.isoformat() if item.until else None,
        "agreed": sorted(item.agreed), "objected": sorted(item.objected), "needed": item.needed, "reached": item.is_reached,
    }  # fmt: skip


def _letter(message: Message, read: Mapping[str, datetime | None]) -> JSON | None:
    """Of an answer that waits behind a receipt: when it was read. None for one that went as a mail."""
    if message.id not in read:
        return None
    at = read[message.id]
    return {"read_at": to_text(at) if at else None}


def known_links(session: Session, case_id: str, viewer: Viewer) -> list[CaseRow]:
    """The cases that one is linked with, as far as the viewer may know of them."""
    pairs = session.exec(select(LinkRow).where(or_(LinkRow.one == case_id, LinkRow.other == case_id))).all()
    ids = {pair.other if pair.one == case_id else pair.one for pair in pairs}
    rows = session.exec(select(CaseRow).where(col(CaseRow.id).in_(ids))).all()
    return [row for row in rows if viewer.may_know(lookup.case_of(session, row))]


def _says_something(message: Message, known: set[str], member: str | None) -> bool:
    """Whether anything of a message is left when what concerns other cases is taken out, which are not known; and whether
    it is not about withholding the case from the very member."""
    if any(item.verb == "consent" and item.subject == member for item in message.body.done):
        return False
    only_done = message.direction == "note" and not (message.body.text or message.attachments or message.body.letter)
    return not only_done or bool(visible_to(message.body.done, known))


def visible_to(done: tuple[Change, ...], known: set[str]) -> list[Change]:
    """What was done, less what speaks of another case that is not among the known ones (ids)."""
    return [item for item in done if not item.other_case or item.other_case in known]


def file_numbers(messages: Iterable[Message]) -> Mapping[str, int]:
    """The number of each file of a case (by id), from 1, as they came."""
    ids = [item.id for message in messages for item in message.attachments]
    return {item: number for number, item in enumerate(ids, 1)}


def mail_numbers(messages: Iterable[Message]) -> Mapping[str, int]:
    """The number of each mail from outside (by id), from 1, as they came. Notes have none: one that somebody does not see is not to leave
    a gap."""
    return {item.id: number for number, item in enumerate((item for item in messages if item.direction == "in"), 1)}


def file_of(session: Session, vault: Vault, row: CaseRow, number: int, viewer: Viewer) -> Attachment:
    """One file of a case by its number. Raises NotAllowed where there is none, or none that the viewer may see."""
    for message in content.messages(session, vault, row.id):
        hidden = any(item.verb == "consent" and item.subject == viewer.member for item in message.body.done)
        for attachment in content.attachment_contents(session, vault, row, message):
            number -= 1
            if number == 0 and not hidden:
                return attachment
    raise NotAllowed(NO_FILE)


def _thread_of(message: Message) -> str:
    """The correspondent (an author) in whose thread a message stands; empty for the reporter's, and for what is in none."""
    letter = message.body.letter
    if letter is not None:
        return author_of(letter.thread) if letter.thread else ""
    return message.author if is_correspondent(message.author) else ""


def message_record(message: Message, known: set[str], numbers: Mapping[str, int]) -> JSON:
    """A message of a case. Sizes are octets."""
    body = message.body
    return {
        "direction": message.direction,
        "author": message.author,
        "at": to_text(message.at),
        "date": body.date,
        "from": body.sender,
        "subject": body.subject,
        "text": body.text,
        "status_until": body.status_until,
        "thread": _thread_of(message),
        "to": asdict(replace(body.letter, seen=())) if body.letter else None,
        "done": [
            {"verb": item.verb, "subject": item.subject, "text": item.text} for item in visible_to(body.done, known)
        ],
        "outside_subject": body.outside_subject,
        "outside_text": body.outside_text,
        "encryption": body.encryption,
        "by_form": body.by_form,
        "signature": {"status": body.signature.status, "fingerprint": body.signature.fingerprint},
        "failure": body.failure,
        "attachments": [
            {
                "number": numbers[item.id],
                "name": item.name,
                "type": item.type,
                "size": item.size,
                "sha256": item.sha256,
                "note": item.note,
            }
            for item in message.attachments
        ],
    }
