"""Who joins later is looked for in all that a case says, as those were who stood on the roster when it came."""

from __future__ import annotations

import json

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from intake import reader_process
from intake.screening import screen_desk
from tests.conftest import Desk, DeskMaker
from tests.support.talk import say, to


def with_file(text: str, kind: str, name: str, content: str) -> bytes:
    return (
        "From: Sam <sam@reporter.example>\nTo: conduct@desk.example\nSubject: Report\nMIME-Version: 1.0\n"
        f"Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: text/plain\n\n{text}\n"
        f"--m\nContent-Type: {kind}\nContent-Disposition: attachment; filename={name}\n\n{content}\n--m--\n"
    ).encode()


NAMING_BO = {
    "its text": plain_mail("It was Bo Lindqvist."),
    "a wish": plain_mail("Exclude: Bo\n\nIt was bad."),
    "an attached text": with_file("See there.", "text/plain", "a.txt", "It was Bo Lindqvist."),
    "a forwarded mail": with_file(
        "See there.", "message/rfc822", "a.eml", "From: Bo <bo@team.example>\nSubject: x\n\nHa ha."
    ),
    "who was copied": plain_mail("It was bad.", to="conduct@desk.example, Somebody <bo@team.example>"),
    "how they were called": plain_mail("It was bad.", to="conduct@desk.example, Bo Lindqvist <bl@home.example>"),
    "where answers go": plain_mail("It was bad.", extra="Reply-To: Bo Lindqvist <bl@home.example>\n"),
    "a file's name": with_file("See there.", "image/png", '"Bo Lindqvist.png"', "x"),
}


@pytest.mark.parametrize("where", NAMING_BO)
@pytest.mark.parametrize("closed", [False, True])
def test_who_joins_later_is_looked_for_in_everything(
    make_desk: DeskMaker, team: list[Person], where: str, closed: bool
) -> None:
    bo, others = team[1], [team[0], *team[2:]]
    desk = make_desk(others)
    desk.tick()
    name = desk.receive(NAMING_BO[where]).codename
    desk.mail_out()
    if closed:
        say(desk, team[0], "/state closed warning", name)
    desk.play.set_team(team)
    desk.reopen()
    # Before anybody looked for them, nothing is theirs.
    assert json.loads(desk.play.command("case", "list", "--as", "bo", "--json").stdout) == []
    desk.tick()
    desk.clock.forward(hours=1)
    sent = desk.mail_out()
    assert all(name not in text for text in to(bo, sent))
    assert "bo" in {item["member"] for item in desk.case(name)["recused"]}
    assert json.loads(desk.play.command("case", "list", "--as", "bo", "--json").stdout) == []


