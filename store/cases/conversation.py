"""The life of a case after its first mail: what the reporter adds, what readers note, and what they answer.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Protocol

from sqlmodel import Session

from store.cases import actions, case_file, patterns, recusals, withholding
from store.cases.access import readers
from store.cases.actions import Deed, Scene
from store.cases.anonymity import require_anonymous
from store.kit.addresses import same_mailbox
from store.kit.clock import to_text
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.openpgp.status import PublicKey
from store.outbox import queue
from store.tables import audit
from store.tables.models import CaseRow
from store.tables.records import Arrival, Attachment, Body, Done, Facts, Recusal
from store.tables.vault import Vault
from store.team.names import who_is_named

How = Literal["", "plain", "new-key"]


def join(session: Session, vault: Vault, row: CaseRow, arrival: Arrival) -> str:
    """Add a mail from outside to a case; the id of the message.

    Whoever it names, excludes or copies is recused from now on, before its notice exists. The reporter's mail opens
    a closed case again.
    """
    box = case_file.box_of(vault, row)
    fresh = recusals.recuse(session, vault, row, box, arrival.recusals, "desk", arrival.at)
    done = [Done("recuse", recusal.member) for recusal in fresh]
    if row.state == "closed" and arrival.author == "reporter" and arrival.notices:
        row.state, row.outcome, row.closed_at, row.announced_at = "acknowledged", None, None, None
        done.append(Done("state", "acknowledged"))
    elif row.state in ("held", "automatic") and arrival.notices and not arrival.body.failure:
        row.state = "new"
    known = learned(case_file.facts(vault, row), arrival)
    if "report" in arrival.notices:  # the case was silent until now: this is what it begins with
        row.received_at, row.came, known = to_text(arrival.at), case_file.came(arrival), _begun(known, arrival)
        known = replace(known, no_reply_because=known.no_reply_because or arrival.facts.no_reply_because)
    if row.assignee in {recusal.member for recusal in fresh}:
        row.assignee = None
    case_file.set_facts(vault, row, known)
    narrow_screened(row, arrival.screened)
    session.add(row)
    if arrival.author == "reporter" and arrival.fields:
        _fill(session, vault, row, arrival)
    message_id = case_file.add_message(
        session, vault, row, replace(arrival, body=replace(arrival.body, done=tuple(done)))
    )
    detail = {"author": arrival.author, "reopened": any(item.verb == "state" for item in done)}
    audit.append(session, vault, "mail-added", arrival.author, arrival.at, case_id=row.id, box=box, detail=detail)
    for kind in arrival.notices:
        queue.enqueue(session, kind, row.desk, arrival.at, case_id=row.id, subject_id=message_id)
    return message_id


def narrow_screened(row: CaseRow, screened: Mapping[str, str]) -> None:
    """After one more message: only who was looked for in that one too was looked for in all of them."""
    both = {member: known for member, known in case_file.screened_in(row).items() if screened.get(member) == known}
    row.screened = case_file.screened_text(both)


def open_at_last(session: Session, vault: Vault, row: CaseRow, message_id: str, arrival: Arrival) -> None:
    """A mail that did not open, opened at last: what it says takes the place of what was known of it, and readers are told.

    What the reporter asked for when it came in still holds. The arrival's notices are those that nobody has had yet.
    """
    box = case_file.box_of(vault, row)
    before = case_file.facts(vault, row)
    audit.append(session, vault, "held-mail-opened", "operator", arrival.at, case_id=row.id, box=box)
    recusals.recuse(session, vault, row, box, arrival.recusals, "desk", arrival.at)
    if case_file.replace_message(session, vault, row, message_id, arrival):
        row.state, row.came = arrival.state, case_file.came(arrival)
        known = replace(learned(before, arrival), came_sealed=arrival.facts.came_sealed)
        if not before.reporter_key:
            known = _begun(known, arrival)
        if not before.reporters:  # not even its header could be read
            # Unless its author is told now that it came, what was said of that still holds.
            why = arrival.facts.no_reply_because or ("" if arrival.notices else before.no_reply_because)
            known = replace(
                arrival.facts, excluded=known.excluded, also_excluded=known.also_excluded,
                perhaps_excluded=known.perhaps_excluded, no_reply_because=why,
            )  # fmt: skip
        queue.retire(session, row.id, "held")
        if arrival.state not in ("closed", "automatic"):
            queue.enqueue(session, "report", row.desk, arrival.at, case_id=row.id)
    else:
        known = learned(before, arrival)
        queue.retire(session, row.id, "message", message_id)
        queue.enqueue(session, "message", row.desk, arrival.at, case_id=row.id, subject_id=message_id)
    for kind in arrival.notices:
        queue.enqueue(session, kind, row.desk, arrival.at, case_id=row.id)
    case_file.set_facts(vault, row, known)
    narrow_screened(row, arrival.screened)
    session.add(row)
    _fill(session, vault, row, arrival)


def _fill(session: Session, vault: Vault, row: CaseRow, arrival: Arrival) -> None:
    """Fill the fields that the reporter gave now and that nobody had filled."""
    known = case_file.fields(vault, row)
    fresh = {name: value for name, value in arrival.fields.items() if name not in known}
    case_file.set_fields(session, vault, row, fresh)
    if "reported" in fresh:
        box = case_file.box_of(vault, row)
        patterns.note(session, vault, row, box, fresh["reported"], "reporter", arrival.at)


def moved_on(session: Session, vault: Vault, row: CaseRow, message_id: str, at: datetime) -> None:
    """The mail of a held case turned out to be no report: what it said was done where it belongs, and the case ends."""
    stub = Arrival(row.desk, "closed", at, b"", "", "", Body(), Facts(), author="other")
    case_file.replace_message(session, vault, row, message_id, stub)
    row.state, row.closed_at, row.assignee = "closed", to_text(at), None
    session.add(row)
    queue.retire(session, row.id, "held")
    audit.append(session, vault, "held-mail-opened", "operator", at, case_id=row.id, box=case_file.box_of(vault, row))


def learned(before: Facts, arrival: Arrival) -> Facts:
    """What is known of a case after one more mail.

    It may end and begin that the reporter is written to, but never move where to: `Reply: yes` leads back to the address
    on record. A key is only remembered: whoever can write as the reporter could send one.
    """
    now = arrival.facts
    sure = arrival.author == "reporter"  # what others exclude is provisional, also for who joins later
    perhaps = (*before.perhaps_excluded, *now.perhaps_excluded, *(() if sure else now.excluded))
    known = replace(
        before,
        also_excluded=tuple(dict.fromkeys((*before.also_excluded, *now.also_excluded))),
        excluded=tuple(dict.fromkeys((*before.excluded, *(now.excluded if sure else ())))),
        perhaps_excluded=tuple(dict.fromkeys(perhaps)),
    )
    if arrival.author != "reporter" or arrival.state == "automatic":
        return known
    known = replace(known, came_sealed=before.came_sealed or now.came_sealed)
    if now.asks_quiet:
        known = replace(known, reply_to="", answer_to="", no_reply_because=now.no_reply_because, asks_quiet=True)
    elif now.asks_reply and (address := _on_record(before)):
        known = replace(known, reply_to=address, answer_to=address, no_reply_because="", asks_quiet=False)
    if now.reporter_key and now.reporter_fingerprint != before.reporter_fingerprint:
        return replace(known, new_key=now.reporter_key, new_fingerprint=now.reporter_fingerprint)
    return known


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


@dataclass(frozen=True)
class Acted:
    """What was done, and the id of the message that it is kept as, if there is one."""

    done: tuple[Done, ...]
    message: str = ""


def act(session: Session, scene: Scene, row: CaseRow, wanted: Sequence[Deed], arrival: Arrival) -> Acted:
    """Do what a reader (or the operator) asks for, and keep what they wrote with it.

    Either may be missing. Raises Refused naming the line that cannot be done.
    """
    done = actions.perform(session, scene, row, wanted)
    said = [arrival.body.text, *(item.name for item in arrival.attachments)]
    said += [deed.text for deed in wanted]
    done += _named_by(session, scene, row, said)
    narrow_screened(row, {member.id: member.identity for member in scene.roster.members})
    session.add(row)
    if done or arrival.body.text or arrival.attachments:
        return Acted(done, note(session, scene, row, replace(arrival, body=replace(arrival.body, done=done))))
    return Acted(done)


def _named_by(session: Session, scene: Scene, row: CaseRow, said: Sequence[str]) -> tuple[Done, ...]:
    """Withhold a case, provisionally, from the members whom a reader names as part of it, before they are told so."""
    members = [member for member in scene.roster.members if member.id != scene.actor]
    named = [Recusal(member.id, "named") for member in who_is_named(said, members, scene.roster.members)]
    box = case_file.box_of(scene.vault, row)
    fresh = recusals.recuse(session, scene.vault, row, box, named, scene.actor, scene.at)
    if row.assignee in {recusal.member for recusal in fresh}:
        row.assignee = None
        session.add(row)
    others = {reader.id for reader in readers(case_file.case_of(session, row), scene.roster, scene.at)} - {scene.actor}
    if fresh and len(others) < withholding.OTHERS_LEFT:
        queue.enqueue_once(session, "consent-waits", row.desk, scene.at, case_id=row.id)
    return tuple(Done("recuse", recusal.member) for recusal in fresh)


def note(session: Session, scene: Scene, row: CaseRow, arrival: Arrival) -> str:
    """Add what a reader wrote or did, and tell the other readers; the id of the message."""
    vault = scene.vault
    message_id = case_file.add_message(session, vault, row, arrival)
    box = case_file.box_of(vault, row)
    kind = "replied" if arrival.direction == "out" else "noted"
    if arrival.body.text or arrival.attachments:
        audit.append(session, vault, kind, arrival.author, arrival.at, case_id=row.id, box=box)
    queue.enqueue(session, "note", row.desk, arrival.at, case_id=row.id, subject_id=message_id)
    if arrival.direction == "out":
        queue.enqueue(session, "reply", row.desk, arrival.at, case_id=row.id, subject_id=message_id)
        _first_answer(session, scene, row)
    return message_id


def _first_answer(session: Session, scene: Scene, row: CaseRow) -> None:
    """The reporter is answered: by the day at the desk, and if nobody had answered before."""
    actions.date_once(session, scene, row, "acknowledged")
    row.acknowledged_at = row.acknowledged_at or to_text(scene.at)
    if row.state == "new":
        row.state = "acknowledged"
    session.add(row)


@dataclass(frozen=True)
class Reply:
    """What a reader wants to be sent to the reporter. `how` is what they said of the way."""

    text: str
    files: tuple[Attachment, ...] = ()
    how: How = ""


class KeyReader(Protocol):
    """What this needs of GnuPG (`store.keyring.Keyring`)."""

    def read_key_data(self, data: bytes) -> list[PublicKey]:
        """The certificates in key material."""


def as_reply(session: Session, scene: Scene, row: CaseRow, arrival: Arrival, reply: Reply, keys: KeyReader) -> Arrival:
    """A note as a reply to the reporter, after every look at what it may tell and how it goes. Raises NotAllowed."""
    if not reply.text:
        raise NotAllowed(marked("The reply has no text: write it below the line '/reply'."))
    told = [item for item in case_file.messages(session, scene.vault, row.id) if item.author == "reporter"]
    author = scene.roster.get(scene.actor)
    require_anonymous(reply.text, reply.files, author, scene.roster, told, row.codename)
    known, sealed = how_to_reply(case_file.facts(scene.vault, row), reply.how)
    if any(
        member.id in {item.member for item in recusals.standing(session, row.id)}
        and same_mailbox(member.email, known.answer_to)
        for member in scene.roster.members
    ):
        raise NotAllowed(marked("You can't write to the reporter: the case is withheld from them."))
    if sealed and not any(key.can_encrypt for key in keys.read_key_data(known.reporter_key)):
        raise NotAllowed(
            marked(
                "The reporter's key has expired or cannot be used. Write '/reply plain' if it may go out unencrypted."
            )
        )
    case_file.set_facts(scene.vault, row, known)
    session.add(row)
    last = [item.body.message_id for item in told]
    answers = next((item for item in reversed(last) if item), known.first_message_id)
    body = replace(
        arrival.body, text=reply.text, encryption="pgp/mime" if sealed else "none", reply_to=known.answer_to,
        answers=answers,
    )  # fmt: skip
    return replace(arrival, body=body, direction="out", attachments=reply.files)


def how_to_reply(known: Facts, how: How) -> tuple[Facts, bool]:
    """Whether a reply to the reporter is sealed, and the facts with the key that is then in force.

    Raises NotAllowed when nobody may write to the reporter, or when it would be less private than what they wrote.
    """
    if not known.answer_to:
        why = known.no_reply_because or "the mail doesn't say who wrote it"
        raise NotAllowed(marked("You can't write to the reporter: {why}."), why=why)
    if how == "new-key":
        if not known.new_key:
            raise NotAllowed(marked("No new key of the reporter is known. Write '/reply' alone."))
        changed = replace(known, reporter_key=known.new_key, reporter_fingerprint=known.new_fingerprint)
        return replace(changed, new_key=b"", new_fingerprint=""), True
    if how == "plain":
        return known, False
    if not known.reporter_key and known.new_key:
        raise NotAllowed(
            marked(
                "A key came with a later mail ({key}). Write '/reply new-key' if it is the reporter's, or '/reply plain' "
                "if the reply may go out unencrypted."
            ),
            key=known.new_fingerprint,
        )
    if not known.reporter_key and known.came_sealed:
        raise NotAllowed(
            marked(
                "The reporter wrote encrypted, and we don't have their key: a reply would go out unencrypted. "
                "Write '/reply plain' if it may go out unencrypted."
            )
        )
    return known, bool(known.reporter_key)
