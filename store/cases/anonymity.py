"""Whether what is meant for the reporter tells who wrote it: the team writes, and none of its members by name. Pure.

A single first or last name is looked for where it stands as a name: in a short line, such as a sign-off, and written with
a capital letter. What the reporter wrote themself may be said back to them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from store.cases.threads import team_tokens
from store.kit.documents import texts_of
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.tables.records import Attachment, Message
from store.team.folding import composed, words
from store.team.members import Member, Roster
from store.team.name_words import NO_NAME
from store.team.names import who_is_named

NAMED = marked(
    "Your reply contains a team member's name ({name}). Replies go out in the team's name, so please remove it."
)
NOTICE = marked("Your reply contains a piece of a notice, such as the case's name. Please remove what is quoted.")
FILE_NAMES = marked(
    "The file '{file}' names {name}, in what it says or in what it tells of its author. Take the name out of it."
)
FILE_NOTICE = marked("The file '{file}' contains a piece of a notice, such as the case's name. Please leave it out.")
FILE_IS_MAIL = marked(
    "The file '{file}' is a mail, or is encrypted: it can tell who you are. Write what it says into your reply."
)

_SHORT_LINE, _TELLING = 5, 5
_WORD = re.compile(r"[^\W\d_]+")
_TOKEN = re.compile(rb"(?<![A-Za-z0-9])[ctp]-[a-z2-7]{24}(?![A-Za-z0-9])", re.IGNORECASE)
_SEALED = re.compile(rb"-----BEGIN PGP (?:MESSAGE|SIGNATURE|SIGNED MESSAGE)-----")
_MAIL = re.compile(r"\.(?:eml|msg|mbox|mht|mhtml|p7m|p7s)$|^winmail\.dat$", re.IGNORECASE)


@dataclass(frozen=True)
class Draft:
    """What is to go to a reporter in a case that is called so (`codenames`). `told` is what they wrote."""

    text: str
    files: tuple[Attachment, ...]
    author: Member | None
    told: Sequence[Message]
    codenames: tuple[str, ...]


def require_anonymous(draft: Draft, roster: Roster) -> None:
    """Raise NotAllowed when a reply names a member, or holds a piece of a notice; also in a file."""
    text, author, told, codenames = composed(draft.text), draft.author, draft.told, draft.codenames
    if team_tokens(text) or _holds_notice(text, codenames):
        raise NotAllowed(NOTICE)
    known = {word for item in told for word in words(f"{item.body.sender}\n{item.body.subject}\n{item.body.text}")}
    greeted = {word for item in told for word in words(item.body.sender)}
    if member := _named(text, roster) or _signed(text, author, roster, greeted) or _mentioned(text, roster, known):
        raise NotAllowed(NAMED, name=member.name)
    for file in draft.files:
        _require_anonymous_file(file, roster, codenames)


def _named(text: str, roster: Roster) -> Member | None:
    return next(iter(who_is_named([f"\n.\n{text}"], roster.members, roster.members)), None)


def _signed(text: str, author: Member | None, roster: Roster, greeted: set[str]) -> Member | None:
    """Whose name stands in a short line: of the author any word, of the others what a sign-off would hold."""
    first = True
    for line in text.splitlines():
        said = words(line)
        if not said:
            continue
        may_greet, first = first, False
        if len(said) > _SHORT_LINE:
            continue
        if author and {word for word in words(author.name) if len(word) > 1} & set(said) - (
            greeted if may_greet else set()
        ):
            return author
        if may_greet:
            continue
        for member in roster.members:
            if said[-1] in words(member.name)[:1] and len(said) <= 2 and not line.strip().endswith((".", "?", "!")):
                return member
    return None


def _mentioned(text: str, roster: Roster, known: set[str]) -> Member | None:
    """Who is called by a single name, written as a name."""
    spoken = {word for said in _WORD.findall(text) if not said[0].islower() for word in words(said)} - known - NO_NAME
    telling = {word for word in words(text) if len(word) >= _TELLING} - known - NO_NAME  # however it is written
    return next((item for item in roster.members if (spoken | telling) & _called(item)), None)


def _called(member: Member) -> set[str]:
    return {word for word in words(member.name) if len(word) > 1}


def _holds_notice(text: str, codenames: tuple[str, ...]) -> bool:
    """Whether a text holds a case's name, with whatever between its words, or a token of an address of the desk's."""
    said = f" {' '.join(words(text))} "
    return (
        any(f" {' '.join(words(name))} " in said for name in codenames)
        or _TOKEN.search(text.encode("utf-8", "replace")) is not None
    )


def _require_anonymous_file(file: Attachment, roster: Roster, codenames: tuple[str, ...]) -> None:
    if file.type.startswith("message/") or _MAIL.search(file.name) or _SEALED.search(file.data):
        raise NotAllowed(FILE_IS_MAIL, file=file.name)
    if (
        _TOKEN.search(file.data)
        or any(_holds(file.data.lower(), name) for name in codenames)
        or _holds_notice(file.name, codenames)
    ):
        raise NotAllowed(FILE_NOTICE, file=file.name)
    octets = file.data.lower()
    named = next((member for member in roster.members if any(_holds(octets, form) for form in _forms(member))), None)
    in_name = set(words(file.name)) - NO_NAME
    named = named or next((member for member in roster.members if in_name & _called(member)), None)
    for text in (file.name, *texts_of(file.data)):
        named = named or _named(text, roster)
        if _holds_notice(text, codenames):
            raise NotAllowed(FILE_NOTICE, file=file.name)
    if named:
        raise NotAllowed(FILE_NAMES, file=file.name, name=named.name)


def _forms(member: Member) -> tuple[str, ...]:
    return (member.name, member.email)


def _holds(octets: bytes, said: str) -> bool:
    """Whether octets hold a name in a usual encoding, as metadata do: of PDF, of pictures, of old Word files."""
    return any(said.lower().encode(encoding) in octets for encoding in ("utf-8", "utf-16-le", "utf-16-be"))
