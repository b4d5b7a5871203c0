"""One mail taken in: opened, sorted, and written down in one transaction, after which it may be acknowledged.

This is the one path for the listener, the poller and `ombud deliver`. A mail becomes a new case, or joins one
(`intake.follow_up`), or is a member's word on one (`intake.member_word`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from intake import follow_up, held, junk, reader_process, routing
from intake.arrival import Envelope, Job, arrival_of, named_in, source_of, unreadable
from intake.asking import directives
from intake.asking.directives import ReporterRequest
from intake.asking.excluded import excluded
from intake.faults import told_from_the_mail
from intake.new_case import NewCase
from intake.plan import Route, Taken, actor
from intake.reader_process import TooCostly, Unreadable
from intake.reading import dates
from intake.reading.trace import without_trace
from store.cases import letterboxes, lookup, recusals, withholding
from store.cases.case_file import open_case
from store.context import Context
from store.kit.config import Desk
from store.kit.errors import Interrupted, NoSuchCase, StoreUnavailable, TryLater
from store.kit.sentences import Sentence, marked
from store.outbox import attempts
from store.tables.authentication import Authentication
from store.tables.records import Arrival, State

_KEEP_TRIES = 5
_TOLD_AFTER = timedelta(minutes=10)
_INTERRUPTED = marked("we tried to process it several times, and could not finish")
_TOO_COSTLY = marked("reading it takes more time or memory than one mail may take")
_TOO_LARGE = marked("it is larger than this desk takes")
_ELSEWHERE = marked("the mail itself is in the mailbox, in the folder '{folder}'")

log = structlog.get_logger("ombud.intake")


@dataclass(frozen=True)
class Receipt:
    """What intake answers for one mail at one desk. A member's mail that did not count has no codename."""

    desk: str
    outcome: Taken
    codename: str


Read = Callable[[Job], Route]


