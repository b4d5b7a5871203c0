"""The pictures of the web form in the documents: `make pictures`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from desk.demo.mails import pgp_mime, text_entity
from desk.demo.rehearsal import PEOPLE, Rehearsal, make_person
from tests.support.browser import browser, page

_WIDTH = 760


def main(folder: Path) -> None:
    """Play a report by the form, and write a picture of each page."""
    with tempfile.TemporaryDirectory(prefix="ob-") as name:
        team = [make_person(Path(name) / "people", person, full) for person, full in PEOPLE]
        play = Rehearsal(Path(name) / "desk", team)
        play.serve_form()
        roster = play.folder / "roster.toml"
        shown = 'public = "name"\nlanguages = ["en", "es"]\ntimezone = "Europe/Berlin"'
        roster.write_text(
            roster.read_text().replace('id = "ada"', f'id = "ada"\n{shown}').replace('id = "bo"', f'id = "bo"\n{shown}')
        )
        play.sink.start()
        play.start()
        try:
            _draw(play, folder)
        finally:
            play.end()
            for person in team:
                person.keyring.close()


def _draw(play: Rehearsal, folder: Path) -> None:
    with browser() as chrome, page(chrome, width=_WIDTH) as (tab, _):
        tab.goto(f"{play.form_url}/conduct/ar/")
        tab.screenshot(path=folder / "form-ar.png")
        tab.goto(f"{play.form_url}/conduct/en/")
        tab.fill("#what", "They wait for me after each meetup.")
        tab.check('input[name=exclude][value="Bo Lindqvist"]')
        tab.screenshot(path=folder / "form.png", full_page=True)
        tab.click("button[type=submit]")
        tab.wait_for_selector("#done:not([hidden])")
        receipt = tab.inner_text(".words")
        tab.screenshot(path=folder / "receipt.png")
        play.sink.wait_for(4)
        codename, lead = str(play.sink.mails[0].headers["Subject"]).rpartition(" ")[2], play.team[0]
        entity = text_entity(
            "/reply\nThank you for writing. We look into it.", f"Re: [Conduct Team] {codename}: new report"
        )
        sender = f"{lead.name} <{lead.email}>"
        play.send(pgp_mime(entity, play.desk_key, lead.keyring, lead.fingerprint, sender=sender), sender=lead.email)
        play.sink.wait_for(8)
        tab.goto(f"{play.form_url}/conduct/en/receipt/")
        tab.fill("#words", receipt)
        tab.click("#ask button")
        tab.wait_for_selector("#found:not([hidden]) article")
        tab.screenshot(path=folder / "answers.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
