"""Loops and floods: mail that breeds mail comes to an end, everything is kept, and nobody is buried.

The bounds, for one desk and one day: `replies_per_day` answers to an address, and `flood_limit` + 1 notices to each
reader for mails of one source.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Delivered, Person
from tests.bench.prove import figure
from tests.conftest import Desk, DeskMaker
from tests.support.talk import failed_delivery, to

FLOOD = int(os.environ.get("FLOOD", "45"))
MANY = min(FLOOD, 500)


def states(desk: Desk) -> Counter[str]:
    from desk.commands import show

    with desk.context.database.read() as session:
        cases = show.visible_cases(desk.context, session, None)
    return Counter(case.state for case in cases)


def exchange(one: Desk, other: Desk, mails: list[Delivered], rounds: int = 50) -> int:
    """Carry what two desks write to each other; how many mails that were."""
    carried = 0
    for _ in range(rounds):
        passed = []
        for item in mails:
            for desk in (one, other):
                if item.recipient.partition("+")[0].partition("@")[0] == desk.play.address.partition("@")[0]:
                    carried += 1
                    desk.receive(item.mail, item.recipient, sender=item.sender)
                    passed += desk.mail_out()
        mails = passed
    return carried


def test_two_desks_that_write_to_each_other_fall_silent(make_desk: DeskMaker) -> None:
    here, there = make_desk(), make_desk(address="aloha@other.example")
    there.receive(plain_mail("hello", sender="conduct@desk.example", to="aloha@other.example"), "aloha@other.example")
    first = there.mail_out()
    assert "conduct@desk.example" in {item.recipient for item in first}
    assert exchange(here, there, first) == 1
    assert states(here) == {"automatic": 1}


def test_an_answering_machine_that_hides_what_it_is_gets_few_answers(desk: Desk, team: list[Person]) -> None:
    """It answers each mail at once, to the address that it came from, and ignores RFC 3834."""
    desk.receive(plain_mail("I am away.", sender="away@reporter.example"))
    answers = 0
    for number in range(40):
        sent = [item for item in desk.mail_out() if item.recipient == "away@reporter.example"]
        answers += len(sent)
        for item in sent:
            mail = plain_mail(f"I am away. {number}", sender="away@reporter.example")
            desk.receive(mail, str(item.headers["Reply-To"] or desk.play.address).rpartition("<")[2].rstrip(">"))
    assert answers == 1
    assert states(desk) == {"new": 1}


def test_a_mailing_list_that_the_desk_was_subscribed_to(desk: Desk, team: list[Person]) -> None:
    for number in range(MANY):
        extra = f"List-Id: <spam.list.example>\nPrecedence: bulk\nX-Number: {number}\n"
        desk.receive(plain_mail("news", sender=f"poster{number}@list.example", extra=extra))
    mails = desk.mail_out(1000)
    assert not any(item.recipient.endswith("list.example") for item in mails)
    assert len(to(team[0], mails)) == 31
    assert states(desk) == {"new": 30, "automatic": MANY - 30}


def test_a_storm_of_bounces_wakes_nobody(desk: Desk) -> None:
    for number in range(MANY):
        desk.receive(failed_delivery(f"<{number}@forged.example>", "somebody@forged.example"), sender="")
    assert desk.mail_out(1000) == []
    assert states(desk) == {"automatic": MANY}


@pytest.mark.parametrize("limit", [30])
def test_very_many_mails_of_one_sender_are_kept_and_readers_told_once(
    desk: Desk, team: list[Person], limit: int
) -> None:
    for number in range(FLOOD):
        receipt = desk.receive(plain_mail(f"number {number}"))
        assert receipt.codename
    mails = desk.mail_out(1000)
    assert states(desk) == {"new": limit, "automatic": FLOOD - limit}
    assert len([item for item in mails if item.recipient == "sam@reporter.example"]) == 4
    for person in team:
        texts = to(person, mails)
        assert len(texts) == limit + 1
        assert sum("very many mails" in text for text in texts) == 1
    figure(f"{FLOOD} mails of one sender", f"kept {FLOOD}; answers 4; notices to each reader {limit + 1}")
    somebody = desk.receive(plain_mail("It was Bo Lindqvist.", sender="kim@reporter.example"))
    assert {item.recipient for item in desk.mail_out()} == {
        "kim@reporter.example",
        *(person.email for person in team if person.id != "bo"),
    }
    desk.clock.forward(days=1)
    again = desk.receive(plain_mail("one more"))
    assert len(to(team[0], desk.mail_out())) == 1
    assert {desk.case(item.codename)["state"] for item in (somebody, again)} == {"new"}


def test_very_many_mails_on_one_case_are_kept_and_readers_told_once(desk: Desk, team: list[Person]) -> None:
    name = desk.receive(plain_mail("first")).codename
    (answer,) = [item for item in desk.mail_out() if item.recipient == "sam@reporter.example"]
    address = str(answer.headers["Reply-To"]).rpartition("<")[2].rstrip(">")
    for number in range(MANY):
        assert desk.receive(plain_mail(f"more {number}"), address).codename == name
    mails = desk.mail_out(1000)
    assert len(to(team[0], mails)) == 30
    assert sum("very many mails" in text for text in to(team[0], mails)) == 1
    assert len(desk.case(name)["messages"]) == 1 + MANY
