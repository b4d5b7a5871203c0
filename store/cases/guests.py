"""Members of other desks who may read one case, and vote on it if it was said so: invited by two readers, until a day.

A guest is on the roster of the case's desk in the role `guest`, which alone gives no right to any case (`store.cases.access`). Works within a
transaction that the caller opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from sqlmodel import Session, col, select

from store.cases import correspondence, invitations, recusals, withholding
from store.cases.case_file import Actor, CaseFile
from store.cases.classification import require_may_leave
from store.cases.dates import day_to_come
from store.cases.persons import is_reporter
from store.cases.wishes import may_exclude
from store.kit.addresses import same_mailbox
from store.kit.clock import to_text
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.tables.models import CaseRow, GuestRow, RecusalRow
from store.tables.records import guest_id, own_id
from store.team.meant import who_is_meant
from store.team.members import Member, Roster, same_person

NOBODY = marked("There is no '{name}' on duty at another desk here. The desks are: {desks}.")
SEVERAL = marked("'{name}' could be any of {ids}. Write '{name} of' and the desk.")
ON_THE_TEAM = marked("{name} is on this desk's own roster.")
KEPT_FROM = marked("This case is kept from {name}.")
IN_THE_CASE = marked("{name} is somebody in this case, and cannot be a guest of it.")
ALREADY = marked("{name} is a guest of this case already.")
NO_GUEST = marked("{name} is not a guest of this case.")
_ORDER = re.compile(
    r"(?P<name>.+?)(?:\s+of\s+(?P<desk>[\w-]+))?\s+until\s+(?P<day>\S+?)(?P<votes>\s+voting)?\s*$", re.IGNORECASE
)
WANTED = marked("Write whom, and until when: '/guest NAME of DESK until 2026-01-31'.")


@dataclass(frozen=True)
class Invitation:
    """Whom a reader wants as a guest: a member (an id) of another desk, until which day, and whether their word on proposals counts. `until` is
    None when they are to be one no more."""

    member: Member
    desk: str
    until: date | None
    votes: bool

    @property
    def id(self) -> str:
        """The id of the guest here."""
        return guest_id(self.member.id, self.desk)


def invited(session: Session, desk: str) -> frozenset[tuple[str, str, str]]:
    """Who is a guest of any case of a desk: ids there, their desks, and the keys by which they were invited (fingerprints)."""
    everybody = session.exec(select(GuestRow.case_id, GuestRow.member, GuestRow.desk, GuestRow.fingerprint)).all()
    if not everybody:
        return frozenset()
    ids = {case_id for case_id, _, _, _ in everybody}
    here = set(session.exec(select(CaseRow.id).where(CaseRow.desk == desk, col(CaseRow.id).in_(ids))))
    return frozenset((member, at, key) for case_id, member, at, key in everybody if case_id in here)


def with_guests(roster: Roster, guests: Iterable[tuple[str, str, str]], elsewhere: Mapping[str, Roster]) -> Roster:
    """A roster with guests, as they stand on the rosters of their own desks; who stands there no more, or
    is somebody else by now, is none. Pure."""
    found = []
    for member_id, desk, key in sorted(guests):
        member = elsewhere[desk].get(member_id) if desk in elsewhere else None
        if (
            member is not None
            and member.fingerprint == key
            and not any(same_person(member, item) for item in roster.members)
        ):
            found.append(replace(member, id=guest_id(member_id, desk), role="guest", alert="", public="no"))
    return replace(roster, members=(*roster.members, *found)) if found else roster


def former_guest_ids(session: Session, by: Actor, member: Member) -> set[str]:
    """The guest ids under which a new member of a desk may be known there: by key or mailbox while they still serve at another desk, by the key of
    an invitation, otherwise by name."""
    serving = {guest_id(item.id, desk): item for desk, (_, roster) in by.elsewhere.items() for item in roster.members}
    found = {known for known, item in serving.items() if same_person(item, member)}
    invited = session.exec(select(GuestRow).where(GuestRow.fingerprint == member.fingerprint)).all()
    found |= {guest_id(row.member, row.desk) for row in invited}
    recused = session.exec(select(RecusalRow.member).where(col(RecusalRow.member).contains("~")).distinct())
    return found | {known for known in recused if known not in serving and who_is_meant(own_id(known), [member])}


def read_invitation(file: CaseFile, written: str) -> Invitation:
    """What stands behind `/guest`. Raises NotAllowed."""
    found = _ORDER.fullmatch(" ".join(written.split()))
    if found is None:
        raise NotAllowed(WANTED)
    until = None if found["day"].casefold() == "none" else day_to_come(file, found["day"])
    member, desk = _meant(file, found["name"].strip("\"'"), (found["desk"] or "").casefold())
    return Invitation(member, desk, until, found["votes"] is not None)


def _meant(file: CaseFile, name: str, at_desk: str) -> tuple[Member, str]:
    """The member of another desk whom a name means, and the desk. Raises NotAllowed."""
    found = []
    for desk, (_, roster) in file.by.elsewhere.items():
        if at_desk in ("", desk):
            on_duty = roster.on_duty(file.at)
            exact = [item for item in on_duty if item.id == name.casefold()]
            found += [(item, desk) for item in exact or who_is_meant(name, on_duty)]
    if not found:
        raise NotAllowed(NOBODY, name=name, desks=", ".join(sorted(file.by.elsewhere)) or "-")
    if len(found) > 1:
        raise NotAllowed(SEVERAL, name=name, ids=", ".join(f"{item.id} of {desk}" for item, desk in found))
    return found[0]


def invite(file: CaseFile, wanted: Invitation) -> int:
    """One reader's word that somebody is to be a guest; how many are missing still. Raises NotAllowed."""
    _require_may_be(file, wanted.member)
    key = f"{invitations.VOTE}{wanted.id} {wanted.until} {wanted.votes} {wanted.member.fingerprint}"
    known = _row(file, wanted)
    if known is not None and (known.until, known.votes, known.fingerprint) == (
        str(wanted.until), int(wanted.votes), wanted.member.fingerprint,
    ):  # fmt: skip
        raise NotAllowed(ALREADY, name=wanted.member.name)
    if missing := withholding.vote_of_two(file, key):
        return missing
    recusals.forget_votes(file, f"{invitations.VOTE}{wanted.id} ", prefix=True)
    row = _row(file, wanted) or GuestRow(
        case_id=file.row.id, desk=wanted.desk, member=wanted.member.id, fingerprint="", until="", since=to_text(file.at)
    )
    row.until, row.votes, row.fingerprint = str(wanted.until), int(wanted.votes), wanted.member.fingerprint
    file.session.add(row)
    file.note("guest-invited", {"guest": wanted.id, "until": row.until, "votes": row.votes})
    file.look_again_at_readers()
    return 0


