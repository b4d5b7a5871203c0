"""A claimed notice while it is handled."""

from __future__ import annotations

from dataclasses import dataclass, field

from mailer.saying import notices
from store.cases.answers import Answer
from store.kit.config import Desk
from store.outbox.claims import Claim
from store.outbox.outcomes import Delivery, Outcome
from store.team.members import Roster


@dataclass(frozen=True)
class ClaimedNotice:
    """A claimed notice with what is needed to handle it. `others` are other cases that it mentions (ids).

    `since` is when the roster was read, in seconds of the monotonic clock. `outcomes` are those of its deliveries so
    far (by id), `takes` what the relay said when it was asked whether it takes mail at all.
    """

    claim: Claim
    desk: Desk
    roster: Roster
    view: notices.CaseView | None
    answer: Answer
    others: frozenset[str]
    deliveries: list[Delivery]
    since: float
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    takes: list[bool | None] = field(default_factory=list)


class ClaimLost(Exception):
    """This worker was so slow that another one may have taken the notice over."""
