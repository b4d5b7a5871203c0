"""Two cases that become one: what one holds goes into the other, which is kept from everybody from whom either was.

Nothing of it is left where it was: who is recused later must not find it there. The name and the addresses of the case that is gone lead to the
other. Works within a transaction that the caller opened.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import update
from sqlmodel import col, select

from store.cases import (
    content,
    correspondence,
    correspondents,
    decisions,
    letterboxes,
    patterns,
    recusals,
    retention,
    urgency,
    withholding,
)
from store.cases.case_file import CaseFile
from store.cases.classification import FIELD as LABEL
from store.cases.classification import put as put_label
from store.cases.correspondence import Thread
from store.cases.fields import DATES, FIELDS, LONGEST
from store.cases.letters import draft_number
from store.cases.lookup import screened_in
from store.cases.persons import display_name
from store.cases.threads import author_of, is_correspondent, thread_of
from store.kit.addresses import bare
from store.kit.clock import to_text
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.openpgp.receipts import stands_for_a_receipt
from store.outbox import queue
from store.tables.models import (
    CorrespondentRow,
    DeliveryRow,
    LinkRow,
    MeasureRow,
    MessageRow,
    NoticeRow,
    ThreadRow,
)
from store.tables.records import Arrival, Attachment, Body, Facts, LetterTo, Message

VOTE = ":merge "  # what is voted on, before the id of the other case
MERGED = ":merged"  # the outcome of what is left of such a case: no desk can name one so
ITSELF = marked("A case cannot be put into itself.")
NOT_OPEN = marked("{case} is closed. Open it with '/state investigating' first.")
INTO_HELD = marked("{case} has not been read yet; nothing can be put into it.")
NOT_READ = marked("{case} cannot be put into another one: it is junk, or waits to be read.")
PROPOSED = marked("{case} has proposals that are open. Withdraw or carry them out first.")
NO_ROOM = marked(
    "The field 'witnesses' would be too long with who reported the other case. Shorten it, or link the two cases."
)
SILENT = marked("The reporter of {case} asked for silence. Link the two cases instead.")
ONLY = marked("The two reports ask for different people as the only readers. Link the two cases instead.")
BY_FORM = marked(
    "{case} came by the web form, and its answers wait there. Put the other case into it, or link the two."
)
ON_ITS_WAY = marked("Something of {case} is still on its way to somebody outside. Try again when it is sent.")
_OUTSIDE = ("reply", "write", "acknowledge", "acknowledge-held", "send-key")
_ENDED_HERE = frozenset({"redact", "redact-vote"})  # numbers of the case that is gone


@dataclass(frozen=True)
class _Moved:
    """A message as it is written down anew."""

    message: Message
    raw: bytes
    digest: str
    files: tuple[Attachment, ...]


def require_mergeable(into: CaseFile, other: CaseFile) -> None:
    """Raise NotAllowed unless one case can be put into another now."""
    name = other.row.codename
    if other.row.id == into.row.id:
        raise NotAllowed(ITSELF)
    if into.row.state == "held":
        raise NotAllowed(INTO_HELD, case=into.row.codename)
    if into.row.state not in queue.OPEN_STATES:
        raise NotAllowed(NOT_OPEN, case=into.row.codename)
    if other.row.state in ("junk", "held") or any(item.body.failure for item in other.messages()):
        raise NotAllowed(NOT_READ, case=name)
    if letterboxes.has_one(other):
        raise NotAllowed(BY_FORM, case=name)
    if decisions.proposals(other.session, other.row, other.by.desk, other.roster, other.at):
        raise NotAllowed(PROPOSED, case=name)
    _require_wishes_that_go_together(into, other)
    _require_room_for_the_reporter(into, other)
    waiting = select(NoticeRow.id).where(NoticeRow.case_id == other.row.id, NoticeRow.done == 0)
    if other.session.exec(waiting.where(col(NoticeRow.kind).in_(_OUTSIDE))).first() is not None:
        raise NotAllowed(ON_ITS_WAY, case=name)


def _require_wishes_that_go_together(into: CaseFile, other: CaseFile) -> None:
    """Raise NotAllowed where what the two reporters asked for cannot hold in one case: silence for one alone, or other readers for each."""
    here, there = into.facts, other.facts
    if there.asks_quiet and not _is_of_the_same(into, other):
        raise NotAllowed(SILENT, case=other.row.codename)
    mine, theirs = ({*item.wishes.only, *item.wishes.perhaps_only} for item in (here, there))
    if mine and theirs and mine != theirs:
        raise NotAllowed(ONLY)


def _require_room_for_the_reporter(into: CaseFile, other: CaseFile) -> None:
    """Raise NotAllowed where the other reporter would not be protected by name, because the field for that is full."""
    if not _is_of_the_same(into, other):
        theirs = _with_reporter(other.fields, other.facts, other.messages())["witnesses"]
        if len(into.fields.get("witnesses", "")) + len("; ") + len(theirs) > LONGEST:
            raise NotAllowed(NO_ROOM)


def merge(into: CaseFile, other: CaseFile) -> None:
    """Put a case into another one. Raises NotAllowed."""
    require_mergeable(into, other)
    known, brought = into.facts, other.facts
    fields, moved, screened = other.fields, _taken(other), screened_in(other.row)
    theirs, urgent, handle = list(other.case.recusals), bool(other.row.urgent), other.row.handle
    threads, events = correspondence.threads(other), _told(other)
    same, digests = _is_of_the_same(into, other), _known_by(other)
    _take_links_and_measures(into, other)
    sent = _take_what_was_sent(into, other)
    kept = other.row.on_hold, other.row.deadline, other.row.escalated
    _leave_behind(other)
    new_threads = {item.id: _begin_thread(into, item) for item in threads}
    reporter = None if same else _reporters_thread(into, brought, moved)
    _lead_answers(
        into,
        sent,
        {author_of(one): new.author for one, new in new_threads.items()}
        | ({} if same else {"reporter": reporter.author if reporter else "operator"}),
    )
    recusals.recuse(into, theirs)
    _take_times(into, *kept)
    into.remember(_united(known, brought, same=same))
    drafts = max(map(draft_number, into.messages()), default=0)
    for item in moved:
        into.add_message(_arrival(into, item, new_threads, _Placed(same, reporter, drafts)))
    _fill(into, fields if same else _with_reporter(fields, brought, [item.message for item in moved]))
    withholding.narrow_screened(into, screened)
    correspondents.note(into)
    _know_by(into, digests)
    ids = {one: new.id for one, new in new_threads.items()}
    _lead_here(other, handle, _Leads(into.row.id, same, reporter.id if reporter else "", ids))
    if urgent and not into.row.urgent:
        urgency.make_urgent(into)
    into.note("merged", {"from": other.row.codename, "events": events})


@dataclass(frozen=True)
class _Placed:
    """As whose words what the reporter of the other case wrote stands: the reporter's own, or those of a thread (None: of somebody else).
    `drafts` is the highest number of a draft that there is."""

    same: bool
    reporter: Thread | None
    drafts: int


@dataclass(frozen=True)
class _Leads:
    """Where the addresses of a case that is gone lead: to a case, and there to the thread of its reporter (empty: to the reporter there, or
    to nobody), and to its other threads, by their ids there."""

    case: str
    same: bool
    reporter: str
    threads: Mapping[str, str]


def _taken(file: CaseFile) -> list[_Moved]:
    """The messages of a case with all that belongs to them."""
    digests = dict(
        file.session.exec(select(MessageRow.id, MessageRow.digest).where(MessageRow.case_id == file.row.id)).all()
    )
    return [
        _Moved(
            item,
            content.raw_message(file.session, file.by.vault, file.row, item.id),
            digests[item.id] or "",
            tuple(file.attachment_contents(item)),
        )
        for item in file.messages()
    ]


def _told(file: CaseFile) -> list[dict[str, Any]]:
    """What the events of a case say: their details go with its key."""
    return [
        {"seq": row.seq, "kind": row.kind, "at": row.at, "actor": row.actor, "detail": detail}
        for row, detail in content.events(file.session, file.box, file.row.id)
    ]


def _is_of_the_same(into: CaseFile, other: CaseFile) -> bool:
    """Whether both cases have one reporter: by the key that signed both, or, where neither is bound to a key and no domain disowns one, by all
    addresses that they wrote from and the one that answers go to. That is as sure as any plain mail, and judged as `intake.standing` does."""
    here, there = into.facts, other.facts
    first, second = into.first_message(), other.first_message()
    if first is None or second is None:
        return False
    signed = [
        (item.body.signature.fingerprint, item.body.signature.status)
        for item in (first, second)
        if item.body.signature.fingerprint and item.body.signature.status != "invalid"
    ]
    if signed and (len(signed) == 1 or signed[0] != signed[1]):
        return False
    if signed and signed[0][1] == "valid":
        return True
    if here.reporter_fingerprint and there.reporter_fingerprint not in ("", here.reporter_fingerprint):
        return False
    if "fail" in {first.body.authentication.result, second.body.authentication.result}:
        return False
    return (
        bool(here.answer_to) and _addresses(here) == _addresses(there) and bare(here.answer_to) == bare(there.answer_to)
    )


def _known_by(file: CaseFile) -> set[str]:
    return set(file.session.exec(select(CorrespondentRow.digest).where(CorrespondentRow.case_id == file.row.id)))


def _know_by(into: CaseFile, digests: set[str]) -> None:
    """What the other case's reporter writes anew is kept from whom this case is, as it was before."""
    for digest in sorted(digests - _known_by(into)):
        into.session.add(CorrespondentRow(case_id=into.row.id, desk=into.row.desk, digest=digest))
    into.session.flush()


