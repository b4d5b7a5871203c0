"""Whose word on a case a mail is, or claims to be: that of a member, or of nobody on the team."""

from __future__ import annotations

import re

from intake.arrival import Opened
from intake.asking.commands import begins_with_command, named_case
from intake.asking.recused import is_one_of
from intake.follow_up import Place
from intake.reading.files import is_public_key
from intake.reading.opened import Signed
from store.cases import content, correspondence, lookup, threads
from store.cases.access import may_know
from store.context import Context
from store.team.members import Member, Roster

CODENAME = re.compile(r"\]\s*([a-z]+(?:-[a-z]+){1,2})\b")


def speaker(context: Context, opened: Opened, place: Place, team: Roster) -> Member | None:
    """The member of a team (with whoever may be a guest) whose word on a case a mail is or claims to be; None for a mail that comes from outside.

    On the team's side that is whoever signed or claims to have written. A member may be a reporter as well: on the
    reporter's side, and to the desk's own address, only a signed mail that is clearly about a case is meant.
    """
    signed = _signer(opened, team)
    if opened.found.kind == "reply-by-machine" or (opened.found.kind == "machine" and signed is None):
        return None  # an absence note is no word on a case, and is never answered (RFC 3834)
    if place.found and place.side == "team":
        return signed or _claimed(opened, team)
    if place.row is not None:
        with context.database.read() as session:
            case = lookup.case_of(session, place.row)
        return signed if signed and may_know(case, team, signed.id, context.clock()) else None
    if signed and (said := opened.content.signed) and _is_about_a_case(said):
        return signed
    claimed = _claimed(opened, team)
    return claimed if claimed and f"[{opened.job.desk.id}] " in opened.mail.subject else None


def look_at_keys(context: Context, opened: Opened, place: Place) -> None:
    """Have GnuPG look at the keys that a member's word may concern, before a transaction begins that would wait for it."""
    said, rows = opened.content.signed, [place.row]
    material = [item.data for item in said.files] if said else []
    if said and (name := named_case(said.text)):
        with context.database.read() as session:
            rows.append(lookup.find_row(session, name))
    for row in rows:
        if row is not None and row.wrapped_key is not None:
            box = content.box_of(context.vault, row)
            known = content.facts_in(box, row)
            material += [known.reporter_key, known.new_key]
            with context.database.read() as session:
                heard = correspondence.threads_in(session, box, row.id)
            material += [key for item in heard for key in (item.key, item.new_key)]
    for data in filter(is_public_key, material):
        context.keyring.read_key_data(data)


def _is_about_a_case(said: Signed) -> bool:
    """Whether what was signed is clearly a member's word on a case."""
    return bool(begins_with_command(said.text) or threads.team_tokens(said.text) or CODENAME.search(said.subject))


def _signer(opened: Opened, roster: Roster) -> Member | None:
    signed = opened.content.signed
    if signed is None:
        return None
    return next((item for item in roster.members if item.fingerprint == signed.by.fingerprint), None)


def _claimed(opened: Opened, roster: Roster) -> Member | None:
    authors = [item.address for item in opened.mail.sender]
    return next((member for member in roster.members if is_one_of(member, authors)), None)
