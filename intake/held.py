"""Mails that were kept without being read, opened at last: each goes where it would have gone when it came.

It takes its place there: no second case, no second notice, no answer to its author but what nobody has told them yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from sqlmodel import Session

from intake import follow_up, heard, reader_process, routing
from intake.arrival import Envelope, Job, arrival_of
from intake.asking import directives
from intake.asking.directives import ReporterRequest
from intake.follow_up import Place
from intake.plan import Taken, actor, with_acknowledgement
from intake.reader_process import Unreadable
from intake.reading.message import Mail
from intake.standing import Record, standing
from store.cases import content, conversation, correspondents, linking, lookup, recusals
from store.cases.case_file import CaseFile, open_case
from store.cases.threads import is_correspondent
from store.context import Context
from store.kit.errors import NotAllowed
from store.openpgp.values import Signature
from store.tables.models import CaseRow
from store.tables.records import Arrival


@dataclass(frozen=True)
class Kept:
    """A message that did not open, and the job to open it. `archived` as in the facts of its case."""

    job: Job = field(repr=False)
    case_id: str
    message_id: str
    archived: Literal["", "silent", "told"] = ""


def waiting(context: Context, codename: str, elsewhere: str) -> list[Kept]:
    """The messages of a case that did not open and are here; `elsewhere` is the failure of those that are not.

    Raises NoSuchCase; NotAllowed for a case without any.
    """
    with context.database.read() as session:
        row = lookup.find_row(session, codename)
        if row is None:
            raise lookup.no_such_case(codename)
        told = content.messages(session, context.vault, row.id)
        held = [item for item in told if item.body.failure and item.author != "machine"]
        if not held:
            raise NotAllowed(f"{codename} is not held; there is nothing to open.")
        here = [item for item in held if not item.body.failure.startswith(elsewhere)]
        if not here:
            why = "; ".join([held[0].body.failure, *map(str, held[0].body.notes)])
            raise NotAllowed(f"The mail of {codename} is not here: {why}.")
        known = content.facts(context.vault, row)
        desk = context.config.desk_by_id(row.desk)
        roster = context.roster(desk)
        found = []
        for item in here:
            raw = content.raw_message(session, context.vault, row, item.id)
            envelope = Envelope(raw, item.body.sent_by, item.body.sent_to or (desk.address,), by_form=item.body.by_form)
            asked = ReporterRequest(quiet=known.asks_quiet)
            for recipient in envelope.recipients:
                meant = directives.desk_of(recipient, (desk,))
                asked |= meant[1] if meant else ReporterRequest()
            job = Job(desk, asked, envelope, "", roster, item.body.authentication)
            found.append(Kept(job, row.id, item.id, known.archived))
        return found


def find(context: Context, job: Job, codename: str) -> Kept | None:
    """The mail of a job that was just kept as a case."""
    with context.database.read() as session:
        row = lookup.find_row(session, codename)
        kept = content.message(session, context.vault, row.id) if row else None
        return Kept(replace(job, digest=""), row.id, kept.id) if row and kept else None  # the row bears the digest


def open_at_last(context: Context, kept: Kept, *, acknowledge: bool = False) -> tuple[Taken, str] | None:
    """Open one mail, and write down where it belongs; None when it does not open now.

    `acknowledge`: its author was not told yet that it came.
    """
    try:
        opened = reader_process.read(context.config, kept.job)
    except Unreadable:  # that is why it is held
        return None
    arrival = arrival_of(context, opened)
    if arrival.body.failure:
        return None
    place = follow_up.place_of(context, opened)
    in_place = InPlace(
        context,
        kept,
        _as_archived(kept, arrival),
        opened.mail,
        place,
        acknowledge and place.side == "reporter",
        opened.found.beside_only,
    )
    elsewhere = replace(place, row=None) if place.row is not None and place.row.id == kept.case_id else place
    route = routing.route(context, opened, elsewhere, in_place)
    with context.database.write() as session:
        file = in_place.open(session)
        first = file.first_message()
        if kept.archived or (first is not None and first.id != kept.message_id):
            return in_place.carry_out(session, None if kept.archived else file.row)
        outcome = route.carry_out(session)
        if outcome[1] != file.row.codename:
            conversation.moved_on(file, kept.message_id)
        return outcome


def _as_archived(kept: Kept, arrival: Arrival) -> Arrival:
    """What came from an archive stays as silent as it was, and is never answered."""
    if not kept.archived:
        return arrival
    facts = replace(arrival.facts, reply_to="", archived=kept.archived)
    return replace(arrival, facts=facts, state="closed" if kept.archived == "silent" else arrival.state)


@dataclass(frozen=True)
class InPlace:
    """A mail that is opened where it lies: as the report of its case, or as a later message of it."""

    context: Context
    kept: Kept
    arrival: Arrival
    mail: Mail
    place: Place
    acknowledge: bool = False
    beside_only: frozenset[str] = frozenset()

    def silent(self) -> InPlace:
        """The same, without a word to anybody."""
        return replace(self, arrival=replace(self.arrival, state="automatic", notices=()), acknowledge=False)

    def as_junk(self) -> InPlace:
        """What readers were told of that it waits is no junk."""
        return self

    def open(self, session: Session) -> CaseFile:
        """The case where the mail lies, for writing."""
        return open_case(session, actor(self.context, self.kept.job), lookup.row_by_id(session, self.kept.case_id))

    def carry_out(self, session: Session, may_belong_to: CaseRow | None = None) -> tuple[Taken, str]:
        """Write down what it says."""
        kept, file = self.kept, self.open(session)
        arrival = replace(self.arrival, notices=())
        if may_belong_to is not None and may_belong_to.id == file.row.id:
            arrival = self._as_later_mail(file, arrival)
        elif may_belong_to is not None:
            arrival = linking.pointing_at(session, self.context.vault, may_belong_to, arrival)
        arrival = correspondents.inheriting(session, file.by, arrival, besides=file.row.id)
        if self.acknowledge:
            arrival = with_acknowledgement(session, self.context, kept.job, arrival, arrival.facts.reply_to)
        conversation.open_at_last(file, kept.message_id, arrival)
        if may_belong_to is not None and may_belong_to.id != file.row.id:
            linking.link(file, may_belong_to)
        return "automatic" if arrival.state == "automatic" else "case", file.row.codename

    def _as_later_mail(self, file: CaseFile, arrival: Arrival) -> Arrival:
        """As more on the case where it lies: as its reporter's when it is that."""
        known, first, kept = file.facts, file.first_message(), file.message(self.kept.message_id)
        signature = first.body.signature if first else Signature()
        sure = standing(self.mail, arrival.body, Record(known.reporters, signature), self.place)
        if kept is None or kept.author != "reporter" or sure == "doubtful":
            author = kept.author if kept and kept.author != "reporter" else "other"
            if is_correspondent(author):
                return replace(heard.as_heard(arrival, author, self.beside_only), notices=())
            return replace(arrival, author=author, recusals=recusals.doubted(arrival.recusals))
        return replace(follow_up.as_follow_up(arrival, known, signature), notices=())
