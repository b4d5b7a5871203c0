"""What a refusal of the relay's is about: one mail, or everybody's. Pure.

The text of an answer decides nothing, and its code little: where a relay asks the next server first, whoever a mail is
for may have written it. What counts is whether the relay takes mail for somebody whom the desk trusts.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Literal

from store.kit.addresses import domain_of, folded, same_address

Stage = Literal["address", "mail"]

_MOST = 3
_ENHANCED = re.compile(rb"\s*([245])\.(\d{1,3})\.(\d{1,3})(?:\s|$)")
_TOO_LARGE = 552  # RFC 1870 section 6.1


class RelayDown(Exception):
    """The relay cannot be used now, whoever the mail is for. The text says why and what to do, without addresses."""


class NotTaken(Exception):
    """The relay did not take one mail. `final` when it said that trying again is of no use (5xx).

    `stage` is what it answered to. `certain` when it can only be about this one mail, as its size is.
    """

    def __init__(self, reason: str, *, final: bool, stage: Stage = "address", certain: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final
        self.stage = stage
        self.certain = certain


def refused(code: int, text: bytes | str, stage: Stage) -> NotTaken:
    """The refusal of one mail, by the answer to its address or to itself."""
    what = "address" if stage == "address" else "mail"
    said = spoken(code, text)
    certain = stage == "mail" and _is_of_this_mail(code, text)
    return NotTaken(
        f"the mail server answered {said} to the {what}", final=500 <= code < 600, stage=stage, certain=certain
    )


def spoken(code: int, text: bytes | str) -> str:
    """A reply code with its enhanced status code (RFC 3463), and nothing else of the answer: that may hold an address."""
    found = _enhanced(text)
    return f"{code} {'.'.join(str(part) for part in found)}" if found else str(code)


def wants_login(code: int, text: bytes | str) -> bool:
    """Whether an answer is one that a relay gives to whom it does not know (RFC 4954 section 6, RFC 3463 section 3.8)."""
    found = _enhanced(text)
    return code in (530, 535, 538) or (found is not None and found[1] == 7) or (found is None and code in (550, 554))


def witnesses(refused_address: str, trusted: Sequence[str], own: Sequence[str]) -> list[str]:
    """Whom to ask the relay about: does it take mail at all? The desk's own addresses only when there is nobody else.

    Most relays take mail for their own domain from everybody. So those elsewhere are asked about first, and alone, one
    of each domain before two of one.
    """
    at_home = {domain_of(address) for address in own}
    others = [item for item in _once(trusted) if not same_address(item, refused_address)]
    abroad = [item for item in others if domain_of(item) not in at_home]
    chosen = abroad or others or [item for item in own if not same_address(item, refused_address)]
    return _spread(chosen)[:_MOST]


def _spread(addresses: Sequence[str]) -> list[str]:
    first = {domain_of(item): item for item in reversed(addresses)}.values()
    return [item for item in addresses if item in first] + [item for item in addresses if item not in first]


def _once(addresses: Collection[str]) -> list[str]:
    return list({folded(item): item for item in addresses if item}.values())


def _enhanced(text: bytes | str) -> tuple[int, int, int] | None:
    octets = text.encode("ascii", "replace") if isinstance(text, str) else text
    found = _ENHANCED.match(octets)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _is_of_this_mail(code: int, text: bytes | str) -> bool:
    """Whether an answer to a whole mail is about its size, its kind or its one address (RFC 3463 sections 3.2 to 3.7)."""
    found = _enhanced(text)
    if found is None:
        return code == _TOO_LARGE
    _, subject, detail = found
    return subject in (1, 2, 6) or (subject, detail) == (3, 4) or code == _TOO_LARGE