def end(file: CaseFile, wanted: Invitation) -> None:
    """Somebody is a guest no more: any reader may say so. Raises NotAllowed."""
    row = _row(file, wanted)
    if row is None:
        raise NotAllowed(NO_GUEST, name=wanted.member.name)
    invitations.end(file, row)


def _row(file: CaseFile, wanted: Invitation) -> GuestRow | None:
    mine = select(GuestRow).where(GuestRow.case_id == file.row.id, GuestRow.desk == wanted.desk)
    return file.session.exec(mine.where(GuestRow.member == wanted.member.id)).first()


def _require_may_be(file: CaseFile, member: Member) -> None:
    """Raise NotAllowed for somebody who is on this desk already, from whom the case is kept, or who is somebody in it."""
    require_may_leave(file.by.desk, file.fields)
    recused = file.case.recused
    called = {item.id for item in who_is_meant(member.name, file.roster.members)}
    gone = [own_id(item) for item in recused if file.roster.get(item) is None]  # of who left only the id is left
    if may_exclude(file.facts.wishes, member) or any(who_is_meant(item, [member]) for item in gone):
        raise NotAllowed(KEPT_FROM, name=member.name)
    for item in file.roster.members:
        if item.id in recused and (item.id in called or same_person(item, member)):
            raise NotAllowed(KEPT_FROM, name=member.name)
        if item.role != "guest" and same_person(item, member):
            raise NotAllowed(ON_THE_TEAM, name=member.name)
    heard = [item.address for item in correspondence.threads(file)]
    if is_reporter(file.facts, file.messages(), "", member.email, member.fingerprint) or any(
        same_mailbox(member.email, address) for address in heard
    ):
        raise NotAllowed(IN_THE_CASE, name=member.name)
