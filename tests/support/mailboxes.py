"""A desk's mailbox, emptied step by step, and what became of the mails in it."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable

from desk.demo.mails import plain_mail
from intake.doors.imap import Mailbox
from intake.doors.poller import Poller
from intake.receive import Receiver
from tests.conftest import Desk


def mailbox(desk: Desk) -> Mailbox:
    context = desk.context
    return Mailbox(context.config, context.config.desk[0], context.config.desk[0].imap[0], Receiver(context))


def empty(desk: Desk) -> int:
    context = desk.context
    return (
        Poller(
            context.config,
            context.config.desk[0],
            context.config.desk[0].imap[0],
            Receiver(context),
            lambda _: None,
        )
        .once()
        .taken
    )


def texts(desk: Desk) -> Counter[str]:
    lines = json.loads(desk.play.command("case", "list", "--json").stdout)
    return Counter(desk.case(line["codename"])["messages"][0]["text"] for line in lines)


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)


def reports(count: int) -> list[bytes]:
    return [plain_mail(f"report {number}", sender=f"r{number}@reporter.example") for number in range(count)]


def box_passed(taken: int, left: int) -> object:
    from intake.doors.imap import FolderPass

    return FolderPass(taken, left)
