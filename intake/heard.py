"""What a correspondent other than the reporter answers: the reported person, a witness.

It reaches the readers, marked as theirs, and nobody else. They cannot choose who reads it, as the reporter can: whom they name is
withheld provisionally, and what they ask for besides is words.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from sqlmodel import Session

from intake.arrival import Opened, source_of
from intake.follow_up import OwnCase, Place, opened_case
from intake.plan import Taken, may_tell_of_failure, within_the_flood_limit
from intake.standing import Record, standing
from store.cases import conversation, correspondence, withholding
from store.cases.case_file import CaseFile
from store.cases.correspondence import Thread
from store.context import Context
from store.kit.addresses import bare
from store.kit.sentences import Sentence, marked
from store.openpgp.values import Signature
from store.tables.records import Arrival, Facts

NEW_KEY = marked("a key came with this mail ({new}); it is not used until somebody writes '/write {name} new-key'")
NOT_SIGNED = marked("this mail is not signed by the key that signed their first one")


@dataclass(frozen=True)
class FromCorrespondent:
    """A mail that points at a thread. It joins when its author is sure enough to be the one whose thread it is; otherwise it becomes a
    case of its own."""

    context: Context
    opened: Opened
    place: Place
    own_case: OwnCase

    def carry_out(self, session: Session) -> tuple[Taken, str]:
        """Write it down, and have the readers told. Nothing that comes here is answered by the desk itself."""
        file = opened_case(session, self.context, self.opened, self.place)
        thread = self._thread(file) if file else None
        if file is None or thread is None:
            return self.own_case.carry_out(session)
        arrival = as_heard(self.own_case.arrival, thread.author, self.opened.found.beside_only)
        if self.opened.found.undelivered:
            return self._by_machine(file, thread, arrival)
        theirs = [item for item in file.messages() if item.author == thread.author]
        first = theirs[0].body.signature if theirs else Signature()
        record = Record((bare(thread.address),), first, thread.author)
        if standing(self.opened.mail, arrival.body, record, self.place) == "doubtful":
            return self.own_case.carry_out(session, file.row)
        if (
            arrival.state == "automatic"
        ):  # an absence note, or what only looks like one: its readers hear it, and nobody is answered
            arrival = replace(arrival, state="new")
        if first.fingerprint and arrival.body.signature.fingerprint != first.fingerprint:
            arrival = _noted(arrival, Sentence(NOT_SIGNED))
        limit = self.opened.job.desk.flood_limit
        arrival = within_the_flood_limit(session, self.context, source_of(self.opened), arrival, limit)
        conversation.join(file, _with_key(file, thread, self.own_case.arrival, arrival))
        if arrival.recusals and withholding.few_others(file, set()):
            file.enqueue_once("consent-waits")
        return "thread", file.row.codename

    def _thread(self, file: CaseFile) -> Thread | None:
        return next((item for item in correspondence.threads(file) if item.id == self.place.thread), None)

    def _by_machine(self, file: CaseFile, thread: Thread, arrival: Arrival) -> tuple[Taken, str]:
        """That they cannot be reached, which the readers hear. Anybody can write that: nobody is withheld for whom it names."""
        conversation.join(file, replace(arrival, author="machine", recusals=(), notices=()))
        if may_tell_of_failure(file.session, self.context, file.row.id):
            file.enqueue_once("bounced", thread.author)
        return "automatic", file.row.codename


def as_heard(arrival: Arrival, author: str, beside_only: Collection[str]) -> Arrival:
    """What would be a case, as a correspondent's word on one. Pure.

    None of their wishes counts; whom they name, also in a wish, is withheld provisionally. But that they ask for some readers alone
    (`beside_only`: for no other reason) takes nobody off the case: they could choose who judges them.
    """
    found = [item for item in arrival.recusals if item.member not in beside_only]
    found = [replace(item, source="named") if item.source in ("reporter", "doubtful") else item for item in found]
    body = replace(
        arrival.body, reply_to="", chat=False
    )  # a line of theirs never waits for, or goes with, one of somebody else
    return replace(
        arrival, author=author, body=body, recusals=tuple(found), facts=Facts(), fields={}, urgent=False,
        notices=("message",),
    )  # fmt: skip


def _with_key(file: CaseFile, thread: Thread, brought: Arrival, arrival: Arrival) -> Arrival:
    """The same, told of a key that came with it, which is kept for a reader to decide on."""
    facts = brought.facts
    known = replace(thread, came_sealed=thread.came_sealed or facts.came_sealed)
    if facts.reporter_key and facts.reporter_fingerprint != thread.fingerprint:
        known = replace(known, new_key=facts.reporter_key, new_fingerprint=facts.reporter_fingerprint)
        arrival = _noted(arrival, Sentence(NEW_KEY, {"new": facts.reporter_fingerprint, "name": thread.name}))
    if known != thread:
        correspondence.keep(file, known)
    return arrival


def _noted(arrival: Arrival, note: Sentence) -> Arrival:
    return replace(arrival, body=replace(arrival.body, notes=(*arrival.body.notes, note)))
