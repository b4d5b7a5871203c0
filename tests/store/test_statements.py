"""What the team may say in public: drafted by one, searched for everybody in the case, released by another."""

from __future__ import annotations

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from tests.conftest import Desk, DeskMaker
from tests.support.talk import say, to, words

REPORT = "Morgan Vale shouted at me behind the stage on Friday evening, in front of everybody."
GOOD = "There was a report about conduct at our last event. We looked into it and took measures."


@pytest.fixture
def desk(make_desk: DeskMaker) -> Desk:
    return make_desk()


def reported(desk: Desk, team: list[Person]) -> str:
    codename = desk.receive(plain_mail(REPORT, sender="Robin Sander <robin@sander.example>")).codename
    desk.mail_out()
    desk.clock.forward(minutes=1)
    say(desk, team[0], "/field reported: Morgan Vale\n/consent reporter to be named", codename)
    say(desk, team[0], "/write Kim Ode <kim@ode.example> as witness\n\nDid you see it?", codename)
    desk.clock.forward(minutes=1)
    return codename


def test_another_reader_releases_it_and_nobody_outside_gets_it(desk: Desk, team: list[Person]) -> None:
    ada, bo, *_ = team
    codename = reported(desk, team)
    mails = say(desk, ada, f"/statement\n\n{GOOD}", codename)
    assert {item.recipient for item in mails} == {person.email for person in team}
    assert "Your statement is kept." in words(to(ada, mails)[0])
    assert "'/send 1'" in words(to(bo, mails)[0])
    assert GOOD in words(to(bo, mails)[0])
    assert "Somebody else on the case" in words(to(ada, say(desk, ada, "/send 1", codename))[0])
    sent = say(desk, bo, "/send 1", codename)
    assert {item.recipient for item in sent} == {person.email for person in team}
    assert "statement 1 may be said in public now" in words(to(ada, sent)[0])
    shown = words(to(ada, say(desk, ada, "/show", codename))[0])
    assert "a statement that may be said" in shown


@pytest.mark.parametrize(
    "text",
    [
        "Robin told us of it.", "It was about Morgan Vale.", "We asked Kim Ode as well.", "Ada Quist led it.",
        "Somebody shouted at me behind the stage on Friday evening, in front of everybody.",
    ],
)  # fmt: skip
def test_it_names_nobody_whoever_agreed_to_be_named_to_others(desk: Desk, team: list[Person], text: str) -> None:
    codename = reported(desk, team)
    mails = say(desk, team[0], f"/statement\n\n{text}", codename)
    assert {item.recipient for item in mails} == {team[0].email}
    assert "nothing was done" in to(team[0], mails)[0]


def test_who_came_into_the_case_since_is_looked_for_when_it_is_released(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk, team)
    say(desk, team[0], "/statement\n\nWe thank Lee Harm for their patience.", codename)
    say(desk, team[0], "/field harmed: Lee Harm", codename)
    refused = to(team[1], say(desk, team[1], "/send 1", codename))
    assert "Lee Harm" in words(refused[0])
    assert "nothing was done" in refused[0]
