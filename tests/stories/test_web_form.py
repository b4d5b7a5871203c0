"""A report by the web form without scripts, its answer by a member's signed mail, and the receipt that opens it."""

from __future__ import annotations

from desk.demo.rehearsal import Person
from tests.conftest import DeskMaker
from tests.support.talk import say, to
from tests.support.web import PlainBrowser, answers_on, served, words_on


def test_a_report_by_the_form_and_its_answer(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    with served(desk) as site:
        browser = PlainBrowser(site)
        done = browser.report(
            what="It happened at the party.",
            when="Friday",
            exclude_others="Bo Lindqvist",
            files=[("photo.jpg", b"JPEG")],
        )
        assert done.status_code == 200, done.text
        words = words_on(done.text)
        assert len(words.split()) == 6
        mails = desk.mail_out()
        assert {mail.recipient for mail in mails} == {p.email for p in team if p.id != "bo"}, "no mail to a reporter"
        ada = team[0]
        (notice,) = to(ada, mails)
        assert "somebody, by the web form" in notice
        assert "It happened at the party." in notice
        assert "form.invalid" not in notice
        (codename,) = {mail.headers["Subject"].split()[-1] for mail in mails}
        assert desk.case(codename)["fields"]["when"] == "Friday"
        first = browser.open(words)
        assert first.status_code == 200
        assert "Your message has arrived" in answers_on(first.text)[0]

        desk.clock.forward(minutes=1)
        say(desk, ada, "/reply\nThank you. We look into it.", codename)
        desk.mail_out()
        opened = browser.open(words.upper().replace(" ", "  "))
        assert "Thank you. We look into it." in answers_on(opened.text)[0]
        assert "new" in opened.text

        added = browser.open(words, more="yes", text="One more thing: it was on Friday night.")
        assert "What you wrote has arrived" in added.text
        told = to(ada, desk.mail_out())
        assert any("the reporter wrote again" in item and "Friday night" in item for item in told)
        assert browser.open("some other words").status_code == 404
