"""A mailbox on a real server when things go wrong: nothing lost, nothing twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from intake.doors.session import MailboxDown
from tests.intake.conftest import Configure
from tests.support.dovecot import CutProxy, Dovecot
from tests.support.mailboxes import box_passed, empty, mailbox, reports, texts, wait_until

KILLS = int(os.environ.get("KILLS", "2"))


def test_two_pollers_and_a_second_client_on_one_mailbox(mailbox_desk: Configure, dovecot: Dovecot, user: str) -> None:
    desk = mailbox_desk()
    dovecot.put(user, *reports(60))
    first, second = mailbox(desk), mailbox(desk)
    first.open()
    second.open()
    other = dovecot.client(user)
    threads = [threading.Thread(target=box.take_all) for box in (first, second)]
    for thread in threads:
        thread.start()
    taken_away = set()
    for uid in other.search()[-5:]:
        text = other.fetch([uid], ["BODY.PEEK[TEXT]"]).get(uid, {}).get(b"BODY[TEXT]", b"")
        taken_away.add(text.decode().strip())
        other.delete_messages([uid])
        other.expunge()
    for thread in threads:
        thread.join()
    found = texts(desk)
    assert max(found.values()) == 1
    assert set(found) | taken_away >= {f"report {number}" for number in range(60)}
    assert empty(desk) == 0
    assert dovecot.count(user) == 0


def test_the_numbering_of_the_folder_changes(mailbox_desk: Configure, dovecot: Dovecot, user: str) -> None:
    desk = mailbox_desk()
    box = mailbox(desk)
    dovecot.put(user, *reports(3))
    box.open()
    client = dovecot.client(user)
    before = client.select_folder("INBOX")[b"UIDVALIDITY"]
    client.logout()
    (dovecot.folder / "mail" / user / "Maildir" / "dovecot-uidlist").unlink()
    for file in (dovecot.folder / "mail" / user / "Maildir").glob("dovecot.index*"):
        file.unlink()
    dovecot.put(user, plain_mail("after the change"))
    client = dovecot.client(user)
    assert client.select_folder("INBOX")[b"UIDVALIDITY"] != before
    client.logout()
    for _ in range(3):
        try:
            box.take_all()
            break
        except MailboxDown:
            box.open()
    box.close()
    empty(desk)
    assert dovecot.count(user) == 0
    assert texts(desk) == Counter({"report 0": 1, "report 1": 1, "report 2": 1, "after the change": 1})


def test_a_connection_cut_at_any_octet(mailbox_desk: Configure, dovecot: Dovecot, user: str) -> None:
    choose = random.Random(7)
    proxy = CutProxy(
        dovecot.tls_port, lambda: choose.choice([choose.randrange(200, 6_000), choose.randrange(3_000, 60_000)])
    )
    desk = mailbox_desk(host="127.0.0.1", port=proxy.port, after="archive")
    dovecot.put(user, *reports(80))
    box = mailbox(desk)
    tries = 0
    while dovecot.count(user):
        tries += 1
        assert tries < 300
        try:
            box.open()
            box.take_all()
        except MailboxDown:
            continue
        finally:
            box.close()
    proxy.close()
    assert proxy.cuts > 5
    assert texts(desk) == Counter({f"report {number}": 1 for number in range(80)})
    assert dovecot.count(user, "Archive") >= 80


def test_the_server_is_killed_in_the_middle_of_things(
    mailbox_desk: Configure, short_tmp: Path, user: str, team: list[Person]
) -> None:
    server = Dovecot(short_tmp / "killed")
    server.start()
    desk = mailbox_desk(server, after="archive")
    play = desk.play
    try:
        server.put(user, *reports(120))
        play.start()
        for pause in (0.6, 0.9, 0.4):
            time.sleep(pause)
            server.kill()
            server.start()
        wait_until(lambda: server.count(user) == 0, 60)
        wait_until(lambda: json.loads(play.command("outbox", "list", "--json").stdout) == [], 60)
        assert texts(desk) == Counter({f"report {number}": 1 for number in range(120)})
        once = {item.headers["Message-ID"]: item for item in play.sink.mails if item.recipient.endswith("team.example")}
        assert Counter(item.recipient for item in once.values()) == {person.email: 120 for person in team}
        assert server.count(user, "Archive") >= 120
        assert "the mailbox works again" in play.log()
    finally:
        server.kill()


def test_the_poller_is_killed_again_and_again(
    mailbox_desk: Configure, dovecot: Dovecot, user: str, team: list[Person]
) -> None:
    desk = mailbox_desk()
    play = desk.play
    play.change_config("# retry_days = 5", "claim_seconds = 1")
    desk.tick()
    dovecot.put(user, *reports(150))
    choose = random.Random(3)
    line = [sys.executable, "-m", "desk", "poll", "--once", "--config", str(play.config)]
    kills = 0
    for _ in range(KILLS):
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(choose.uniform(0.7, 1.4))
        if process.poll() is None:
            kills += 1
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
    time.sleep(1.1)
    assert kills >= KILLS // 2
    answer = play.command("poll", "--once", "--json")
    assert answer.returncode == 0, answer.stderr
    time.sleep(1.1)
    play.command("poll", "--once")
    assert dovecot.count(user) == 0, (answer.stdout, answer.stderr)
    assert texts(desk) == Counter({f"report {number}": 1 for number in range(150)})
    once = {item.headers["Message-ID"]: item for item in play.sink.mails if item.recipient.endswith("team.example")}
    assert Counter(item.recipient for item in once.values()) == {person.email: 150 for person in team}


def test_a_full_disk_leaves_mail_in_the_mailbox(mailbox_desk: Configure, dovecot: Dovecot, user: str) -> None:
    from store.kit.errors import StoreUnavailable

    desk = mailbox_desk()
    dovecot.put(user, *reports(3))
    box = mailbox(desk)
    box.open()
    database = desk.play.folder / "ombud.sqlite3"
    database.rename(database.with_suffix(".away"))
    with pytest.raises(StoreUnavailable):
        box.take_all()
    assert dovecot.count(user) == 3
    database.with_suffix(".away").rename(database)
    assert box.take_all().taken == 3
    box.close()
    assert sum(texts(desk).values()) == 3


def test_a_mail_that_stops_its_handling_does_not_block_those_behind_it(
    mailbox_desk: Configure, dovecot: Dovecot, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from intake import reader_process
    from intake.arrival import Job, Opened
    from store.kit.config import Config
    from store.kit.errors import Interrupted

    read = reader_process.read

    def stop_at_bad(config: Config, job: Job, unread: str = "") -> Opened:
        if b"BAD" in job.envelope.raw:
            raise Interrupted("stopped")
        return read(config, job, unread)

    monkeypatch.setattr(reader_process, "read", stop_at_bad)
    desk = mailbox_desk()
    dovecot.put(user, plain_mail("BAD"), plain_mail("good"))
    box = mailbox(desk)
    box.open()
    assert (box.take_all(), box.take_all(), box.take_all()) == ((box_passed(1, 1)), box_passed(0, 1), box_passed(0, 1))
    assert box.take_all() == box_passed(1, 0)
    box.close()
    assert texts(desk) == Counter({"good": 1, "": 1})
