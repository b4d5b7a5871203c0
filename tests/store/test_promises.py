"""What is owed to a reporter is kept when a mail reached them, and `/state` stops only what it says."""

from __future__ import annotations

import re
from datetime import date

import pytest
from sqlmodel import select

from desk.care.figures import figures
from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from store.cases import lookup
from store.cases.deadlines import dues
from store.tables.models import CaseRow
from tests.conftest import Desk
from tests.support.talk import failed_delivery, headers, read, say, to, words

SAM = "sam@reporter.example"
SPANISH = "Hola, ayer por la tarde alguien me siguió hasta mi casa y tengo miedo de volver al congreso mañana."


def owed(desk: Desk, name: str) -> list[str]:
    """What is due on a case, the earliest first."""
    with desk.context.database.read() as session:
        row = lookup.find_row(session, name)
        assert row is not None
        return [due.stage for due in dues(lookup.case_of(session, row), desk.context.config.desk[0])]


def answered_at(desk: Desk, name: str) -> str | None:
    with desk.context.database.read() as session:
        row = lookup.find_row(session, name)
        assert row is not None
        return row.acknowledged_at


@pytest.fixture
def name(desk: Desk) -> str:
    found = desk.receive(plain_mail("It happened.")).codename
    desk.mail_out()
    return found


def test_only_a_mail_that_reached_the_reporter_is_an_answer(desk: Desk, team: list[Person], name: str) -> None:
    assert owed(desk, name) == ["acknowledge"]
    say(desk, team[0], "/state acknowledged", name)
    assert owed(desk, name) == ["acknowledge", "respond"], "a word is no answer"
    desk.play.sink.stop()
    say(desk, team[0], "/reply\nWe are looking into it.", name)
    assert "acknowledge" in owed(desk, name), "it waits here"
    assert answered_at(desk, name) is None
    desk.clock.forward(hours=30)
    desk.tick()
    desk.play.sink.start()
    desk.clock.forward(hours=2)
    sent = desk.mail_out()
    assert any(mail.recipient == SAM for mail in sent)
    assert owed(desk, name) == ["respond", "status"]
    assert answered_at(desk, name) is not None


def test_who_asked_for_silence_is_owed_no_mail(desk: Desk, team: list[Person]) -> None:
    name = desk.receive(plain_mail("Reply: no\n\nIt happened.")).codename
    desk.mail_out()
    assert owed(desk, name) == ["acknowledge"], "somebody has to look"
    say(desk, team[0], "/state investigating", name)
    assert owed(desk, name) == ["respond"]
    say(desk, team[0], "/state decided", name)
    assert owed(desk, name) == []


def test_silence_that_is_asked_for_later_ends_what_is_owed(desk: Desk, team: list[Person], name: str) -> None:
    (sent,) = [mail for mail in say(desk, team[0], "/reply\nHello.", name) if mail.recipient == SAM]
    token = re.search(r"<(.+)>", str(headers(sent)["Reply-To"]))
    assert token is not None
    assert "status" in owed(desk, name)
    desk.receive(plain_mail("Reply: no\n\nPlease stop."), token[1])
    assert owed(desk, name) == ["respond"]


def test_a_decision_is_owed_until_the_reporter_heard_of_it(desk: Desk, team: list[Person], name: str) -> None:
    say(desk, team[0], "/reply\nWe are looking into it.", name)
    desk.clock.forward(days=1)
    say(desk, team[0], "/state decided", name)
    assert owed(desk, name) == ["respond"]
    desk.clock.forward(days=7)
    desk.tick()
    reminder = words("\n".join(to(team[0], desk.mail_out())))
    assert "the reporter has not heard of it yet" in reminder
    say_later(desk, team[0], "/reply\nThey were warned.", name)
    assert owed(desk, name) == ["follow-up"]
    desk.clock.forward(days=15)
    desk.tick()
    assert "time to ask the reporter how things are" in words("\n".join(to(team[0], desk.mail_out())))


def say_later(desk: Desk, member: Person, text: str, name: str) -> None:
    """As `say`, where the clock of the desk is days ahead of that of the member's mail program."""
    from store.cases import notes
    from store.cases.replies import Reply, as_reply
    from store.tables.records import Arrival, Body, Facts

    with desk.open_case(name, member.id) as file:
        note = Arrival("conduct", "new", desk.clock(), b"", "", "", Body(), Facts(), author=member.id, direction="note")
        wanted = (
            Reply(text.partition("\n")[2], (), "status") if text == "/reply status" else Reply(text.partition("\n")[2])
        )
        notes.act(file, [], as_reply(file, note, wanted, desk.context.keyring))
    desk.mail_out()


def test_a_closed_case_owes_a_look_back_and_bothers_nobody_for_ever(desk: Desk, team: list[Person], name: str) -> None:
    say(desk, team[0], "/state closed warning\n/reply\nThey were warned.", name)
    assert owed(desk, name) == ["follow-up"]
    told = []
    for _ in range(12):
        desk.clock.forward(days=7)
        desk.tick()
        told += [text for text in to(team[0], desk.mail_out()) if name in text.split("\n")[0]]
    assert len(told) <= 3
    assert all("time to ask the reporter" in words(text) for text in told)
    with desk.context.database.read() as session:
        row = lookup.find_row(session, name)
        assert row is not None
        assert not row.escalated


def test_a_closed_case_of_which_nobody_was_answered_owes_nothing(desk: Desk, team: list[Person], name: str) -> None:
    say(desk, team[0], "/state closed out-of-scope", name)
    assert owed(desk, name) == []


