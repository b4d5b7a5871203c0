"""One mail cannot hurt the desk: what reading it takes is bounded, and nothing else waits for it."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from intake import reader_process
from intake.arrival import Job, Opened
from store.kit.config import Config
from store.kit.errors import Interrupted, TryLater
from tests.conftest import Desk
from tests.support.mails import only_message
from tests.support.processes import descendants, of_python
from tests.support.talk import to, words

READ_IN_PROCESS = reader_process._read


def read_badly(config: Config, job: Job, unread: str) -> Opened | Exception:
    """In a reader process: a parser with faults that nobody found yet, and little time."""
    signal.setitimer(signal.ITIMER_PROF, 1.0)
    real = reader_process.open_job  # type: ignore[attr-defined]

    def open_job(job: Job, *rest: object) -> Opened:
        raw = job.envelope.raw
        if b"TAKES FOR EVER" in raw:
            re.match(r"(a+)+$", "a" * 60 + "b")
        if b"TAKES ALL MEMORY" in raw:
            bytearray(4_000_000_000)
        if b"IS KILLED" in raw:
            os.kill(os.getpid(), signal.SIGKILL)
        if b"IS BROKEN" in raw:
            raise KeyError(raw.decode())
        if b"NO FILES LEFT" in raw:
            raise OSError(24, "too many open files")
        return real(job, *rest)  # type: ignore[arg-type]

    reader_process.open_job = open_job  # type: ignore[attr-defined, assignment]
    try:
        return READ_IN_PROCESS(config, job, unread)
    finally:
        reader_process.open_job = real  # type: ignore[attr-defined]


@pytest.fixture
def fragile(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A desk whose reading has faults."""
    monkeypatch.setattr(reader_process, "_read", read_badly)
    yield desk
    reader_process.stop()


@pytest.mark.parametrize("what", ["TAKES FOR EVER", "TAKES ALL MEMORY", "IS BROKEN"])
def test_a_mail_that_takes_too_much_is_held_and_its_readers_hear_so(
    fragile: Desk, team: list[Person], what: str
) -> None:
    receipt = fragile.receive(plain_mail(f"Bo Lindqvist did it. {what}"))
    assert receipt.outcome == "held"
    sent = fragile.mail_out()
    assert team[1].email not in {item.recipient for item in sent}, "it was looked for whom it names"
    assert "could not be opened" in words(to(team[0], sent)[0]) or "held" in words(to(team[0], sent)[0])
    assert fragile.receive(plain_mail("The next one.")).outcome == "case"


def test_a_mail_that_ends_its_reader_is_tried_again_and_then_kept_without_being_read(fragile: Desk) -> None:
    mail = plain_mail("Somebody shouted at me. IS KILLED")
    for _ in range(3):
        with pytest.raises(Interrupted):
            fragile.receive(mail)
    assert fragile.receive(mail).outcome == "held"


def test_what_the_machine_lacks_is_tried_again_for_as_long_as_it_takes(fragile: Desk) -> None:
    mail = plain_mail("Somebody shouted at me. NO FILES LEFT")
    for _ in range(5):
        with pytest.raises(TryLater):
            fragile.receive(mail)


def test_other_mails_are_read_meanwhile(fragile: Desk) -> None:
    outcomes: list[str] = []
    slow = threading.Thread(
        target=lambda: outcomes.append(fragile.receive(plain_mail("TAKES FOR EVER")).outcome), daemon=True
    )
    slow.start()
    outcomes.append(fragile.receive(plain_mail("And this one.")).outcome)
    slow.join(60)
    assert outcomes == ["case", "held"]


def test_readers_are_kept_end_when_idle_and_start_again(desk: Desk) -> None:
    desk.receive(plain_mail("One."))
    before = children()
    desk.receive(plain_mail("Two."))
    assert children() == before
    reader_process.stop()
    assert len(children()) < len(before)
    receipt = desk.receive(plain_mail("Three."))
    assert only_message(desk, receipt.codename)["text"] == "Three."


def children() -> set[int]:
    return of_python(descendants(os.getpid()))
