"""Whether a mail that is made may still leave: asked right before it does."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Literal

from sqlmodel import Session

from mailer import recipients
from mailer.alerts import Push
from mailer.claimed import ClaimedNotice, ClaimLost
from mailer.mails import Outgoing, ToLetterbox
from store.cases import patterns
from store.cases.access import may_know
from store.context import Context
from store.outbox import claims

Recheck = Literal["may", "changed", "not"]

_FRESH_SECONDS = 0.05


def recheck(context: Context, work: ClaimedNotice, outgoing: Outgoing | Push | ToLetterbox) -> Recheck:
    """Asked right before a mail leaves: is the notice still this worker's, and may its recipient still have it?

    That is: are they a reader now, also of the other cases that it tells them of. Recusals are asked for each time,
    the files of the roster when they were read more than a twentieth of a second ago.

    Raises ClaimLost.
    """
    at, database, same, reader = context.clock(), context.database, True, outgoing.reader
    fresh = time.monotonic() - work.since < _FRESH_SECONDS
    roster = work.roster if fresh else context.team(work.desk)
    if work.others or outgoing.listed:
        with database.read() as session:
            recusals = claims.still_owned(session.connection(), work.claim, at)
            same = not reader or _knows_the_same(session, context, work, outgoing)
    else:
        with database.look() as connection:
            recusals = claims.still_owned(connection, work.claim, at)
    if recusals is None:
        raise ClaimLost
    if reader and work.view and not may_know(replace(work.view.case, recusals=recusals), roster, reader, at):
        return "not"
    return "may" if same else "changed"


def _knows_the_same(
    session: Session, context: Context, work: ClaimedNotice, outgoing: Outgoing | Push | ToLetterbox
) -> bool:
    """Whether a reader may still know of the other cases that they are told of, and of no more of them than before."""
    roster, reader, listed = context.team(work.desk, session), outgoing.reader, outgoing.listed
    if listed and recipients.known_others(session, context, roster, reader, listed) != listed:
        return False
    if not work.others:
        return True
    if recipients.known_others(session, context, roster, reader, work.others) != outgoing.known:
        return False
    of_pattern = work.claim.kind in (patterns.FIRST, patterns.SECOND)
    return not of_pattern or recipients.told_of_pattern(session, context, work.claim, roster, reader)
