"""What must not be told of a case to one of those who are outside of the team: looked for in everything that leaves to them.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from store.cases import correspondence
from store.cases.case_file import CaseFile
from store.cases.correspondence import Thread
from store.cases.disclosure import Recipient, Secrets
from store.cases.disclosure import require_discreet as require_nothing_told
from store.cases.persons import REPORTER, Person, may_be_named, named_in, protected, reporter_agreed
from store.kit.documents import texts_of
from store.tables.records import Message
from store.team.names import who_may_be_named


@dataclass(frozen=True)
class Document:
    """What stands in a file that somebody sent and that is no plain text: who sent it (an author), and its texts."""

    author: str
    texts: tuple[str, ...] = field(repr=False)


def require_discreet(
    file: CaseFile, thread: Thread | None, texts: Sequence[str], documents: Sequence[Document] = ()
) -> None:
    """Raise NotAllowed when some texts, meant for a correspondent (None: the reporter), tell of anybody else in the case. `documents` are
    those that came with it."""
    told, author = file.messages(), thread.author if thread else REPORTER
    sent = [item for item in told if (correspondence.is_letter_to(item, thread) if thread else item.direction == "out")]
    persons = [item for item in protected_in(file) if item.author != author]
    if thread is None:
        # Whom the reporter names themself is no secret to them. Whom a reported person only guesses at is.
        persons += [_person(item) for item in correspondence.threads(file) if item.role == "reported"]
        own = [text for item in told if item.author == author for text in _texts(file, item)]
        known = {item.id for item in who_may_be_named(own, persons, ())}
        persons = [item for item in persons if item.id not in known]
    agreed = _who_agreed(file, told)
    others = [item for item in told if item.direction != "note" and item.author not in (author, *agreed)]
    written = chain(
        ((text, False) for item in documents if item.author not in (author, *agreed) for text in item.texts),
        ((text, item.direction != "in") for item in others for text in _texts(file, item)),
    )
    known_texts = chain(
        (text for item in told if item.author == author or item in sent for text in _texts(file, item)),
        (text for item in documents if item.author == author for text in item.texts),
    )
    to = Recipient(thread.name if thread else _reporters_name(told), known_texts)
    require_nothing_told(texts, Secrets(persons, written), to)


def require_public(file: CaseFile, text: str) -> None:
    """Raise NotAllowed when a text, meant for everybody, tells of anybody in the case: the reported person too, whoever agreed to be named
    to those who are heard, and whatever any of them wrote."""
    told = file.messages()
    persons = [*everybody_in(file), *named_in(file.fields.get("reported", ""), ":reported")]
    persons += [_person(item) for item in correspondence.threads(file)]
    written = (
        (said, item.direction != "in") for item in told if item.direction != "note" for said in _texts(file, item)
    )
    require_nothing_told([text], Secrets(persons, written), Recipient(""))


def protected_in(file: CaseFile) -> tuple[Person, ...]:
    """Who must not be named to others in a case."""
    return protected(file.facts, file.fields, correspondence.threads(file), file.messages())


def everybody_in(file: CaseFile) -> tuple[Person, ...]:
    """The same, whether they agreed to be named or not."""
    return protected(replace(file.facts, may_be_named=()), file.fields, correspondence.threads(file), file.messages())


def _who_agreed(file: CaseFile, told: Sequence[Message]) -> set[str]:
    """The authors who agreed to be named: what they wrote may be told as well."""
    known = file.facts
    agreed = {item.author for item in correspondence.threads(file) if may_be_named(known, _person(item))}
    return agreed | ({REPORTER} if reporter_agreed(known, told) else set())


def _person(thread: Thread) -> Person:
    return Person(thread.author, thread.name, thread.address, author=thread.author)


def _reporters_name(told: Sequence[Message]) -> str:
    return next((item.body.sender.rpartition("<")[0].strip(" \"'") for item in told if item.author == REPORTER), "")


def _texts(file: CaseFile, message: Message) -> Iterator[str]:
    """What a message says, and its files that are texts."""
    body = message.body
    yield from (body.subject, body.text, body.outside_text)
    if any(item.type.startswith("text/") for item in message.attachments):
        for item in file.attachment_contents(message):
            if item.type.startswith("text/"):
                yield from texts_of(item.data)
