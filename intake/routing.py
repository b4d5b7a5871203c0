"""Where a mail goes: to a member's case as their word, into a case as more on it, into a case of its own, or to the junk.

The one place that decides, for a mail that just came and for one that is opened at last.
"""

from __future__ import annotations

from dataclasses import replace

from intake import canary, follow_up, heard, junk, member_word, outgoing_files, speaker
from intake.arrival import Opened
from intake.follow_up import OwnCase, Place
from intake.plan import Route
from store.context import Context


def route(context: Context, opened: Opened, place: Place, own_case: OwnCase) -> Route:
    """What a mail leads to; `own_case` is what it would be as a case of its own."""
    if canary.is_canary(context, opened):
        return canary.CanaryBack(context, opened.job.desk)
    member = speaker.speaker(context, opened, place, context.speakers(opened.job.desk))
    if member is not None:
        # Who may read a case is asked with its guests; mail from outside is searched for the desk's own members.
        team = context.team(opened.job.desk)
        known = team if team.get(member.id) else replace(team, members=(*team.members, member))
        opened = replace(opened, job=replace(opened.job, roster=known))
        speaker.look_at_keys(context, opened, place)
        files = outgoing_files.clean_files(opened)
        others = member_word.elsewhere(context, opened)
        word = member_word.MemberWord(context, opened, place, member, own_case.silent(), files, others)
        return word.prepared()
    return from_outside(context, opened, place, own_case)


def from_outside(context: Context, opened: Opened, place: Place, own_case: OwnCase) -> Route:
    """What a mail leads to that is no member's word."""
    if place.side == "team" and opened.found.kind != "report":
        return follow_up.MachineAnswer(context, opened, place, own_case)
    if place.row is None:
        return own_case.as_junk() if junk.is_junk(context, opened, place, own_case.arrival) else own_case
    if place.side == "correspondent":
        return heard.FromCorrespondent(context, opened, place, own_case)
    return follow_up.FollowUp(context, opened, place, own_case)
