"""Lines from a chat program: those of two minutes are one notice, and none is lost."""

from __future__ import annotations

from datetime import timedelta

from sqlmodel import select, update

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Delivered, Person
from store.cases import content
from store.kit.clock import to_text
from store.tables.models import MessageRow, NoticeRow
from tests.conftest import Desk
from tests.support.talk import to

LINE = "Chat-Version: 1.0\n"


def line(desk: Desk, text: str, answers: str = "", extra: str = "") -> tuple[str, str]:
    """Take a line in; the codename, and its Message-ID for the next one."""
    own = f"<{abs(hash(text))}@chat.example>"
    reference = f"In-Reply-To: {answers}\nReferences: {answers}\n" if answers else ""
    mail = plain_mail(text, sender="Rosa <rosa@reporter.example>", extra=f"{LINE}{reference}{extra}")
    start = mail.index(b"Message-ID:")
    mail = mail[:start] + f"Message-ID: {own}".encode() + mail[mail.index(b"\n", start) :]
    return desk.receive(mail, sender="rosa@reporter.example").codename, own


def notices(mails: list[Delivered], person: Person) -> list[str]:
    return to(person, mails)


def test_lines_that_follow_each_other_are_one_notice_and_later_ones_another(desk: Desk, team: list[Person]) -> None:
    codename, last = line(desk, "one")
    for text in ("two", "three"):
        desk.clock.forward(seconds=30)
        same, last = line(desk, text, last)
        assert same == codename
    assert notices(desk.mail_out(), team[0]) == []
    desk.clock.forward(seconds=61)
    (first,) = notices(desk.mail_out(), team[0])
    assert "one\n\ntwo\n\nthree" in first
    _, last = line(desk, "four", last)
    desk.clock.forward(seconds=119)
    line(desk, "five", last)
    desk.clock.forward(seconds=121)
    told = notices(desk.mail_out(), team[0])
    assert len(told) == 2, "the notice of 'four' was about to leave"
    assert "four" in told[0]
    assert "five" in told[1]
    assert len(desk.case(codename)["messages"]) == 5


def test_a_line_that_cannot_wait_does_not(desk: Desk, team: list[Person]) -> None:
    codename, _ = line(desk, "ongoing: yes\n\nHe is in front of my door.")
    assert len([item for item in desk.mail_out() if item.recipient == team[0].email]) >= 1
    assert desk.case(codename)["urgent"]


def test_a_line_after_one_that_could_not_wait_is_not_lost(desk: Desk, team: list[Person]) -> None:
    _, last = line(desk, "Hello?")
    _, last = line(desk, "ongoing: yes\n\nHe is here.", last)
    line(desk, "He has gone.", last)
    desk.clock.forward(minutes=3)
    assert any("He has gone." in text for text in notices(desk.mail_out(), team[0]))


def test_a_line_does_not_go_with_what_is_only_tried_again(desk: Desk, team: list[Person]) -> None:
    """A notice that could not be prepared waits as well, and will show its own mail alone."""
    codename = desk.receive(
        plain_mail("A mail.", sender="Rosa <rosa@reporter.example>"), sender="rosa@reporter.example"
    ).codename
    with desk.open_case(codename) as file:
        file.session.exec(update(NoticeRow).values(due=to_text(desk.clock() + timedelta(minutes=1))))
        first = file.session.exec(select(MessageRow)).one()
        own = content.message(file.session, desk.context.vault, file.row.id, first.id)
    assert own is not None
    same, _ = line(desk, "A line.", own.body.message_id)
    assert same == codename
    desk.clock.forward(minutes=3)
    assert any("A line." in text for text in notices(desk.mail_out(), team[0]))


def test_who_is_named_in_a_later_line_never_hears_of_the_first(desk: Desk, team: list[Person]) -> None:
    _, last = line(desk, "Hello?")
    line(desk, "Bo Lindqvist pushed me.", last)
    desk.clock.forward(minutes=3)
    told = {item.recipient for item in desk.mail_out()}
    assert team[1].email not in told
    assert team[0].email in told


def test_many_lines_of_one_conversation_are_no_flood(desk: Desk, team: list[Person]) -> None:
    _, last = line(desk, "line 0")
    for number in range(1, 40):
        _, last = line(desk, f"line {number}", last)
    desk.clock.forward(minutes=3)
    (text,) = notices(desk.mail_out(), team[0])
    assert "line 39" in text
