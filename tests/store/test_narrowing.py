"""Nobody narrows a case alone, no case is stuck, and the record notices who changes the database instead."""

from __future__ import annotations

import pytest
from sqlmodel import Session, text

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from tests.conftest import Desk, DeskMaker
from tests.support.talk import read, say, to


def recused(desk: Desk, name: str) -> dict[str, str]:
    return {item["member"]: item["source"] for item in desk.case(name)["recused"]}


@pytest.fixture
def name(desk: Desk) -> str:
    codename = desk.receive(plain_mail("Somebody shouted at me.")).codename
    desk.mail_out()
    return codename


def test_a_second_recusal_by_one_reader_takes_another_ones_word(desk: Desk, team: list[Person], name: str) -> None:
    say(desk, team[0], "/recuse bo They are friends.", name)
    assert recused(desk, name) == {"bo": "reader"}
    sent = say(desk, team[0], "/recuse chidi And they.", name)
    assert recused(desk, name) == {"bo": "reader"}
    assert "one vote to withhold the case from Chidi Okafor" in " ".join(to(team[3], sent)[0].split())
    (told,) = [item for item in sent if item.recipient == "operator@desk.example"]
    assert name not in read(team[0], told)
    say(desk, team[0], "/recuse chidi And they.", name)
    assert recused(desk, name) == {"bo": "reader"}, "the same reader twice is one voice"
    say(desk, team[3], "/recuse chidi", name)
    assert recused(desk, name) == {"bo": "reader", "chidi": "reader"}


def test_nobody_is_left_alone_with_a_case_by_their_own_word(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk(team[:3])
    name = desk.receive(plain_mail("Somebody shouted at me.")).codename
    desk.mail_out()
    say(desk, team[0], "/recuse bo", name)
    assert recused(desk, name) == {}
    say(desk, team[2], "/recuse bo", name)
    assert recused(desk, name) == {"bo": "reader"}


def test_a_mail_that_names_all_but_one_is_not_that_ones_for_ever(desk: Desk, team: list[Person]) -> None:
    names = ", ".join(person.name for person in team[1:])
    name = desk.receive(plain_mail(f"All of them laughed: {names}.")).codename
    assert desk.case(name)["readers"] == ["ada"]
    answer = desk.play.command("case", "reinstate", name, "bo")
    assert answer.returncode == 0, answer.stderr
    assert desk.case(name)["readers"] == ["ada", "bo"]
    assert desk.play.command("case", "reinstate", name, "chidi").returncode == 1, "two can decide by themselves now"
    for reader in ("ada", "bo"):
        assert desk.play.command("case", "reinstate", name, "chidi", "--by", reader).returncode == 0
    assert desk.case(name)["readers"] == ["ada", "bo", "chidi"]


def test_what_the_reporter_asked_for_nobody_undoes_also_when_nobody_is_left(desk: Desk) -> None:
    name = desk.receive(plain_mail("Exclude: Ada, Bo, Chidi, Dana, Eun-ji\n\nIt was bad.")).codename
    assert desk.case(name)["readers"] == []
    assert desk.play.command("case", "reinstate", name, "bo").returncode == 1


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM recusals",
        "UPDATE recusals SET ended = since",
        "UPDATE recusals SET member = 'ada'",
        "INSERT INTO reinstatement_votes (id, case_id, member, voter, at) "
        "SELECT 'x', case_id, member, 'chidi', since FROM recusals",
    ],
)
def test_a_recusal_taken_out_of_the_database_or_a_vote_put_into_it_is_noticed(
    desk: Desk, team: list[Person], change: str
) -> None:
    name = desk.receive(plain_mail("It was Bo Lindqvist.")).codename
    desk.mail_out()
    say(desk, team[0], "/reinstate bo", name)
    assert desk.play.command("audit", "verify").returncode == 0
    with desk.context.database.write() as session:
        run(session, change)
    found = desk.play.command("audit", "verify")
    assert found.returncode == 1
    assert name in found.stderr.decode()


def run(session: Session, statement: str) -> None:
    session.connection().execute(text(statement))


def test_votes_and_returns_leave_the_record_intact(desk: Desk, team: list[Person]) -> None:
    name = desk.receive(plain_mail("It was Bo Lindqvist.")).codename
    desk.mail_out()
    for reader in (team[0], team[2]):
        say(desk, reader, "/reinstate bo", name)
    say(desk, team[0], "/recuse dana", name)
    say(desk, team[0], "/recuse bo", name)
    say(desk, team[2], "/recuse bo", name)
    assert recused(desk, name) == {"dana": "reader", "bo": "reader"}
    assert desk.play.command("audit", "verify").returncode == 0
