"""A mail that becomes a case of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlmodel import Session

from intake.arrival import Job
from intake.plan import TO_THE_TEAM, Taken, actor, unanswered, with_acknowledgement, within_the_flood_limit
from intake.reading.quotes import own_text
from store.cases import conversation, correspondents, linking, threads
from store.context import Context
from store.tables.models import CaseRow
from store.tables.records import Arrival

_REQUEST_LENGTH = 300
_LONGEST_REQUEST = 10_000  # with what is quoted


@dataclass(frozen=True)
class NewCase:
    """A mail that becomes a case of its own. `source`: the sender that it counts against in the flood limit; None: nobody."""

    context: Context
    job: Job
    arrival: Arrival
    source: str | None
    answered: bool = True

    def silent(self) -> NewCase:
        """The same, without a word to anybody."""
        return replace(self, arrival=replace(self.arrival, state="automatic", notices=()), answered=False)

    def as_junk(self) -> NewCase:
        """The same, put aside as junk."""
        return replace(self, arrival=replace(self.arrival, state="junk", notices=()), answered=False)

    def carry_out(self, session: Session, may_belong_to: CaseRow | None = None) -> tuple[Taken, str]:
        """Write the case down; linked with the one that it points at, when its author is not sure to be that one's."""
        arrival, desk = self.arrival, self.job.desk
        if arrival.state == "junk":
            return "junk", conversation.begin(session, actor(self.context, self.job), arrival).row.codename
        if self.job.asked.key and _says_little(arrival):
            # Whoever only asks for the key does not wake the team.
            arrival = replace(arrival, state="automatic", notices=())
        token = self.job.asked.token
        if may_belong_to is None and arrival.body.failure and token is not None:
            # Nobody knows what it says, but it was sent to a case: from whom that is withheld, this is too.
            may_belong_to = threads.find(session, self.context.vault, desk.id, token)
        if may_belong_to is not None:
            arrival = linking.pointing_at(session, self.context.vault, may_belong_to, arrival)
        by = actor(self.context, self.job)
        arrival = correspondents.inheriting(session, by, arrival)
        if self.source is not None:
            arrival = within_the_flood_limit(session, self.context, self.source, arrival, desk.flood_limit)
        if self.answered:
            arrival = with_acknowledgement(session, self.context, self.job, arrival, arrival.facts.reply_to)
        else:
            arrival = unanswered(arrival, TO_THE_TEAM)
        file = conversation.begin(session, by, arrival)
        if may_belong_to is not None:
            linking.link(file, may_belong_to)
        outcome: Taken = "automatic" if arrival.state == "automatic" else "held" if arrival.state == "held" else "case"
        return outcome, file.row.codename


def _says_little(arrival: Arrival) -> bool:
    """Whether a mail to the key's address is no more than a request for it."""
    body = arrival.body
    if (
        body.encryption != "none"
        or any(not item.within for item in arrival.attachments)
        or len(body.text) > _LONGEST_REQUEST
    ):
        return False
    return len(own_text(body.text)) <= _REQUEST_LENGTH
