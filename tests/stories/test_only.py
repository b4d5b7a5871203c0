"""`Only:` in its forms: who is asked for reads the report, everybody else never learns of it."""

from __future__ import annotations

import pytest

from desk.demo.mails import pgp_mime, plain_mail, text_entity
from desk.demo.rehearsal import Person
from tests.conftest import Desk, DeskMaker

LEADS = {"dana": "lead"}


def told(desk: Desk, mail: bytes, *to: str, sender: str = "kim@reporter.example") -> set[str]:
    """Who gets anything, besides the author."""
    desk.receive(mail, *to, sender=sender)
    return {item.recipient.partition("@")[0] for item in desk.mail_out()} - {sender.partition("@")[0], "operator"}


def plain(text: str, subject: str = "help", extra: str = "") -> bytes:
    return plain_mail(text, subject, sender="kim@reporter.example", extra=extra)


@pytest.mark.parametrize(
    "text",
    [
        "Only: Ada Quist\n\nHe hit me.",
        "He hit me.\n\nOnly: Ada",
        "Only: ada@team.example, Ada Quist\n\nHe hit me.",
        "Exclude: everyone except Ada Quist\n\nHe hit me.",
        "He hit me. I told Ada Quist already.\n\nOnly: Ada Quist",
    ],
)
def test_only_the_one_who_is_asked_for_is_told(desk: Desk, text: str) -> None:
    receipt = desk.receive(plain(text), sender="kim@reporter.example")
    assert {item.recipient for item in desk.mail_out()} == {"ada@team.example", "kim@reporter.example"}
    recusals = {item["member"]: item["source"] for item in desk.case(receipt.codename)["recused"]}
    assert recusals == dict.fromkeys(("bo", "chidi", "dana", "eunji"), "reporter")


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("He hit me. Only Ada may read this.", {"ada"}),
        ("He hit me.\nPlease tell nobody but Ada Quist.", {"ada"}),
        ("Please show this only to Ada Quist and Dana. He hit me.", {"ada", "dana"}),
        ("Er hat mich geschlagen.\n\nNur: Ada", {"ada"}),
        ("Ada hit me. Please tell only Ada.", set()),
        ("Tell no one but Bo Lindqvist.\nBo Lindqvist hit me.", set()),
        ("He hit me.\n> Only Ada Quist may read this.", {"bo", "chidi", "dana", "eunji"}),
    ],
)
def test_who_is_let_know_in_a_sentence_is_not_withheld_for_being_named_there(
    desk: Desk, text: str, who: set[str]
) -> None:
    assert told(desk, plain(text)) == who


def test_the_subject_and_the_address_say_it_as_well(desk: Desk) -> None:
    assert told(desk, plain("He hit me.", "Only: Ada Quist")) == {"ada"}
    mail = plain("He hit me at work.").replace(b"kim@", b"lou@")
    assert told(desk, mail, "conduct+only-ada@desk.example", sender="lou@reporter.example") == {"ada"}
    mail = plain("He hit me at home.", "Exclude: Bo").replace(b"kim@", b"max@")
    assert "bo" not in told(desk, mail, sender="max@reporter.example")


def test_a_name_that_nobody_bears_goes_to_the_leads(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    desk.play.set_team(team, LEADS)
    desk.reopen()
    assert told(desk, plain("Only: Jane Roe\n\nHe hit me.")) == {"dana"}


def test_who_is_named_in_more_than_a_name_is_not_asked_for(desk: Desk) -> None:
    assert not told(desk, plain("Only: Ada Quist was there and hit me"))


def test_outside_of_the_encryption_it_hides_and_never_shows(desk: Desk, sam: Person) -> None:
    mail = pgp_mime(text_entity("Bo Lindqvist hit me."), desk.play.desk_key, sam.keyring, subject="Only: Bo Lindqvist")
    assert not told(desk, mail, sender="sam@reporter.example")


def test_who_joins_later_is_kept_out_too(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk(team[:3])
    assert told(desk, plain("Only: Ada Quist\n\nHe hit me.")) == {"ada"}
    desk.play.set_team(team, {})
    desk.reopen()
    desk.tick()
    assert not {item.recipient for item in desk.mail_out()} & {f"{member.id}@team.example" for member in team[1:]}


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("He hit me. Please don't reply, he reads my mail.", "help"),
        ("He hit me.\nDo not contact me.", "help"),
        ("He hit me.", "Reply: no"),
        ("He hit me.", "please do not answer"),
        ("Er hat mich geschlagen. Bitte antworten Sie mir nicht.", "Hilfe"),
        ("Me pegó. Por favor, no me respondan.", "ayuda"),
        ("Il m'a frappée. Ne me répondez pas s'il vous plaît.", "aide"),
        ("Ele bateu-me. Por favor não respondam.", "ajuda"),
    ],
)
def test_silence_may_be_asked_for_in_a_sentence_or_in_the_subject(desk: Desk, text: str, subject: str) -> None:
    assert told(desk, plain(text, subject)) == {"ada", "bo", "chidi", "dana", "eunji"}
    assert "kim@reporter.example" not in {item.recipient for item in desk.play.sink.mails}


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("He does not reply to me. They don't answer, and I don't call any more.", "help"),
        ("He hit me.", "Antwort: your question"),
        ("Reply: yes\n\nHe said: don't answer anybody.", "help"),
    ],
)
def test_what_others_do_not_answer_is_no_wish(desk: Desk, text: str, subject: str) -> None:
    told(desk, plain(text, subject))
    assert "kim@reporter.example" in {item.recipient for item in desk.play.sink.mails}
