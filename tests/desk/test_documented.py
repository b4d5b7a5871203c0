"""What the pages tell people to write works as it stands there: the operator's commands are run, in the order of the page, on a desk with
cases; the members' and reporters' lines are read by the program."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from intake.asking.commands import parse
from store.cases.commands import COMMANDS
from tests.conftest import Desk, DeskMaker
from tests.support.second_desk import add_board
from tests.support.talk import say

DOCS = Path(__file__).parent.parent.parent / "docs"
_LINE = re.compile(r"^    (ombud [^\n]*)$", re.MULTILINE)
# Made elsewhere: `init` in test_init.py, the form in test_web_commands.py, `backup` and `restore` with an archive key in test_care.py.
_ELSEWHERE = (
    "ombud init",
    "ombud web",
    "ombud backup",
    "ombud restore",
    "ombud check --outside",
    "ombud check --watch",
)
_MAY_WARN = ("ombud check",)  # of what a desk in a test has not got, such as a service that runs


def documented() -> Iterator[str]:
    """The operator's lines in the order of the page, without what is said of them."""
    page = (DOCS / "operators.md").read_text().partition("## Daily care")[0]  # that part is run in test_daily_care.py
    for line in _LINE.findall(page):
        written = re.split(r"\s{2,}# ", line)[0].strip()
        if not written.startswith(_ELSEWHERE):
            yield written


@pytest.fixture
def desk(make_desk: DeskMaker, team: list[Person]) -> Desk:
    """A desk of all but the last of the team."""
    return make_desk(team[:-1])


def case(desk: Desk, text: str, sender: str) -> str:
    codename = desk.receive(plain_mail(text, sender=sender)).codename
    desk.mail_out()
    desk.clock.forward(minutes=1)
    return codename


def test_the_operators_commands_work_in_the_order_of_the_page(desk: Desk, team: list[Person], stranger: Person) -> None:
    folder, ada = desk.play.folder, team[0]
    made = {
        name: case(desk, f"{name} it happened, at my number 0171", f"{name}@x.example")
        for name in ("amber-heron", "blue-fox", "NAME...", "NAME")
    }
    here = str(desk.play.sink.to("amber-heron@x.example")[-1].headers["Reply-To"]).partition("<")[2].rstrip(">")
    with_file = (
        b"From: amber-heron@x.example\nTo: conduct@desk.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=m\n\n--m\n\n"
        b"More.\n--m\nContent-Type: text/plain\nContent-Disposition: attachment; filename=a.txt\n\none\n--m\n"
        b"Content-Type: text/plain\nContent-Disposition: attachment; filename=b.txt\n\ntwo\n--m--\n"
    )
    for number in range(5):
        desk.receive(with_file + b"%d" % number, here, sender="amber-heron@x.example")
    for name in ("amber-heron", "NAME..."):
        say(desk, ada, "/state closed no-action" if name == "NAME..." else "/field when: Friday", made[name])
    desk.mail_out()
    desk.clock.now = datetime.now(UTC)
    (folder / "attendees.csv").write_text("first,last\nMorgan,Vale\n")
    (folder / "lawyer.asc").write_bytes(stranger.public_key)
    (folder / "passage").write_text("my number 0171")
    (folder / "talk").write_text("Robin <robin@x.example> on 2026-01-31\nThey told me.")
    (folder / "FILE").write_bytes(ada.public_key)
    (folder / "old.mbox").write_bytes(b"From x\n" + plain_mail("An old report."))
    binary = folder / "bin" / "ombud"
    binary.parent.mkdir()
    binary.write_text(f'#!/bin/sh\nexec {sys.executable} -m desk "$@"\n')
    binary.chmod(0o755)
    root = str(DOCS.parent)
    environment = {**os.environ, "PATH": f"{binary.parent}:{os.environ['PATH']}", "PYTHONPATH": root, "COLUMNS": "200"}
    seen = []
    for line in documented():
        written = line
        for name, codename in made.items():
            written = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", codename, written)
        written = (
            written.replace("/srv/", "")
            .replace("/var/www/html", "www")
            .replace("Pat Doe", team[-1].name)
            .replace("import case.pgp", "import own.pgp")
            .replace("2026-12-31", "2027-12-31")
        )
        if line.startswith("ombud case destroy"):
            written += " --yes"
        if line.startswith("ombud case erase"):
            subprocess.run(
                ["ombud", "case", "state", made["amber-heron"], "closed", "no-action"],
                cwd=folder,
                env=environment,
                check=True,
            )
        if "case.pgp" in line and "import" in line:
            (folder / "own.asc").write_bytes(
                desk.context.keyring.export(desk.context.config.desk[0].fingerprint, armored=True)
            )
            subprocess.run(
                ["ombud", "case", "export", made["blue-fox"], "own.pgp", "--to", "own.asc"],
                cwd=folder,
                env=environment,
                check=True,
            )
        alone = desk.play.config.read_text()
        if "guest" in line:
            add_board(desk, team[-1:], quorum=1)
        done = subprocess.run(
            ["/bin/bash", "-c", written], cwd=folder, env=environment, capture_output=True, check=False, timeout=120
        )
        desk.play.config.write_text(alone)
        if not line.startswith(_MAY_WARN):
            assert done.returncode == 0, (line, done.stderr.decode())
        assert b"Traceback" not in done.stderr, line
        assert b"No such" not in done.stderr, line
        seen.append(line)
    assert len(seen) > 18


def members_lines() -> list[str]:
    text = (DOCS / "responders.md").read_text()
    return re.findall(r"^    (/[^\n]*)$", text, re.MULTILINE)


@pytest.mark.parametrize("line", members_lines())
def test_the_members_lines_are_commands(line: str) -> None:
    parse(re.split(r"\s{3,}", line)[0])


FORMS = [written for command in COMMANDS.values() for written, _ in command.help]


@pytest.mark.parametrize("written", FORMS)
def test_help_says_nothing_that_is_no_command(written: str) -> None:
    for one in written.split(", ") if written.startswith("/hold") else [written]:
        said = (
            one.replace("<ADDRESS>", "<sam@example.org>")
            .replace("/state STATE", "/state decided")
            .replace("/junk all-like-this", "/junk all-like-this")
        )
        parse(said)
