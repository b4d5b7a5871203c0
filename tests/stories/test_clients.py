"""Members' own mail programs on a running desk: what they show of a notice, and what the desk reads in their replies."""

from __future__ import annotations

from desk.demo.mails import text_of
from desk.demo.rehearsal import Person
from tests.conftest import Desk
from tests.support.clients import Computer, aerc, codename_of, neomutt, notes_to, protected_subject
from tests.support.dovecot import PASSWORD, Dovecot
from tests.support.mailboxes import wait_until
from tests.support.talk import headers
from tests.support.terminal import Terminal


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
    running: Desk, team: list[Person], computer: Computer, notice: bytes, dovecot: Dovecot
) -> None:
    play, (ada, bo) = running.play, team[:2]
    server = f"{PASSWORD}@127.0.0.1:{dovecot.port}"
    dovecot.put("ada", notice)
    dovecot.put("sam", play.sink.to("sam@reporter.example")[0].mail)
    with aerc(computer, f"ada:{server}") as client:
        client.wait_for("[conduct]")
        # Not for whom: aerc looks for the key by its number, from which it drops a leading zero.
        client.press("\r", "Authentic Signature from Conduct Team", "Encrypted To", "Somebody shouted at me.")

        computer.will_write("I know them by sight.\n")
        client.press(":reply -q\r", "Security: Sign", "& Encrypt", "Send this email?")
        client.press("y", "Message sent")
    with aerc(computer, f"sam:{server}") as client:
        client.wait_for("Your message")
        client.press("\r", "Authentic Signature from Conduct Team", "arrived")
    wait_until(lambda: any("I know them by sight." in note for note in notes_to(play, bo)))
    last = running.case(codename_of(notice))["messages"][-1]
    assert (last["author"], last["text"]) == (ada.id, "I know them by sight.")
