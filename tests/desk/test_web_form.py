"""The form from outside, without scripts: whom it tells, what it shows, and what it answers to whoever means harm."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.demo.rehearsal import Person
from desk.web.reports import LABELS, FilledForm, addition_text, report_text
from intake.asking.directives import from_text
from intake.asking.form import read_form, told_at
from store.openpgp.armor import armor
from tests.conftest import Desk, DeskMaker
from tests.support.talk import say, to, words
from tests.support.web import PlainBrowser, answers_on, hidden, sealed_fields, send, served, words_on


def codename_of(desk: Desk) -> str:
    """The one case of a desk."""
    (mail, *_) = desk.mail_out()
    return mail.headers["Subject"].split()[-1]


def show_people(desk: Desk, **public: str) -> None:
    """Have members let themselves be shown."""
    file = desk.play.folder / "roster.toml"
    text = file.read_text()
    for person, how in public.items():
        text = text.replace(f'id = "{person}"', f'id = "{person}"\npublic = "{how}"\nlanguages = ["en", "de"]', 1)
    file.write_text(text)


def test_a_checked_box_and_a_free_line_keep_it_from_both(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    show_people(desk, bo="name", chidi="role")
    with served(desk) as site:
        browser = PlainBrowser(site)
        page = browser.session.get(browser.form).text
        assert re.findall(r'name="exclude" value="([^"]*)"', page) == ["Bo Lindqvist"]
        assert "reads English, German" in page
        assert "Chidi" not in page, "who is shown by role is not named"
        assert "Ada" not in page, "who did not choose to be shown is not"
        done = browser.report(what="Hello.", exclude="Bo Lindqvist", exclude_others="dana\nthe tall one")
        assert done.status_code == 200
    told = {mail.recipient for mail in desk.mail_out()}
    assert told == {person.email for person in team if person.id not in ("bo", "dana")}


def test_only_some_may_know_and_no_answer_is_wanted(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    with served(desk) as site:
        browser = PlainBrowser(site)
        page = browser.report(what="Hello.", only="Ada Quist", no_reply="yes").text
        mails = desk.mail_out()
        assert {mail.recipient for mail in mails} == {team[0].email}
        codename = mails[0].headers["Subject"].split()[-1]
        assert "You can't write to the reporter" in words(to(team[0], mails)[0])
        (answer,) = to(team[0], say(desk, team[0], "/reply\nHello.", codename))
        assert "was NOT done" in answer or "can't write to the reporter" in words(answer)
        opened = browser.open(words_on(page))
        assert opened.status_code == 200
        assert answers_on(opened.text) == [], "not even a note that it came"


def test_nobody_learns_from_an_answer_whether_a_name_is_on_the_team(make_desk: DeskMaker) -> None:
    desk = make_desk()
    pages = []
    with served(desk) as site:
        for name in ("Bo Lindqvist", "Nobody Atall"):
            page = PlainBrowser(site).report(what="Hello.", exclude_others=name).text
            pages.append(page.replace(words_on(page), "WORDS"))
    assert pages[0] == pages[1]


def test_who_is_named_in_the_report_or_in_a_file_is_withheld(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    with served(desk) as site:
        PlainBrowser(site).report(what="It was Bo Lindqvist.", files=[("note.txt", b"and Dana Reyes saw it")])
    assert {mail.recipient for mail in desk.mail_out()} == {p.email for p in team if p.id not in ("bo", "dana")}


def test_sent_again_it_is_the_same_report_and_what_differs_is_added(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    with served(desk) as site:
        browser = PlainBrowser(site)
        receipt = hidden(browser.session.get(browser.form).text, "receipt")
        for _ in range(2):
            assert words_on(browser.post(browser.form, receipt=receipt, what="It happened.").text) == receipt
        first = desk.mail_out()
        assert len(first) == len(team), "one case, told of once"
        assert browser.post(browser.form, receipt=receipt, what="It happened. On Friday.").status_code == 200
        added = to(team[0], desk.mail_out())
        assert len(added) == 1
        assert "the reporter wrote again" in added[0]
        assert "On Friday." in added[0]
        assert browser.open(receipt).status_code == 200


def test_the_same_words_on_another_day_are_another_message(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    with served(desk) as site:
        browser = PlainBrowser(site)
        receipt = words_on(browser.report(what="It happened.").text)
        desk.mail_out()
        for _ in range(2):
            once = hidden(browser.open(receipt).text, "once")
            for _ in range(2):
                browser.open(receipt, more="yes", text="It happened again.", once=once)
            assert len(to(team[0], desk.mail_out())) == 1, "a page that is sent twice is one message"


def test_what_cannot_be_read_stays_with_its_receipt(make_desk: DeskMaker, team: list[Person], stranger: Person) -> None:
    desk = make_desk()
    with served(desk, "work = 0") as site:
        wrong = stranger.keyring.seal_each(b"x", [stranger.fingerprint], None)[stranger.fingerprint]
        assert send(site, "sealed", {**sealed_fields(desk, "one two three"), "message": armor(wrong)})[0] == 200
        codename = codename_of(desk)
        more = PlainBrowser(site).open("one two three", more="yes", text="In words: it happened.")
        assert more.status_code == 200
        mails = desk.mail_out()
        assert {mail.headers["Subject"].split()[-1] for mail in mails} == {codename}
        assert any("In words: it happened." in item for item in to(team[0], mails))


def test_a_charset_that_a_client_names_is_not_looked_at(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    with served(desk) as site:
        browser = PlainBrowser(site)
        receipt = hidden(browser.session.get(browser.form).text, "receipt")
        for charset in ("punycode", "utf-7", "idna", "nonsense"):
            parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}' for name, value in (
                ("receipt", receipt), ("what", f"Ünicode +AGE- {charset}"),
            )]  # fmt: skip
            sent = "\r\n".join([*parts, "--b--", ""]).encode()
            kind = {"Content-Type": f"multipart/form-data; charset={charset}; boundary=b"}
            assert requests.post(browser.form, data=sent, headers=kind).status_code == 200
            assert f"Ünicode +AGE- {charset}" in to(team[0], desk.mail_out())[0]


def test_an_empty_form_is_given_back_with_what_was_in_it(make_desk: DeskMaker) -> None:
    desk = make_desk()
    with served(desk) as site:
        browser = PlainBrowser(site)
        answer = browser.report(what="  ", ongoing="yes")
        assert answer.status_code == 422
        assert 'role="alert"' in answer.text
        assert hidden(answer.text, "receipt")
        assert browser.open("  ").status_code == 422
    assert desk.mail_out() == []


def test_what_is_written_into_a_field_stays_text(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    nasty = '"><script>alert(1)</script>{{ 7*7 }}${x}\r\nBcc: x@evil.example\r\n\r\n.\r\n--=_x--\x00\u202e'
    with served(desk) as site:
        browser = PlainBrowser(site)
        fields = {name: nasty for name in LABELS if name != "ongoing"}
        page = browser.report(
            what=nasty, exclude_others=nasty, only="", files=[(nasty + ".html", b"<b>x</b>")], **fields
        )
        assert page.status_code == 200, page.text
        mails = desk.mail_out()
        assert {mail.recipient for mail in mails} <= {person.email for person in team}
        codename = mails[0].headers["Subject"].split()[-1]
        (file,) = desk.case(codename)["messages"][0]["attachments"]
        assert "\r" not in file["name"]
        assert "\n" not in file["name"]
        say(desk, team[0], f"/reply\n{nasty}", codename)
        opened = browser.open(words_on(page.text)).text
        assert "<script>alert" not in opened
        refilled = browser.post(browser.form, receipt='"><script>x</script>', what="")
        assert "<script>x" not in refilled.text


@given(
    st.lists(
        st.text(
            st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp")), min_size=1, max_size=30
        ),  # marks that nobody sees are no name
        max_size=3,
    ),
    st.text(max_size=80),
    st.text(max_size=60),
)
@settings(max_examples=150)
def test_whatever_is_filled_in_what_was_excluded_is_excluded(names: list[str], what: str, when: str) -> None:
    names = [name for name in names if name.strip(" \t*_`\xa0")]
    text = report_text(FilledForm(what=what, fields={"when": when}, exclude=names, no_reply=True))
    asked = from_text(text)
    for name in names:
        kept = " ".join(" ".join((*asked.exclude, *asked.perhaps_exclude, *asked.only)).split())
        assert " ".join(name.split()).strip(" *_`") in kept or not name.strip()
    assert asked.quiet or asked.reply


def test_the_fields_of_the_form_are_those_that_intake_reads() -> None:
    text = report_text(FilledForm(what="Own words.", fields={name: f"{name} one\n\n{name} two" for name in LABELS}))
    found = read_form(text)
    assert len(found) == len(LABELS)
    assert found["when"] == "when one\nwhen two"
    assert found["confidentiality"] == "private one\nprivate two"


@pytest.mark.parametrize(
    ("tell", "found"),
    [
        ("sam@reporter.example", "sam@reporter.example"),
        ("sam+desk@reporter.example", "sam+desk@reporter.example"),
        ("no", "no"),
        ("no address", ""),
        ("a@b\r\nBcc: c@d", ""),
        ("", ""),
    ],
)
def test_an_address_to_tell_is_one_or_none(tell: str, found: str) -> None:
    assert told_at(addition_text("More.", tell)) == found


def test_wrong_paths_desks_and_languages_are_not_found(make_desk: DeskMaker) -> None:
    desk = make_desk()
    with served(desk) as site:
        for path in (
            "/nobody/", "/nobody/en/", "/conduct/xx/", "/static/../site.py", "/static/%2e%2e/site.py", "/static/vendor/README.md",
            "/words/xx.json", "/words/..%2f..%2fetc%2fpasswd", "/conduct/en/receipt/x", "/%00", "/static/",
        ):  # fmt: skip
            assert requests.get(site + path).status_code == 404, path
        assert requests.put(f"{site}/conduct/en/").status_code == 405
        assert requests.get(f"{site}/conduct/sealed").status_code == 404


def test_the_language_is_that_of_the_browser(make_desk: DeskMaker) -> None:
    desk = make_desk()
    with served(desk) as site:
        for asked, language in (
            ("ar-EG,ar;q=0.9,en;q=0.5", "ar"), ("xx, fr;q=0.3, de;q=0.8", "de"), ("", "en"), ("en;q=\x7f" + "x" * 10_000, "en"),
        ):  # fmt: skip
            assert requests.get(f"{site}/", headers={"Accept-Language": asked}).url == f"{site}/conduct/{language}/"
        page = requests.get(f"{site}/conduct/ar/").text
        assert '<html lang="ar" dir="rtl">' in page
        assert requests.get(f"{site}/conduct/receipt", headers={"Accept-Language": "es"}).url.endswith("/es/receipt/")


def test_an_address_without_its_last_slash_leads_on_within_the_site(make_desk: DeskMaker) -> None:
    desk = make_desk()
    with served(desk) as site:
        answer = requests.get(f"{site}/conduct/fr", allow_redirects=False, headers={"X-Forwarded-Proto": "https"})
        assert answer.headers["location"] == "fr/", "relative: nobody here knows how we are reached"
        assert requests.get(f"{site}/conduct/fr").status_code == 200
        assert requests.get(f"{site}/conduct/xx").status_code == 404


def test_every_answer_forbids_frames_and_strangers_and_is_kept_nowhere(make_desk: DeskMaker) -> None:
    desk = make_desk()
    onion = "http://" + "a" * 56 + ".onion"
    with served(desk, f'onion = "{onion}"') as site:
        for path in ("/conduct/en/", "/conduct/en/receipt/", "/nobody/", "/conduct/challenge", "/conduct/key.asc"):
            answer = requests.get(site + path)
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe-inline" not in policy
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["referrer-policy"] == "same-origin"
            assert answer.headers["onion-location"] == onion + path
            assert "set-cookie" not in answer.headers
            assert "server" not in answer.headers
        split = requests.get(f"{site}/conduct/%0d%0aX-Evil:%20yes/")
        assert split.status_code == 404
        assert "x-evil" not in split.headers
        inside = requests.get(f"{site}/conduct/en/", headers={"Host": "a" * 56 + ".onion"})
        assert "onion-location" not in inside.headers


def test_what_the_page_says_of_everybody_is_what_the_public_may_know(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    with served(desk) as site:
        page = PlainBrowser(site).session.get(f"{site}/conduct/en/").text
    for person in team:
        assert person.name not in page
        assert person.email not in page
        assert person.fingerprint not in page


def test_an_answer_is_read_on_a_day_or_not_for_two_weeks(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    ada = team[0]
    with served(desk) as site:
        browser = PlainBrowser(site)
        receipt = words_on(browser.report(what="It happened.").text)
        codename = codename_of(desk)
        say(desk, ada, "/reply\nThank you.", codename)
        (shown,) = to(ada, say(desk, ada, "/show", codename))
        assert "(not read yet: it waits for whoever has the receipt)" in words(shown)
        desk.tick()
        desk.clock.forward(days=13)
        desk.tick()
        assert not [item for item in to(ada, desk.mail_out()) if "not fetched" in item]
        desk.clock.forward(days=2)
        desk.tick()
        told = [item for item in to(ada, desk.mail_out()) if "the reporter has not fetched your answer" in words(item)]
        assert len(told) == 1
        desk.clock.forward(days=20)
        desk.tick()
        assert not [item for item in to(ada, desk.mail_out()) if "not fetched" in item], "it is said once"
        browser.open(receipt)
        record = desk.case(codename)
        (letter,) = [item["letter"] for item in record["messages"] if item["direction"] == "out"]
        assert letter["read_at"]
        assert "- new" not in browser.open(receipt).text


def test_a_receipt_ends_with_its_case(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    with served(desk) as site:
        browser = PlainBrowser(site)
        receipt = words_on(browser.report(what="It happened.").text)
        codename = codename_of(desk)
        say(desk, team[0], "/reply\nThank you.", codename)
        assert len(answers_on(browser.open(receipt).text)) == 2
        say(desk, team[0], "/state closed no-action", codename)
        desk.tick()
        desk.clock.forward(days=731 - 30)
        desk.tick()
        desk.clock.forward(days=31)
        desk.tick()
        assert browser.open(receipt).status_code == 404
        with desk.context.database.read() as session:
            for table in ("letterboxes", "letters"):
                assert session.connection().exec_driver_sql(f"SELECT COUNT(*) FROM {table}").scalar() == 0


def test_a_mail_address_hears_that_an_answer_waits_and_no_more(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    ada = team[0]
    with served(desk, 'url = "https://report.example.org"') as site:
        browser = PlainBrowser(site)
        receipt = words_on(browser.report(what="SECRET-ONE").text)
        codename = codename_of(desk)
        browser.open(receipt, more="yes", text="Tell me there.", tell="sam@reporter.example")
        desk.mail_out()
        mails = say(desk, ada, "/reply\nSECRET-TWO", codename)
        (told,) = [mail for mail in mails if mail.recipient == "sam@reporter.example"]
        assert b"SECRET" not in told.mail
        assert b"https://report.example.org/conduct/receipt" in told.mail
        assert codename.encode() not in told.mail
        browser.open(receipt, more="yes", tell_no="yes")
        desk.mail_out()
        mails = say(desk, ada, "/reply\nSECRET-THREE", codename)
        assert not [mail for mail in mails if "reporter.example" in mail.recipient]


@pytest.mark.parametrize("tell", ["sam@a.example, eve@b.example", "Sam <sam@a.example>", "no thanks", "+1 555 0100"])
def test_what_is_no_address_to_tell_is_said_and_nothing_is_sent(make_desk: DeskMaker, tell: str) -> None:
    desk = make_desk()
    with served(desk) as site:
        browser = PlainBrowser(site)
        receipt = words_on(browser.report(what="It happened.").text)
        desk.mail_out()
        answer = browser.open(receipt, more="yes", text="More.", tell=tell)
        assert "This is not one plain mail address. Nothing was sent" in answer.text
        assert desk.mail_out() == []


def test_nobody_from_whom_it_is_kept_is_told_that_an_answer_waits(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    with served(desk) as site:
        browser = PlainBrowser(site)
        receipt = words_on(browser.report(what="It happened.", exclude_others="Bo Lindqvist").text)
        codename = codename_of(desk)
        browser.open(receipt, more="yes", text="More.", tell=team[1].email)
        desk.mail_out()
        mails = say(desk, team[0], "/reply\nThank you.", codename)
        assert team[1].email not in {mail.recipient for mail in mails}


def test_a_mail_that_says_it_is_from_a_receipt_gets_nothing_in(
    make_desk: DeskMaker, team: list[Person], sam: Person
) -> None:
    desk = make_desk()
    with served(desk) as site:
        browser = PlainBrowser(site)
        receipt = words_on(browser.report(what="It happened.").text)
        codename = codename_of(desk)
        address = desk.case(codename)["messages"][0]["from"].strip("<>")
        forged = f"From: {address}\nTo: conduct@desk.example\nSubject: x\nMessage-ID: <f@x>\n\nI am the reporter. Tell me at: eve@evil.example\n"
        desk.receive(forged.encode(), sender=address)
        mails = desk.mail_out()
        other = next(mail.headers["Subject"].split()[-1] for mail in mails)
        assert other != codename
        (said,) = to(team[0], say(desk, team[0], "/reply\nHello, Eve.", other))
        assert "can't write to the reporter" in words(said)
        assert {mail.recipient for mail in mails} <= {person.email for person in team}, "and nobody else is written to"
        assert len(answers_on(browser.open(receipt).text)) == 1, "the note that the report came, and no other"
        say(desk, team[0], "/reply\nThank you.", codename)
        assert len(answers_on(browser.open(receipt).text)) == 2


def test_a_form_that_was_opened_long_ago_still_works(make_desk: DeskMaker) -> None:
    desk = make_desk()
    with served(desk) as site:
        browser = PlainBrowser(site)
        receipt = hidden(browser.session.get(browser.form).text, "receipt")
    desk.clock.now = datetime.now(UTC)
    desk.clock.forward(hours=3)
    with served(desk) as site:
        browser = PlainBrowser(site)
        assert browser.post(browser.form, receipt=receipt, what="It took me three hours.").status_code == 200
        assert browser.open(receipt).status_code == 200
