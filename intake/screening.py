"""Members who join, or gain a name, are looked for in every case that there is, in all that its messages say.

Until they were, they are no readers of it (`store.cases.access`). It is a chore of its own, done in reader processes, by the same
rule as for a mail that comes in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import structlog
from sqlmodel import Session, col, or_, select

from intake import reader_process
from intake.asking.directives import ReporterRequest, of_wishes
from intake.asking.recused import SearchedMail, who_is_recused
from intake.reader_process import Unreadable
from intake.reading.documents.look import look_into
from intake.reading.message import read_mail
from intake.reading.opened import OpenedMail
from intake.reading.trace import without_trace
from store.cases import content, correspondence, lookup, redaction, withholding
from store.cases.case_file import Actor, open_case
from store.context import Context
from store.kit.config import Desk
from store.kit.errors import Interrupted, NoSuchCase
from store.tables.models import CaseRow, GuestRow
from store.tables.records import Attachment, Body, Message, Recusal
from store.team.members import Roster
from store.team.names import who_is_named

_INVITING = frozenset({"guest", "guest-vote"})  # who is invited is named there, and is not to be kept out by that

log = structlog.get_logger("ombud.intake")


@dataclass(frozen=True)
class MessageTexts:
    """One message of a case with all that may name a person: its octets as they came, what it says, and its files."""

    raw: bytes = field(repr=False)
    body: Body = field(repr=False)
    files: tuple[Attachment, ...] = field(repr=False)
    from_outside: bool = True
    author: str = "reporter"


def screen_desk(context: Context, desk: Desk) -> int:
    """Look for members who were not looked for yet in the cases of a desk; in how many it was done.

    A case that something came to meanwhile is looked at again the next time. Raises TryLater.
    """
    roster = context.team(desk)
    with context.database.read() as session:
        # Each case is searched for the desk's own members, and for its own guests.
        of_desk = select(CaseRow).where(CaseRow.desk == desk.id, col(CaseRow.wrapped_key).is_not(None))
        with_guests = select(GuestRow.case_id)
        left = of_desk.where(or_(CaseRow.screened != _full(roster.of_case(())), col(CaseRow.id).in_(with_guests)))
        # Junk comes last: it can be much, and nobody waits for it.
        rows = session.exec(left.order_by(col(CaseRow.state) == "junk")).all()
        teams = {row.id: roster.of_case(lookup.guests_of(session, row.id)) for row in rows}
        waiting = [row.id for row in rows if row.screened != _full(teams[row.id])]
    by = Actor(context.vault, desk, roster, "desk", context.clock())
    return sum(_screen_case(context, replace(by, roster=teams[case_id]), case_id) for case_id in waiting)


def _full(roster: Roster) -> str:
    """What is written down of a case once everybody on a roster was looked for."""
    return lookup.screened_text({member.id: member.identity for member in roster.members})


def _screen_case(context: Context, by: Actor, case_id: str) -> bool:
    roster = by.roster
    with context.database.read() as session:
        row = lookup.row_by_id(session, case_id)
        if row.wrapped_key is None:
            return False
        known, before = lookup.screened_in(row), (row.screened, content.count_messages(session, row.id))
        unseen = [member.id for member in roster.members if known.get(member.id) != member.identity]
        messages = _said(session, context, row) if unseen else []
        facts, filled = content.facts(context.vault, row), list(content.fields(context.vault, row).values())
        heard = correspondence.threads_in(session, content.box_of(context.vault, row), row.id)
        filled += [text for item in heard for text in (item.name, item.address)]
    found = _look_in(messages, filled, of_wishes(facts.wishes), roster, unseen)
    found += [
        Recusal(member.id, "named") for member in roster.members
        if member.id in unseen and redaction.may_have_named(context.vault, facts.redacted, member)
    ]  # fmt: skip
    found = [item for item in found if item.member != facts.told_by]  # their own mail names them
    if by.desk.first_names == "note":
        found = [item for item in found if item.source != "first-name"]
    with context.database.write() as session:
        try:
            file = open_case(session, by, lookup.row_by_id(session, case_id))
        except NoSuchCase:
            return False  # it was destroyed meanwhile
        if (file.row.screened, content.count_messages(session, case_id)) != before:
            return False
        withholding.note_screening(file, found)
    return True


def _look_in(
    messages: Sequence[MessageTexts],
    filled: Sequence[str],
    asked: ReporterRequest,
    roster: Roster,
    unseen: Sequence[str],
) -> list[Recusal]:
    """Whom of some members a case is to be withheld from. Where it cannot be searched, from all of them, provisionally."""
    if not unseen:
        return []
    found: list[Recusal] = []
    try:
        for said in messages:
            found += reader_process.run(look, said, asked, roster, unseen)
        return found + list(reader_process.run(_named_in, filled, roster, unseen))
    except (Unreadable, Interrupted) as error:
        log.warning("a case could not be searched for new members", why=str(error))
        return [*found, *(Recusal(member, "named") for member in unseen)]


def _said(session: Session, context: Context, row: CaseRow) -> list[MessageTexts]:
    # What a mail server answers to a notice names the member whom it could not reach, and says nothing of them.
    told = [item for item in content.messages(session, context.vault, row.id) if item.author != "machine"]
    return [_one(session, context, row, message) for message in told]


def _one(session: Session, context: Context, row: CaseRow, message: Message) -> MessageTexts:
    outside = message.direction == "in"
    raw = content.raw_message(session, context.vault, row, message.id) if outside else b""
    files = tuple(content.attachment_contents(session, context.vault, row, message))
    return MessageTexts(b"".join(without_trace(raw)), message.body, files, outside, message.author)


def look(said: MessageTexts, asked: ReporterRequest, roster: Roster, unseen: Sequence[str]) -> list[Recusal]:
    """In a reader process: whom of some members one message withholds its case from."""
    opened = OpenedMail(said.body, said.files)
    if not said.from_outside:
        # Whoever wrote it stands in its header, and may sign with their name: that is no reason to keep it from them.
        opened = OpenedMail(replace(said.body, sender=""), said.files)
        texts = [
            *opened.texts(),
            *look_into(said.files).texts,
            *(item.text for item in said.body.done if item.verb not in _INVITING),
        ]
        return [item for item in _only(_named(texts, roster), unseen) if item.member != said.author]
    octets = (
        said.raw,
        *(item.data for item in said.files),
        *(text.encode("utf-8", "replace") for text in opened.texts()),
    )
    searched = SearchedMail(read_mail(said.raw).mail, opened, look_into(said.files).texts, octets)
    found = who_is_recused(searched, None, asked, roster)
    if not found.whole:
        return [Recusal(member, "named") for member in unseen]
    if said.author == "reporter":
        return _only(found.recusals, unseen)
    # Nobody else can choose who reads the case, but whom they name is withheld.
    named = [Recusal(item.member, "named") for item in found.recusals if item.member not in found.beside_only]
    return _only(named, unseen)


def _named_in(texts: Sequence[str], roster: Roster, unseen: Sequence[str]) -> list[Recusal]:
    """In a reader process: who of some members is named in the fields of a case's record."""
    return _only(_named(texts, roster), unseen)


def _named(texts: Sequence[str], roster: Roster) -> list[Recusal]:
    return [Recusal(member.id, "named") for member in who_is_named(texts, roster.members, roster.members)]


def _only(found: Sequence[Recusal], members: Sequence[str]) -> list[Recusal]:
    return [item for item in found if item.member in members]
