"""What the machine runs out of is no verdict on a mail, and ends no loop of the service."""

from __future__ import annotations

import contextlib
import errno
import json
import resource
import smtplib
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy.exc

from desk.demo.mails import pgp_mime, plain_mail, text_entity
from desk.demo.rehearsal import Person
from desk.ticker import Round, Ticker
from desk.workers import WakeUp
from intake import reader_process
from mailer.schedule import Schedule
from mailer.sealing.seal import Sealer
from store.kit.errors import Interrupted, StoreUnavailable, TryLater
from store.outbox import heartbeat
from tests.conftest import Desk
from tests.support.mailboxes import wait_until


@contextlib.contextmanager
def every_connection_in_use(desk: Desk) -> Iterator[None]:
    """Of the pool of the desk's database: whoever asks for one more is told so after a moment."""
    pool = desk.context.database.engine.pool
    pool._timeout = 0.05  # type: ignore[attr-defined]
    with contextlib.ExitStack() as held:
        with contextlib.suppress(sqlalchemy.exc.TimeoutError):
            while True:
                held.enter_context(desk.context.database.engine.connect())
        yield


def test_a_pool_that_is_used_up_is_no_verdict(desk: Desk) -> None:
    mail = plain_mail("the content")
    desk.receive(plain_mail("warm"))
    with every_connection_in_use(desk):
        for _ in range(5):
            with pytest.raises(StoreUnavailable):
                desk.receive(mail)
    assert desk.receive(mail).outcome == "case"


MACHINE = [
    OSError(errno.EMFILE, "x"), OSError(errno.ENFILE, "x"), OSError(errno.ENOMEM, "x"), OSError(errno.EAGAIN, "x"), OSError(errno.EIO, "x"),
    OSError(errno.ENOSPC, "x"), PermissionError(errno.EACCES, "x"),
]  # fmt: skip
WHERE = ["intake.receive.reader_process.read", "intake.receive.arrival_of", "intake.new_case.conversation.begin"]
MAYBE_THE_MAIL = [
    MemoryError(),
    OSError(errno.E2BIG, "x"),
    OSError("x"),
    RuntimeError("x"),
    sqlalchemy.exc.ResourceClosedError("x"),
]


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("error", MACHINE, ids=repr)
def test_what_the_machine_lacks_is_tried_again_for_ever(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, where: str, error: Exception
) -> None:
    def fails(*_: object) -> None:
        raise error

    mail = plain_mail("the content")
    with monkeypatch.context() as patch:
        patch.setattr(where, fails)
        for _ in range(6):
            with pytest.raises(TryLater):
                desk.receive(mail)
    receipt = desk.receive(mail)
    assert receipt.outcome == "case"
    assert desk.case(receipt.codename)["messages"][0]["text"] == "the content"


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("error", MAYBE_THE_MAIL, ids=repr)
def test_what_a_mail_may_have_brought_about_is_no_verdict_at_once_either(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, where: str, error: Exception
) -> None:
    def fails(*_: object) -> None:
        raise error

    mail = plain_mail("the content")
    with monkeypatch.context() as patch:
        patch.setattr(where, fails)
        for _ in range(3):
            with pytest.raises(type(error)):
                desk.receive(mail)
    receipt = desk.receive(mail)
    assert receipt.outcome == "case", "kept, then opened"
    assert desk.case(receipt.codename)["messages"][0]["text"] == "the content"


@pytest.mark.parametrize(("code", "counts"), [(errno.EMFILE, False), (errno.ENOMEM, False), (errno.E2BIG, True)])
def test_a_reader_process_that_lacks_something(code: int, counts: bool) -> None:
    def fails() -> None:
        raise OSError(code, "x")

    found = reader_process._bounded(fails, ())
    assert isinstance(found, TryLater)
    assert isinstance(found, Interrupted) == counts


def test_a_service_without_file_descriptors_answers_451_and_holds_no_good_report(running: Desk, sam: Person) -> None:
    play = running.play
    sealed = pgp_mime(text_entity("hello"), play.desk_key, sam.keyring)
    with smtplib.SMTP("127.0.0.1", play.port, "localhost") as connection:
        connection.ehlo()
        _, hard = resource.prlimit(play.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(play.pid, resource.RLIMIT_NOFILE, (8, hard))
        try:
            for _ in range(5):
                with pytest.raises(smtplib.SMTPDataError) as caught:
                    connection.sendmail("a@b.example", [play.address], sealed)
                assert caught.value.smtp_code == 451
        finally:
            resource.prlimit(play.pid, resource.RLIMIT_NOFILE, (hard, hard))
        connection.sendmail("a@b.example", [play.address], sealed)
    play.sink.wait_for(6)
    (line,) = json.loads(play.command("case", "list", "--json").stdout)
    assert line["state"] == "new"


def rounds(desk: Desk) -> Round:
    return Round(desk.context, Schedule(desk.context, Sealer(desk.context.keyring)), heartbeat.SERVICE)


def beat(desk: Desk) -> object:
    with desk.context.database.read() as session:
        return heartbeat.last_beat(session, heartbeat.SERVICE)


def test_the_ticker_goes_on_after_the_pool_was_used_up(desk: Desk) -> None:
    ticks = rounds(desk)
    with every_connection_in_use(desk):
        ticks.run()
    assert beat(desk) is None
    ticks.run()
    assert beat(desk) == desk.clock.now


def test_the_ticker_survives_whatever_is_raised(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = threading.Semaphore(0)

    def fails(*_: object) -> None:
        seen.release()
        raise MemoryError

    for where in ("refresh_roster", "heartbeat.beat", "Schedule.run", "attempts.forget_old"):
        monkeypatch.setattr(f"desk.ticker.{where}", fails)
    monkeypatch.setattr("desk.ticker._FORGET_EVERY", timedelta())
    monkeypatch.setattr("desk.ticker._TICK_SECONDS", 0.0)
    ticker = Ticker(desk.context, Schedule(desk.context, Sealer(desk.context.keyring)), WakeUp())
    ticker.start()
    for _ in range(12):
        assert seen.acquire(timeout=20)
    monkeypatch.undo()
    wait_until(lambda: beat(desk) is not None)
    ticker.stop()
    ticker.join(20)
    assert not ticker.is_alive()


def test_one_part_of_what_is_due_does_not_keep_the_others(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OverflowError

    desk.clock.forward(days=-1)
    desk.tick()
    name = desk.receive(plain_mail("one")).codename
    other = desk.receive(plain_mail("two", sender="kim@reporter.example")).codename
    desk.mail_out()
    desk.clock.forward(days=30)
    with monkeypatch.context() as patch:
        patch.setattr("mailer.schedule.Schedule._digest", fails)
        patch.setattr("mailer.schedule.Schedule._daily", fails)
        from store.cases.deadlines import dues as real

        patch.setattr("mailer.schedule.dues", lambda case, of: fails() if case.codename == name else real(case, of))
        ticks = rounds(desk)
        ticks.run()
    reminded = [item.headers["Subject"] for item in desk.mail_out()]
    assert any(other in subject for subject in reminded)
    assert not any(name in subject for subject in reminded)
    with desk.context.database.read() as session:
        parts = ("digest", "reminders", "daily care", "key checks", "terms", "unread answers", "measures")
        assert set(heartbeat.troubles(session)) == {f"{part} of conduct" for part in parts}
    desk.clock.forward(minutes=6)
    ticks.run()
    with desk.context.database.read() as session:
        assert heartbeat.troubles(session) == {}
