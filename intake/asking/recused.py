"""Who must not know of the case that a mail becomes, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from intake.asking.directives import ReporterRequest, from_text
from intake.asking.dragnet import dragnet
from intake.asking.excluded import as_named, excluded, perhaps_excluded, single_names, strongest
from intake.asking.kept_from import asks_to_be_kept, kept_from, without_the_only_ones
from intake.reading.authorship import without_marked
from intake.reading.message import Mail
from intake.reading.opened import OpenedMail
from store.kit.addresses import bare
from store.tables.records import Recusal
from store.team.first_names import who_may_be_called
from store.team.folding import words
from store.team.meant import is_just
from store.team.members import Member, Roster
from store.team.names import who_may_be_named


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
    """Who must not know of a case, the strongest reason first; the excluded names that mean nobody here; and whether all was searched.

    `unseen` are the members whom the dragnet alone found. `secret`: it asks to be kept from somebody, in whatever words. `beside_only`
    are members (ids) for whom there is no other reason than that it asks for others alone.
    """

    recusals: tuple[Recusal, ...]
    unmatched: tuple[str, ...] = ()
    whole: bool = True
    unseen: tuple[Member, ...] = ()
    secret: bool = False
    beside_only: frozenset[str] = frozenset()


def who_is_recused(said: SearchedMail, sender: str | None, asked: ReporterRequest, roster: Roster) -> Withheld:
    """Who must not know of the case that a mail becomes: by the structured reading, and by the dragnet."""
    mail, opened, files, members = said.mail, said.opened, said.files, roster.members
    found, unmatched = excluded(asked, members)
    wanted = _asked_for(asked, members)
    # Anyone on the way may have added a line outside of the encryption: it counts, but two readers may undo it.
    outside = from_text(opened.body.outside_text)
    perhaps = [asked, outside.doubted(), *(from_text(text).doubted() for text in files)]
    found += [item for wish in perhaps for item in perhaps_excluded(wish, members)]
    named = [*_took_part(mail, opened, sender, members), *_named(said, members, wanted)]
    named += [item for wish in perhaps for item in perhaps_excluded(replace(wish, perhaps_only=()), members)]
    named += excluded(replace(asked, only=()), members)[0]
    secret = asked.names_somebody() or outside.names_somebody() or any(map(asks_to_be_kept, opened.texts()))
    caught = dragnet(said.octets, members, {*(item.member for item in named), *wanted})
    named += as_named(member for member in caught.members if member.id not in caught.beside_only)
    named += _called(said, [member for member in members if member.id not in wanted])
    by_wish = {item.member for item in found}
    unseen = tuple(member for member in caught.members if member.id not in by_wish)
    found += as_named(caught.members)
    beside_only = frozenset({item.member for item in found} - {item.member for item in named})
    recusals = _by_strength(found, named)
    return Withheld(recusals, unmatched, caught.whole, unseen, secret, beside_only)


def _named(said: SearchedMail, members: Sequence[Member], wanted: set[str]) -> list[Recusal]:
    """Whom a mail names, but for those whom its author wants to read it; and from whom it asks in words to be kept."""
    opened, files = said.opened, said.files
    shown = [item.name for item in (*said.mail.recipients, *said.mail.reply_to) if item.name]
    texts = [without_the_only_ones(text, members) for text in (*opened.texts(), *files, *shown)]
    named = who_may_be_named(texts, members, members)
    found = as_named(member for member in named if member.id not in wanted)
    for text in dict.fromkeys((*opened.texts(), *files)):
        found += as_named(kept_from(text, members))
    return found


def _by_strength(found: Sequence[Recusal], named: Sequence[Recusal]) -> tuple[Recusal, ...]:
    """One recusal for each member: what the reporter asked for first, then who took part, then the rest."""
    asked_for = [item for item in found if item.source == "reporter"]
    took_part = [item for item in named if item.source in ("sender", "addressed")]
    return tuple(strongest([*asked_for, *took_part, *named, *found]))


def _asked_for(asked: ReporterRequest, members: Sequence[Member]) -> set[str]:
    """Whom the author's own `Only:` names, in nothing but names: that it names them is no reason to keep it from them."""
    return {member.id for name in single_names(asked.only) for member in members if is_just(name, member)}


def _called(said: SearchedMail, members: Sequence[Member]) -> Iterator[Recusal]:
    """Who may be meant by a first name alone."""
    body = said.opened.body
    author = {word for item in said.mail.sender for word in (*words(item.name), *words(item.address.partition("@")[0]))}
    for text in filter(None, (body.text, body.subject, body.outside_text, body.outside_subject, *said.files)):
        called = who_may_be_called(without_the_only_ones(without_marked(text), members), members, author)
        yield from (Recusal(member.id, "first-name") for member in called)


def _took_part(mail: Mail, opened: OpenedMail, sender: str | None, members: Sequence[Member]) -> Iterator[Recusal]:
    """Who wrote, signed, or was sent the mail."""
    authors = [item.address for item in (*mail.sender, *mail.reply_to)] + ([sender] if sender else [])
    signer = opened.body.signature
    for member in members:
        if is_one_of(member, authors) or (signer.status == "valid" and signer.fingerprint == member.fingerprint):
            yield Recusal(member.id, "sender")
    addressed = [item.address for item in mail.recipients]
    yield from (Recusal(member.id, "addressed") for member in members if is_one_of(member, addressed))


def is_one_of(member: Member, addresses: Sequence[str]) -> bool:
    """Whether one of some addresses is a member's."""
    own = bare(member.email)
    return any(bare(address) == own for address in addresses)
