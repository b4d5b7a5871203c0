"""What readers and the operator do and write on a case.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from store.cases import command, recusals, redaction, withholding
from store.cases.case_file import CaseFile
from store.cases.command import CaseCommand
from store.cases.correspondence import threads, who_they_may_be
from store.cases.dates import date_once
from store.cases.redact_commands import Redact
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.tables.records import Arrival, Change, Direction, Recusal
from store.team.members import Member
from store.team.names import who_is_named

TOO_MANY_NAMED = marked(
    "Your note names so many of the team that too few would be left to read it. Write it without their names."
)
_EVENTS: Mapping[Direction, str] = {"out": "replied", "letter": "wrote"}


@dataclass(frozen=True)
class Acted:
    """What was done, and the id of the message that it is kept as, if there is one."""

    changes: tuple[Change, ...]
    message: str = ""


def act(file: CaseFile, commands: Sequence[CaseCommand], arrival: Arrival) -> Acted:
    """Do what a reader (or the operator) asks for, and keep what they wrote with it.

    Either may be missing. Raises Refused naming the line that cannot be done, and NotAllowed on a case among the junk.
    """
    if file.row.state == "junk" and not (commands and all(item.on_junk for item in commands)):
        raise NotAllowed(marked("{case} is among the junk. '/notjunk' makes a report of it."), case=file.row.codename)
    if file.is_by_guest and (arrival.direction != "note" or arrival.body.letter is not None):
        raise NotAllowed(command.GUESTS)
    if sum(isinstance(item, Redact) for item in commands) > 1:
        raise NotAllowed(redaction.ONE_AT_A_TIME)
    waiting = redaction.proposed(file.messages()) if any(isinstance(item, Redact) for item in commands) else {}
    changes = command.perform(file, commands)
    taken_out = [
        waiting[int(item.subject)] for item in changes if item.verb == "redact" and int(item.subject) in waiting
    ]
    if not all(item.keeps_mail for item in commands):
        arrival = replace(arrival, raw=b"")
    if taken_out and arrival.attachments:
        raise NotAllowed(redaction.NO_FILES)
    if taken_out:
        passages = [redaction.Passage(text) for text in taken_out if not redaction.numbered_file(text)]
        arrival = redaction.without(arrival, passages)
    said = [arrival.body.text, *(item.name for item in arrival.attachments), *(item.kept_text for item in commands)]
    changes += _withheld_from_who_is_named(file, said, _who_is_written_to(file, arrival))
    withholding.narrow_screened(file, {member.id: member.identity for member in file.roster.members})
    if changes or arrival.body.text or arrival.attachments or arrival.direction != "note" or arrival.body.letter:
        return Acted(changes, _add(file, replace(arrival, body=replace(arrival.body, done=changes))))
    return Acted(changes)


def _who_is_written_to(file: CaseFile, arrival: Arrival) -> list[Member]:
    """The members who may be whom a letter goes to: who becomes a correspondent is a reader no more, first of all."""
    letter = arrival.body.letter
    meant = [item for item in threads(file) if letter and item.id == letter.thread]
    return [member for item in meant for member in who_they_may_be(item, file.roster)]


def _withheld_from_who_is_named(file: CaseFile, said: Sequence[str], besides: Sequence[Member]) -> tuple[Change, ...]:
    """Withhold a case, provisionally, from the members whom a reader names as part of it, before they are told so."""
    members = [member for member in file.roster.members if member.id != file.actor]
    found = [*who_is_named(said, members, file.roster.members), *besides]
    named = [Recusal(member.id, "named") for member in dict.fromkeys(found) if member.id != file.actor]
    if (
        file.is_by_guest
        and len({item.id for item in file.own_readers} - {item.member for item in named}) < withholding.OTHERS_LEFT
    ):
        raise NotAllowed(TOO_MANY_NAMED)
    fresh = recusals.recuse(file, named)
    if file.row.assignee in {recusal.member for recusal in fresh}:
        file.row.assignee = None
        file.session.add(file.row)
    if fresh and withholding.few_others(file, {file.actor}):
        file.enqueue_once("consent-waits")
    return tuple(Change("recuse", recusal.member) for recusal in fresh)


def _add(file: CaseFile, arrival: Arrival) -> str:
    """Add what a reader wrote or did, and tell the other readers; the id of the message."""
    message_id = file.add_message(arrival)
    if arrival.body.text or arrival.attachments or arrival.direction != "note":
        file.on_behalf_of(arrival.author).note(_EVENTS.get(arrival.direction, "noted"))
    file.enqueue("note", message_id)
    if arrival.direction == "letter":
        file.enqueue("write", message_id)
    if arrival.direction == "out":
        file.enqueue("reply", message_id)
        _answered(file)
    return message_id


def _answered(file: CaseFile) -> None:
    """The reporter is answered; when it reached them is noted when it did (`store.cases.promises`)."""
    date_once(file, "acknowledged")
    if file.row.state == "new":
        file.row.state = "acknowledged"
    file.session.add(file.row)
