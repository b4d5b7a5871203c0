"""Closed cases come to an end: announced, put off, held, destroyed, with no byte of them left."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from tests.conftest import Desk
from tests.support.talk import to
from tests.support.timing import MONDAY, at, opened


def test_a_closed_case_is_announced_then_destroyed_and_no_byte_of_it_is_left(desk: Desk, team: list[Person]) -> None:
    desk.play.change_config('# digest = "weekly@09:00" ', 'digest = "weekly@09:00" ')
    start = MONDAY
    at(desk, start)
    name, kept = opened(desk), opened(desk, sender="kim@other.example")
    sealed = _sealed_of(desk, name)
    for codename, wrote in ((name, "closed"), (kept, "closed")):
        desk.play.command("case", "state", codename, wrote, "warning")
    desk.play.command("case", "hold", kept)
    _close_at(desk, start)
    announced = at(desk, start + timedelta(days=707))
    digest = next(text for text in to(team[0], announced) if "digest" in text)
    assert "About to be destroyed" in digest
    assert name in digest
    assert kept not in digest
    at(desk, start + timedelta(days=728))
    assert any(piece in _files(desk) for piece in sealed)
    at(desk, start + timedelta(days=740))
    left = _files(desk)
    assert not any(piece in left for piece in sealed), "neither in the database nor in its log"
    assert desk.play.command("case", "show", name).returncode == 1
    assert desk.play.command("case", "show", kept).returncode == 0
    assert b"intact" in desk.play.command("audit", "verify").stdout


def _sealed_of(desk: Desk, codename: str) -> list[bytes]:
    import sqlite3

    with sqlite3.connect(str(desk.context.database.file)) as connection:
        (case_id, key, facts) = connection.execute(
            "SELECT id, wrapped_key, facts_sealed FROM cases WHERE codename = ?", (codename,)
        ).fetchone()
        rows = connection.execute(
            "SELECT body_sealed, raw_sealed FROM messages WHERE case_id = ?", (case_id,)
        ).fetchall()
    return [key[:40], facts[:40], *(piece[:40] for row in rows for piece in row)]


def _close_at(desk: Desk, moment: datetime) -> None:
    """Commands run by the real clock: have them been run then."""
    from sqlmodel import select

    from store.kit.clock import to_text
    from store.tables.models import CaseRow

    with desk.context.database.write() as session:
        for row in session.exec(select(CaseRow)):
            row.closed_at = to_text(moment)
            session.add(row)
    desk.mail_out(60)


def _files(desk: Desk) -> bytes:
    folder: Path = desk.play.folder
    return b"".join(path.read_bytes() for path in folder.glob("ombud.sqlite3*"))


def test_a_mail_after_the_close_puts_the_end_off(desk: Desk) -> None:
    from store.cases import lookup, retention

    at(desk, MONDAY)
    name = opened(desk)
    desk.play.command("case", "state", name, "closed", "warning")
    _close_at(desk, MONDAY)
    settings = desk.context.config.desk[0]
    with desk.context.database.write() as session:
        row = lookup.find_row(session, name)
        assert row is not None
        end = retention.ends_at(session, row, settings)
        assert end == MONDAY + timedelta(days=730)
        shorter = settings.model_copy(update={"retention": {"warning": 90}})
        assert retention.ends_at(session, row, shorter) == MONDAY + timedelta(days=90)
        never = settings.model_copy(update={"retention_days": 0})
        assert retention.ends_at(session, row, never) is None
        desk.clock.now = MONDAY + timedelta(days=10)
    extra = f"In-Reply-To: {_last_id(desk)}\nAuto-Submitted: auto-replied\n"
    desk.receive(plain_mail("I am away.", extra=extra))
    with desk.context.database.write() as session:
        row = lookup.find_row(session, name)
        assert row is not None
        assert retention.ends_at(session, row, settings) == MONDAY + timedelta(days=740)


def _last_id(desk: Desk) -> str:
    return next(
        str(item.headers["Message-ID"]) for item in desk.play.sink.mails if item.recipient == "sam@reporter.example"
    )


def test_an_operator_can_destroy_a_closed_case(desk: Desk) -> None:
    name = opened(desk)

    def destroy(*options: str) -> tuple[int, str]:
        done = desk.play.command("case", "destroy", name, *options)
        return done.returncode, (done.stdout + done.stderr).decode()

    assert destroy("--yes") == (1, f"ombud: {name} is not closed. Close it first, with its outcome.\n")
    desk.play.command("case", "state", name, "closed", "withdrawn")
    desk.play.command("case", "hold", name)
    assert "is on hold" in destroy("--yes")[1]
    desk.play.command("case", "release", name)
    assert destroy()[0] == 1, "nothing is destroyed without a yes"
    other = opened(desk)
    assert destroy(other, "--yes") == (1, f"ombud: {other} is not closed. Close it first, with its outcome.\n")
    assert desk.case(name)["state"] == "closed", "of several, all are destroyed or none"
    sealed = _sealed_of(desk, name)
    assert destroy("--yes") == (0, f"{name} is destroyed.\n")
    desk.reopen()
    assert not any(piece in _files(desk) for piece in sealed)
    assert destroy("--yes") == (1, f"ombud: There is no case '{name}'.\n")
