"""What somebody told a member, as the report that it is, and the case that it becomes."""

from __future__ import annotations

from dataclasses import replace

from sqlmodel import Session

from intake.asking.form import read_form
from intake.reading.opened import Signed
from store.cases import conversation, correspondents
from store.cases.case_file import Actor, CaseFile
from store.cases.told_order import Told
from store.kit.addresses import bare
from store.kit.sentences import Sentence, marked
from store.tables.records import Arrival, Body, Facts
from store.team.members import Member

NOTED = marked("{name} wrote down what they were told")
NOTHING_TOLD = marked("Write what you were told below the line '/new'.")
_TOLD = marked("it was told to one of you, who wrote it down")


def begin(session: Session, by: Actor, member: Member, report: Arrival) -> CaseFile:
    """Write down the case of what a member was told."""
    arrival = _read_by(correspondents.inheriting(session, by, report), member)
    file = conversation.begin(session, by, arrival)
    file.note("told-by-word-of-mouth", {"member": member.id})
    return file


def _read_by(arrival: Arrival, member: Member) -> Arrival:
    """The same, kept from whom it is kept, but not from who wrote it down: they would hear by that of another case of the teller."""
    return replace(arrival, recusals=tuple(item for item in arrival.recusals if item.member != member.id))


def as_report(arrival: Arrival, member: Member, told: Told, said: Signed) -> Arrival:
    """A member's mail as the report of who told them. `arrival` is what the mail would be as a case of its own: whom it withholds counts,
    but that the member wrote it keeps it from nobody.

    The teller is the reporter, who can be written to when there is an address; nobody signed for them.
    """
    before, address = arrival.body, bare(told.address) if told.address else ""
    body = Body(
        sender=told.sender, text=said.text, encryption=before.encryption, date=told.day or before.date, message_id=before.message_id,
        notes=(Sentence(NOTED, {"name": member.name}),),
    )  # fmt: skip
    facts = Facts(
        no_reply_because=_TOLD, also_excluded=arrival.facts.also_excluded, wishes=arrival.facts.wishes,
        answer_to=told.address, address=told.address, reporters=(address,) if address else (), asks_secrecy=arrival.facts.asks_secrecy,
        came_sealed=False, told_by=member.id,
    )  # fmt: skip
    fields = read_form(said.text) | ({"when": told.day} if told.day and "when" not in read_form(said.text) else {})
    recusals = tuple(item for item in arrival.recusals if item.member != member.id)
    return replace(
        arrival, state="new", body=body, facts=facts, fields=fields, recusals=recusals, attachments=said.files, notices=("report",),
        author="reporter",
    )  # fmt: skip
