"""One mail taken in: opened, sorted, and written down in one transaction, after which it may be acknowledged.

This is the one path for the listener, the poller and `ombud deliver`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import structlog
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from intake import directives
from intake.directives import Asked
from intake.message import Mail, read_mail, to_text, without_trace
from intake.open import OpenedMail, open_mail
from intake.triage import Sorted, excluded, sort
from store import attempts, cases, outbox, withholding
from store.config import Desk
from store.context import Context
from store.errors import NotAllowed, OpenPGPStopped, StoreUnavailable, TryLater
from store.names import who_is_named
from store.people import Roster
from store.records import Arrival, Body, Facts, Recusal, State

Outcome = Literal["case", "thread", "duplicate", "automatic", "held"]

_KEEP_TRIES = 5
_TOO_LARGE = "it is larger than this desk takes"
_SCREENED_RAW = 1_000_000

log = structlog.get_logger("ombud.intake")


@dataclass(frozen=True)
class Envelope:
    """A mail as it was handed over. `sender` is None when unknown, empty for the null sender."""

    raw: bytes = field(repr=False)
    sender: str | None = field(repr=False)
    recipients: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class Receipt:
    """What intake answers for one mail at one desk."""

    desk: str
    outcome: Outcome
    codename: str


@dataclass(frozen=True)
class _Job:
    """One mail at one desk, while it is handled."""

    desk: Desk
    asked: Asked
    envelope: Envelope
    digest: str
    roster: Roster


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
        return [self._receive_at(desk, asked, envelope) for desk, asked in self._desks(envelope.recipients)]

    def receive_too_large(self, envelope: Envelope, folder: str) -> Receipt:
        """Take note of a mail that is too large to be kept here, from its header alone; it stays in a mailbox folder."""
        desk, asked = self._desks(envelope.recipients)[0]
        why = f"{_TOO_LARGE}; the mail itself lies in the mailbox, in the folder '{folder}'"

        def read(job: _Job) -> Arrival:
            mail = read_mail(job.envelope.raw)
            opened = OpenedMail(
                Body(sender=mail.sender_text, outside_subject=mail.subject, failure=why, date=mail.date)
            )
            return self._arrival(job, mail, opened)

        return self._receive_at(desk, asked, envelope, read)

    def reopen(self, codename: str) -> bool:
        """Try again to open the mail of a held case; whether it opened. Its readers are then told what it says.

        Raises NoSuchCase, NotAllowed for a case that is not held, TryLater.
        """
        context = self._context
        with context.database.read() as session:
            row = cases.find_row(session, codename)
            if row is None:
                raise cases.no_such_case(codename)
            if row.state != "held":
                raise NotAllowed(f"{codename} is not held; there is nothing to open.")
            message = cases.messages(session, context.vault, row.id)[0]
            if message.body.failure.startswith(_TOO_LARGE):
                raise NotAllowed(f"The mail of {codename} is not here: {message.body.failure}.")
            raw = cases.raw_message(session, context.vault, row, message.id)
        desk = context.config.desk_by_id(row.desk)
        job = _Job(desk, Asked(), Envelope(raw, None, (desk.address,)), "", context.roster(desk))
        arrival = self._read(job, 1, self._open)
        if arrival.state == "held":
            return False
        with context.database.write() as session:
            cases.replace_content(session, context.vault, cases.row_by_id(session, row.id), message.id, arrival)
        self._on_kept()
        return True

    def _desks(self, recipients: Sequence[str]) -> list[tuple[Desk, Asked]]:
        wanted: dict[str, tuple[Desk, Asked]] = {}
        for recipient in recipients:
            if found := directives.desk_of(recipient, self._context.config.desk):
                desk, asked = found
                wanted[desk.id] = (desk, wanted[desk.id][1] | asked if desk.id in wanted else asked)
        return list(wanted.values())

    def _receive_at(
        self, desk: Desk, asked: Asked, envelope: Envelope, read: Callable[[_Job], Arrival] | None = None
    ) -> Receipt:
        digest = self._context.vault.digest_of(f"mail at {desk.id}", without_trace(envelope.raw))
        job = _Job(desk, asked, envelope, digest, self._context.roster(desk))
        receipt = self._duplicate(job) or self._first_time(job, read or self._open)
        log.info("taken in", desk=desk.id, outcome=receipt.outcome, case=receipt.codename)
        self._on_kept()
        return receipt

    def _duplicate(self, job: _Job) -> Receipt | None:
        """The receipt of a mail that was taken in before. What its address asks for this time holds as well."""
        with self._context.database.read() as session:
            case = cases.find_by_digest(session, job.desk.id, job.digest)
        if case is None:
            return None
        if job.asked.exclude:
            recusals, _ = excluded(job.asked, job.roster.members)
            with self._context.database.write() as session:
                withholding.recuse_for_reporter(session, self._context.vault, case.id, recusals, self._context.clock())
        return Receipt(job.desk.id, "duplicate", case.codename)

    def _first_time(self, job: _Job, read: Callable[[_Job], Arrival]) -> Receipt:
        with self._context.database.write(durable=False) as session:
            attempt = attempts.begin(session, job.digest, self._context.clock())
        try:
            return self._keep(job, self._read(job, attempt, read))
        except OpenPGPStopped:
            raise  # the mail itself may be the cause: this attempt counts
        except TryLater:
            with self._context.database.write(durable=False) as session:
                attempts.uncount(session, job.digest)
            raise

    def _read(self, job: _Job, attempt: int, read: Callable[[_Job], Arrival]) -> Arrival:
        if attempt > attempts.GIVE_UP_AFTER:
            return self._unreadable(job, "handling it was tried several times and did not come to an end")
        try:
            return read(job)
        except TryLater:
            raise
        except Exception as error:
            log.warning("a mail can't be read", kind=type(error).__name__)
            return self._unreadable(job, "its structure cannot be read")

    def _open(self, job: _Job) -> Arrival:
        mail = read_mail(job.envelope.raw)
        opened = open_mail(mail, self._context.keyring)
        asked = job.asked | directives.from_text(opened.body.text)
        asked |= Asked(quiet=directives.from_text(opened.body.outside_text).quiet)
        return self._arrival(replace(job, asked=asked), mail, opened)

    def _arrival(self, job: _Job, mail: Mail, opened: OpenedMail) -> Arrival:
        found: Sorted = sort(mail, opened, job.envelope.sender, job.asked, job.roster, self._context.config.is_own)
        held = bool(opened.body.failure)
        state: State = "automatic" if found.kind == "reply-by-machine" else "held" if held else "new"
        notice = "held" if held else "report"
        key = self._reply_key(opened, found.reply_to)
        return Arrival(
            desk=job.desk.id,
            state=state,
            at=self._context.clock(),
            raw=job.envelope.raw,
            digest=job.digest,
            message_id=mail.message_id,
            body=opened.body,
            facts=Facts(
                found.reply_to,
                found.no_reply_because,
                key,
                found.unmatched,
                mail.message_id,
                directives.all_names(job.asked),
            ),
            attachments=opened.attachments,
            recusals=found.recusals,
            notices=() if state == "automatic" else (notice,),
            screened=self._screened(job),
        )

    def _unreadable(self, job: _Job, why: str) -> Arrival:
        """A mail that can't be handled: kept whole. The team is told that it waits; nothing of it is shown."""
        members = job.roster.members
        recusals, _ = excluded(job.asked, members)
        text = to_text(job.envelope.raw[:_SCREENED_RAW], None)
        recusals += [Recusal(member.id, "named") for member in who_is_named([text], members, members)]
        return Arrival(
            desk=job.desk.id,
            state="held",
            at=self._context.clock(),
            raw=job.envelope.raw,
            digest=job.digest,
            message_id="",
            body=Body(failure=why),
            facts=Facts(no_reply_because="the mail could not be read", excluded=directives.all_names(job.asked)),
            recusals=tuple(recusals),
            notices=("held",),
            screened=self._screened(job),
        )

    def _screened(self, job: _Job) -> dict[str, str]:
        return {member.id: withholding.identity_digest(self._context.vault, member) for member in job.roster.members}

    def _reply_key(self, opened: OpenedMail, reply_to: str) -> bytes:
        """The key to write to the reporter with: one that came with the mail and speaks for the address or signed it."""
        if not reply_to:
            return b""
        for material in opened.keys:
            keys = self._context.keyring.read_key_data(material)
            if len(keys) != 1 or not keys[0].can_encrypt or keys[0].secret:
                continue
            speaks_for = {address.casefold() for address in keys[0].addresses}
            if reply_to.casefold() in speaks_for or keys[0].fingerprint == opened.body.signature.fingerprint:
                return material
        return b""

    def _keep(self, job: _Job, arrival: Arrival) -> Receipt:
        """Write it down. A clash with another process, over the same mail or a codename, is tried again."""
        for _ in range(_KEEP_TRIES):
            try:
                with self._context.database.write() as session:
                    return self._keep_in(session, job, arrival)
            except IntegrityError:
                continue
        raise StoreUnavailable("The database refused the case several times. Run 'ombud check'.")

    def _keep_in(self, session: Session, job: _Job, arrival: Arrival) -> Receipt:
        """The one transaction: case, message, recusals, events, outbox."""
        attempts.end(session, job.digest)
        before = cases.find_by_digest(session, job.desk.id, job.digest)
        if before is not None:
            return Receipt(job.desk.id, "duplicate", before.codename)
        if job.desk.acknowledge and arrival.facts.reply_to and self._may_reply(session, job.desk, arrival):
            kind = "acknowledge-held" if arrival.state == "held" else "acknowledge"
            arrival = replace(arrival, notices=(*arrival.notices, kind))
        case = cases.record(session, self._context.vault, arrival)
        outcome: Outcome = "automatic" if case.state == "automatic" else "held" if case.state == "held" else "case"
        return Receipt(job.desk.id, outcome, case.codename)

    def _may_reply(self, session: Session, desk: Desk, arrival: Arrival) -> bool:
        address = self._context.vault.digest("reply address", arrival.facts.reply_to.casefold().encode())
        return outbox.allow_reply(session, address, arrival.at.date().isoformat(), desk.replies_per_day)
