"""Two desks of one install."""

from __future__ import annotations

import pytest

from desk.demo.rehearsal import Person
from tests.conftest import Desk, DeskMaker
from tests.support.second_desk import open_with_board


@pytest.fixture
def desks(make_desk: DeskMaker, team: list[Person]) -> Desk:
    """A desk with a second one beside it, the board, whose roster is the same but for Ada."""
    return open_with_board(make_desk(), team[1:])
