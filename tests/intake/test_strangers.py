"""What was tried against standing, silence and recusal from outside and from inside, and does not work."""

from __future__ import annotations

import re

import pytest

from desk.demo.mails import pgp_mime, plain_mail, text_entity
from desk.demo.rehearsal import Delivered, Person
from intake import reader_process
from intake.arrival import Job, Opened
from intake.reading.quotes import own_text
from intake.receive import Receiver
from store.kit.config import Config
from store.kit.errors import Interrupted
from tests.conftest import Desk, DeskMaker
from tests.support.talk import read, say, to

SAM = "sam@reporter.example"
READ = reader_process.read


def id_of(mail: bytes) -> str:
    found = re.search(rb"Message-ID: (<.+>)", mail)
    assert found is not None
    return found[1].decode()


def address_of(mails: list[Delivered]) -> str:
    (told,) = [item for item in mails if item.recipient == SAM]
    return str(told.headers["Reply-To"]).partition("<")[2].strip(">")


def recused(desk: Desk, name: str) -> dict[str, str]:
    return {item["member"]: item["source"] for item in desk.case(name)["recused"]}


@pytest.mark.parametrize("reply_to", ["", "Reply-To: evil@evil.example\n"])
def test_what_cannot_be_opened_is_answered_where_the_first_mail_asked_for_or_nowhere(
    desk: Desk, sam: Person, stranger: Person, reply_to: str
) -> None:
    first = plain_mail("Reply: no\n\nSomebody shouted at me.")
    desk.receive(first)
    desk.mail_out()
    extra = f"In-Reply-To: {id_of(first)}\n{reply_to}"
    forged = pgp_mime(text_entity("x"), stranger.public_key, sam.keyring, extra=extra)
    desk.receive(forged, sender="evil@evil.example")
    assert {item.recipient for item in desk.mail_out()} & {SAM, "evil@evil.example"} == set()


def test_one_reader_cannot_take_a_case_for_themself_by_naming_the_others(desk: Desk, team: list[Person]) -> None:
    name = desk.receive(plain_mail("Somebody shouted at me.")).codename
    desk.mail_out()
    sent = say(desk, team[0], f"I have heard of {', '.join(person.name for person in team[1:])}.", name)
    assert "operator@desk.example" in {item.recipient for item in sent}
    say(desk, team[0], "".join(f"/recuse {person.id} x\n" for person in team[1:]), name)
    assert set(recused(desk, name).values()) == {"named"}
    assert desk.play.command("case", "reinstate", name, "bo").returncode == 0


@pytest.mark.parametrize("way", ["a note", "the reason of a hold", "the reason of a recusal"])
def test_whom_a_reader_names_in_any_of_their_words_is_not_told(desk: Desk, team: list[Person], way: str) -> None:
    name = desk.receive(plain_mail("Somebody shouted at me.")).codename
    desk.mail_out()
    words = {
        "a note": "It was",
        "the reason of a hold": "/hold for",
        "the reason of a recusal": "/recuse chidi friend of",
    }
    sent = say(desk, team[0], f"{words[way]} Bo Lindqvist.", name)
    assert team[1].email not in {item.recipient for item in sent}
    assert recused(desk, name)["bo"] == "named"


def test_opening_a_programs_mail_late_makes_nothing_final(desk: Desk, sam: Person, stranger: Person) -> None:
    name = desk.receive(plain_mail("Somebody shouted at me.")).codename
    address = address_of(desk.mail_out())
    sealed = pgp_mime(
        text_entity("x"),
        stranger.public_key,
        sam.keyring,
        sender="E <e@evil.example>",
        extra="Auto-Submitted: auto-replied\n",
    )
    desk.receive(sealed, address.replace("@", "+except-ada+except-bo@"), sender="")
    before = recused(desk, name)
    assert before == {"ada": "doubtful", "bo": "doubtful"}
    assert not Receiver(desk.context).reopen(name)
    secret = stranger.keyring._gnupg._gpg.export_keys(stranger.fingerprint, secret=True, expect_passphrase=False)
    desk.context.keyring._gnupg._gpg.import_keys(secret)
    reader_process.stop()
    Receiver(desk.context).reopen(name)
    assert recused(desk, name) == before
    assert [message["author"] for message in desk.case(name)["messages"]] == ["reporter", "other"]