def test_who_is_not_named_reads_along_after_one_look(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk([team[0], *team[2:]])
    desk.tick()
    name = desk.receive(plain_mail("It was somebody else.")).codename
    desk.mail_out()
    desk.play.set_team(team)
    desk.reopen()
    desk.tick()
    desk.clock.forward(hours=1)
    assert any(name in text for text in to(team[1], desk.mail_out()))
    assert screen_desk(desk.context, desk.context.config.desk[0]) == 0, "nobody is left to be looked for"


def test_the_reporters_wish_outranks_what_a_reader_did(desk: Desk, team: list[Person]) -> None:
    name = desk.receive(plain_mail("Somebody shouted at me.")).codename
    (acknowledged,) = [item for item in desk.mail_out() if item.recipient == "sam@reporter.example"]
    say(desk, team[0], "/recuse bo He is a friend.", name)
    token = str(acknowledged.headers["Reply-To"]).partition("<")[2].strip(">")
    desk.receive(plain_mail("Exclude: Bo"), token)
    assert desk.case(name)["recused"] == [{"member": "bo", "source": "reporter"}]
    for person in (team[2], team[3]):
        say(desk, person, "/reinstate bo", name)
    assert desk.case(name)["recused"] == [{"member": "bo", "source": "reporter"}]


@pytest.mark.parametrize("text", ["/field reported: Bo Lindqvist", "I heard that it was Bo Lindqvist."])
def test_whom_a_reader_names_as_part_of_a_case_is_not_told_of_it(desk: Desk, team: list[Person], text: str) -> None:
    name = desk.receive(plain_mail("Somebody shouted at me.")).codename
    desk.mail_out()
    sent = say(desk, team[0], text, name)
    assert team[1].email not in {item.recipient for item in sent}
    assert desk.case(name)["recused"] == [{"member": "bo", "source": "named"}]
    assert "withheld from Bo Lindqvist" in to(team[2], sent)[0]


def test_a_note_of_which_nothing_is_left_for_a_reader_is_not_sent(desk: Desk, team: list[Person]) -> None:
    one = desk.receive(plain_mail("Somebody shouted at me.")).codename
    other = desk.receive(plain_mail("Exclude: Bo\n\nSomebody shouted at her.")).codename
    desk.mail_out()
    sent = say(desk, team[0], f"/link {other}", one)
    assert {item.recipient for item in sent} == {team[number].email for number in (0, 2, 3, 4)}
    shown = desk.play.command("case", "show", one, "--as", "bo", "--json").stdout.decode()
    assert len(json.loads(shown)["messages"]) == 1
    assert other not in shown


@pytest.mark.parametrize("mailbox", ["bo@team.example", "bo+duty@team.example"])
def test_another_id_on_the_roster_is_no_way_back(desk: Desk, team: list[Person], mailbox: str) -> None:
    bo = team[1]
    desk.tick()
    name = desk.receive(plain_mail("Somebody shouted at me.")).codename
    desk.mail_out()
    say(desk, bo, "/recuse me", name)
    renamed = Person("robert", "R. L.", mailbox, bo.keyring, bo.fingerprint)
    desk.play.set_team([team[0], renamed, *team[2:]])
    desk.reopen()
    desk.tick()
    desk.clock.forward(hours=1)
    assert mailbox not in {item.recipient for item in desk.mail_out() if name.encode() in item.mail}
    assert {"member": "robert", "source": "self"} in desk.case(name)["recused"]


def test_an_operator_who_is_a_recused_member_is_told_nothing_in_either_role(
    make_desk: DeskMaker, team: list[Person]
) -> None:
    bo = Person("bo", "Bo Lindqvist", "bo+duty@team.example", team[1].keyring, team[1].fingerprint)
    desk = make_desk([bo])
    desk.play.change_config("operator@desk.example", "bo@team.example")
    name = desk.receive(plain_mail("It was Bo Lindqvist.")).codename
    assert desk.case(name)["recused"] == [{"member": "bo", "source": "named"}]
    assert [item for item in desk.mail_out() if item.recipient.endswith("team.example")] == []


def test_who_joins_is_not_sent_what_is_closed_and_nobody_is_sent_anything_when_one_leaves(
    make_desk: DeskMaker, team: list[Person]
) -> None:
    desk = make_desk([team[0], *team[2:]])
    desk.tick()
    closed = desk.receive(plain_mail("Long ago.")).codename
    desk.receive(plain_mail("Now.", sender="kim@other.example"))
    desk.mail_out()
    say(desk, team[0], "/state closed warning", closed)
    desk.play.set_team(team)
    desk.reopen()
    desk.tick()
    desk.clock.forward(hours=1)
    texts = to(team[1], desk.mail_out())
    assert not any("Long ago." in text for text in texts)
    assert any("Now." in text for text in texts)
    desk.play.set_team(team[:4])
    desk.reopen()
    desk.tick()
    desk.clock.forward(hours=1)
    assert not any("new report" in text for person in team[:4] for text in to(person, desk.mail_out()))


def test_a_case_that_cannot_be_searched_is_withheld_from_who_joins_until_two_readers_say_otherwise(
    make_desk: DeskMaker, team: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = make_desk([team[0], *team[2:]])
    desk.tick()
    name = desk.receive(plain_mail("It was somebody.")).codename
    desk.mail_out()
    desk.play.set_team(team)
    desk.reopen()

    def fails(*_: object) -> None:
        raise reader_process.TooCostly("time")

    with monkeypatch.context() as patch:
        patch.setattr(reader_process, "run", fails)
        desk.tick()
    assert desk.case(name)["recused"] == [{"member": "bo", "source": "named"}]
    assert screen_desk(desk.context, desk.context.config.desk[0]) == 0, "it is not tried over and over"


def test_a_reader_who_gains_a_name_keeps_the_cases_that_they_wrote_in(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    name = desk.receive(plain_mail("It happened.")).codename
    desk.mail_out()
    say(desk, team[0], "I look into it.\n\nAda Quist", name)
    file = desk.play.folder / "roster.toml"
    file.write_text(file.read_text().replace('name = "Ada Quist"', 'name = "Ada Quist"\naliases = ["adaq"]', 1))
    desk.tick()
    assert desk.case(name)["recused"] == []
    assert "ada" in desk.case(name)["readers"]
