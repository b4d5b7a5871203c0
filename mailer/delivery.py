"""The mailer: claims notices, works out who has them now, has them made and sent, and gives each claim back with its outcomes.

Who may read is asked twice: when a notice is taken up, and again right before each mail leaves. A crash between
two recipients resumes with the rest, under the same Message-IDs.
"""

from __future__ import annotations

import contextlib
import secrets
import time

import structlog

from mailer import recipients
from mailer.alerts import Push
from mailer.attempts import Attempts
from mailer.claimed import ClaimedNotice, ClaimLost
from mailer.mails import MailMaker, Outgoing
from mailer.relay.connection import Relay
from mailer.relay.refusals import RelayDown
from mailer.sealing.seal import Sealer
from store.context import Context
from store.kit.config import Desk
from store.kit.errors import OmbudError, TryLater
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
        settings = self._context.config.outbox
        with self._context.database.write(durable=False) as session:
            claimed = claims.claim(session, self._owner, self._context.clock(), settings.claim_seconds, _BATCH)
        left = list(claimed)
        try:
            while left:
                self._handle(left.pop(0))
        finally:
            if left:  # whoever comes next need not wait until this worker's time with them is over
                with contextlib.suppress(OmbudError), self._context.database.write(durable=False) as session:
                    claims.give_back(session, left)
        if not claimed:
            self._relay.quit_if_idle()
        return len(claimed)

    def close(self) -> None:
        """End the connection to the relay."""
        self._relay.close()

    def _handle(self, claim: Claim) -> None:
        try:
            work = self._prepare(claim, self._context.config.desk_by_id(claim.desk))
            self._deliver_all(work)
            self._attempts.settle(work)
        except ClaimLost:
            self._attempts.note_sent(claim)
            log.warning("another worker took a notice over", kind=claim.kind, desk=claim.desk)
        except (OmbudError, TryLater) as error:
            log.warning("a notice waits", kind=claim.kind, desk=claim.desk, reason=str(error))
            self._postpone(claim)
        except Exception as error:
            log.error("a notice failed", kind=claim.kind, desk=claim.desk, error=type(error).__name__)  # noqa: TRY400
            self._postpone(claim)

    def _deliver_all(self, work: ClaimedNotice) -> None:
        """Give each delivery its outcome; those that a relay which is away kept us from wait for it."""
        try:
            for row, made in self._maker.mails_of(work):
                if isinstance(made, Outgoing | Push):
                    self._attempts.send(work, row, made)
                else:
                    self._attempts.conclude(work, row, made)
        except RelayDown as error:
            log.warning("the relay does not take mail", reason=str(error), desk=work.desk.id)
            for row in work.deliveries:
                if row.id not in work.outcomes:
                    self._attempts.conclude(work, row, Later(str(error), away=True))

    def _postpone(self, claim: Claim) -> None:
        self._attempts.note_sent(claim)
        with self._context.database.write(durable=False) as session:
            claims.postpone(session, claim, self._context.clock(), _RETRY_SECONDS)

    def _prepare(self, claim: Claim, desk: Desk) -> ClaimedNotice:
        """Work out who should have the notice now."""
        context, at, since = self._context, self._context.clock(), time.monotonic()
        roster = context.roster(desk)
        domain = desk.address.rpartition("@")[2]
        with context.database.write(durable=False) as session:
            view = recipients.view_of(session, context, claim, roster) if claim.case_id else None
            audience = recipients.audience_of(session, context, claim, roster, view)
            ids = {recipient: self._message_id(claim, recipient, domain) for recipient in audience.ids}
            others = recipients.mentioned_in(claim, view, audience.answer)
            rows = claims.expand(session, claim, ids, at)
            return ClaimedNotice(claim, desk, roster, view, audience.answer, others, rows, since)

    def _message_id(self, claim: Claim, recipient: str, domain: str) -> str:
        """The same over all tries and restarts, so that a mail sent twice can be told to be one."""
        return f"<{self._context.vault.digest('delivery', f'{claim.id} {recipient}'.encode())[:40]}@{domain}>"
