"""Who should have a notice now, worked out each time that it is taken up. Works within a transaction.

Every list of readers comes from `store.cases.access`; what is here only takes people off it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from mailer.saying.notices import AUDIENCE, CaseView
from store.cases import answers, chat, content, correspondence, lookup, overview, patterns
from store.cases.access import eligible, may_know, readers
from store.cases.answers import Answer
from store.cases.correspondence import Thread
from store.cases.letterboxes import WAITS
from store.cases.overview import visible_to
from store.context import Context
from store.kit.addresses import same_mailbox
from store.outbox import queue
from store.outbox.claims import Claim
from store.tables.records import Message
from store.team.members import Roster

ABOUT_A_MESSAGE = frozenset({"report", "message", "note", "reply", "write", "acknowledge", "acknowledge-held"})

NO_ANSWER = Answer()


@dataclass(frozen=True)
class Audience:
    """Who should have a notice, by id, in order of sending; and for an answer, what it says."""

    ids: tuple[str, ...]
    answer: Answer = NO_ANSWER


def view_of(session: Session, context: Context, claim: Claim, roster: Roster) -> CaseView:
    """The case that a notice tells of, screened for members who are new."""
    vault, at = context.vault, context.clock()
    row = lookup.row_by_id(session, claim.case_id or "")
    case = lookup.case_of(session, row)
    subject = claim.subject_id if claim.kind in ABOUT_A_MESSAGE else None
    message = content.message(session, vault, row.id, subject)
    if message is not None and claim.kind in ("report", "message"):
        message = chat.with_lines(session, vault, row.id, message)
    box = content.box_of(vault, row)
    threads = correspondence.threads_in(session, box, row.id)
    label = content.fields_in(box, row).get("label", "")
    return CaseView(case, content.facts_in(box, row), readers(case, roster, at), roster, message, threads, label)


def audience_of(session: Session, context: Context, claim: Claim, roster: Roster, view: CaseView | None) -> Audience:
    """Who should have a notice now."""
    audience = AUDIENCE[claim.kind]
    if audience == "readers" and view is not None:
        return Audience(_readers(session, context, claim, roster, view))
    if audience == "reporter" and view is not None:
        return Audience(("reporter",) if _may_be_written_to(claim, roster, view) else ())
    if audience == "correspondent" and view is not None:
        return Audience((view.thread.author,) if view.thread and _may_hear(roster, view, view.thread) else ())
    if audience == "asker":
        return _asker(session, context, claim, roster, view)
    if audience == "desk":
        return Audience(("desk",))
    member = claim.subject_id or ""
    if audience in ("one", "former"):
        on_duty = any(item.id == member for item in roster.on_duty(context.clock()))
        return Audience((member,) if on_duty == (audience == "one") and roster.get(member) else ())
    if audience == "member":
        # What is only about a key may always be said; that something waits, only to who may know of it.
        waits = claim.kind != "key-trouble" or _something_waits_for(session, context, claim.desk, member, roster)
        return Audience((member,) if waits and roster.get(member) else ())
    return Audience(("operator",) if _operator_may_be_told(context, roster, view) else ())


def known_others(
    session: Session, context: Context, roster: Roster, member: str, mentioned: Iterable[str]
) -> frozenset[str]:
    """Which of the other cases (ids) that a notice mentions a member may know of."""
    return overview.known_of(session, mentioned, overview.Viewer(roster, member, context.clock()))


def mentioned_in(claim: Claim, view: CaseView | None, answer: Answer = NO_ANSWER) -> frozenset[str]:
    """The other cases (ids) that a notice mentions."""
    if claim.kind in (patterns.FIRST, patterns.SECOND):
        return frozenset({claim.subject_id or ""})
    tells = claim.kind in ("report", "message", "note") and view and view.message
    done = view.message.body.done if tells and view and view.message else answer.done
    return frozenset(item.other_case for item in done if item.other_case)


def told_of_pattern(session: Session, context: Context, claim: Claim, roster: Roster, member: str) -> bool:
    """Whether a reader of one case is told that another concerns the same person: never one who is recused from that.

    Those who know both are told once, by the notice of the first case.
    """
    row = lookup.row_by_id(session, claim.subject_id or "")
    if row.wrapped_key is None:
        return False
    other = lookup.case_of(session, row)
    identity = next((item.identity for item in roster.members if item.id == member), None)
    if member in other.recused or identity not in other.screened:
        return False
    return claim.kind == patterns.FIRST or not may_know(other, roster, member, context.clock())


def _readers(session: Session, context: Context, claim: Claim, roster: Roster, view: CaseView) -> tuple[str, ...]:
    if not eligible(view.case, roster, context.clock()):
        queue.enqueue_once(session, queue.Notice("case-waits", claim.desk, context.clock(), case_id=claim.case_id))
    skipped = {claim.subject_id}
    if claim.kind == "note" and view.message is not None:
        skipped.add(view.message.author)
    ids = [member.id for member in view.readers if member.id not in skipped]
    if claim.kind == "note" and view.message is not None:
        ids = [item for item in ids if _says_something(session, context, roster, view.message, item)]
    if claim.kind in (patterns.FIRST, patterns.SECOND):
        ids = [item for item in ids if told_of_pattern(session, context, claim, roster, item)]
    return tuple(ids)


def _says_something(session: Session, context: Context, roster: Roster, message: Message, member: str) -> bool:
    """Whether anything of a note is left for a reader: what was done may concern another case, which is not theirs. Who is
    to be withheld, if another reader agrees, does not hear of it."""
    if any(item.verb == "consent" and item.subject == member for item in message.body.done):
        return False
    if message.body.text or message.attachments or message.direction != "note" or message.body.letter:
        return True
    others = {item.other_case for item in message.body.done if item.other_case}
    return bool(visible_to(message.body.done, set(known_others(session, context, roster, member, others))))


def _may_be_written_to(claim: Claim, roster: Roster, view: CaseView) -> bool:
    """Whether there is an address, and it is not that of a member who is withheld by now; and whether they want to hear."""
    if claim.kind != "reply" and view.facts.asks_quiet:
        return False
    address = view.facts.tell if claim.kind == WAITS else view.reporter
    return bool(address) and not any(
        same_mailbox(member.email, address) for member in roster.members if member.id in view.case.recused
    )


def _may_hear(roster: Roster, view: CaseView, thread: Thread) -> bool:
    """Whether a correspondent is no member from whom the reporter wants the case to be kept."""
    kept_from = {item.member for item in view.case.recusals if item.source == "reporter"}
    return not any(member.id in kept_from for member in correspondence.who_they_may_be(thread, roster))


def _asker(session: Session, context: Context, claim: Claim, roster: Roster, view: CaseView | None) -> Audience:
    """The member whom an answer is for; nobody, when it is about a case that they may no longer know of."""
    found = answers.read(session, context.vault, claim.subject_id or "")
    if found is None or roster.get(found[0]) is None:
        return Audience(())
    member, answer = found
    knows = view is None or may_know(view.case, roster, member, context.clock())
    return Audience((member,) if knows else (), answer)


def _knows(session: Session, roster: Roster, case_id: str, member: str, at: datetime) -> bool:
    row = lookup.row_by_id(session, case_id)
    return row.wrapped_key is not None and may_know(lookup.case_of(session, row), roster, member, at)


def _something_waits_for(session: Session, context: Context, desk: str, member: str, roster: Roster) -> bool:
    """Whether a member whose key has trouble still may know of anything that is held for it.

    One who was recused meanwhile is not even told that something waits.
    """
    held = queue.cases_held_for(session, desk, member)
    return any(item is None or _knows(session, roster, item, member, context.clock()) for item in held)


def _operator_may_be_told(context: Context, roster: Roster, view: CaseView | None) -> bool:
    """The operator may be a member too: one who is recused is told nothing in either role."""
    address = context.config.operator.address
    recused = view.case.recused if view else frozenset()
    return bool(address) and not any(
        same_mailbox(member.email, address) for member in roster.members if member.id in recused
    )