def test_a_mail_that_was_interrupted_joins_its_case_at_once_when_it_can_be_read_again(
    desk: Desk, team: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = desk.receive(plain_mail("Exclude: Bo\n\nSomebody shouted at me.")).codename
    address = address_of(desk.mail_out())
    left = iter(range(3))

    def interrupted(config: Config, job: Job, unread: str = "") -> Opened:
        if next(left, None) is not None:
            raise Interrupted("interrupted")
        return READ(config, job, unread)

    monkeypatch.setattr(reader_process, "read", interrupted)
    mail = plain_mail("Exclude: Dana\n\nAnd again.")
    for _ in range(3):
        with pytest.raises(Interrupted):
            desk.receive(mail, address)
    receipt = desk.receive(mail, address)
    assert (receipt.outcome, receipt.codename) == ("thread", name)
    desk.clock.forward(hours=1)
    sent = desk.mail_out()
    assert {item.recipient for item in sent} == {team[number].email for number in (0, 2, 4)}
    assert recused(desk, name) == {"bo": "reporter", "dana": "reporter"}


def test_a_mail_to_a_case_that_stays_unread_is_kept_from_whom_that_is_kept_from(
    desk: Desk, team: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.receive(plain_mail("Exclude: Bo\n\nSomebody shouted at me."))
    address = address_of(desk.mail_out())

    def fails(*_: object) -> Opened:
        raise reader_process.TooCostly("time")

    monkeypatch.setattr(reader_process, "read", fails)
    receipt = desk.receive(plain_mail("And again."), address)
    assert receipt.outcome == "held"
    assert team[1].email not in {item.recipient for item in desk.mail_out()}


def joined_by_bo(desk: Desk, team: list[Person]) -> None:
    desk.play.set_team(team)
    desk.reopen()
    desk.tick()
    desk.clock.forward(hours=1)


@pytest.mark.parametrize("way", ["another copy", "an absence note"])
def test_what_others_ask_for_holds_for_who_joins_later_and_stays_provisional(
    make_desk: DeskMaker, team: list[Person], way: str
) -> None:
    desk = make_desk([team[0], *team[2:]])
    desk.tick()
    mail = plain_mail("It was bad.")
    name = desk.receive(mail).codename
    address = address_of(desk.mail_out())
    if way == "another copy":
        desk.receive(mail, "conduct+except-bo@desk.example")
    else:
        desk.receive(plain_mail("Exclude: Bo", extra="Auto-Submitted: auto-replied\n"), address, sender="")
    joined_by_bo(desk, team)
    assert not any(name in text for text in to(team[1], desk.mail_out()))
    assert recused(desk, name) == {"bo": "named"}


def test_who_was_not_looked_for_yet_hears_of_no_other_case(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk([team[0], *team[2:]])
    desk.tick()
    desk.receive(plain_mail("Who: Kim Doe\n\nBo Lindqvist helped."))
    desk.mail_out()
    desk.play.set_team(team)
    desk.reopen()
    desk.receive(plain_mail("Who: Kim Doe\n\nAnother.", sender="kim@other.example"))
    sent = desk.mail_out()
    assert not any("another case" in read(team[1], item) for item in sent if item.recipient == team[1].email)


def test_own_text_of_very_many_lines_is_read_in_linear_time() -> None:
    """By count of what is read, not by the clock: from some lines on the part whose time grows by the square is left out."""
    lines = 5000
    assert own_text("From: a\n" * lines).count("From: a") in (0, lines)
    assert own_text("> quoted\n" * lines + "My own words.") == "My own words."
