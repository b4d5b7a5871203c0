"""Who must not know of the case that a mail becomes, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from intake.asking.directive_lines import is_list, names
from intake.asking.directives import ReporterRequest, from_text
from intake.asking.dragnet import dragnet
from intake.asking.kept_from import kept_from
from intake.reading.message import Mail
from intake.reading.opened import OpenedMail
from store.kit.addresses import bare
from store.tables.records import Recusal
from store.team.members import Member, Roster
from store.team.names import is_just, who_is_meant, who_may_be_meant, who_may_be_named

_MOST_NAMES = 500
_NAMES_IN = 20_000


@dataclass(frozen=True)
class SearchedMail:
    """All of a mail in which somebody may be named: what was read of it, the texts of its files, and all its octets.

    Of octets there may be several runs: those that came, and those from inside the encryption.
    """

    mail: Mail
    opened: OpenedMail
    files: Sequence[str] = field(default=(), repr=False)
    octets: Sequence[bytes] = field(default=(), repr=False)


@dataclass(frozen=True)
class Withheld:
    """Who must not know of a case, the strongest reason first; the excluded names that mean nobody here; and whether all was searched."""

    recusals: tuple[Recusal, ...]
    unmatched: tuple[str, ...] = ()
    whole: bool = True


def who_is_recused(said: SearchedMail, sender: str | None, asked: ReporterRequest, roster: Roster) -> Withheld:
    """Who must not know of the case that a mail becomes: by the structured reading, and by the dragnet."""
    mail, opened, files, members = said.mail, said.opened, said.files, roster.members
    found, unmatched = excluded(asked, members)
    found += _took_part(mail, opened, sender, members)
    shown = [item.name for item in (*mail.recipients, *mail.reply_to) if item.name]
    wanted = _asked_for(asked, members)
    named = who_may_be_named([*opened.texts(), *files, *shown], members, members)
    found += _named(member for member in named if member.id not in wanted)
    # Anyone on the way may have added a line outside of the encryption: it counts, but two readers may undo it.
    outside = from_text(opened.body.outside_text)
    found += perhaps_excluded(asked, members) + perhaps_excluded(outside.doubted(), members)
    for text in dict.fromkeys((*opened.texts(), *files)):
        found += _named(kept_from(text, members))
    for text in files:
        found += perhaps_excluded(from_text(text).doubted(), members)
    caught = dragnet(said.octets, members, {*(item.member for item in found), *wanted})
    return Withheld(tuple(_strongest([*found, *_named(caught.members)])), unmatched, caught.whole)


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
    return _strongest([*found, *beside, *_named(perhaps)]), (*missed, *unknown)


def perhaps_excluded(asked: ReporterRequest, members: Sequence[Member]) -> list[Recusal]:
    """Whom lines that may be the reporter's own exclude: provisionally, and generously."""
    single = [name for line in asked.perhaps_exclude for name in names(line[:_NAMES_IN])][:_MOST_NAMES]
    meant = [member for name in single for member in who_is_meant(name, members)]
    meant += who_may_be_meant("\n".join(asked.perhaps_exclude), members)
    only = {member.id for name in _single(asked.perhaps_only) for member in who_is_meant(name, members)}
    meant += [member for member in members if only and member.id not in only]
    return _strongest(_named(meant))


def _beside_the_only_ones(lines: Sequence[str], members: Sequence[Member]) -> tuple[list[Recusal], tuple[str, ...]]:
    """Everybody but those whom the reporter wants to read it, and the names that mean nobody here.

    Where nobody is understood, it goes to the leads, or else to the escalation contacts: a slip must not make it wider.
    """
    meant = {name: who_is_meant(name, members) for name in _single(lines)}
    unknown = tuple(name for name, some in meant.items() if not some)
    wanted = {member.id for some in meant.values() for member in some}
    if wanted:
        return [Recusal(member.id, "reporter") for member in members if member.id not in wanted], unknown
    if not any(map(is_list, lines)):
        return [], ()  # a sentence, and not a wish
    roles = {member.role for member in members}
    trusted = next((role for role in ("lead", "escalation") if role in roles), "")
    return list(_named(member for member in members if member.role != trusted)), unknown


def _asked_for(asked: ReporterRequest, members: Sequence[Member]) -> set[str]:
    """Whom the author's own `Only:` names, in nothing but names: that it names them is no reason to keep it from them."""
    return {member.id for name in _single(asked.only) for member in members if is_just(name, member)}


def _single(lines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name for line in lines for name in names(line[:_NAMES_IN])))[:_MOST_NAMES]


def _took_part(mail: Mail, opened: OpenedMail, sender: str | None, members: Sequence[Member]) -> Iterator[Recusal]:
    """Who wrote, signed, or was sent the mail."""
    authors = [item.address for item in (*mail.sender, *mail.reply_to)] + ([sender] if sender else [])
    signer = opened.body.signature
    for member in members:
        if is_one_of(member, authors) or (signer.status == "valid" and signer.fingerprint == member.fingerprint):
            yield Recusal(member.id, "sender")
    addressed = [item.address for item in mail.recipients]
    yield from (Recusal(member.id, "addressed") for member in members if is_one_of(member, addressed))


def _named(members: Iterable[Member]) -> list[Recusal]:
    return [Recusal(member.id, "named") for member in members]


def _strongest(found: Sequence[Recusal]) -> list[Recusal]:
    """One recusal for each member, the first one."""
    first: dict[str, Recusal] = {}
    for recusal in found:
        first.setdefault(recusal.member, recusal)
    return list(first.values())


def is_one_of(member: Member, addresses: Sequence[str]) -> bool:
    """Whether one of some addresses is a member's."""
    own = bare(member.email)
    return any(bare(address) == own for address in addresses)
