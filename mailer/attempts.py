"""Attempts at deliveries: each mail is handed to the relay after one more look at who may have it, and ends in an outcome."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import structlog
from sqlmodel import Session

from mailer.alerts import NotPushed, Push, push
from mailer.claimed import ClaimedNotice
from mailer.mails import Outgoing, ToLetterbox
from mailer.recheck import recheck
from mailer.refusal_policy import RefusalPolicy
from mailer.relay.connection import Relay
from mailer.relay.refusals import NotTaken
from store.cases import letterboxes, lookup, promises
from store.context import Context
from store.outbox import claims, outcomes, queue, retries
from store.outbox.claims import Claim
from store.outbox.outcomes import Bounced, Delivery, Held, Later, Outcome, Sent, Withdrawn
from store.tables import audit

_MARK_SECONDS = 0.05
_LARGE = 500_000
_WAKE_SECONDS = 60.0
_PUSH_FOR = timedelta(hours=1)
_CHANGED = "what it tells of changed while it was made"

log = structlog.get_logger("ombud.mailer")


class Attempts:
    """Attempts over one connection to the relay."""

    def __init__(self, context: Context, relay: Relay) -> None:
        self._context = context
        self._relay = relay
        self._policy = RefusalPolicy(context, relay)
        self._sent: list[tuple[Claim, str]] = []
        self._unmarked_since = 0.0
        self._was_away, self._is_back = True, False  # it may have been, before this began
        self._woken: float | None = None

    def send(self, work: ClaimedNotice, row: Delivery, outgoing: Outgoing | Push | ToLetterbox) -> None:
        """Send one mail and write down how it went. Raises RelayDown, ClaimLost.

        What was sent is noted before the next mail when that took a while, else with those that follow at once: a
        crash repeats what left in a twentieth of a second, under the same Message-IDs.
        """
        self.keep_up()
        found = recheck(self._context, work, outgoing)
        if found != "may":
            self.conclude(work, row, Withdrawn() if found == "not" else Later(_CHANGED, made_anew=True))
            return
        if isinstance(outgoing, Push):
            self._push(work, row, outgoing)
            return
        if isinstance(outgoing, ToLetterbox):
            self._put(work, row, outgoing)
            return
        try:
            self._relay.send(outgoing.sender, outgoing.recipient, outgoing.mail)
        except NotTaken as error:
            self.note_sent()  # what was taken before this is not what was taken since
            self.conclude(work, row, self._policy.outcome(work, row, error, outgoing))
        else:
            self.conclude(work, row, Sent())
            if len(outgoing.mail) > _LARGE:  # the next one takes a while to be made
                self.note_sent()

    def _put(self, work: ClaimedNotice, row: Delivery, made: ToLetterbox) -> None:
        """Put a letter where its receipt opens it; written down at once, for there is no relay that has it."""
        context, at, claim = self._context, self._context.clock(), work.claim
        with context.database.write() as session:
            there = claim.case_id is not None and letterboxes.put(
                session, context.vault, claim.case_id, made.letter, at
            )  # fmt: skip
            if there and made.tell:
                notice = queue.Notice(letterboxes.WAITS, claim.desk, at, case_id=claim.case_id)
                queue.enqueue_once(session, notice)
        reply = claim.kind == "reply"
        self.conclude(
            work, row, Sent() if there else Bounced("their receipt opens nothing any more") if reply else Withdrawn()
        )

    def _push(self, work: ClaimedNotice, row: Delivery, made: Push) -> None:
        """Hand a push over. One that is not taken within an hour is withdrawn: the mail is there by then."""
        try:
            push(made)
        except NotPushed as error:
            late = row.first_try is not None and self._context.clock() - row.first_try > _PUSH_FOR
            log.warning("not alerted", desk=work.desk.id, reason=str(error))
            self.conclude(work, row, Withdrawn() if late else Later(str(error)))
        else:
            self.conclude(work, row, Sent())

    def conclude(self, work: ClaimedNotice, row: Delivery, outcome: Outcome) -> None:
        """Write down how a delivery ended; what was sent is written with what follows at once, what was withdrawn at the end."""
        work.outcomes[row.id] = outcome
        if isinstance(outcome, Sent):
            if not self._sent:
                self._unmarked_since = time.monotonic()
            self._sent.append((work.claim, row.id))
            self._is_back = self._was_away
        elif not isinstance(outcome, Withdrawn):
            self.note_sent()
            self._write_down(work, row, outcome)

    def _write_down(self, work: ClaimedNotice, row: Delivery, outcome: Outcome) -> None:
        """With whom else that concerns: a key's owner, the operator, the other readers."""
        context, claim, at = self._context, work.claim, self._context.clock()
        with context.database.write() as session:
            if not outcomes.conclude(session, row.id, outcome, at, context.config.outbox):
                return
            if isinstance(outcome, Held):
                queue.tell_of_key(
                    session, queue.Notice("key-trouble", work.desk.id, at, subject_id=row.recipient), outcome.reason
                )
            elif isinstance(outcome, Later) and outcome.away:
                self._was_away, self._is_back = True, False
            elif isinstance(outcome, Bounced):
                audit.append(session, context.vault, audit.Event("bounced", "desk", at, claim.case_id))
                if claim.case_id and claim.kind != "bounced":
                    queue.enqueue(
                        session,
                        queue.Notice("bounced", claim.desk, at, case_id=claim.case_id, subject_id=row.recipient),
                    )
                log.warning("given up", kind=claim.kind, desk=claim.desk)

    def keep_up(self) -> None:
        """Write down what the relay has, if it has had it for a while."""
        if self._sent and time.monotonic() - self._unmarked_since >= _MARK_SECONDS:
            self.note_sent()

    def note_sent(self) -> None:
        """Write down what the relay has."""
        if self._sent:
            with self._context.database.write(durable=False) as session:
                self._note_sent_in(session)
            self._sent.clear()

    def _note_sent_in(self, session: Session) -> None:
        at = self._context.clock()
        if self._sent:
            outcomes.mark_sent(session, [row_id for _, row_id in self._sent], at)
        for claim, mails in Counter(claim for claim, _ in self._sent).items():
            if claim.kind == "reply" and claim.case_id:
                promises.reached(session, lookup.row_by_id(session, claim.case_id), at)
            log.info("sent", kind=claim.kind, desk=claim.desk, mails=mails)

    def settle(self, works: Sequence[ClaimedNotice]) -> None:
        """Give claims back, with what was not written down yet, in one transaction. Raises Unsettled."""
        at, settings = self._context.clock(), self._context.config.outbox
        with self._context.database.write(durable=False) as session:
            self._note_sent_in(session)
            self._wake_in(session)
            for work in works:
                for delivery_id, outcome in work.outcomes.items():
                    if isinstance(outcome, Withdrawn):
                        outcomes.conclude(session, delivery_id, outcome, at, settings)
                claims.settle(session, work.claim, work.deliveries, work.outcomes)
        self._sent.clear()

    def _wake_in(self, session: Session) -> None:
        """What waited for the relay is due, now that it takes mail again."""
        now = time.monotonic()
        if self._is_back and (self._woken is None or now - self._woken > _WAKE_SECONDS):
            self._was_away, self._is_back, self._woken = False, False, now
            retries.wake(session, self._context.clock())
