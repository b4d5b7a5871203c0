"""What readers are told to look at themselves, because the desk could not, or is not sure. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from intake.asking.dragnet import dragnet
from intake.reading.message import one_line
from store.kit.sentences import Sentence, marked
from store.tables.authentication import Authentication
from store.tables.records import Attachment
from store.team.members import Member, Roster

_MOST_LISTED = 20

NOT_LOOKED_INTO = marked("not looked into for names of the team: {files}")
MAY_SPEAK_OF = marked("by a first name, it may speak of: {names}")
KEY_UNUSABLE = marked(
    "a key came with it that cannot be used here; nothing is written to them in plain unless you say so"
)
NAMED_UNSEEN = marked("somebody on the team is named in {files}, in a place that cannot be shown")
NAMED_OUT_OF_SIGHT = marked("somebody on the team is named in this mail, in a place that is not shown")
NOT_VOUCHED_FOR = marked("{domain} did not vouch for this mail: it may be forged")
NOT_SEARCHED = marked("it unpacks to more than was searched for names of the team")


def not_searched(missed: Sequence[str], *, whole: bool) -> Iterator[Sentence]:
    """What the readers must look at themselves: somebody who reads this may stand in it."""
    if missed:
        yield Sentence(NOT_LOOKED_INTO, {"files": _listed(missed)})
    if not whole:
        yield Sentence(NOT_SEARCHED)


def out_of_sight(attachments: Sequence[Attachment], found: Sequence[Member], roster: Roster) -> Iterator[Sentence]:
    """Where somebody is named who is named in nothing that was read."""
    if found:
        wanted = {member.id for member in roster.members} - {member.id for member in found}
        files = [item.name for item in attachments if dragnet([item.data], roster.members, wanted).members]
        yield Sentence(NAMED_UNSEEN, {"files": _listed(files)}) if files else Sentence(NAMED_OUT_OF_SIGHT)


def _listed(names: Sequence[str]) -> str:
    more = f" (+{len(names) - _MOST_LISTED})" if len(names) > _MOST_LISTED else ""
    return ", ".join(one_line(name) or "-" for name in names[:_MOST_LISTED]) + more


def by_first_name(roster: Roster, members: Sequence[str]) -> Iterator[Sentence]:
    """Whom first names may mean, where those withhold nothing."""
    names = [member.name for member in roster.members if member.id in members]
    if names:
        yield Sentence(MAY_SPEAK_OF, {"names": ", ".join(names)})


def of_keys(*, unusable: bool) -> Iterator[Sentence]:
    """That a key came, and that nothing can be encrypted to it."""
    if unusable:
        yield Sentence(KEY_UNUSABLE)


def of_authentication(authentication: Authentication) -> Iterator[Sentence]:
    """That the domain of the author does not vouch for the mail."""
    if authentication.result == "fail":
        yield Sentence(NOT_VOUCHED_FOR, {"domain": one_line(authentication.domain) or "?"})
