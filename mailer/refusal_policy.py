"""What comes of a refusal: is it of one mail, or does the relay take mail for nobody?"""

from __future__ import annotations

from mailer.claimed import ClaimedNotice
from mailer.mails import Outgoing
from mailer.relay.connection import Relay
from mailer.relay.refusals import NotTaken, witnesses
from store.cases.threads import is_correspondent
from store.context import Context
from store.kit.addresses import folded
from store.outbox import outcomes
from store.outbox.outcomes import Bounced, Delivery, Later, Outcome


class RefusalPolicy:
    """What comes of the refusals that one relay gives."""

    def __init__(self, context: Context, relay: Relay) -> None:
        self._context = context
        self._relay = relay

    def outcome(self, work: ClaimedNotice, row: Delivery, error: NotTaken, outgoing: Outgoing) -> Outcome:
        """Given up only when the refusal is of this one mail. A relay that takes mail for nobody is away, whatever it answers.

        Whoever wrote to us may have an address whose server answers anything: it decides nothing for the others.
        """
        reason = error.reason
        overdue = outcomes.is_overdue(row, self._context.clock(), self._context.config.outbox)
        if not error.final and not overdue:
            return Later(reason)
        if error.certain:
            return Bounced(reason)
        if error.stage == "mail" and error.final and not _is_outside(row.recipient) and not self._taken_since(row):
            return Later(reason, away=True)
        if not work.takes:
            work.takes.append(self._relay.takes_mail(outgoing.sender, self._witnesses(work, outgoing.recipient)))
        if work.takes[0] is None:
            return Later(reason)
        return Bounced(reason) if work.takes[0] else Later(f"{reason}, and takes mail for nobody else", away=True)

    def _taken_since(self, row: Delivery) -> bool:
        """Whether the relay took other mail since it first refused this one."""
        if row.first_try is None:
            return False
        with self._context.database.read() as session:
            return outcomes.taken_since(session, row.first_try)

    def _witnesses(self, work: ClaimedNotice, recipient: str) -> list[str]:
        """Whom to ask the relay about: nobody who may not know that there is anything, not even by a question to their server."""
        config, roster = self._context.config, work.roster
        may = work.view.readers if work.view else roster.on_duty(self._context.clock())
        others = {folded(member.email) for member in roster.members} - {folded(member.email) for member in may}
        operator = config.operator.address
        trusted = [*([operator] if folded(operator) not in others else []), *(member.email for member in may)]
        return witnesses(recipient, trusted, [address for desk in config.desk for address in desk.addresses])


def _is_outside(recipient: str) -> bool:
    return recipient == "reporter" or is_correspondent(recipient)
