"""What somebody told a member becomes a case: kept from whom it names, and its teller can be written to."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from tests.conftest import Desk
from tests.support.talk import say, to, words

TALK = "/new Robin Sander <robin@sander.example> on 2026-01-31\n\nExclude: Chidi\n\nThey told me at the bar that Dana Reyes pushed them."


def codename_of(answer: str) -> str:
    return words(answer).partition("a case of its own: ")[2].split()[0]


def test_a_talk_becomes_a_case_that_the_others_read(desk: Desk, team: list[Person]) -> None:
    ada, bo, chidi, dana, eunji = team
    mails = say(desk, ada, TALK)
    assert {item.recipient for item in mails} == {ada.email, bo.email, eunji.email}
    codename = codename_of(next(item for item in to(ada, mails) if "a case of its own" in item))
    (notice,) = to(bo, mails)
    assert "Robin Sander <robin@sander.example>" in notice
    assert "Ada Quist wrote down what they were told" in words(notice)
    assert "Dana Reyes pushed them" in words(notice)
    record = desk.case(codename)
    assert {(item["member"], item["source"]) for item in record["recused"]} == {
        ("chidi", "reporter"),
        ("dana", "named"),
    }
    assert "ada" in record["readers"]
    assert record["fields"]["when"] == "2026-01-31"
    assert chidi
    assert dana


def test_the_teller_can_be_written_to_and_answers(desk: Desk, team: list[Person]) -> None:
    ada, bo, *_ = team
    mails = say(desk, ada, "/new Robin <robin@sander.example>\n\nThey told me of it.")
    codename = codename_of(next(item for item in to(ada, mails) if "a case of its own" in item))
    sent = say(desk, bo, "/reply\nThank you for talking to one of us.", codename)
    (reply,) = [item for item in sent if item.recipient == "robin@sander.example"]
    for person in team:
        assert person.name.encode() not in reply.mail
    address = str(reply.headers["Reply-To"]).partition("<")[2].rstrip(">")
    desk.clock.forward(minutes=1)
    desk.receive(
        plain_mail("One more thing.", sender="Robin <robin@sander.example>"), address, sender="robin@sander.example"
    )
    assert "One more thing." in to(bo, desk.mail_out())[0]


def test_without_an_address_nobody_is_written_to(desk: Desk, team: list[Person]) -> None:
    ada, bo, *_ = team
    mails = say(desk, ada, "/new\n\nSomebody told me of it.")
    codename = codename_of(next(item for item in to(ada, mails) if "a case of its own" in item))
    assert "can't write to the reporter" in words(to(bo, say(desk, bo, "/reply\nHello.", codename))[0])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("/new Robin <nonsense>\n\nx", "Write who told you"),
        ("/new Robin <a@x.example> on soon\n\nx", "Write who told you"),
        ("/new Robin <a@x.example> on 2026-13-41\n\nx", "is not a date"),
        ("/new Robin\n", "below the line '/new'"),
        ("/new Robin\n/cases\n\nx", "in a mail of its own"),
        ("/new Robin\n/reply\n\nx", "in a mail of its own"),
        ("/new Robin\n/assign me\n\nx", "in a mail of its own"),
    ],
)
def test_what_is_no_talk_is_said_and_nothing_is_kept(desk: Desk, team: list[Person], text: str, why: str) -> None:
    mails = say(desk, team[0], text)
    assert {item.recipient for item in mails} == {team[0].email}
    assert why in words(to(team[0], mails)[0])


def test_nobody_but_a_member_on_duty_who_signs_opens_one(desk: Desk, team: list[Person], stranger: Person) -> None:
    mails = say(desk, team[0], "/new Robin\n\nUnsigned.", sign=False, subject="[conduct] x")
    assert not any("a case of its own" in item for item in to(team[0], mails))
    mails = say(desk, stranger, "/new Robin <robin@sander.example>\n\nBy a stranger.")
    assert "robin@sander.example" not in {item.recipient for item in mails}


def test_it_is_written_down_at_the_machine_as_well(desk: Desk, team: list[Person]) -> None:
    said = b"Robin <robin@reporter.example> on 2026-06-10\nExclude: Bo\n\nCANARY it happened."
    done = desk.play.command("case", "new", "--by", "ada", "--json", stdin=said)
    assert done.returncode == 0, done.stderr
    codename = json.loads(done.stdout)["codename"]
    desk.clock.now = datetime.now(UTC)
    sent = desk.mail_out()
    assert {item.recipient for item in sent} == {person.email for person in team if person.id != "bo"}
    record = desk.case(codename)
    assert record["messages"][0]["from"] == "Robin <robin@reporter.example>"
    assert record["messages"][0]["text"].endswith("CANARY it happened.")
    for wrong in (b"", b"Robin\n", b"<not an address>\ntext"):
        assert desk.play.command("case", "new", "--by", "ada", stdin=wrong).returncode == 1
    refused = desk.play.command("case", "new", "--by", "nobody", stdin=b"\ntext")
    assert (refused.returncode, b"is not on duty" in refused.stderr) == (1, True)