def _addresses(known: Facts) -> set[str]:
    return {bare(item) for item in (*known.reporters, known.address, known.answer_to) if item}


def _take_links_and_measures(into: CaseFile, other: CaseFile) -> None:
    session, here, there = into.session, into.row.id, other.row.id
    for pair in session.exec(select(LinkRow).where((LinkRow.one == there) | (LinkRow.other == there))).all():
        one, two = sorted((here, pair.other if pair.one == there else pair.one))
        if one != two and session.get(LinkRow, (one, two)) is None:
            session.add(LinkRow(one=one, other=two, by=pair.by, at=pair.at))
    session.exec(update(MeasureRow).where(col(MeasureRow.case_id) == there).values(case_id=here))
    session.flush()


def _leave_behind(other: CaseFile) -> None:
    """Forget a case whose content went elsewhere; what is left is its name, and dates."""
    row = other.row
    row.on_hold = 0
    row.state, row.closed_at = "closed", row.closed_at or to_text(other.at)
    retention.destroy(other.session, other.by.vault, row, other.actor, other.at)
    row.outcome = MERGED


def _take_what_was_sent(into: CaseFile, other: CaseFile) -> list[str]:
    """Have what went to somebody outside belong to this case: an answer to it, which bears no token, leads here. The ids of the notices."""
    session, mine = (
        into.session,
        (NoticeRow.case_id == other.row.id, NoticeRow.done == 1, col(NoticeRow.kind).in_(_OUTSIDE)),
    )
    ids = list(session.exec(select(NoticeRow.id).where(*mine)))
    session.exec(update(DeliveryRow).where(col(DeliveryRow.notice_id).in_(ids)).values(case_id=into.row.id))
    session.exec(update(NoticeRow).where(col(NoticeRow.id).in_(ids)).values(case_id=into.row.id))
    session.flush()
    return ids


