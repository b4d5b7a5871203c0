"""To whom, how and as what a letter is to go, as a reader writes it behind `/write`. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from store.cases.correspondence import ROLES, Role
from store.kit.errors import NotAllowed
from store.kit.kinds import LANGUAGES, mail_address
from store.kit.sentences import marked
from store.openpgp.receipts import stands_for_a_receipt
from store.tables.records import LetterKind

LetterHow = Literal["", "plain", "new-key"]
Known = TypeVar("Known", bound=str)

NO_NAME = marked("To whom? Write a name after '/write', and their address in angle brackets the first time.")
ONE_ADDRESS = marked("Write one plain mail address in angle brackets, such as <name@example.org>.")
WRONG_WORD = marked(
    "After the name, '/write' takes: 'as reported', 'as witness' or 'as other'; 'in' and a language ({languages}); 'using' hearing, outcome or warning; "
    "'until' and a day; 'plain' or 'new-key'; 'draft'. It does not know '{word}'."
)
_KINDS: tuple[LetterKind, ...] = ("hearing", "outcome", "warning")
_HOW: tuple[LetterHow, ...] = ("plain", "new-key")
_WORDS = re.compile(
    rf"\s(?:as\s+(?P<role>{'|'.join(ROLES)})|in\s+(?P<language>{'|'.join(LANGUAGES)})|using\s+(?P<kind>{'|'.join(_KINDS)})"
    r"|until\s+(?P<until>\S+)|(?P<how>plain|new-key)|(?P<draft>draft))$",
    re.IGNORECASE,
)
_LONGEST_NAME = 100


@dataclass(frozen=True)
class Order:
    """`name` as the readers call them; `address` is empty for somebody who is heard already. `until` is as it was written."""

    name: str = field(repr=False)
    address: str = field(default="", repr=False)
    role: Role | Literal[""] = ""
    language: str = ""
    kind: LetterKind = ""
    until: str = ""
    how: LetterHow = ""
    draft: bool = False


def read_order(written: str) -> Order:
    """What stands behind `/write`. Raises NotAllowed."""
    found: dict[str, str] = {}
    rest = f" {' '.join(written.split())}"
    while word := _WORDS.search(rest):
        found = {name: value.lower() for name, value in word.groupdict().items() if value} | found
        rest = rest[: word.start()]
    name, bracket, behind = rest.partition("<")
    address = ""
    if bracket:
        address, end, more = behind.partition(">")
        if not end or "@" in more:
            raise NotAllowed(ONE_ADDRESS)
        if more.strip():
            raise NotAllowed(WRONG_WORD, languages=", ".join(LANGUAGES), word=more.strip()[:50])
    name = name.strip(" \"'")
    if not name or len(name) > _LONGEST_NAME:
        raise NotAllowed(NO_NAME)
    if bracket or "@" in name:
        address = _plain(address)
    return Order(
        name, address, _one_of(ROLES, found.get("role")) or "", found.get("language", ""),
        _one_of(_KINDS, found.get("kind")) or "", found.get("until", ""), _one_of(_HOW, found.get("how")) or "", "draft" in found,
    )  # fmt: skip


def _one_of(known: Sequence[Known], word: str | None) -> Known | None:
    return next((item for item in known if item == word), None)


def _plain(address: str) -> str:
    try:
        found = mail_address(address.strip())
    except ValueError:
        raise NotAllowed(ONE_ADDRESS) from None
    if stands_for_a_receipt(found):  # whoever has a receipt is a reporter
        raise NotAllowed(ONE_ADDRESS)
    return found
