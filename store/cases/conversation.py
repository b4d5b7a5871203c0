"""What mail from outside makes of a case: its beginning, what its reporter and others add, and a mail that is opened at last.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import bindparam
from sqlmodel import Session, col, select

from store.cases import chat, correspondents, letterboxes, patterns, promises, recusals, urgency
from store.cases.case_file import Actor, CaseFile
from store.cases.codenames import new_codename
from store.cases.lookup import screened_text
from store.cases.threads import is_correspondent
from store.cases.withholding import narrow_screened
from store.kit.clock import from_text, to_text
from store.outbox import queue
from store.tables.models import CaseRow, new_id
from store.tables.records import Arrival, Body, Change, Facts

_OF_CODENAME = select(CaseRow.id).where(col(CaseRow.codename) == bindparam("codename"))


def begin(session: Session, by: Actor, arrival: Arrival) -> CaseFile:
    """Write a new case with its message, attachments, recusals, events and outbox rows."""
    case_id = new_id()
    facts = replace(arrival.facts, tell=_told_at(Facts(), arrival.facts))
    box, wrapped = by.vault.new_case_key(case_id)
    received = to_text(arrival.received_at or arrival.at)
    row = CaseRow(
        id=case_id,
        codename=new_codename(lambda name: _is_taken(session, name)),
        desk=arrival.desk,
        state=arrival.state,
        received_at=received,
        wrapped_key=wrapped,
        facts_sealed=box.seal_json(facts.to_json(), "cases", "facts", case_id),
        screened=screened_text(arrival.screened),
        closed_at=received if arrival.state in ("closed", "junk") else None,
        transport=transport_of(arrival),
        writable=int(arrival.facts.writable),
    )
    session.add(row)
    session.flush()
    if arrival.state in queue.OPEN_STATES:
        promises.begin(session, row, arrival.received_at or arrival.at)
    file = CaseFile(session, row, box, by)
    file.add_message(arrival)
    detail = {"state": arrival.state, "encryption": arrival.body.encryption, "failure": arrival.body.failure}
    file.note("case-opened", detail)
    _fill(file, arrival)
    recusals.recuse(file, arrival.recusals)
    if arrival.state != "junk":  # whoever sends junk is no reporter who is known again
        correspondents.note(file)
    if arrival.letterbox is not None:
        letterboxes.begin(file, arrival.letterbox)
    for kind in arrival.notices:
        queue.enqueue(session, chat.notice(kind, arrival, case_id))
    if arrival.urgent and arrival.notices:
        urgency.make_urgent(file)
    return file


def _is_taken(session: Session, codename: str) -> bool:
    return session.exec(_OF_CODENAME, params={"codename": codename}).first() is not None


def join(file: CaseFile, arrival: Arrival) -> str:
    """Add a mail from outside to a case; the id of the message.

    Whoever it names, excludes or copies is recused from now on, before its notice exists. The reporter's mail opens
    a closed case again.
    """
    row = file.row
    fresh = recusals.recuse(file, arrival.recusals)
    changes = [Change("recuse", recusal.member) for recusal in fresh]
    if row.state == "closed" and arrival.author == "reporter" and arrival.notices:
        row.state, row.outcome, row.closed_at, row.announced_at = "acknowledged", None, None, None
        row.erase_at = None
        changes.append(Change("state", "acknowledged"))
        promises.begin_again(file.session, row, arrival.at)
    elif (
        row.state in ("held", "automatic", "junk")
        and arrival.notices
        and not arrival.body.failure
        and not is_correspondent(arrival.author)
    ):
        row.state = "new"
    if arrival.author != "machine":
        row.erase_at = None  # whoever wrote since must be read first
        recusals.forget_votes(file, recusals.ERASE)
    known = learned(file.facts, arrival)
    if "report" in arrival.notices:  # the case was silent until now: this is what it begins with
        row.closed_at = None
        row.received_at, row.transport, known = to_text(arrival.at), transport_of(arrival), _begun(known, arrival)
        known = replace(known, no_reply_because=known.no_reply_because or arrival.facts.no_reply_because)
    if row.assignee in {recusal.member for recusal in fresh}:
        row.assignee = None
    file.remember(known)
    correspondents.note(file)
    narrow_screened(file, arrival.screened)
    if arrival.author == "reporter":
        _fill(file, arrival)
    if row.state == "new":
        promises.begin(file.session, row, from_text(row.received_at))
    message_id = file.add_message(replace(arrival, body=replace(arrival.body, done=tuple(changes))))
    reopened = any(change.verb == "state" for change in changes)
    file.on_behalf_of(arrival.author).note("mail-added", {"author": arrival.author, "reopened": reopened})
    covered = arrival.notices == ("message",) and chat.is_covered(file.session, row.id, arrival)
    for kind in () if covered else arrival.notices:
        queue.enqueue(file.session, chat.notice(kind, arrival, row.id, message_id))
    if arrival.urgent and arrival.notices and arrival.author == "reporter":
        urgency.make_urgent(file)
    return message_id


def open_at_last(file: CaseFile, message_id: str, arrival: Arrival) -> None:
    """A mail that did not open, opened at last: what it says takes the place of what was known of it, and readers are told.

    What the reporter asked for when it came in still holds. The arrival's notices are those that nobody has had yet.
    """
    row, before = file.row, file.facts
    file.on_behalf_of("operator").note("held-mail-opened")
    recusals.recuse(file, arrival.recusals)
    if file.replace_message(message_id, arrival):
        row.state, row.transport = arrival.state, transport_of(arrival)
        known = _learned_of_the_first(before, arrival)
        queue.retire(file.session, row.id, "held")
        if arrival.state not in ("closed", "automatic"):
            file.enqueue("report")
    else:
        known = learned(before, arrival)
        queue.retire(file.session, row.id, "message", message_id)
        file.enqueue("message", message_id)
    for kind in arrival.notices:
        file.enqueue(kind)
    if arrival.urgent and arrival.author == "reporter":
        urgency.make_urgent(file)
    file.remember(known)
    correspondents.note(file)
    narrow_screened(file, arrival.screened)
    _fill(file, arrival)


def _learned_of_the_first(before: Facts, arrival: Arrival) -> Facts:
    """What is known of a case whose first mail is opened at last."""
    known = replace(learned(before, arrival), came_sealed=arrival.facts.came_sealed)
    if not before.reporter_key:
        known = _begun(known, arrival)
    if before.reporters:
        return known
    # Not even its header could be read. Unless its author is told now that it came, what was said of that still holds.
    why = arrival.facts.no_reply_because or ("" if arrival.notices else before.no_reply_because)
    return replace(
        arrival.facts, wishes=known.wishes, also_excluded=known.also_excluded, no_reply_because=why,
    )  # fmt: skip


def _fill(file: CaseFile, arrival: Arrival) -> None:
    """Fill the fields that the reporter gave now and that nobody had filled."""
    known = file.fields
    fresh = {name: value for name, value in arrival.fields.items() if name not in known}
    if fresh:
        file.fill(fresh)
    if (reported := fresh.get("reported")) and file.row.state != "junk":
        patterns.note(file.on_behalf_of("reporter"), reported)


def moved_on(file: CaseFile, message_id: str) -> None:
    """The mail of a held case turned out to be no report: what it said was done where it belongs, and the case ends."""
    row = file.row
    file.replace_message(message_id, Arrival(row.desk, "closed", file.at, b"", "", "", Body(), Facts(), author="other"))
    row.state, row.closed_at, row.assignee = "closed", to_text(file.at), None
    file.session.add(row)
    queue.retire(file.session, row.id, "held")
    file.on_behalf_of("operator").note("held-mail-opened")


def transport_of(arrival: Arrival) -> str:
    """How a report travelled, for the figures."""
    return "in plain" if arrival.body.encryption == "none" else "encrypted"


def learned(before: Facts, arrival: Arrival) -> Facts:
    """What is known of a case after one more mail.

    It may end and begin that the reporter is written to, but never move where to: `Reply: yes` leads back to the address
    on record. A key is only remembered: whoever can write as the reporter could send one.
    """
    now = arrival.facts
    sure = arrival.author == "reporter"  # what others exclude is provisional, also for who joins later
    known = replace(
        before,
        also_excluded=tuple(dict.fromkeys((*before.also_excluded, *now.also_excluded))),
        wishes=before.wishes | (now.wishes if sure else now.wishes.doubted()),
    )
    if arrival.author != "reporter" or arrival.state == "automatic":
        return known
    known = replace(known, came_sealed=before.came_sealed or now.came_sealed, tell=_told_at(before, now))
    if now.asks_quiet:
        known = replace(known, reply_to="", answer_to="", no_reply_because=now.no_reply_because, asks_quiet=True)
    elif now.asks_reply and (address := _on_record(before)):
        known = replace(known, reply_to=address, answer_to=address, no_reply_because="", asks_quiet=False)
    if now.reporter_key and now.reporter_fingerprint != before.reporter_fingerprint:
        return replace(known, new_key=now.reporter_key, new_fingerprint=now.reporter_fingerprint)
    return known


def _told_at(before: Facts, now: Facts) -> str:
    """The address that hears of answers in a letterbox; `no` ends that."""
    return "" if now.tell == "no" else now.tell or before.tell


def _begun(known: Facts, arrival: Arrival) -> Facts:
    """Facts with the key that came with a report: that of a first mail counts, whenever it is read."""
    key, fingerprint = arrival.facts.reporter_key, arrival.facts.reporter_fingerprint
    came_sealed = arrival.facts.came_sealed
    return replace(
        known,
        reporter_key=key,
        reporter_fingerprint=fingerprint,
        new_key=b"",
        new_fingerprint="",
        came_sealed=came_sealed,
    )


def _on_record(known: Facts) -> str:
    """Where the first mail asked to be answered. Older records hold only whom it came from, the address to answer last."""
    return known.address or known.answer_to or next(reversed(known.reporters), "")
