"""A member's computer, for tests of mail programs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from tests.conftest import Desk
from tests.support.clients import Computer
from tests.support.mailboxes import wait_until


@pytest.fixture
def notice(running: Desk, team: list[Person]) -> bytes:
    """What Ada is sent about a report."""
    play = running.play
    play.send(plain_mail("Somebody shouted at me.\nIt was loud."))
    wait_until(lambda: bool(play.sink.to(team[0].email) and play.sink.to("sam@reporter.example")))
    return play.sink.to(team[0].email)[0].mail


@pytest.fixture
def computer(running: Desk, team: list[Person], short_tmp: Path, notice: bytes) -> Iterator[Computer]:
    """Ada's computer, with the notice, and in a folder of its own with what the reporter was sent."""
    made = Computer(short_tmp / f"c{time.monotonic_ns()}", team[0], running.play)
    made.put("Notices", notice)
    made.put("Others", running.play.sink.to("sam@reporter.example")[0].mail)
    yield made
    made.close()
    shutil.rmtree(made.home)
