"""A burst of mail over many connections: each 250 is a case, the rest is told to come again. LOAD says how many mails."""

from __future__ import annotations

import os
import queue
import smtplib
import statistics
import threading
import time
from collections import Counter

from desk.demo.mails import plain_mail
from tests.bench.mails import memory
from tests.bench.prove import figure
from tests.conftest import Desk, DeskMaker
from tests.support.mailboxes import texts

LOAD = int(os.environ.get("LOAD", "200"))
CONNECTIONS = 50
TAKEN_AT_ONCE = 40


class Sender(threading.Thread):
    """One of many clients: sends from a common pile, and puts back what was not taken."""

    def __init__(self, desk: Desk, pile: queue.Queue[int]) -> None:
        super().__init__(daemon=True)
        self.desk, self.pile = desk, pile
        self.seconds: list[float] = []
        self.answers: Counter[int] = Counter()

    def run(self) -> None:
        """Send until there is nothing left."""
        while True:
            try:
                number = self.pile.get_nowait()
            except queue.Empty:
                return
            started = time.monotonic()
            code = self._send(number)
            self.answers[code] += 1
            if code == 250:
                self.seconds.append(time.monotonic() - started)
            else:
                self.pile.put(number)
                time.sleep(0.2)

    def _send(self, number: int) -> int:
        mail = plain_mail(f"number {number}", sender=f"r{number}@reporter.example").replace(b"\n", b"\r\n")
        try:
            with smtplib.SMTP("127.0.0.1", self.desk.play.port, "localhost", timeout=120) as connection:
                connection.sendmail(f"r{number}@reporter.example", [self.desk.play.address], mail)
        except smtplib.SMTPResponseException as error:
            return int(error.smtp_code)
        except (OSError, smtplib.SMTPException):
            return 0
        return 250


def test_a_burst_is_taken_in_or_sent_away_and_never_dropped(make_desk: DeskMaker) -> None:
    desk = make_desk()
    desk.play.change_config("# connections = 50", f"connections = {TAKEN_AT_ONCE}")
    desk.play.start()
    pile: queue.Queue[int] = queue.Queue()
    for number in range(LOAD):
        pile.put(number)
    senders = [Sender(desk, pile) for _ in range(CONNECTIONS)]
    started, most = time.monotonic(), 0.0
    for sender in senders:
        sender.start()
    while any(sender.is_alive() for sender in senders):
        most = max(most, memory(desk.play.pid))
        time.sleep(0.2)
    took_in = time.monotonic() - started
    desk.play.sink.wait_for(6 * LOAD, 60 + LOAD)
    took = time.monotonic() - started
    seconds = sorted(second for sender in senders for second in sender.seconds)
    answers = sum((sender.answers for sender in senders), Counter[int]())
    assert answers[250] == LOAD
    assert set(answers) <= {250, 421, 451, 0}
    if LOAD <= 1000:
        assert texts(desk) == Counter({f"number {number}": 1 for number in range(LOAD)})
    by_recipient = Counter(item.recipient for item in desk.play.sink.mails)
    assert all(by_recipient[person.email] == LOAD for person in desk.play.team)
    assert most < 400, "megabytes"
    figure(
        f"{LOAD} mails over {CONNECTIONS} connections",
        f"taken in {LOAD / took_in:.0f}/s, told {LOAD / took:.0f}/s; "
        f"until 250 p50 {statistics.median(seconds):.2f} s, p99 {seconds[int(len(seconds) * 0.99)]:.2f} s; "
        f"answers {dict(answers)}; most memory {most:.0f} MB",
    )
