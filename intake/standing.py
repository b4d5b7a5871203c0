"""How sure it is that a mail which points at a case is from whom it says, and what that makes of what it asks for. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from intake.reading.message import Mail
from store.cases.threads import Side
from store.kit.addresses import bare
from store.openpgp.receipts import stands_for_a_receipt
from store.openpgp.values import Signature
from store.tables.records import Body

# proven: signed by the key that signed the report. likely: from the one address on record, by a way that only its
# author should know. doubtful: anything else that points at a case; it becomes a case of its own.
Standing = Literal["proven", "likely", "doubtful"]


class Pointer(Protocol):
    """By what a mail points at a case."""

    @property
    def side(self) -> Side:
        """Whose token it used, or whose mail it answers."""

    @property
    def author(self) -> str:
        """Whose mail it answers, if not one of ours."""


@dataclass(frozen=True)
class Record:
    """What is known of a correspondent: the addresses that they write from, the signature of their first mail, and as whom they stand in
    the case (`reporter`, or the author of a thread)."""

    addresses: tuple[str, ...] = field(repr=False)
    signature: Signature
    author: str = "reporter"


def standing(mail: Mail, body: Body, record: Record, pointer: Pointer) -> Standing:
    """How sure it is that a mail (its header, and what it says) is from the correspondent whose side of a case it points at."""
    first, signature = record.signature, body.signature
    if pointer.side == "team":
        return "doubtful"  # the team's token and its notices are for members, who sign
    if not body.by_form and any(stands_for_a_receipt(bare(item.address)) for item in mail.sender):
        return "doubtful"  # only the form knows who has a receipt
    if body.authentication.result == "fail":
        return "doubtful"  # whatever else speaks for it: a signed mail may be sent again by somebody else
    if first.fingerprint and first.status != "invalid":
        if signature.fingerprint != first.fingerprint or signature.status != first.status:
            return "doubtful"
        if first.status == "valid":
            return "proven"
    authors = [bare(item.address) for item in mail.sender]
    if len(authors) != 1 or authors[0] not in record.addresses or mail.hidden:
        return "doubtful"
    return "likely" if pointer.author in ("", record.author) else "doubtful"
