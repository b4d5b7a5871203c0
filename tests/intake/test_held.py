"""A mail that is opened late goes where it would have gone, and nobody is told what they would not have been told then."""

from __future__ import annotations

import re

import pytest

from desk.demo.mails import pgp_mime, plain_mail, text_entity
from desk.demo.rehearsal import Person
from intake import reader_process
from intake.arrival import Job, Opened
from intake.receive import Receiver
from store.kit.config import Config
from store.kit.errors import Interrupted
from tests.conftest import Desk, DeskMaker
from tests.support.talk import member_mail, read, say, to

READ = reader_process.read


class Interruptions:
    """Reading that is interrupted until it may go on."""

    def __init__(self) -> None:
        self.on = False

    def read(self, config: Config, job: Job, unread: str = "") -> Opened:
        if self.on:
            raise Interrupted("interrupted")
        return READ(config, job, unread)


@pytest.fixture
def interruptions(monkeypatch: pytest.MonkeyPatch) -> Interruptions:
    found = Interruptions()
    monkeypatch.setattr(reader_process, "read", found.read)
    return found


def held(desk: Desk, interruptions: Interruptions, mail: bytes, *to: str, sender: str = "sam@reporter.example") -> str:
    """A mail that was kept because reading it was interrupted each time; the name of its case."""
    interruptions.on = True
    for _ in range(3):
        with pytest.raises(Interrupted):
            desk.receive(mail, *to, sender=sender)
    receipt = desk.receive(mail, *to, sender=sender)
    interruptions.on = False
    assert receipt.outcome == "held"
    return receipt.codename


def reopen(desk: Desk, name: str) -> bool:
    return Receiver(desk.context).reopen(name)


def test_more_from_the_reporter_joins_their_case_with_what_it_excludes(
    desk: Desk, team: list[Person], interruptions: Interruptions
) -> None:
    first = desk.receive(plain_mail("Exclude: Bo\n\nSomebody shouted at me.")).codename
    (told,) = [item for item in desk.mail_out() if item.recipient == "sam@reporter.example"]
    address = str(told.headers["Reply-To"]).partition("<")[2].strip(">")
    late = held(desk, interruptions, plain_mail("Exclude: Dana\n\nAnd again."), address)
    assert reopen(desk, late)
    sent = desk.mail_out()
    assert {item.recipient for item in sent} == {team[number].email for number in (0, 2, 4)}
    assert "And again." in to(team[0], sent)[0]
    assert [message["text"] for message in desk.case(first)["messages"]][1].endswith("And again.")
    assert desk.case(late)["state"] == "closed"
    assert all(not message["text"] for message in desk.case(late)["messages"])
    assert {item["member"]: item["source"] for item in desk.case(first)["recused"]} == {
        "bo": "reporter", "dana": "reporter",
    }  # fmt: skip


def test_a_members_word_is_their_word_and_no_report(
    desk: Desk, team: list[Person], interruptions: Interruptions
) -> None:
    name = desk.receive(plain_mail("Somebody shouted at me.")).codename
    desk.mail_out()
    ada = team[0]
    late = held(desk, interruptions, member_mail(desk.play, ada, "/assign me\n\nI do it.", name), sender=ada.email)
    assert reopen(desk, late)
    assert desk.case(name)["assignee"] == "ada"
    sent = desk.mail_out()
    assert "a note by Ada Quist" in to(team[2], sent)[0]
    assert desk.case(late)["state"] == "closed"
    assert not any("new report" in text for text in to(team[2], sent))


def test_what_its_address_asked_for_holds(desk: Desk, team: list[Person], interruptions: Interruptions) -> None:
    late = held(desk, interruptions, plain_mail("It was bad."), "conduct+quiet+except-bo@desk.example")
    assert reopen(desk, late)
    desk.clock.forward(hours=1)
    sent = desk.mail_out()
    assert {item.recipient for item in sent} == {person.email for person in team} - {team[1].email}
    assert "can't write to the reporter" in read(team[0], say(desk, team[0], "/reply\nHello.", late)[-1])


def test_silently_imported_mail_stays_silent(desk: Desk, team: list[Person], stranger: Person, sam: Person) -> None:
    mail = pgp_mime(text_entity("It was long ago."), stranger.public_key, sam.keyring)
    receipt = Receiver(desk.context).receive_old(mail, desk.context.config.desk[0], tell=False)
    assert desk.mail_out() == []
    secret = stranger.keyring._gnupg._gpg.export_keys(stranger.fingerprint, secret=True, expect_passphrase=False)
    desk.context.keyring._gnupg._gpg.import_keys(secret)
    reader_process.stop()
    assert reopen(desk, receipt.codename)
    desk.clock.forward(hours=1)
    assert desk.mail_out() == []
    record = desk.case(receipt.codename)
    assert record["state"] == "closed"
    assert record["messages"][0]["text"] == "It was long ago."


def test_a_doubtful_mail_is_a_case_of_its_own_also_when_it_is_opened_late(
    desk: Desk, team: list[Person], interruptions: Interruptions
) -> None:
    first = desk.receive(plain_mail("Exclude: Bo\n\nSomebody shouted at me.")).codename
    (told,) = [item for item in desk.mail_out() if item.recipient == "sam@reporter.example"]
    address = re.search(r"<(.+)>", str(told.headers["Reply-To"]))
    assert address is not None
    late = held(desk, interruptions, plain_mail("From elsewhere.", sender="Sam <sam@work.example>"), address[1])
    assert reopen(desk, late)
    assert team[1].email not in {item.recipient for item in desk.mail_out()}
    assert desk.case(late)["recused"] == [{"member": "bo", "source": "linked"}]
    assert desk.case(late)["links"] == [first]


def test_mails_that_the_desk_itself_failed_at_are_no_flood(make_desk: DeskMaker, interruptions: Interruptions) -> None:
    """By one sender, or none, as in a mailbox: each stays held, where the operator sees it and can have it opened."""
    desk = make_desk()
    desk.play.change_config("# flood_limit = 30 ", "flood_limit = 2 # ")
    desk.reopen()
    mails = [plain_mail(f"Report {number}.", sender=f"r{number}@reporter.example") for number in range(5)]
    names = [held(desk, interruptions, mail, sender="") for mail in mails]
    assert not desk.mail_out()
    desk.clock.forward(minutes=11)
    assert len(desk.mail_out()) == 5 * 5, "each reader is told of each"
    for number, name in enumerate(names):
        assert reopen(desk, name)
        assert desk.case(name)["messages"][0]["text"] == f"Report {number}."
