"""What a desk does with first names: withhold, or note."""

from __future__ import annotations

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from tests.conftest import Desk, DeskMaker
from tests.support.talk import to, words


def test_a_first_name_withholds_for_now_and_the_notice_says_why(desk: Desk, team: list[Person]) -> None:
    desk.receive(plain_mail("Hi Ada,\n\nBo hit me.\n\nThanks,\nDana", sender="Dana Smith <d@reporter.example>"))
    sent = desk.mail_out()
    assert {item.recipient.partition("@")[0] for item in sent} == {"ada", "chidi", "dana", "eunji", "d"}
    assert "Bo Lindqvist: the mail speaks of somebody with their first name" in words(to(team[0], sent)[0])


def test_a_desk_may_only_note_it(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    text = desk.play.config.read_text()
    desk.play.config.write_text(text.replace("[[desk]]\n", '[[desk]]\nfirst_names = "note"\n'))
    desk.receive(plain_mail("Bo hit me."))
    sent = desk.mail_out()
    assert "bo@team.example" in {item.recipient for item in sent}
    assert "by a first name, it may speak of: Bo Lindqvist" in words(to(team[0], sent)[0])
