"""Whether a mail that would be a case of its own is junk: never one that may be a report for certain."""

from __future__ import annotations

from dataclasses import replace

import structlog

from intake.arrival import Opened
from intake.asking.recused import is_one_of
from intake.follow_up import Place
from intake.plan import actor
from store.cases import correspondents
from store.cases import junk as junk_cases
from store.context import Context
from store.tables.records import Arrival

log = structlog.get_logger("ombud.intake")


def judged(context: Context, opened: Opened, place: Place, arrival: Arrival) -> Opened:
    """A mail with what a filter says of it, where one is to be asked: the mail server said nothing, and it could be junk."""
    asks = bool(context.config.junk.rspamd) and not opened.content.body.filtered
    if not asks or not may_be_junk(context, opened, place, arrival):
        return opened
    from intake.filters import rspamd  # HTTP, for who wants it

    try:
        verdict = rspamd.ask(context.config, opened.job.envelope)
    except rspamd.FilterAway as error:
        log.warning("the filter was not asked", reason=str(error))
        return opened
    return replace(opened, content=replace(opened.content, body=replace(opened.content.body, filtered=verdict)))


def is_junk(context: Context, opened: Opened, place: Place, arrival: Arrival) -> bool:
    """Whether a filter takes a mail for junk, and it is none that never is."""
    return opened.content.body.filtered == "junk" and may_be_junk(context, opened, place, arrival)


def may_be_junk(context: Context, opened: Opened, place: Place, arrival: Arrival) -> bool:
    """Whether a mail is not, for certain, somebody's who has to do with the desk: what opens with its key, a member's, one
    to a correspondent's token or in answer to a mail of ours, a known reporter's, and one that is to be kept from somebody.
    """
    pointing = (place.found or opened.job.asked.token is not None) and not (place.row and place.row.state == "junk")
    if arrival.state == "automatic" or pointing or _is_members(opened):
        return False
    if junk_cases.why_never(arrival.body, arrival.facts, arrival.recusals):
        return False
    with context.database.read() as session:
        return not correspondents.is_known(session, actor(context, opened.job), arrival.facts)


def _is_members(opened: Opened) -> bool:
    """Whether a member wrote or signed it, or somebody who says so."""
    addresses = [item.address for item in (*opened.mail.sender, *opened.mail.reply_to)]
    signer = opened.content.body.signature.fingerprint
    return any(
        is_one_of(member, addresses) or (signer and member.fingerprint == signer)
        for member in opened.job.roster.members
    )
