"""Thunderbird on a running desk, once, in `make prove`: it takes a minute, and much to install."""

from __future__ import annotations

from desk.demo.mails import text_of
from desk.demo.rehearsal import Person
from tests.bench.prove import figure
from tests.conftest import Desk
from tests.support.clients import Computer, codename_of, notes_to, protected_subject
from tests.support.mailboxes import wait_until
from tests.support.thunderbird import thunderbird

ENCRYPTED, VERIFIED = "message-encrypted-ok.svg", "message-signed-verified.svg"


def test_thunderbird_shows_a_notice_and_writes_for_a_member(
    running: Desk, team: list[Person], computer: Computer, notice: bytes
) -> None:
    play, (ada, bo) = running.play, team[:2]
    subject = protected_subject(ada, notice)
    with thunderbird(computer, play) as client:
        shown = client.open(notice)
        assert (shown.encrypted, shown.signed) == (ENCRYPTED, VERIFIED)
        assert subject in shown.subject
        assert "Somebody shouted at me." in shown.text
        assert "...." not in shown.text

        assert client.answer("I know them by sight.\nTell me <more>.") == f"Re: {subject}"
        wait_until(lambda: any("Tell me <more>." in note for note in notes_to(play, bo)))
        client.answer("/assign me\n/reply\nThank you for writing.\n\nWe look into it.")
        wait_until(lambda: len(play.sink.to("sam@reporter.example")) == 2)
        sent = play.sink.to("sam@reporter.example")
        assert client.open(sent[0].mail).signed == VERIFIED
        version = client.version
    record = running.case(codename_of(notice))
    assert [(item["author"], item["text"]) for item in record["messages"][1:]] == [
        (ada.id, "I know them by sight.\nTell me <more>."),
        (ada.id, "Thank you for writing.\n\nWe look into it."),
    ]
    assert record["assignee"] == ada.id
    assert text_of(sent[1].mail).startswith("Thank you for writing.\n\nWe look into it.\n")
    assert "Ada" not in sent[1].mail.decode()
    figure(f"Thunderbird {version}", "notice decrypted and verified; note, command and /reply read as written")
