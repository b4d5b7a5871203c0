"""The life of a case after its first mail: what the reporter adds, what readers note, and what they answer.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from sqlmodel import Session

from store import audit, cases, outbox, patterns, recusals
from store.errors import NotAllowed
from store.models import CaseRow
from store.names import who_is_named, words
from store.people import Member, Roster
from store.records import Arrival, Done, Facts
from store.threads import team_tokens
from store.vault import Vault

How = Literal["", "plain", "new-key"]
_SIGN_OFF = 5


def join(session: Session, vault: Vault, row: CaseRow, arrival: Arrival) -> str:
    """Add a mail from outside to a case; the id of the message.

    Whoever it names, excludes or copies is recused from now on, before its notice exists. The reporter's mail opens
    a closed case again.
    """
    box = cases.box_of(vault, row)
    fresh = recusals.recuse(session, vault, row, box, arrival.recusals, "desk", arrival.at)
    done = [Done("recuse", recusal.member) for recusal in fresh]
    if row.state == "closed" and arrival.author == "reporter" and arrival.notices:
        row.state, row.outcome = "acknowledged", None
        done.append(Done("state", "acknowledged"))
    if row.assignee in {recusal.member for recusal in fresh}:
        row.assignee = None
    cases.set_facts(vault, row, learned(cases.facts(vault, row), arrival))
    session.add(row)
    if arrival.author == "reporter" and arrival.fields:
        _fill(session, vault, row, arrival)
    message_id = cases.add_message(session, vault, row, replace(arrival, body=replace(arrival.body, done=tuple(done))))
    detail = {"author": arrival.author, "reopened": any(item.verb == "state" for item in done)}
    audit.append(session, vault, "mail-added", arrival.author, arrival.at, case_id=row.id, box=box, detail=detail)
    for kind in arrival.notices:
        outbox.enqueue(session, kind, row.desk, arrival.at, case_id=row.id, subject_id=message_id)
    return message_id


def _fill(session: Session, vault: Vault, row: CaseRow, arrival: Arrival) -> None:
    """Fill the fields that the reporter gave now and that nobody had filled."""
    known = cases.fields(vault, row)
    fresh = {name: value for name, value in arrival.fields.items() if name not in known}
    cases.set_fields(session, vault, row, fresh)
    if "reported" in fresh:
        box = cases.box_of(vault, row)
        patterns.note(session, vault, row, box, fresh["reported"], "reporter", arrival.at)


def learned(before: Facts, arrival: Arrival) -> Facts:
    """What is known of a case after one more mail. A new key is only remembered: whoever can write as the reporter could send one."""
    now = arrival.facts
    known = replace(
        before,
        also_excluded=tuple(dict.fromkeys((*before.also_excluded, *now.also_excluded))),
        excluded=tuple(dict.fromkeys((*before.excluded, *now.excluded))),
    )
    if arrival.author != "reporter":
        return known
    known = replace(known, came_sealed=before.came_sealed or now.came_sealed)
    if now.no_reply_because and not now.answer_to:
        known = replace(known, reply_to="", answer_to="", no_reply_because=now.no_reply_because)
    elif now.answer_to and not before.answer_to and now.reply_to:
        known = replace(known, answer_to=now.answer_to)
    if now.reporter_key and not before.reporter_key:
        return replace(known, reporter_key=now.reporter_key, reporter_fingerprint=now.reporter_fingerprint)
    if now.reporter_key and now.reporter_fingerprint != before.reporter_fingerprint:
        return replace(known, new_key=now.reporter_key, new_fingerprint=now.reporter_fingerprint)
    return known


def note(session: Session, vault: Vault, row: CaseRow, arrival: Arrival) -> str:
    """Add what a reader wrote or did, and tell the other readers; the id of the message."""
    message_id = cases.add_message(session, vault, row, arrival)
    box = cases.box_of(vault, row)
    kind = "replied" if arrival.direction == "out" else "noted"
    if arrival.body.text or arrival.attachments:
        audit.append(session, vault, kind, arrival.author, arrival.at, case_id=row.id, box=box)
    outbox.enqueue(session, "note", row.desk, arrival.at, case_id=row.id, subject_id=message_id)
    if arrival.direction == "out":
        outbox.enqueue(session, "reply", row.desk, arrival.at, case_id=row.id, subject_id=message_id)
        _first_answer(session, vault, row, arrival)
    return message_id


def _first_answer(session: Session, vault: Vault, row: CaseRow, arrival: Arrival) -> None:
    if not cases.fields(vault, row).get("acknowledged"):
        cases.set_fields(session, vault, row, {"acknowledged": arrival.at.date().isoformat()})
    if row.state == "new":
        row.state = "acknowledged"
        session.add(row)


def how_to_reply(known: Facts, how: How) -> tuple[Facts, bool]:
    """Whether a reply to the reporter is sealed, and the facts with the key that is then in force.

    Raises NotAllowed when nobody may write to the reporter, or when it would be less private than what they wrote.
    """
    if not known.answer_to:
        why = known.no_reply_because or "the mail names no author"
        raise NotAllowed(f"The reporter cannot be written to: {why}.")
    if how == "new-key":
        if not known.new_key:
            raise NotAllowed("No new key of the reporter is known. Write '/reply' alone.")
        changed = replace(known, reporter_key=known.new_key, reporter_fingerprint=known.new_fingerprint)
        return replace(changed, new_key=b"", new_fingerprint=""), True
    if how == "plain":
        return known, False
    if not known.reporter_key and known.came_sealed:
        raise NotAllowed(
            "The reporter wrote encrypted, and their key is not known: a reply would travel in the open. "
            "Write '/reply plain' if it may."
        )
    return known, bool(known.reporter_key)


def require_anonymous(text: str, names: list[str], author: str, roster: Roster, row: CaseRow) -> None:
    """Raise NotAllowed when what is meant for the reporter names a member, or holds a piece of a notice."""
    if team_tokens(text) or row.codename in text.casefold():
        raise NotAllowed("Your reply holds a piece of a notice, such as the case's name. Remove what is quoted.")
    named = who_is_named([f"\n.\n{item}" for item in (text, *names)], roster.members, roster.members)
    signed = _signed_by(text, roster.get(author))
    if named or signed:
        who = named[0].name if named else "you"
        raise NotAllowed(f"Your reply names {who}. The reporter is written to by the team; take the name out.")


def _signed_by(text: str, author: Member | None) -> bool:
    """Whether a short line, such as a sign-off, holds a name of the author."""
    own = {word for word in words(author.name) if len(word) > 1} if author else set()
    last = [line for line in text.splitlines() if line.strip()][-3:]
    return any(own & set(said) for line in last if len(said := words(line)) <= _SIGN_OFF)
