"""The mailer: claims notices, works out who has them now, has them made and sent, and gives each claim back with its outcomes.

Who may read is asked twice: when a notice is taken up, and again right before each mail leaves. A crash between
two recipients resumes with the rest, under the same Message-IDs.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Sequence

import structlog
from sqlmodel import Session

from mailer import recipients
from mailer.alerts import Push
from mailer.attempts import Attempts
from mailer.claimed import ClaimedNotice, ClaimLost
from mailer.mails import MailMaker, Outgoing, ToLetterbox
from mailer.relay.connection import Relay
from mailer.relay.refusals import RelayDown
from mailer.saying.notices import AUDIENCE
from mailer.sealing.seal import Sealer
from store.context import Context
from store.kit.errors import OmbudError, StoreUnavailable, TryLater
from store.outbox import claims
from store.outbox.claims import Claim
from store.outbox.outcomes import Later

_BATCH = 4
_RETRY_SECONDS = 60.0

log = structlog.get_logger("ombud.mailer")


class Mailer:
    """One worker with a relay connection of its own; any number may work at a time."""

    def __init__(self, context: Context, sealer: Sealer, group: str = "") -> None:
        """`group` is what the names begin with under which those of one process claim notices."""
        self._context = context
        self._relay = Relay(context.config)
        self._attempts = Attempts(context, self._relay)
        self._maker = MailMaker(context, sealer)
        self._owner = group + secrets.token_hex(8)

    def run_once(self) -> int:
        """Handle notices that are due; how many were claimed. Raises StoreUnavailable."""
        try:
            taken = self._take_up()
        except StoreUnavailable:
            raise
        except Exception:  # one of them cannot be prepared, and is to wait alone
            taken = [work for claim in self._claim() if (work := self._prepared_alone(claim))]
        left, delivered = list(taken), list[ClaimedNotice]()
        try:
            while left:
                if self._deliver(work := left.pop(0)):
                    delivered.append(work)
        finally:
            try:
                self._settle(delivered)
            finally:
                self._give_back([work.claim for work in left])
        if not taken:
            self._relay.quit_if_idle()
        return len(taken)

    def _give_back(self, left: Sequence[Claim]) -> None:
        """What was not begun: whoever comes next need not wait until this worker's time with it is over."""
        if left:
            with contextlib.suppress(OmbudError), self._context.database.write(durable=False) as session:
                claims.give_back(session, left)

    def _claim(self) -> list[Claim]:
        with self._context.database.write(durable=False) as session:
            return self._claimed(session)

    def _claimed(self, session: Session) -> list[Claim]:
        seconds = self._context.config.outbox.claim_seconds
        return claims.claim(session, self._owner, self._context.clock(), seconds, _BATCH)

    def _take_up(self) -> list[ClaimedNotice]:
        """Claim notices and work out who should have them now, in one transaction."""
        with self._context.database.write(durable=False) as session:
            return [self._prepare(session, claim) for claim in self._claimed(session)]

    def _prepared_alone(self, claim: Claim) -> ClaimedNotice | None:
        """A claim prepared; None when it has to wait."""
        try:
            with self._context.database.write(durable=False) as session:
                return self._prepare(session, claim)
        except Exception as error:
            self._wait(claim, error)
            return None

    def close(self) -> None:
        """End the connection to the relay."""
        self._relay.close()

    def _deliver(self, work: ClaimedNotice) -> bool:
        """Give each delivery of a notice its outcome; False when the notice has to wait, or is another worker's now."""
        try:
            self._attempts.keep_up()
            self._deliver_all(work)
        except ClaimLost:
            self._attempts.note_sent()
            log.warning("another worker took a notice over", kind=work.claim.kind, desk=work.claim.desk)
            return False
        except Exception as error:
            self._wait(work.claim, error)
            return False
        return True

    def _settle(self, works: Sequence[ClaimedNotice]) -> None:
        """Give claims back together; each by itself when one of them cannot be settled, which is then to wait."""
        if not works:
            return
        try:
            self._attempts.settle(works)
        except StoreUnavailable:
            raise
        except Exception:
            for work in works:
                try:
                    self._attempts.settle([work])
                except Exception as error:
                    self._wait(work.claim, error)

    def _wait(self, claim: Claim, error: Exception) -> None:
        """A notice that could not be handled now is handled later."""
        if isinstance(error, OmbudError | TryLater):
            log.warning("a notice waits", kind=claim.kind, desk=claim.desk, reason=str(error))
        else:
            log.error("a notice failed", kind=claim.kind, desk=claim.desk, error=type(error).__name__)
        self._attempts.note_sent()
        with self._context.database.write(durable=False) as session:
            claims.postpone(session, claim, self._context.clock(), _RETRY_SECONDS)

    def _deliver_all(self, work: ClaimedNotice) -> None:
        """Give each delivery its outcome; those that a relay which is away kept us from wait for it."""
        try:
            for row, made in self._maker.mails_of(work):
                if isinstance(made, Outgoing | Push | ToLetterbox):
                    self._attempts.send(work, row, made)
                else:
                    self._attempts.conclude(work, row, made)
        except RelayDown as error:
            log.warning("the relay does not take mail", reason=str(error), desk=work.desk.id)
            for row in work.deliveries:
                if row.id not in work.outcomes:
                    self._attempts.conclude(work, row, Later(str(error), away=True))

    def _prepare(self, session: Session, claim: Claim) -> ClaimedNotice:
        """Work out who should have the notice now."""
        context, at, since = self._context, self._context.clock(), time.monotonic()
        desk = context.config.desk_by_id(claim.desk)
        # Whoever was answered is to hear it, whether they are a guest of a case or not.
        is_answer = AUDIENCE[claim.kind] == "asker"
        roster = context.speakers(desk) if is_answer else context.team(desk, session)
        view = recipients.view_of(session, context, claim, roster) if claim.case_id else None
        audience = recipients.audience_of(session, context, claim, roster, view)
        domain = desk.address.rpartition("@")[2]
        ids = {recipient: self._message_id(claim, recipient, domain) for recipient in audience.ids}
        others = recipients.mentioned_in(claim, view, audience.answer)
        rows = claims.expand(session, claim, ids, at)
        return ClaimedNotice(claim, desk, roster, view, audience.answer, others, rows, since)

    def _message_id(self, claim: Claim, recipient: str, domain: str) -> str:
        """The same over all tries and restarts, so that a mail sent twice can be told to be one."""
        return f"<{self._context.vault.digest('delivery', f'{claim.id} {recipient}'.encode())[:40]}@{domain}>"
