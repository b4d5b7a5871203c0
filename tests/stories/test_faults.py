"""What goes wrong around a running desk: disk, database, GnuPG, roster, kill -9. Nothing is lost."""

from __future__ import annotations

import json
import smtplib
import time
from pathlib import Path

import pytest

from desk.demo.mails import pgp_mime, plain_mail, text_entity
from desk.demo.rehearsal import Person, roster_text
from store.tables.database import Database
from tests.conftest import Desk, DeskMaker
from tests.support.mailboxes import wait_until
from tests.support.mails import case_text


def test_what_cannot_be_kept_now_is_451_and_75(make_desk: DeskMaker) -> None:
    desk = make_desk()
    play = desk.play
    play.start()
    database = play.folder / "ombud.sqlite3"
    hidden = play.folder / "hidden.sqlite3"
    database.rename(hidden)
    with pytest.raises(smtplib.SMTPDataError) as caught:
        play.send(plain_mail("x"))
    assert caught.value.smtp_code == 451
    assert play.command("deliver", play.address, stdin=plain_mail("y")).returncode == 75
    hidden.rename(database)
    play.stop()
    assert play.command("deliver", play.address, stdin=plain_mail("z")).returncode == 0
    (play.folder / "vault.asc").rename(play.folder / "v")
    assert play.command("deliver", play.address, stdin=plain_mail("z2")).returncode == 75
    (play.folder / "v").rename(play.folder / "vault.asc")


def test_a_full_disk_loses_nothing(make_desk: DeskMaker) -> None:
    """The database may not grow: mails are answered 451, the service stays up, and takes them when there is room."""
    desk = make_desk()
    play = desk.play
    play.start()
    play.send(plain_mail("before"))
    play.sink.wait_for(6)
    url = f"sqlite:///{play.folder}/ombud.sqlite3"
    desk.reopen()
    import resource

    resource.prlimit(play.pid, resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
    mail = plain_mail("big " * 100_000)
    try:
        with pytest.raises(smtplib.SMTPDataError) as caught:
            play.send(mail)
        assert caught.value.smtp_code == 451
    finally:
        resource.prlimit(play.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    play.send(mail)
    database = Database(url)
    database.check_migrated()
    database.close()
    assert len(json.loads(play.command("case", "list", "--json").stdout)) == 2


def test_a_log_that_cannot_be_written_stops_nothing(desk: Desk) -> None:
    """A full disk may hold the log as well: that must neither refuse a mail for good nor end a worker."""
    play, database = desk.play, desk.play.folder / "ombud.sqlite3"
    play.start(log=Path("/dev/full"))
    play.send(plain_mail("one"))
    assert play.command("deliver", play.address, stdin=plain_mail("two")).returncode == 0
    play.sink.wait_for(12)
    database.rename(play.folder / "hidden")
    with pytest.raises(smtplib.SMTPDataError) as caught:
        play.send(plain_mail("three"))
    assert caught.value.smtp_code == 451
    assert play.command("deliver", play.address, stdin=plain_mail("four")).returncode == 75
    (play.folder / "hidden").rename(database)
    play.send(plain_mail("three"))
    play.sink.wait_for(18)


def wrapped_gpg(desk: Desk) -> Path:
    """Have the desk call gpg through a stand-in that misbehaves while a file exists; that file."""
    flag, program = desk.play.folder / "flag", desk.play.folder / "gpg-wrapper"
    program.write_text(f'#!/bin/sh\nif [ -e "{flag}" ]; then . "{flag}"; fi\nexec gpg "$@"\n')
    program.chmod(0o755)
    desk.play.change_config('home = "gnupg"\n', f'home = "gnupg"\nprogram = "{program}"\nseconds = 2\n')
    return flag


@pytest.mark.parametrize("script", ["exit 127", "exec sleep 8", "kill -9 $$"])
def test_gpg_missing_hanging_or_killed(make_desk: DeskMaker, sam: Person, script: str) -> None:
    desk = make_desk()
    flag = wrapped_gpg(desk)
    play = desk.play
    play.start()
    mail = pgp_mime(text_entity("hello"), play.desk_key, sam.keyring)
    flag.write_text(script)
    with pytest.raises(smtplib.SMTPDataError) as caught:
        play.send(mail)
    assert caught.value.smtp_code == 451
    flag.unlink()
    play.send(mail)
    play.sink.wait_for(6)
    assert case_text(play) == "hello"


def test_a_mail_that_stops_gpg_each_time_is_held_in_the_end(make_desk: DeskMaker, sam: Person) -> None:
    desk = make_desk()
    desk.play.change_config('# custody = "process"', 'custody = "agent"')
    flag = wrapped_gpg(desk)
    mail = pgp_mime(text_entity("hello"), desk.play.desk_key, sam.keyring)
    desk.receive(plain_mail("warm"))
    flag.write_text('case "$*" in *--decrypt*) kill -9 $$;; esac')
    from store.kit.errors import TryLater

    for _ in range(3):
        with pytest.raises(TryLater):
            desk.receive(mail)
    receipt = desk.receive(mail)
    assert receipt.outcome == "held"


def test_a_roster_that_breaks_while_running(running: Desk, team: list[Person]) -> None:
    play = running.play
    (play.folder / "roster.toml").write_text("[[member]]\nid = 3\n")
    play.send(plain_mail("x"))
    play.sink.wait_for(6)
    assert {item.recipient for item in play.sink.mails} >= {person.email for person in team}
    wait_until(lambda: "the roster is refused" in play.log())
    (play.folder / "roster.toml").write_text(roster_text(team[:2]))
    time.sleep(0.1)
    before = len(play.sink.mails)
    play.send(plain_mail("y"))
    play.sink.wait_for(before + 3)
    time.sleep(0.5)
    late = {item.recipient for item in play.sink.mails[before:]} - {"operator@desk.example"}
    assert late == {team[0].email, team[1].email, "sam@reporter.example"}
