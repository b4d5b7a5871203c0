"""While many notices wait a second process sends them; it may die, and so may the service."""

from __future__ import annotations

import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from desk.workers import WakeUp, Worker
from mailer.sealing.seal import Sealer
from tests.conftest import Desk, DeskMaker
from tests.support.mailboxes import wait_until
from tests.support.processes import descendants, of_python

MAILS = 40


def flood(desk: Desk, before: set[int]) -> int:
    """Many mails at once; the process that then comes to send."""

    def send(number: int) -> None:
        desk.play.send(plain_mail(f"It happened. {number}", sender=f"r{number}@reporter.example"))

    desk.play.sink.holds = True  # whatever comes in waits, however fast the machine sends
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(MAILS)))
    desk.play.sink.holds = False
    wait_until(lambda: "a second process sends" in desk.play.log(), 60)
    (second,) = of_python(descendants(desk.play.pid) - before)
    return second


def started(desk: Desk) -> set[int]:
    """A desk whose service has its readers; they are."""
    desk.play.start()
    desk.play.send(plain_mail("first", sender="first@reporter.example"))
    desk.play.sink.wait_for(6)
    # What they come from, and as many as there are cores: on a busy machine some come a little later.
    wait_until(lambda: len(of_python(descendants(desk.play.pid))) > (os.cpu_count() or 1))
    return descendants(desk.play.pid)


def arrived(desk: Desk) -> Counter[str]:
    return Counter(item.headers["Message-ID"] for item in desk.play.sink.mails)


def all_arrive(desk: Desk, seconds: float) -> None:
    """Each mail, however often: what was on its way when a process was killed is sent again, with its Message-ID."""
    wait_until(lambda: len(arrived(desk)) == 6 * (MAILS + 1), seconds)


def test_all_is_sent_once_and_the_process_ends_when_there_is_no_more(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    second = flood(desk, started(desk))
    desk.play.sink.wait_for(6 * (MAILS + 1), 120)
    assert set(arrived(desk).values()) == {1}
    wait_until(lambda: second not in descendants(desk.play.pid), 60)
    desk.play.send(plain_mail("last", sender="last@reporter.example"))
    desk.play.sink.wait_for(6 * (MAILS + 2), 30)


def test_when_it_is_killed_the_service_goes_on_at_once(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    second = flood(desk, started(desk))
    os.kill(second, signal.SIGKILL)
    all_arrive(desk, 120)  # its claims would last five minutes


def test_it_does_not_outlive_the_service(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    second = flood(desk, started(desk))
    os.kill(desk.play.pid, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{second}").exists(), 60)
    desk.play.start()
    all_arrive(desk, 330)


class Hanging:
    """A second process that is there, and does nothing."""

    at_work = True

    def start(self) -> None:
        """It runs already."""

    def died(self) -> str:
        """It did not."""
        return ""


def test_when_it_hangs_the_service_sends_all_the_same(desk: Desk) -> None:
    codename = desk.receive(plain_mail("It happened.")).codename
    worker = Worker(desk.context, Sealer(desk.context.keyring), WakeUp(), Hanging())
    worker.start()
    try:
        desk.play.sink.wait_for(6, 60)
    finally:
        worker.stop()
        worker.join(30)
    assert any(codename in str(item.headers["Subject"]) for item in desk.play.sink.mails)
