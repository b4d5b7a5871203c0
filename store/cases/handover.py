"""A case given to another desk of the same install, such as the board or another chapter. It is looked through there before anybody reads it.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from store.cases import content, lookup, recusals, transfer
from store.cases.case_file import Actor, CaseFile, open_case
from store.cases.classification import require_may_leave
from store.cases.command import CaseCommand
from store.cases.transfer import Blobs
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.tables.records import Change, Recusal, Wishes, own_id
from store.team.meant import who_is_meant
from store.team.members import Member, Roster, same_person

ALREADY = marked("{desk} has this case already. What came since has to be told to them by hand.")
NO_DESK = marked("There is no other desk '{name}' here. The desks are: {desks}.")


class HandOver(CaseCommand):
    """The case is given to another desk."""

    name = "handover"
    help = (
        (
            "/handover DESK WHY",
            marked(
                "give the case to another desk; you keep it here, and they read it once it was searched for their members"
            ),
        ),
    )
    lacking = marked("To which desk? Write its name after '/handover'.")

    @classmethod
    def split(cls, written: str) -> tuple[str, str]:
        desk, _, why = written.partition(" ")
        return desk.casefold(), why.strip()

    def do(self, file: CaseFile) -> Change:
        there = file.by.elsewhere.get(self.subject)
        if there is None:
            desks = ", ".join(sorted(file.by.elsewhere)) or "-"
            raise NotAllowed(NO_DESK, name=self.subject, desks=desks)
        give(file, replace(file.by, id="desk", desk=there[0], roster=there[1], signer=""))
        left = ", ".join(member.name for member in file.readers) or "-"
        return Change("handover", there[0].title, f"{left} - {self.text}" if self.text else left)


def give(file: CaseFile, to: Actor) -> None:
    """Make it a case of another desk, withheld there from the same people. Raises NotAllowed when it is one already."""
    row, vault = file.row, file.by.vault
    require_may_leave(file.by.desk, file.fields)
    digest = vault.digest(f"handed over to {to.desk.id}", row.id.encode())
    if lookup.find_by_digest(file.session, to.desk.id, digest) is not None:
        raise NotAllowed(ALREADY, desk=to.desk.title)
    value = transfer.as_value(file.session, vault, row, file.messages())
    codename = transfer.take_in(file.session, to, value, _blobs(file), digest)
    there = lookup.find_row(file.session, codename)
    if there is not None:
        given = open_case(file.session, to, there)
        recusals.recuse(given, list(_alike(file, to.roster)))
        # Who joins there later is looked for by these as well.
        given.remember(replace(given.facts, wishes=given.facts.wishes | _withheld_here(file)))
    file.note("handed-over", {"desk": to.desk.id})


def _alike(file: CaseFile, roster: Roster) -> Iterator[Recusal]:
    """From whom it is withheld there because it is here: the same people, by key, mailbox or name."""
    for recusal in file.case.recusals:
        here = file.roster.get(recusal.member)
        # Of somebody who serves here no more only the id is left.
        alike = who_is_meant(own_id(recusal.member), roster.members) if here is None else _same_as(here, roster)
        yield from (Recusal(member.id, recusal.source) for member in alike)


def _same_as(one: Member, roster: Roster) -> list[Member]:
    """The members who may be the same person: generously, for it is a matter of keeping something from them."""
    meant = {item.id for form in (one.name, *one.aliases) for item in who_is_meant(form, roster.members)}
    return [
        item for item in roster.members
        if item.id in meant or same_person(item, one)
    ]  # fmt: skip


def _withheld_here(file: CaseFile) -> Wishes:
    known = [file.roster.get(item.member) for item in file.case.recusals]
    return Wishes(perhaps_excluded=tuple(form for item in known if item for form in (item.name, item.email)))


def _blobs(file: CaseFile) -> Blobs:
    messages = file.messages()

    def raw(number: int) -> bytes:
        return content.raw_message(file.session, file.by.vault, file.row, messages[number - 1].id)

    def attachment(number: int, index: int) -> bytes:
        return file.attachment_contents(messages[number - 1])[index - 1].data

    return Blobs(raw, attachment, of_this_install=True)
