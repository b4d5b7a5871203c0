"""Mail that lies in a mailbox: the operator hears of it, and check says how many there are and since when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import tests.support.dovecot
from desk.care.doctor import examine
from desk.care.machine import Finding
from desk.demo.mails import plain_mail
from desk.mailboxes import MailboxWatch
from desk.service import poll_once
from intake.doors.poller import Poller, PollResult
from intake.doors.session import MailboxDown
from intake.receive import Receiver
from store.outbox import heartbeat
from tests.conftest import Desk
from tests.intake.conftest import Configure
from tests.support.dovecot import Dovecot
from tests.support.mailboxes import mailbox, reports
from tests.support.strange_imap import StrangeImap


@pytest.fixture
def strange() -> Iterator[StrangeImap]:
    server = StrangeImap(*reports(3), capabilities="IMAP4rev1 UIDPLUS MOVE IDLE")
    server.at_fetch[2] = "nil"
    yield server
    server.close()


def to_operator(desk: Desk) -> list[bytes]:
    return [item.mail for item in desk.mail_out() if item.recipient == "operator@desk.example"]


def of_the_mailbox(desk: Desk) -> Finding:
    (found,) = [item for item in examine(desk.play.config, desk.clock) if item.check == "mailbox of conduct"]
    return found


def troubles(desk: Desk) -> list[str]:
    with desk.context.database.read() as session:
        return list(heartbeat.troubles(session))


def test_mail_that_stays_is_told_of_once_a_day_and_seen_by_check(mailbox_desk: Configure, strange: StrangeImap) -> None:
    desk = mailbox_desk(host="127.0.0.1", port=strange.port, tls="none")
    desk.clock.now = desk.clock.now.replace(hour=12)
    context = desk.context
    watch = MailboxWatch(context)
    poller = Poller(context.config, context.config.desk[0], context.config.desk[0].imap[0], Receiver(context), watch)
    for _ in range(4):
        poller.once()
        desk.clock.forward(minutes=9)
    assert to_operator(desk) == []
    poller.once()
    desk.clock.forward(hours=1)
    poller.once()
    (told,) = to_operator(desk)
    assert b"report 1" not in told
    assert troubles(desk) == ["mailbox of conduct at 127.0.0.1/INBOX"]
    with desk.context.database.write() as session:
        heartbeat.beat(session, heartbeat.SERVICE, desk.clock.now)
    found = of_the_mailbox(desk)
    assert found.level == "failure"
    assert "1 mail waits" in found.detail
    assert "last looked into 0 min ago" in found.detail
    strange.at_fetch.clear()
    fresh = Poller(context.config, context.config.desk[0], context.config.desk[0].imap[0], Receiver(context), watch)
    assert fresh.once().taken == 1
    assert troubles(desk) == []
    found = of_the_mailbox(desk)
    assert (found.level, "no mail waits" in found.detail) == ("ok", True)


def test_by_cron_as_well_where_each_run_knows_nothing_of_the_last(
    mailbox_desk: Configure, strange: StrangeImap
) -> None:
    desk = mailbox_desk(host="127.0.0.1", port=strange.port, tls="none")
    desk.clock.now = desk.clock.now.replace(hour=12)
    for _ in range(3):
        poll_once(desk.context)
        desk.clock.forward(minutes=20)
    strange.close()
    desk.play.change_config(f"port = {strange.port}", "port = 1")
    desk.reopen()
    assert poll_once(desk.context)[0]["trouble"]
    told = [item for item in desk.play.sink.mails if item.recipient == "operator@desk.example"]
    assert len(told) == 1


def test_mail_that_waits_while_nothing_runs_is_counted(mailbox_desk: Configure, dovecot: Dovecot, user: str) -> None:
    desk = mailbox_desk()
    dovecot.put(user, *reports(2))
    assert of_the_mailbox(desk).detail.startswith("localhost/INBOX: 2 mails wait; last looked into never")
    desk.clock.forward(hours=5, minutes=10)  # the mails came a little after the desk was made
    found = of_the_mailbox(desk)
    assert (found.level, "the oldest came 5 h ago" in found.detail) == ("warning", True), "it never ran"
    with desk.context.database.write() as session:
        heartbeat.beat(session, heartbeat.SERVICE, desk.clock.now)
    assert of_the_mailbox(desk).level == "failure"
    checked = desk.play.command("check", "--json")
    assert [item["level"] for item in json.loads(checked.stdout) if item["check"] == "service"] == ["failure"]


def test_a_watch_that_cannot_write_stops_nothing(mailbox_desk: Configure, strange: StrangeImap) -> None:
    desk = mailbox_desk(host="127.0.0.1", port=strange.port, tls="none")
    context = desk.context
    imap = context.config.desk[0].imap[0]
    watch = MailboxWatch(context)
    database = desk.play.folder / "ombud.sqlite3"
    database.rename(database.with_suffix(".away"))
    watch(PollResult(context.config.desk[0], imap))
    watch(PollResult(context.config.desk[0], imap, trouble="x"))
    desk.clock.forward(hours=1)
    watch(PollResult(context.config.desk[0], imap, left=2))
    database.with_suffix(".away").rename(database)
    watch(PollResult(context.config.desk[0], imap, left=2))
    assert len(to_operator(desk)) == 1, "since it began, not since it could be noted"
    MailboxWatch(replace(context, clock=lambda: None))(PollResult(context.config.desk[0], imap))  # type: ignore[arg-type, return-value]


def test_a_password_outside_ascii(
    mailbox_desk: Configure, short_tmp: Path, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tests.support.dovecot, "PASSWORD", "pässwörd-密码")
    server = Dovecot(short_tmp / "umlaut")
    server.start()
    try:
        desk = mailbox_desk(server)
        (desk.play.folder / "password").write_text("pässwörd-密码\n")
        box = mailbox(desk)
        box.open()
        assert box.take_all().left == 0
        box.close()
        (desk.play.folder / "password").write_text("pässwörd\n")
        with pytest.raises(MailboxDown, match="login was refused"):
            box.open()
    finally:
        server.kill()
    poor = StrangeImap(plain_mail("x"))
    desk = mailbox_desk(host="127.0.0.1", port=poor.port, tls="none")
    (desk.play.folder / "password").write_text("pässwörd\n")
    found = of_the_mailbox(desk)
    assert (found.level, "ASCII" in found.detail) == ("failure", True)
    poor.close()