def test_what_is_taken_back_is_to_be_decided_again(desk: Desk, team: list[Person], name: str) -> None:
    say(desk, team[0], "/state decided\n/reply\nThey were warned.", name)
    assert owed(desk, name) == ["follow-up"]
    say(desk, team[0], "/state investigating", name)
    assert owed(desk, name) == ["respond"]
    say(desk, team[0], "/state closed warning", name)
    assert "respond" not in owed(desk, name)


def test_who_writes_again_on_a_closed_case_is_owed_an_answer_from_then_on(
    desk: Desk, team: list[Person], name: str
) -> None:
    (sent,) = [mail for mail in say(desk, team[0], "/reply\nHello.", name) if mail.recipient == SAM]
    say(desk, team[0], "/state closed warning", name)
    token = re.search(r"<(.+)>", str(headers(sent)["Reply-To"]))
    assert token is not None
    desk.clock.forward(days=40)
    desk.receive(plain_mail("It happened again."), token[1])
    assert owed(desk, name) == ["acknowledge", "respond"]
    desk.clock.forward(hours=1)
    desk.tick()
    assert not any("overdue" in text for text in to(team[0], desk.mail_out()))


def test_a_reply_that_comes_back_was_no_answer(desk: Desk, team: list[Person], name: str) -> None:
    (sent,) = [mail for mail in say(desk, team[0], "/reply\nHello.", name) if mail.recipient == SAM]
    assert "acknowledge" not in owed(desk, name)
    desk.receive(failed_delivery(str(headers(sent)["Message-ID"]), SAM), sender="")
    assert "acknowledge" in owed(desk, name)
    assert answered_at(desk, name) is None
    say(desk, team[0], "/reply\nHello again.", name)
    assert "acknowledge" not in owed(desk, name)
    (last,) = [mail for mail in say(desk, team[0], "/reply\nAnd once more.", name) if mail.recipient == SAM]
    desk.receive(failed_delivery(str(headers(last)["Message-ID"]), SAM), sender="")
    say(desk, team[0], "/reply\nDid you get this?", name)
    assert owed(desk, name).count("status") == 1, "nothing is left over that nobody can keep"


def test_one_word_tells_the_reporter_how_things_are(desk: Desk, team: list[Person]) -> None:
    name = desk.receive(plain_mail(SPANISH)).codename
    desk.mail_out()
    sent = say(desk, team[0], "/reply status", name)
    (told,) = [read(team[0], mail) for mail in sent if mail.recipient == SAM]
    assert "Seguimos trabajando" in told, "in the language of the reporter"
    assert re.search(r"\d{4}", told), "until when they hear more"
    assert "Ada" not in told
    (note,) = to(team[1], sent)
    assert "We are still working on what you told us" in words(note), "in that of the reader"
    assert "We are still working" in words("\n".join(to(team[0], sent)))
    assert owed(desk, name) == ["respond", "status"]
    desk.clock.forward(days=12)
    desk.tick()
    text = words("\n".join(to(team[0], desk.mail_out())))
    assert "has not heard from you for a while" in text
    say_later(desk, team[0], "/reply status", name)
    desk.clock.forward(days=1)
    desk.tick()
    assert "has not heard from you" not in words("\n".join(to(team[0], desk.mail_out())))


def test_a_text_beside_the_one_sentence_is_not_lost(desk: Desk, team: list[Person], name: str) -> None:
    answer = words("\n".join(to(team[0], say(desk, team[0], "/reply status\nAnd we are sorry.", name))))
    assert "nothing was done" in answer
    assert "Write '/reply' to send your text" in answer


def test_how_things_are_is_not_sent_in_plain_to_who_wrote_encrypted(
    desk: Desk, team: list[Person], sam: Person
) -> None:
    from desk.demo.mails import pgp_mime, text_entity

    sealed = pgp_mime(text_entity("It happened."), desk.play.desk_key, sam.keyring)
    name = desk.receive(sealed).codename
    desk.mail_out()
    sent = say(desk, team[0], "/reply status", name)
    assert not any(mail.recipient == SAM for mail in sent)
    assert "go out unencrypted" in words("\n".join(to(team[0], sent)))


def test_the_figures_count_what_reached_reporters(desk: Desk, team: list[Person]) -> None:
    desk.tick()
    names = [desk.receive(plain_mail(f"Report {n}.", sender=f"r{n}@reporter.example")).codename for n in range(10)]
    desk.mail_out()
    for name in names[:5]:
        say(desk, team[0], f"/reply\nHello {name[:3]}.", name)
    for name in names[5:]:
        say(desk, team[0], "/state acknowledged", name)
    with desk.context.database.read() as session:
        shown = figures(session, desk.context.config.desk[0], date(2020, 1, 1), date(2099, 1, 1))
    (times,) = [dict(table.rows) for table in shown if table.title.startswith("Time until the reporter was answered")]
    assert (times["within a day"], times["not yet"]) == ("5-9", "5-9")
    desk.clock.forward(minutes=1)
    for name in names[:5]:
        say(desk, team[0], f"/state closed warning\n/reply\nIt is over, {name[:3]}.", name)
    for name in names[5:]:
        say(desk, team[0], "/state closed warning", name)
    desk.clock.forward(days=800)
    desk.tick()
    desk.clock.forward(days=40)
    desk.tick()
    with desk.context.database.read() as session:
        shown = figures(session, desk.context.config.desk[0], date(2020, 1, 1), date(2099, 1, 1))
        rows = session.exec(select(CaseRow)).all()
    assert {row.state for row in rows} == {"destroyed"}
    (heard,) = [dict(table.rows) for table in shown if "heard of the decision" in table.title]
    assert (heard["within two weeks"], heard["not yet"]) == ("5-9", "5-9"), "closed without a word is not heard of"
