"""Two desks of one install."""

from __future__ import annotations

import pytest

from desk.demo.rehearsal import Person, roster_text
from tests.conftest import Desk, DeskMaker


@pytest.fixture
def desks(make_desk: DeskMaker, team: list[Person]) -> Desk:
    """A desk with a second one beside it, the board, whose roster is the same but for Ada."""
    desk = make_desk()
    folder = desk.play.folder
    (folder / "board.toml").write_text(roster_text(team[1:]))
    fingerprint = desk.context.config.desk[0].fingerprint
    with desk.play.config.open("a") as file:
        file.write(
            f'\n[[desk]]\nid = "board"\nname = "Board"\naddress = "board@desk.example"\nfingerprint = "{fingerprint}"\nroster = "board.toml"\n'
        )
    desk.reopen()
    desk.tick()
    desk.mail_out()
    return desk
