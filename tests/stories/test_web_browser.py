"""The form in a real browser, with and without scripts, in English and Arabic: report, receipt, answer, and more."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, FilePayload, Page, Route

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from desk.web.export import write_site
from desk.web.reports import LABELS, FilledForm, report_text
from desk.web.words import count_of
from mailer.sealing.padding import padded_length
from store.openpgp.receipts import canonical
from tests.conftest import Desk, DeskMaker
from tests.support.browser import Traffic, browser, page
from tests.support.talk import say, to, words
from tests.support.web import served

SECRETS = ("CANARY-WHAT", "CANARY-WHEN", "CANARY-FILE", "CANARY-MORE", "CANARY-NAME")
PLAIN = "#unsealed"


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browser() as made:
        yield made


def show_bo(desk: Desk) -> None:
    """Have one member let himself be shown by name."""
    file = desk.play.folder / "roster.toml"
    file.write_text(file.read_text().replace('id = "bo"', 'id = "bo"\npublic = "name"', 1))


def fill_in(tab: Page) -> None:
    """Fill in the form: two files, and one member to keep it from."""
    tab.fill("#what", "CANARY-WHAT happened.\n\nIt was loud.")
    tab.fill("#when", "CANARY-WHEN")
    tab.fill("#exclude_others", "CANARY-NAME\ndana")
    tab.check('input[name=exclude][value="Bo Lindqvist"]')
    one = FilePayload(name="öne.txt", mimeType="text/plain", buffer=b"CANARY-FILE one")
    two = FilePayload(name='two"\r\n.bin', mimeType="x/../y", buffer=b"CANARY-FILE two" * 1000)
    tab.set_input_files("#files", [one, two])


def nothing_kept(tab: Page) -> None:
    """Nothing is stored in the browser."""
    assert tab.context.cookies() == []
    kept = "JSON.stringify([Object.keys(localStorage), Object.keys(sessionStorage), document.cookie])"
    assert tab.evaluate(kept) == '[[],[],""]'
    assert tab.evaluate("(async () => (await indexedDB.databases()).length + (await caches.keys()).length)()") == 0


@pytest.mark.parametrize(("language", "scripts"), [("en", True), ("ar", True), ("en", False), ("ar", False)])
def test_a_report_its_answer_and_more(
    make_desk: DeskMaker, team: list[Person], chrome: Browser, language: str, scripts: bool
) -> None:
    desk = make_desk()
    show_bo(desk)
    ada = team[0]
    with served(desk) as site, page(chrome, scripts=scripts, language=language) as (tab, traffic):
        tab.goto(site)
        assert tab.get_attribute("html", "lang") == language
        assert tab.is_visible(PLAIN) is not scripts, "who runs no scripts is told what that means"
        fill_in(tab)
        tab.click("button[type=submit]")
        tab.wait_for_selector("#done:not([hidden]) .words")
        receipt = tab.inner_text(".words")
        assert len(receipt.split()) == count_of(language)
        mails = desk.mail_out()
        assert {mail.recipient for mail in mails} == {p.email for p in team if p.id not in ("bo", "dana")}
        (notice,) = to(ada, mails)
        assert "CANARY-WHAT happened.\n\nIt was loud." in notice
        codename = mails[0].headers["Subject"].split()[-1]
        record = desk.case(codename)
        assert record["fields"]["when"] == "CANARY-WHEN"
        assert [item["size"] for item in record["messages"][0]["attachments"]] == [15, 15_000]
        assert record["messages"][0]["attachments"][0]["name"] == "öne.txt"

        desk.clock.forward(minutes=1)
        say(desk, ada, "/reply\n<b>We look into it.</b> نعم", codename)
        tab.goto(f"{site}/conduct/receipt")
        tab.fill("#words", f"  {receipt.upper()} ")
        tab.click("#ask button")
        tab.wait_for_selector("#found:not([hidden]) article")
        assert "<b>We look into it.</b> نعم" in tab.locator("article").first.inner_text()
        assert tab.locator(".caution").count() == 0, "the desk signed it"
        tab.fill("#text", "CANARY-MORE")
        tab.click("#more button")
        tab.wait_for_selector(".good")
        assert any("CANARY-MORE" in item for item in to(ada, desk.mail_out()))
        (shown,) = to(ada, say(desk, ada, "/show", codename))
        assert "(read on" in words(shown)
        if scripts:
            assert not any(traffic.holds(secret) for secret in SECRETS), "all that left was sealed"
            assert not any(traffic.holds(word) for word in receipt.split() if len(word) > 6)
            nothing_kept(tab)
        assert {url.split("/")[2] for url, _ in traffic.requests} == {site.split("/")[2]}, "nothing from elsewhere"
        assert traffic.errors == []


def test_the_browser_composes_and_counts_as_the_desk_does(make_desk: DeskMaker, chrome: Browser) -> None:
    desk = make_desk()
    with served(desk) as site, page(chrome) as (tab, _):
        tab.goto(f"{site}/conduct/en/")
        for text in ("Avión  SEÑAL", "أبيدجان, أسمرة ئ ى", "a\u00a0b_c-d", "ΑΣ Ünïcode ﬁ", "١٢٣ x²"):
            assert tab.evaluate("text => ombud.receipts.canonical(text)", text) == canonical(text)
        for length in (0, 4096, 4097, 5000, 65_536, 65_537, 1_000_001, 24_999_999):
            assert tab.evaluate("length => ombud.paddedLength(length)", length) == padded_length(length)
        for field in LABELS:
            if field != "ongoing":
                tab.fill(f"#{field}", f"{field} one\n\n  {field} two")
        tab.check('input[name=ongoing][value="yes"]')
        tab.fill("#what", "\nOwn\n\nwords  ")
        tab.fill("#only", "Ada Quist\n\nBo")
        tab.check("input[name=no_reply]")
        tab.evaluate("() => { ombud.seal = (text) => { window.composed = text; throw new Error('stop'); }; }")
        tab.click("button[type=submit]")
        filled = {name: f"{name} one\n\n  {name} two" for name in LABELS if name != "ongoing"}
        expected = FilledForm("\nOwn\n\nwords  ", {**filled, "ongoing": "yes"}, only="Ada Quist\n\nBo", no_reply=True)
        assert tab.evaluate("window.composed") == report_text(expected)


@pytest.mark.parametrize("language", ["en", "ar"])
def test_every_page_can_be_used_by_everybody(make_desk: DeskMaker, chrome: Browser, language: str) -> None:
    """axe-core finds nothing, and nothing runs out of a narrow window (320 pixels are what 400 % zoom leaves of 1280)."""
    desk = make_desk()
    show_bo(desk)
    with served(desk) as site, page(chrome) as (tab, _):
        tab.goto(f"{site}/conduct/{language}/")
        sound(tab)
        tab.fill("#what", "It happened.")
        tab.click("button[type=submit]")
        tab.wait_for_selector("#done:not([hidden])")
        sound(tab)
        receipt = tab.inner_text(".words")
        tab.goto(f"{site}/conduct/{language}/receipt/")
        sound(tab)
        desk.mail_out()
        tab.fill("#words", receipt)
        tab.click("#ask button")
        tab.wait_for_selector("#found:not([hidden]) article")
        sound(tab)


def sound(tab: Page) -> None:
    """A page without a finding, wide and narrow."""
    for width in (1280, 320):
        tab.set_viewport_size({"width": width, "height": 900})
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(tab)
        assert found.violations_count == 0, found.generate_report()


def test_it_works_by_keyboard_alone(make_desk: DeskMaker, chrome: Browser, team: list[Person]) -> None:
    desk = make_desk()
    with served(desk) as site, page(chrome) as (tab, _):
        tab.goto(f"{site}/conduct/en/")
        for _ in range(30):
            tab.keyboard.press("Tab")
            if tab.evaluate("document.activeElement.id") == "what":
                break
        tab.keyboard.type("By keyboard.")
        for _ in range(40):
            tab.keyboard.press("Tab")
            if tab.evaluate("document.activeElement.type") == "submit":
                break
        tab.keyboard.press("Enter")
        tab.wait_for_selector("#done:not([hidden])")
        assert tab.evaluate("document.activeElement.tagName") == "H1", "a screen reader says that it has arrived"
    assert len(desk.mail_out()) == len(team)


def a_file(said: bytes) -> FilePayload:
    """A file that always has the same name."""
    return FilePayload(name="note.txt", mimeType="text/plain", buffer=said)


@pytest.mark.parametrize("second", [b"one", b"two"])
def test_a_desk_that_is_away_for_a_while_loses_nothing(
    make_desk: DeskMaker, chrome: Browser, team: list[Person], second: bytes
) -> None:
    """The answer to a report is lost: sent again, it is the same one, under the same receipt; with another file, that is added."""
    desk = make_desk()
    with served(desk) as site, page(chrome) as (tab, traffic):
        tab.goto(f"{site}/conduct/en/")
        tab.fill("#what", "It happened.")
        tab.set_input_files("#files", [a_file(b"one")])
        lost: list[object] = []

        def lose_first_answer(route: Route) -> None:
            if not lost:
                lost.append(route.fetch())
                route.abort()
            else:
                route.continue_()

        tab.route("**/sealed?*", lose_first_answer)
        tab.click("button[type=submit]")
        tab.wait_for_selector('#status:has-text("cannot be reached")')
        assert tab.input_value("#what") == "It happened."
        tab.set_input_files("#files", [a_file(second)])
        tab.click("button[type=submit]")
        tab.wait_for_selector("#done:not([hidden])")
        receipt = tab.inner_text(".words")
        assert len(desk.mail_out()) == (1 if second == b"one" else 2) * len(team)
        tab.goto(f"{site}/conduct/en/receipt/")
        tab.fill("#words", receipt)
        tab.click("#ask button")
        tab.wait_for_selector("#found:not([hidden]) article")
        assert traffic


def test_a_script_that_was_changed_on_the_way_does_not_run(make_desk: DeskMaker, chrome: Browser) -> None:
    """The form then says that it is sealed at the desk, and not here."""
    desk = make_desk()
    with served(desk) as site, page(chrome) as (tab, traffic):
        tab.route("**/seal.js", lambda route: route.fulfill(body="alert(1)", content_type="text/javascript"))
        tab.goto(f"{site}/conduct/en/")
        assert tab.is_visible(PLAIN)
        assert tab.is_hidden("#sealed-here")
        assert any("integrity" in error for error in traffic.errors)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_the_form_as_files_sends_to_the_desk_or_gives_what_is_to_be_mailed(
    make_desk: DeskMaker, chrome: Browser, team: list[Person], tmp_path: Path
) -> None:
    desk = make_desk()
    web = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path)))
    threading.Thread(target=web.serve_forever, daemon=True).start()
    copy = f"http://127.0.0.1:{web.server_port}"
    try:
        with served(desk, f'origins = ["{copy}"]') as site, page(chrome) as (tab, traffic):
            here = desk.context.config.desk[0]
            write_site(desk.context, here, tmp_path / "sends", site)
            write_site(desk.context, here, tmp_path / "mails", "")
            receipt = sent_from(tab, f"{copy}/sends/conduct/en/")
            assert len(desk.mail_out()) == len(team)
            tab.goto(f"{copy}/sends/conduct/en/receipt/")
            tab.fill("#words", receipt)
            tab.click("#ask button")
            tab.wait_for_selector("#found:not([hidden]) article")

            tab.goto(f"{copy}/mails/conduct/en/")
            assert "I have a receipt" not in tab.content()
            tab.fill("#what", "CANARY-WHAT")
            tab.click("button[type=submit]")
            tab.wait_for_selector("#by-mail:not([hidden])")
            sealed = tab.input_value("#sealed")
            desk.receive(plain_mail(sealed))
            assert "CANARY-WHAT" in to(team[0], desk.mail_out())[0]
            assert not traffic.holds("CANARY")
            assert traffic.errors == []
    finally:
        web.shutdown()
        web.server_close()


def sent_from(tab: Page, url: str) -> str:
    """Send a report from a page; its receipt."""
    tab.goto(url)
    tab.fill("#what", "It happened.")
    tab.click("button[type=submit]")
    tab.wait_for_selector("#done:not([hidden])")
    return tab.inner_text(".words")


def test_what_is_loaded_is_little(make_desk: DeskMaker, chrome: Browser) -> None:
    desk = make_desk()
    with served(desk) as site, page(chrome) as (tab, traffic):
        sizes: list[int] = []
        tab.on("response", lambda answer: sizes.append(int(answer.headers.get("content-length", 0))))
        tab.goto(f"{site}/conduct/en/")
        assert sum(sizes) < 600_000
        assert isinstance(traffic, Traffic)