def _lead_answers(into: CaseFile, notices: list[str], recipients: Mapping[str, str]) -> None:
    """Have an answer to what was sent come from whom it went to, as they are called in this case."""
    rows = into.session.exec(select(DeliveryRow).where(col(DeliveryRow.notice_id).in_(notices))).all()
    for row in rows:
        row.recipient = recipients.get(row.recipient, row.recipient)
        into.session.add(row)


def _take_times(into: CaseFile, on_hold: int, deadline: str | None, escalated: int) -> None:
    row = into.row
    row.on_hold, row.escalated = max(row.on_hold, on_hold), max(row.escalated, escalated)
    row.deadline = min(filter(None, (row.deadline, deadline)), default=None)
    if row.assignee in into.case.recused:
        row.assignee = None
    into.session.add(row)


def _begin_thread(into: CaseFile, thread: Thread) -> Thread:
    """A thread of the other case, written down in this one under the same addresses."""
    made = correspondence.begin(into, replace(thread, name=_free_name(into, thread.name)))
    kept = replace(made, handle=thread.handle)
    row = into.session.exec(select(ThreadRow).where(ThreadRow.id == made.id)).one()
    row.handle = thread.handle
    into.session.add(row)
    correspondence.keep(into, kept)
    into.session.flush()
    return kept


def _reporters_thread(into: CaseFile, known: Facts, moved: list[_Moved]) -> Thread | None:
    """The other case's reporter as somebody with whom this one is written about; None for one who cannot be written to."""
    if not known.writable:
        return None
    first = next((item.message.body.sender for item in moved if item.message.author == "reporter"), "")
    name = _free_name(into, display_name(first) or known.answer_to.partition("@")[0])
    thread = Thread(
        "", "", name, known.answer_to, "witness", into.by.desk.language, known.reporter_key, known.reporter_fingerprint,
        known.new_key, known.new_fingerprint, known.came_sealed,
    )  # fmt: skip
    return correspondence.begin(into, thread)


