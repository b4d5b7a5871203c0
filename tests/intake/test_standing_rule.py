"""How sure it is who wrote a mail that points at a case: each reason to doubt, alone, against a mail that has none."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from desk.demo.mails import plain_mail
from intake.reading.message import read_mail
from intake.standing import Record, Standing, standing
from store.cases.threads import Side
from store.openpgp.receipts import address_of
from store.openpgp.values import Signature
from store.tables.authentication import Authentication, Vouched
from store.tables.records import Body

SAM, KIM = "sam@reporter.example", "kim@other.example"
RECEIPT = address_of("a" * 64)
OURS, OTHERS = "A" * 40, "B" * 40
SIGNED, UNSIGNED = Signature("valid", OURS), Signature()
NOT_KNOWN, BROKEN = Signature("unknown-key", OURS), Signature("invalid", OURS)


@dataclass(frozen=True)
class Points:
    side: Side = "reporter"
    author: str = ""


@dataclass(frozen=True)
class Wrote:
    """A mail to the reporter's token, and what is on record of the reporter."""

    first: Signature = UNSIGNED
    now: Signature = UNSIGNED
    sender: str = SAM
    pointer: Points = Points()
    by_form: bool = False
    result: Vouched = "none"
    hidden: bool = False
    addresses: tuple[str, ...] = (SAM,)
    author: str = "reporter"

    def standing(self) -> Standing:
        mail = replace(read_mail(plain_mail("x", sender=self.sender)).mail, hidden=self.hidden)
        vouched = Authentication(self.result)
        body = Body(signature=self.now, by_form=self.by_form, authentication=vouched)
        return standing(mail, body, Record(self.addresses, self.first, self.author), self.pointer)


TEAM, MINE, OTHER_AUTHOR = Points("team"), Points(author="reporter"), Points(author=":kim")
BOTH = f"{SAM}, {KIM}"
ROWS: list[tuple[Wrote, Standing]] = [
    # Who signed the report proves it with the same key; nobody does with less.
    (Wrote(SIGNED, SIGNED), "proven"),
    (Wrote(SIGNED, SIGNED, sender=KIM), "proven"),
    (Wrote(SIGNED, SIGNED, hidden=True), "proven"),
    (Wrote(SIGNED, SIGNED, pointer=OTHER_AUTHOR), "proven"),
    (Wrote(SIGNED, UNSIGNED), "doubtful"),
    (Wrote(SIGNED, Signature("valid", OTHERS)), "doubtful"),
    (Wrote(SIGNED, NOT_KNOWN), "doubtful"),
    (Wrote(SIGNED, BROKEN), "doubtful"),
    # A key that the desk does not have proves nothing; that it is another one is a reason to doubt.
    (Wrote(NOT_KNOWN, NOT_KNOWN), "likely"),
    (Wrote(NOT_KNOWN, NOT_KNOWN, sender=KIM), "doubtful"),
    (Wrote(NOT_KNOWN, Signature("unknown-key", OTHERS)), "doubtful"),
    (Wrote(NOT_KNOWN, SIGNED), "doubtful"),
    (Wrote(NOT_KNOWN, UNSIGNED), "doubtful"),
    # A report that was not signed, or broken on its way, binds to no key.
    (Wrote(UNSIGNED, UNSIGNED), "likely"),
    (Wrote(UNSIGNED, SIGNED), "likely"),
    (Wrote(UNSIGNED, BROKEN), "likely"),
    (Wrote(BROKEN, UNSIGNED), "likely"),
    (Wrote(BROKEN, SIGNED), "likely"),
    # The one address on record, in the open.
    (Wrote(sender=KIM), "doubtful"),
    (Wrote(sender=BOTH), "doubtful"),
    (Wrote(addresses=(KIM, SAM)), "likely"),
    (Wrote(addresses=()), "doubtful"),
    (Wrote(hidden=True), "doubtful"),
    # Whose token, or whose mail, it is.
    (Wrote(pointer=MINE), "likely"),
    (Wrote(pointer=OTHER_AUTHOR), "doubtful"),
    (Wrote(pointer=OTHER_AUTHOR, author=":kim"), "likely"),
    (Wrote(pointer=TEAM), "doubtful"),
    (Wrote(SIGNED, SIGNED, pointer=TEAM), "doubtful"),
    # A domain that disowns it outweighs all.
    (Wrote(result="pass"), "likely"),
    (Wrote(result="fail"), "doubtful"),
    (Wrote(SIGNED, SIGNED, result="fail"), "doubtful"),
    # Who has a receipt comes by the form alone.
    (Wrote(sender=RECEIPT, addresses=(RECEIPT,), by_form=True), "likely"),
    (Wrote(sender=RECEIPT, addresses=(RECEIPT,)), "doubtful"),
    (Wrote(SIGNED, SIGNED, sender=RECEIPT), "doubtful"),
    (Wrote(SIGNED, SIGNED, sender=f"{SAM}, {RECEIPT}"), "doubtful"),
    (Wrote(by_form=True), "likely"),
]  # fmt: skip


@pytest.mark.parametrize(("wrote", "expected"), ROWS, ids=[str(number) for number in range(len(ROWS))])
def test_how_sure_it_is(wrote: Wrote, expected: Standing) -> None:
    assert wrote.standing() == expected
