"""The form in Firefox: a report with a file, its receipt, the answer, and more; and nothing of it in the profile."""

from __future__ import annotations

from pathlib import Path

from desk.demo.rehearsal import Person
from tests.conftest import DeskMaker
from tests.support.firefox import firefox
from tests.support.talk import say, to
from tests.support.web import served

_FILL = """
document.getElementById('what').value = arguments[0];
const files = new DataTransfer();
files.items.add(new File([arguments[1]], 'note.txt', {type: 'text/plain'}));
document.getElementById('files').files = files.files;
document.getElementById('exclude_others').value = 'Bo Lindqvist';
document.querySelector('#report button[type=submit]').click();
return await until(() => !document.getElementById('done').hidden && document.getElementById('words').textContent);
"""
_OPEN = """
document.getElementById('words').value = arguments[0];
document.querySelector('#ask button').click();
await until(() => !document.getElementById('found').hidden);
return document.getElementById('letters').innerText;
"""
_ADD = """
document.getElementById('text').value = arguments[0];
document.querySelector('#more button').click();
return await until(() => document.querySelector('#more-status.good'));
"""


def test_a_report_by_firefox_and_its_answer(make_desk: DeskMaker, team: list[Person], tmp_path: Path) -> None:
    desk = make_desk()
    ada = team[0]
    with served(desk) as site, firefox(tmp_path) as inside:
        inside.go_to(f"{site}/conduct/en/")
        receipt = inside.run(_FILL, "SECRETZQ-WHAT happened.", "SECRETZQ-FILE")
        mails = desk.mail_out()
        assert {mail.recipient for mail in mails} == {person.email for person in team if person.id != "bo"}
        (notice,) = to(ada, mails)
        assert "SECRETZQ-WHAT happened." in notice
        assert "note.txt" in notice
        codename = mails[0].headers["Subject"].split()[-1]
        desk.clock.forward(minutes=1)
        say(desk, ada, "/reply\nWe look into it.", codename)
        inside.go_to(f"{site}/conduct/en/receipt/")
        assert "We look into it." in inside.run(_OPEN, receipt)
        assert inside.run(_ADD, "SECRETZQ-MORE") is not None
        assert any("SECRETZQ-MORE" in item for item in to(ada, desk.mail_out()))
    for path in (tmp_path / "firefox").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"SECRETZQ" not in content, path
            assert receipt.encode() not in content, path