def _free_name(into: CaseFile, name: str) -> str:
    taken = {item.name.casefold() for item in correspondence.threads(into)}
    return next(
        item for item in (name, *(f"{name} {number}" for number in range(2, 99))) if item.casefold() not in taken
    )


def _united(known: Facts, brought: Facts, *, same: bool) -> Facts:
    """What is known of one case, and of another that went into it. A key is only remembered, and silence holds if either asks for it."""
    both = replace(
        known,
        wishes=known.wishes | brought.wishes,
        also_excluded=tuple(dict.fromkeys((*known.also_excluded, *brought.also_excluded))),
        redacted=tuple(sorted({*known.redacted, *brought.redacted})),
        asks_secrecy=known.asks_secrecy or brought.asks_secrecy,
    )
    if not same:
        return both
    if brought.asks_quiet:
        both = replace(both, reply_to="", answer_to="", asks_quiet=True, no_reply_because=brought.no_reply_because)
    if brought.reporter_key and brought.reporter_fingerprint != known.reporter_fingerprint:
        both = replace(both, new_key=brought.reporter_key, new_fingerprint=brought.reporter_fingerprint)
    return replace(both, came_sealed=known.came_sealed or brought.came_sealed)


def _arrival(into: CaseFile, moved: _Moved, threads: Mapping[str, Thread], placed: _Placed) -> Arrival:
    """A message of the other case as one of this."""
    message = moved.message
    author, direction = message.author, message.direction
    body = replace(message.body, done=tuple(item for item in message.body.done if item.verb not in _ENDED_HERE))
    if is_correspondent(author):
        author = author_of(threads[thread_of(author)].id)
    elif author == "reporter" and not placed.same:
        author = placed.reporter.author if placed.reporter else "other"
    if body.letter is not None:
        thread = threads.get(body.letter.thread)
        draft = body.letter.draft + placed.drafts if body.letter.draft else 0
        body = replace(body, letter=replace(body.letter, thread=thread.id if thread else "", draft=draft))
    elif direction == "out" and not placed.same and placed.reporter:
        direction = "letter"
        body = replace(body, letter=LetterTo(placed.reporter.id, language=placed.reporter.language))
    elif direction == "out" and not placed.same:
        direction = "note"
    return Arrival(
        into.row.desk, "new", message.at, moved.raw, moved.digest, body.message_id, body, Facts(), moved.files,
        author=author, direction=direction,
    )  # fmt: skip


def _with_reporter(fields: Mapping[str, str], known: Facts, messages: Sequence[Message]) -> dict[str, str]:
    """Fields with the reporter of the other case among the witnesses: they are not to be named to others here either."""
    names = dict.fromkeys(display_name(item.body.sender) for item in messages if item.author == "reporter")
    said = [
        fields.get("witnesses", ""),
        *names,
        *(item for item in sorted(_addresses(known)) if not stands_for_a_receipt(item)),
    ]
    return {**fields, "witnesses": ", ".join(filter(None, said))}


def _fill(into: CaseFile, fields: Mapping[str, str]) -> None:
    """Fill what was empty, and add what differs; what finds no room is a note. Of two labels the one that keeps the case here stays."""
    known = into.fields
    fresh, left = {}, []
    for name, value in fields.items():
        before = known.get(name, "")
        if name not in FIELDS or value == before:
            continue
        both = f"{before}; {value}" if before else value
        if name == LABEL:
            if not before or value in into.by.desk.stays:
                put_label(into, value)
        elif not before or (name not in DATES and len(both) <= LONGEST):
            fresh[name] = both
        else:
            left.append(f"{name}: {value}")
    if fresh:
        into.fill(fresh)
    if left:
        body = Body(text="\n\n".join(left))
        note = Arrival(into.row.desk, "new", into.at, b"", "", "", body, Facts(), author="desk", direction="note")
        into.enqueue("note", into.add_message(note))
    if "reported" in fresh:
        patterns.note(into, fresh["reported"])


def _lead_here(other: CaseFile, handle: str, leads: _Leads) -> None:
    """Have the name and the addresses of the case that is gone lead elsewhere."""
    other.row.handle, other.row.merged_into = handle, json.dumps(asdict(leads), sort_keys=True)
    other.session.add(other.row)
    other.session.flush()
