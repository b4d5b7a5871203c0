"""A mailbox for each test on a Dovecot for each file, and desks that take their mail from it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.conftest import Desk, DeskMaker
from tests.support.dovecot import PASSWORD, Dovecot

Configure = Callable[..., Desk]


@pytest.fixture
def mailbox_desk(make_desk: DeskMaker, dovecot: Dovecot, user: str) -> Configure:
    """Makes a desk that takes its mail from this test's mailbox; lines are added to or replace the usual ones."""

    def make(server: Dovecot = dovecot, **lines: object) -> Desk:
        desk = make_desk()
        (desk.play.folder / "password").write_text(PASSWORD + "\n")
        values: dict[str, object] = {
            "host": "localhost",
            "port": server.tls_port,
            "ca_file": str(server.ca_file),
            "user": user,
            "password_file": "password",
            "poll_seconds": 1,
        }
        values |= {name: value for name, value in lines.items() if value is not None}
        text = "\n[[desk.imap]]\n" + "".join(
            f"{name} = {json.dumps(value)}\n" for name, value in values.items() if lines.get(name, 0) is not None
        )
        desk.play.config.write_text(desk.play.config.read_text() + text)
        return desk

    return make
