"""The persons of a case besides the team: who they are, and what must not be told of them to others. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from store.cases.correspondence import Thread
from store.kit.addresses import bare
from store.openpgp.receipts import stands_for_a_receipt
from store.tables.records import Facts, Message
from store.team.folding import composed, words
from store.team.name_words import GREETING, NO_NAMES_BEFORE

REPORTER = "reporter"
# Whom the record protects from being told to who is heard; the reported person is known to them.
_PROTECTED_FIELDS = ("harmed", "witnesses")
_ADDRESS = re.compile(r"[^\s@<>,;:\"'()\[\]]{1,64}@[^\s@<>,;:\"'()\[\]]{1,255}")
_HANDLE = re.compile(r"(?<![\w.])@([\w.-]{2,64})")
_BETWEEN = re.compile(
    r"[,;\n/&+\u3001\uff0c\u060c\u061b\u00b7]|\s(?:and|und|y|et|e|و|or|oder|o|ou|u|أو)\s", re.IGNORECASE
)
_NAME_AT_MOST = 4
# Mailboxes that are nobody's name (RFC 2142, and what people use).
_NOBODYS = frozenset(
    "abuse admin contact hello help hi hostmaster info list mail me news noreply office post postmaster sales security support team web webmaster".split()
)
_WRITTEN_AS_NAME = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True)
class Person:
    """Somebody in a case. `calls` are words that mean them only where they are written as a name. `author` is as whom they stand in the
    record; empty when they wrote nothing there."""

    id: str
    name: str = field(repr=False)
    email: str = field(default="", repr=False)
    aliases: tuple[str, ...] = field(default=(), repr=False)
    author: str = ""
    calls: tuple[str, ...] = field(default=(), repr=False)

    @property
    def forms(self) -> tuple[str, ...]:
        """All by which they can be named."""
        return tuple(filter(None, (self.name, self.email, *self.aliases)))


def protected(
    known: Facts, fields: Mapping[str, str], threads: Sequence[Thread], told: Sequence[Message]
) -> tuple[Person, ...]:
    """The persons of a case who must not be named to others in it: the reporter, who was harmed, witnesses, and who else is
    written with, but for the reported person; less those who agreed to be named. `told` are the messages of the case.
    """
    reporter = () if reporter_agreed(known, told) else tuple(_reporter(known, told))
    others = [*_in_fields(fields), *_heard(threads)]
    return (*reporter, *(item for item in others if not may_be_named(known, item)))


def reporter_agreed(known: Facts, told: Sequence[Message]) -> bool:
    """Whether the reporter agreed to be named, under whichever name that is written down."""
    return may_be_named(known, Person("", REPORTER)) or any(
        may_be_named(known, item) for item in _reporter(known, told)
    )


def may_be_named(known: Facts, person: Person) -> bool:
    """Whether a person agreed to be named."""
    agreed = [consent_form(item) for item in known.may_be_named]
    return any(consent_form(form) in agreed for form in person.forms)


def consent_form(name: str) -> str:
    """A name as consents and threads are compared: as it is written, but for case and spaces, for a namesake in another script or order is
    somebody else."""
    return " ".join(composed(name).casefold().split())


def _alike_form(name: str) -> str:
    """A name as it is compared where it is safer that two are taken for one."""
    return " ".join(sorted(words(name)))


def _reporter(known: Facts, told: Sequence[Message]) -> Iterator[Person]:
    addresses = [item for item in dict.fromkeys((*known.reporters, known.address, known.answer_to, known.tell)) if item]
    addresses = [item for item in addresses if not stands_for_a_receipt(item)]
    names = dict.fromkeys(name for item in told if item.author == REPORTER and (name := display_name(item.body.sender)))
    for number, address in enumerate(addresses):
        yield _by_address(Person(f":reporter-{number}", "", address, author=REPORTER))
    for number, name in enumerate(names):
        yield Person(f":reporter-name-{number}", name, "", (), REPORTER)


def _by_address(person: Person) -> Person:
    """A person with what their address says of their name: one of several words is a name, a single one only where it is written so."""
    said = words(person.email.partition("@")[0].partition("+")[0])
    if len(said) > 1:
        return replace(person, aliases=(*person.aliases, " ".join(said)), calls=tuple(said))
    return replace(person, calls=tuple(word for word in said if word not in _NOBODYS and word not in GREETING))


def display_name(sender: str) -> str:
    """The name of an author as it is kept (`Name <address>`, or a name alone), without addresses and handles that stand in it."""
    name = sender.rpartition("<")[0] if "<" in sender else sender
    return " ".join(_HANDLE.sub(" ", _ADDRESS.sub(" ", name)).strip(" \"'()").replace("()", " ").split())


def _in_fields(fields: Mapping[str, str]) -> Iterator[Person]:
    yield from (replace(item, author=REPORTER) for item in named_in(fields.get("contact", ""), ":contact"))
    for name in _PROTECTED_FIELDS:
        yield from (person for number, person in enumerate(named_in(fields.get(name, ""), f":{name}")))


def named_in(value: str, prefix: str) -> Iterator[Person]:
    """Who stands in a field of the record: short pieces are names; in longer ones, what is written like one."""
    for number, piece in enumerate(_BETWEEN.split(value)):
        addresses, handles = _ADDRESS.findall(piece), _HANDLE.findall(_ADDRESS.sub(" ", piece))
        rest = _HANDLE.sub(" ", _ADDRESS.sub(" ", piece)).strip(" .()<>\"'")
        said = words(rest)
        if 0 < len(said) <= _NAME_AT_MOST:
            yield Person(f"{prefix}-{number}", rest, next(iter(addresses), ""), tuple(handles))
            continue
        yield from (Person(f"{prefix}-{number}-{index}", "", one) for index, one in enumerate(addresses[1:], 1))
        written = [word for word in _WRITTEN_AS_NAME.findall(rest) if words(word)]
        # Who is described is named first, however it is written; and whatever has a capital, or a script without them, may be a name.
        names = [word for index, word in enumerate(written) if not index or not word[0].islower()]
        names = [word for word in names if words(word)[0] not in NO_NAMES_BEFORE]
        if addresses or handles or names:
            yield Person(f"{prefix}-{number}", "", next(iter(addresses), ""), tuple(handles), calls=tuple(names))


def _heard(threads: Sequence[Thread]) -> Iterator[Person]:
    for thread in threads:
        if thread.role != "reported":
            yield _by_address(Person(thread.author, thread.name, thread.address, author=thread.author))


def is_reporter(known: Facts, told: Sequence[Message], name: str, address: str, fingerprint: str) -> bool:
    """Whether a correspondent to be is the reporter: by address, by key, or by the name that they write under."""
    own = {bare(item) for item in (*known.reporters, known.address, known.answer_to, known.tell) if item}
    keys = {known.reporter_fingerprint, known.new_fingerprint} - {""}
    names = {_alike_form(display_name(item.body.sender)) for item in told if item.author == REPORTER} - {""}
    return (bool(address) and bare(address) in own) or fingerprint in keys or _alike_form(name) in names
