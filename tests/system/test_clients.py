"""Members' own mail programs on a running desk: what they show of a notice, and what the desk reads in their replies."""

from __future__ import annotations

import email
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from desk.rehearsal import Person, Rehearsal, free_port, plain_mail, text_of
from tests.clients import Computer, aerc, neomutt
from tests.conftest import Desk
from tests.mailboxes import wait_until
from tests.talk import headers, read, words
from tests.terminal import Terminal


@pytest.fixture
def notice(running: Desk, team: list[Person]) -> bytes:
    """What Ada is sent about a report."""
    play = running.play
    play.send(plain_mail("Somebody shouted at me.\nIt was loud."))
    wait_until(lambda: bool(play.sink.to(team[0].email) and play.sink.to("sam@reporter.example")))
    return play.sink.to(team[0].email)[0].mail


@pytest.fixture
def computer(running: Desk, team: list[Person], short_tmp: Path, notice: bytes) -> Iterator[Computer]:
    """Ada's computer, with the notice, and in a folder of its own with what the reporter was sent."""
    made = Computer(short_tmp / f"c{free_port()}", team[0], running.play)
    made.put("Notices", notice)
    made.put("Others", running.play.sink.to("sam@reporter.example")[0].mail)
    yield made
    made.close()
    shutil.rmtree(made.home)


def protected_subject(person: Person, mail: bytes) -> str:
    opened = person.opens(mail)
    assert opened is not None
    return words(str(email.message_from_bytes(opened)["Subject"]))


def codename_of(mail: bytes) -> str:
    return str(email.message_from_bytes(mail)["Subject"]).rpartition(" ")[2]


def notes_to(play: Rehearsal, person: Person) -> list[str]:
    """What the others' notes say to a member."""
    return [words(read(person, item)) for item in play.sink.to(person.email)[1:]]


def answer_in_neomutt(client: Terminal) -> str:
    """Answer the mail that is shown, with the quote, signed and encrypted; the draft as it was shown before it went."""
    client.press("r", "To: Conduct Team <conduct@desk.example>")
    client.press("\r", "Subject: Re:")
    client.press("\r", "Include message in reply?")
    draft = client.press("y", "Security: Sign, Encrypt (PGP/MIME)")
    client.press("y", "Mail sent")
    return draft


def test_neomutt_shows_a_notice_and_writes_for_a_member(
    running: Desk, team: list[Person], computer: Computer, notice: bytes
) -> None:
    play, (ada, bo) = running.play, team[:2]
    subject = protected_subject(ada, notice)
    assert subject not in notice.decode()
    with neomutt(computer, "Notices") as client:
        client.wait_for("Msgs:1")
        shown = client.press(
            "\r", "PGP message successfully decrypted", "Good signature from: Conduct Team",
            f"Subject: {subject}", "Somebody shouted at me.",
        )  # fmt: skip
        assert "BAD" not in shown

        computer.will_write("I know them by sight.\n")
        assert f"Re: {subject}" in answer_in_neomutt(client)
        wait_until(lambda: any("I know them by sight." in note for note in notes_to(play, bo)))

        computer.will_write("/assign me\n/reply\nThank you for writing.\n\nWe look into it.\n")
        answer_in_neomutt(client)
        wait_until(lambda: len(play.sink.to("sam@reporter.example")) == 2)
    with neomutt(computer, "Others") as client:
        client.wait_for("Msgs:1")
        client.press("\r", "PGP signature successfully verified", "Good signature from: Conduct Team")
    record = running.case(codename_of(notice))
    assert [(item["author"], item["text"]) for item in record["messages"][1:]] == [
        (ada.id, "I know them by sight."),
        (ada.id, "Thank you for writing.\n\nWe look into it."),
    ]
    assert record["assignee"] == ada.id
    sent = play.sink.to("sam@reporter.example")[1]
    assert text_of(sent.mail).startswith("Thank you for writing.\n\nWe look into it.\n")
    assert "Ada" not in sent.mail.decode()
    assert headers(sent)["From"].endswith("<conduct@desk.example>")


def test_aerc_finds_a_notice_signed_and_writes_for_a_member(
    running: Desk, team: list[Person], computer: Computer, notice: bytes
) -> None:
    play, (ada, bo) = running.play, team[:2]
    with aerc(computer, "Notices") as client:
        client.wait_for("[conduct]")
        client.press("\r", "Authentic Signature from Conduct Team", "Encrypted To Ada Quist", "Somebody shouted at me.")

        computer.will_write("I know them by sight.\n")
        client.press(":reply -q\r", "Security: Sign", "& Encrypt", "Send this email?")
        client.press("y", "Message sent")
    with aerc(computer, "Others") as client:
        client.wait_for("Your message")
        client.press("\r", "Authentic Signature from Conduct Team", "arrived")
    wait_until(lambda: any("I know them by sight." in note for note in notes_to(play, bo)))
    last = running.case(codename_of(notice))["messages"][-1]
    assert (last["author"], last["text"]) == (ada.id, "I know them by sight.")
