"""What readers are told of the acknowledgement is true: that it is sent, or why none is."""

from __future__ import annotations

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from intake.plan import TO_THE_TEAM
from store.outbox.limits import ENOUGH, NEVER
from tests.conftest import Desk, DeskMaker
from tests.support.talk import to

BROKEN = "-----BEGIN PGP MESSAGE-----\n\nhQEMA0000\n-----END PGP MESSAGE-----"


def told(desk: Desk, reader: Person, mail: bytes, recipient: str = "conduct@desk.example") -> tuple[str, int]:
    """What the reader is told of one more mail, and how many mails its author gets."""
    desk.receive(mail, recipient)
    sent = desk.mail_out(60)
    return " ".join(" ".join(to(reader, sent)).split()), sum(item.recipient == "sam@reporter.example" for item in sent)


def test_a_desk_that_acknowledges_nothing_says_so(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    desk.play.change_config("# acknowledge = true", "acknowledge = false #")
    for text in ("x", BROKEN):
        text, answers = told(desk, team[0], plain_mail(text))
        assert answers == 0
        assert NEVER in text


def test_beyond_the_limit_of_a_day_it_is_said_that_none_is_sent(desk: Desk, team: list[Person]) -> None:
    found = [told(desk, team[0], plain_mail(f"report {number}")) for number in range(6)]
    for text, answers in found:
        assert (ENOUGH in text) is (answers == 0)
    assert [answers for _, answers in found] == [1, 1, 1, 1, 0, 0]


def test_who_must_write_again_is_told_so_whatever_else_came_that_day(desk: Desk, team: list[Person]) -> None:
    for number in range(6):
        told(desk, team[0], plain_mail(f"report {number}"))
    found = [told(desk, team[0], plain_mail(f"{number}\n{BROKEN}")) for number in range(5)]
    assert [answers for _, answers in found] == [1, 1, 0, 0, 0], "a flood stays bounded"
    for text, answers in found:
        assert (ENOUGH in text) is (answers == 0)


def test_a_follow_up_that_did_not_open_and_was_not_answered_says_so(desk: Desk, team: list[Person]) -> None:
    desk.receive(plain_mail("hello"))
    (first,) = [item for item in desk.mail_out() if item.recipient == "sam@reporter.example"]
    answer = f"In-Reply-To: {first.headers['Message-ID']}\n"
    address = str(first.headers["Reply-To"]).partition("<")[2].rstrip(">") or str(first.headers["Reply-To"])
    found = [told(desk, team[0], plain_mail(f"{number}\n{BROKEN}", extra=answer), address) for number in range(3)]
    assert [answers for _, answers in found] == [1, 1, 0]
    assert ["its author was not asked to write again" in text for text, _ in found] == [False, False, True]


@pytest.mark.parametrize("limit", ["0", "1"])
def test_the_limit_of_the_desk_is_the_limit(make_desk: DeskMaker, team: list[Person], limit: str) -> None:
    desk = make_desk()
    desk.play.change_config("# replies_per_day = 4", f"replies_per_day = {limit} #")
    found = [told(desk, team[0], plain_mail(f"{number}\n{BROKEN}"))[1] for number in range(3)]
    assert sum(found) == int(limit)


def test_what_went_to_an_address_of_the_team_is_not_called_acknowledged(desk: Desk, team: list[Person]) -> None:
    text, answers = told(desk, team[0], plain_mail("x"), f"conduct+t-{24 * 'a'}@desk.example")
    assert answers == 0
    assert TO_THE_TEAM in text
