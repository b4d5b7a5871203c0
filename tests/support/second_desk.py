"""A second desk in the same install: the board."""

from __future__ import annotations

from collections.abc import Sequence

from desk.demo.rehearsal import Person, roster_text
from tests.conftest import Desk


def add_board(desk: Desk, people: Sequence[Person], quorum: int = 2) -> None:
    """Write the board, of some people, into the install of a desk; it serves from the next time that this is opened."""
    folder, fingerprint = desk.play.folder, desk.context.config.desk[0].fingerprint
    for person in people:
        (folder / "keys" / f"{person.id}.asc").write_bytes(person.public_key)
    (folder / "board.toml").write_text(roster_text(people))
    with desk.play.config.open("a") as file:
        file.write(
            f'\n[[desk]]\nid = "board"\nname = "Board"\naddress = "board@desk.example"\nfingerprint = "{fingerprint}"\n'
            f'roster = "board.toml"\nquorum = {quorum}\n'
        )


def open_with_board(desk: Desk, people: Sequence[Person], quorum: int = 2) -> Desk:
    """The same, opened."""
    add_board(desk, people, quorum)
    desk.reopen()
    desk.tick()
    desk.mail_out()
    return desk
