"""Whom what a reporter asked for means: `Exclude:` and `Only:` as recusals. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from intake.asking.directive_lines import is_list, names
from intake.asking.directives import ReporterRequest
from store.tables.records import Recusal
from store.team.meant import who_is_meant, who_may_be_meant
from store.team.members import Member

_MOST_NAMES = 500
_NAMES_IN = 20_000


def excluded(asked: ReporterRequest, members: Sequence[Member]) -> tuple[list[Recusal], tuple[str, ...]]:
    """Whom the reporter excludes, and the names that mean nobody here.

    Where a name is not understood, whoever bears any word of it is withheld as well, but provisionally: "Bo (my ex)"
    must never be shown to Bo as the name of somebody unknown.
    """
    single = dict.fromkeys(name for line in asked.exclude for name in names(line))
    meant = {name: who_is_meant(name, members) for name in dict.fromkeys((*asked.exclude, *single))}
    missed = tuple(name for name in single if not meant[name])
    perhaps = [member for name in missed for member in who_may_be_meant(name, members)]
    found = [Recusal(member.id, "reporter") for some in meant.values() for member in some]
    beside, unknown = _beside_the_only_ones(asked.only, members)
    return strongest([*found, *beside, *as_named(perhaps)]), (*missed, *unknown)


def perhaps_excluded(asked: ReporterRequest, members: Sequence[Member]) -> list[Recusal]:
    """Whom lines that may be the reporter's own exclude: provisionally, and generously."""
    single = [name for line in asked.perhaps_exclude for name in names(line[:_NAMES_IN])][:_MOST_NAMES]
    meant = [member for name in single for member in who_is_meant(name, members)]
    meant += who_may_be_meant("\n".join(asked.perhaps_exclude), members)
    only = {member.id for name in single_names(asked.perhaps_only) for member in who_is_meant(name, members)}
    meant += [member for member in members if only and member.id not in only]
    return strongest(as_named(meant))


def _beside_the_only_ones(lines: Sequence[str], members: Sequence[Member]) -> tuple[list[Recusal], tuple[str, ...]]:
    """Everybody but those whom the reporter wants to read it, and the names that mean nobody here.

    Where nobody is understood, it goes to the leads, or else to the escalation contacts: a slip must not make it wider.
    """
    meant = {name: who_is_meant(name, members) for name in single_names(lines)}
    unknown = tuple(name for name, some in meant.items() if not some)
    wanted = {member.id for some in meant.values() for member in some}
    if wanted:
        return [Recusal(member.id, "reporter") for member in members if member.id not in wanted], unknown
    if not any(map(is_list, lines)):
        return [], ()  # a sentence, and not a wish
    roles = {member.role for member in members}
    trusted = next((role for role in ("lead", "escalation") if role in roles), "")
    return list(as_named(member for member in members if member.role != trusted)), unknown


def single_names(lines: Iterable[str]) -> list[str]:
    """The single names in lines that may list several; bounded."""
    return list(dict.fromkeys(name for line in lines for name in names(line[:_NAMES_IN])))[:_MOST_NAMES]


def as_named(members: Iterable[Member]) -> list[Recusal]:
    """Recusals of members who are named: provisional ones."""
    return [Recusal(member.id, "named") for member in members]


def strongest(found: Sequence[Recusal]) -> list[Recusal]:
    """One recusal for each member, the first one."""
    first: dict[str, Recusal] = {}
    for recusal in found:
        first.setdefault(recusal.member, recusal)
    return list(first.values())