class Receiver:
    """Takes mails in for all desks of a context; safe to share between threads."""

    def __init__(self, context: Context, on_kept: Callable[[], None] = lambda: None) -> None:
        """`on_kept` is called after each commit, so that the mailer need not wait for its tick."""
        self._context = context
        self._on_kept = on_kept

    def knows(self, recipient: str) -> bool:
        """Whether mail to an address is taken: a desk's address with known extensions."""
        return directives.desk_of(recipient, self._context.config.desk) is not None

    def receive(self, envelope: Envelope) -> list[Receipt]:
        """Take a mail in, once for each desk among its recipients; the receipts, in order of the desks.

        Raises TryLater when it can't be kept now. Where it was kept before that, it is a duplicate later.
        """
        return [self._receive_at(desk, asked, envelope, self._open) for desk, asked in self._desks(envelope.recipients)]

    def receive_too_large(self, envelope: Envelope, folder: str) -> Receipt:
        """Take note of a mail that is too large to be kept here, from its header alone; it stays in a mailbox folder."""
        desk, asked = self._desks(envelope.recipients)[0]
        where = Sentence(_ELSEWHERE, {"folder": folder})

        def read(job: Job) -> Route:
            opened = reader_process.read(self._context.config, job, _TOO_LARGE)
            body = replace(opened.content.body, notes=(where,))
            opened = replace(opened, content=replace(opened.content, body=body))
            place, arrival = follow_up.place_of(self._context, opened), arrival_of(self._context, opened)
            own_case = self._new_case(job, arrival, source_of(opened), answered=place.side != "team")
            return routing.from_outside(self._context, opened, place, own_case)

        return self._receive_at(desk, asked, envelope, read)

    def receive_old(self, raw: bytes, desk: Desk, *, tell: bool) -> Receipt:
        """Take in a mail of the time before this desk, from an archive: never answered, and by nobody's command.

        Unless readers are to be told of it, its case is closed: no notice, no deadline, only the record, of the date of
        the mail. Where they are, it counts from now, as their deadlines do. What went to many is no report.
        """

        def read(job: Job) -> Route:
            opened = reader_process.read(self._context.config, replace(job, authenticated=Authentication()))
            arrival = arrival_of(self._context, opened)
            if opened.found.circular and arrival.body.encryption == "none":
                arrival = replace(arrival, state="automatic", notices=())
            if not tell:
                state: State = "automatic" if arrival.state == "automatic" else "closed"
                sent_at = dates.moment_of(opened.mail.date, arrival.at)
                arrival = replace(arrival, state=state, notices=(), received_at=sent_at)
            facts = replace(
                arrival.facts, reply_to="", no_reply_because=marked("it came from an archive"),
                archived="told" if tell else "silent",
            )  # fmt: skip
            return self._new_case(job, replace(arrival, facts=facts), source_of(opened), answered=False)

        return self._receive_at(desk, ReporterRequest(), Envelope(raw, None, (desk.address,)), read)

    def reopen(self, codename: str) -> bool:
        """Try again to open the mails of a case that did not open; whether one opened.

        Raises NoSuchCase, NotAllowed for a case without such a mail, TryLater.
        """
        opened = [held.open_at_last(self._context, kept) for kept in held.waiting(self._context, codename, _TOO_LARGE)]
        self._on_kept()
        return any(opened)

    def _desks(self, recipients: Sequence[str]) -> list[tuple[Desk, ReporterRequest]]:
        wanted: dict[str, tuple[Desk, ReporterRequest]] = {}
        for recipient in recipients:
            if found := directives.desk_of(recipient, self._context.config.desk):
                desk, asked = found
                wanted[desk.id] = (desk, wanted[desk.id][1] | asked if desk.id in wanted else asked)
        return list(wanted.values())

    def _receive_at(self, desk: Desk, asked: ReporterRequest, envelope: Envelope, read: Read) -> Receipt:
        digest = self._context.vault.digest_of(f"mail at {desk.id}", without_trace(envelope.raw))
        # Nobody vouches for what came by the form, nor could: there is nothing to look for.
        vouched = Authentication() if envelope.by_form else None
        job = Job(desk, asked, envelope, digest, self._context.roster(desk), vouched)
        receipt = self._duplicate(job) or self._first_time(job, read)
        log.info("taken in", desk=desk.id, outcome=receipt.outcome, case=receipt.codename)
        self._on_kept()
        return receipt

    def _duplicate(self, job: Job) -> Receipt | None:
        """The receipt of a mail that was taken in before.

        What its address asks for this time holds as well, but provisionally: whoever has a copy can send it.
        """
        with self._context.database.read() as session:
            case = lookup.find_by_digest(session, job.desk.id, job.digest)
        if case is None:
            return None
        case_id, codename = case
        if job.asked.names_somebody():
            self._withhold_for_copy(job, case_id)
        return Receipt(job.desk.id, "duplicate", codename)

    def _withhold_for_copy(self, job: Job, case_id: str) -> None:
        found, _ = excluded(job.asked, job.roster.members)
        wishes = directives.wishes(job.asked).doubted()
        with self._context.database.write() as session:
            try:
                file = open_case(session, actor(self._context, job), lookup.row_by_id(session, case_id))
            except NoSuchCase:
                return  # it was destroyed
            withholding.recuse_for_copy(file, recusals.doubted(found), wishes)

    def _first_time(self, job: Job, read: Read) -> Receipt:
        reader_process.ready()  # whoever is ended while that starts did not attempt this mail
        with self._context.database.write(durable=False) as session:
            attempt = attempts.begin(session, job.digest, self._context.clock())
        if attempt > attempts.GIVE_UP_AFTER:
            if read == self._open:
                return self._kept_first(job)
            # Old mail, or a header alone: it is not read as a new report.
            return self._keep(job, self._unreadable(job, _INTERRUPTED))
        try:
            with told_from_the_mail():
                return self._keep(job, self._read(job, read))
        except Interrupted:
            raise  # the mail itself may be the cause: this attempt counts
        except TryLater:
            with self._context.database.write(durable=False) as session:
                attempts.uncount(session, job.digest)
            raise

    def _read(self, job: Job, read: Read) -> Route:
        try:
            return read(job)
        except TooCostly as error:
            log.warning("a mail takes too much to read", of=str(error))
            return self._unreadable(job, _TOO_COSTLY)
        except Unreadable as error:
            log.warning("a mail can't be read", kind=str(error))
            return self._unreadable(job, marked("its structure cannot be read"))

    def _unreadable(self, job: Job, why: str) -> Route:
        return self._new_case(job, unreadable(self._context, job, why, _named_in(job)), job.envelope.sender or "")

    def _interrupted(self, job: Job) -> Route:
        """A mail whose handling the service died over several times. It never counts towards its sender's flood limit."""
        arrival = unreadable(self._context, job, _INTERRUPTED, _named_in(job))
        return self._new_case(job, replace(arrival, told_at=self._context.clock() + _TOLD_AFTER), None)

    def _kept_first(self, job: Job) -> Receipt:
        """Keep a mail whose handling ended several times with the service, so that it blocks nobody; then open it once more.

        It need not have been the mail's fault. Its readers are told that it is held only if it stays so: whom its
        author excludes stands in it.
        """
        receipt = self._keep(job, self._interrupted(job))
        if receipt.outcome != "held":
            return receipt
        try:
            found = held.find(self._context, job, receipt.codename)
            if found and (outcome := held.open_at_last(self._context, found, acknowledge=job.asked.token is None)):
                return Receipt(job.desk.id, *outcome)
        except TryLater as error:
            log.warning("a held mail stays held", reason=str(error), case=receipt.codename)
        except Exception as error:  # it is kept: that it could not be opened now is no reason to give it back
            log.error("a held mail stays held", error=type(error).__name__, case=receipt.codename)  # noqa: TRY400
        return receipt

    def _open(self, job: Job) -> Route:
        """Open a mail, and find out what it is: a member's word, more on a case, or a new case."""
        opened = reader_process.read(self._context.config, job)
        place = follow_up.place_of(self._context, opened)
        opened = junk.judged(self._context, opened, place, arrival_of(self._context, opened))
        arrival = arrival_of(self._context, opened)
        own_case = self._new_case(job, arrival, source_of(opened), answered=place.side != "team")
        return routing.route(self._context, opened, place, own_case)

    def _new_case(self, job: Job, arrival: Arrival, source: str | None, *, answered: bool = True) -> NewCase:
        return NewCase(self._context, job, arrival, source, answered)

    def _keep(self, job: Job, route: Route) -> Receipt:
        """Write it down. A clash with another process, over the same mail or a codename, is tried again."""
        for _ in range(_KEEP_TRIES):
            try:
                with self._context.database.write() as session:
                    return self._keep_in(session, job, route)
            except IntegrityError:
                continue
        raise StoreUnavailable("The database refused the case several times. Run 'ombud check'.")

    def _keep_in(self, session: Session, job: Job, route: Route) -> Receipt:
        """The one transaction: case, message, recusals, events, outbox."""
        attempts.end(session, job.digest)
        before = lookup.find_by_digest(session, job.desk.id, job.digest)
        if before is not None:
            return Receipt(job.desk.id, "duplicate", before[1])
        self._require_new_receipt(session, job)
        return Receipt(job.desk.id, *route.carry_out(session))

    def _require_new_receipt(self, session: Session, job: Job) -> None:
        """Raise TryLater when a receipt has a case by now: what is sent for it again belongs there (`intake.doors.web`)."""
        new = job.envelope.letterbox
        if new is not None and letterboxes.find(session, self._context.vault, job.desk.id, new.lookup):
            raise TryLater("The same form is being taken in.")


def _named_in(job: Job) -> list[str]:
    """Who stands in a mail that cannot be read; when it cannot even be searched, that may be anybody."""
    try:
        named: list[str] = reader_process.run(named_in, job.envelope.raw, job.roster)
    except (Unreadable, Interrupted) as error:
        log.warning("a mail could not be searched for members", why=type(error).__name__)
        return [member.id for member in job.roster.members]
    return named
