"""A mailbox on a real server, emptied into the desk: nothing lost, nothing twice, whatever the server does."""

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
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desk.rehearsal import Person, plain_mail
from intake.imap import Mailbox, MailboxDown, envelope_of
from intake.poller import Poller
from intake.receive import Receiver
from store.config import Desk as DeskConfig
from store.errors import OmbudError
from tests.conftest import Desk, DeskMaker
from tests.dovecot import PASSWORD, TOKEN, CutProxy, Dovecot, introspection


@pytest.fixture(scope="module")
def dovecot(short_tmp: Path) -> Iterator[Dovecot]:
    server = Dovecot(short_tmp / "dovecot")
    with introspection(server):
        server.start()
        yield server
        server.kill()


@pytest.fixture
def user() -> str:
    return f"u{time.monotonic_ns()}"


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


def mailbox(desk: Desk) -> Mailbox:
    context = desk.context
    return Mailbox(context.config, context.config.desk[0], context.config.desk[0].imap[0], Receiver(context))


def empty(desk: Desk) -> int:
    context = desk.context
    return (
        Poller(context.config, context.config.desk[0], context.config.desk[0].imap[0], Receiver(context), desk.clock)
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


def test_two_hundred_mails_wait_at_the_start(mailbox_desk: Configure, dovecot: Dovecot, user: str) -> None:
    desk = mailbox_desk()
    dovecot.put(user, *reports(200))
    assert empty(desk) == 200
    assert dovecot.count(user) == 0
    assert texts(desk) == Counter({f"report {number}": 1 for number in range(200)})
    assert empty(desk) == 0


@pytest.mark.parametrize("tls", ["tls", "starttls", "none"])
def test_archived_instead_of_deleted(mailbox_desk: Configure, dovecot: Dovecot, user: str, tls: str) -> None:
    desk = mailbox_desk(
        after="archive",
        archive_folder="Kept ü",
        tls=tls,
        host="127.0.0.1",
        port=dovecot.tls_port if tls == "tls" else dovecot.port,
    )
    dovecot.put(user, *reports(3))
    assert empty(desk) == 3
    assert (dovecot.count(user), dovecot.count(user, "Kept ü")) == (0, 3)


def test_mail_that_arrives_in_idle_reaches_the_readers(
    mailbox_desk: Configure, dovecot: Dovecot, user: str, team: list[Person]
) -> None:
    desk = mailbox_desk(poll_seconds=600)
    play = desk.play
    play.start()
    dovecot.put(user, plain_mail("first"))
    play.sink.wait_for(6)
    time.sleep(1)
    started = time.monotonic()
    dovecot.put(user, plain_mail("Exclude: Bo\n\nsecond"))
    play.sink.wait_for(11)
    assert time.monotonic() - started < 20
    assert team[1].email not in {item.recipient for item in play.sink.mails[6:]}
    wait_until(lambda: dovecot.count(user) == 0)
    play.stop()
    assert "Traceback" not in play.log()
    assert user not in play.log()


@pytest.mark.parametrize(
    ("capability", "after"),
    [
        ("IMAP4rev1 SASL-IR LITERAL+ UIDPLUS", "delete"),
        ("IMAP4rev1 SASL-IR LITERAL+ IDLE UIDPLUS", "archive"),
        ("IMAP4rev1 SASL-IR LITERAL+ IDLE", "archive"),
        ("IMAP4rev1 SASL-IR LITERAL+ IDLE", "delete"),
    ],
)
def test_servers_that_lack_idle_move_or_uidplus(
    mailbox_desk: Configure, short_tmp: Path, user: str, capability: str, after: str
) -> None:
    server = Dovecot(short_tmp / f"poor{time.monotonic_ns()}", capability)
    server.start()
    try:
        desk = mailbox_desk(server, after=after)
        server.put(user, *reports(3))
        assert empty(desk) == 3
        assert server.count(user) == 0
        assert server.count(user, "Archive") == (3 if after == "archive" else 0)
        lacks = {
            item["detail"]
            for item in json.loads(desk.play.command("check", "--json").stdout)
            if item["check"] == "mailbox of conduct"
        }
        assert ("IDLE" in capability) != any("no IDLE" in text for text in lacks)
        assert ("UIDPLUS" in capability) != any("no UIDPLUS" in text for text in lacks)
        desk.play.start()
        server.put(user, plain_mail("while it runs"))
        desk.play.sink.wait_for(6)
        desk.play.stop()
    finally:
        server.kill()


def test_without_uidplus_what_another_client_flagged_is_not_expunged(
    mailbox_desk: Configure, short_tmp: Path, user: str
) -> None:
    server = Dovecot(short_tmp / "flagged", "IMAP4rev1 SASL-IR LITERAL+")
    server.start()
    try:
        desk = mailbox_desk(server)
        server.put(user, plain_mail("somebody flagged this"), plain_mail("a report"))
        client = server.client(user)
        client.delete_messages([1])
        assert empty(desk) == 1
        assert server.count(user) == 2
        assert empty(desk) == 0
    finally:
        server.kill()


def test_the_recipient_comes_from_the_headers() -> None:
    desk = DeskConfig(address="conduct@desk.example", fingerprint="A" * 40, aliases=("aloha@desk.example",))
    for head, recipients in (
        ("To: x@y.example", ("conduct@desk.example",)),
        ("Delivered-To: conduct+except-bo@desk.example\nTo: x@y.example", ("conduct+except-bo@desk.example",)),
        (
            "Delivered-To: conduct@desk.example\nTo: Team <aloha+quiet@desk.example>",
            ("conduct@desk.example", "aloha+quiet@desk.example"),
        ),
        (
            "Envelope-To: other@desk.example\nCc: a@b.example, CONDUCT+quiet@desk.example",
            ("CONDUCT+quiet@desk.example",),
        ),
        ("X-Original-To: conduct+nonsense@desk.example", ("conduct@desk.example",)),
        ("", ("conduct@desk.example",)),
    ):
        assert envelope_of(f"{head}\n\nbody To: conduct+quiet@desk.example".encode(), desk).recipients == recipients
    assert envelope_of(b"Return-Path: <>\n\n", desk).sender == ""
    assert envelope_of(b"Return-Path: <a@b.example>\n\n", desk).sender == "a@b.example"
    assert envelope_of(b"\n\n", desk).sender is None


def test_plus_addresses_and_lines_work_in_a_mailbox(mailbox_desk: Configure, dovecot: Dovecot, user: str) -> None:
    desk = mailbox_desk()
    dovecot.put(
        user,
        plain_mail("by address", to="conduct+except-bo@desk.example"),
        plain_mail("Exclude: Ada\nReply: no\n\nby line"),
    )
    empty(desk)
    lines = json.loads(desk.play.command("case", "list", "--json").stdout)
    assert [desk.case(line["codename"])["recused"][0]["member"] for line in lines] == ["bo", "ada"]
    assert Counter(item.recipient for item in desk.mail_out())["sam@reporter.example"] == 1


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


def test_the_poller_is_killed_twenty_times(
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
    for _ in range(20):
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(choose.uniform(0.7, 1.4))
        if process.poll() is None:
            kills += 1
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
    time.sleep(1.1)
    assert kills >= 10
    answer = play.command("poll", "--once", "--json")
    assert answer.returncode == 0, answer.stderr
    time.sleep(1.1)
    play.command("poll", "--once")
    assert dovecot.count(user) == 0
    assert texts(desk) == Counter({f"report {number}": 1 for number in range(150)})
    once = {item.headers["Message-ID"]: item for item in play.sink.mails if item.recipient.endswith("team.example")}
    assert Counter(item.recipient for item in once.values()) == {person.email: 150 for person in team}


WRONG: dict[str, dict[str, object]] = {
    "cannot be reached": {"port": 1},
    "certificate is not trusted": {"ca_file": None},
    "folder cannot be selected": {"folder": "No Such"},
    "login was refused": {"password_file": "wrong"},
    "cannot be read": {"password_file": "missing"},
    "could not be run": {"password_file": None, "token_command": ["/no/such/program"]},
    "gave no token": {"password_file": None, "token_command": ["false"]},
}


@pytest.mark.parametrize("complaint", WRONG)
def test_what_is_wrong_is_named(mailbox_desk: Configure, complaint: str) -> None:
    desk = mailbox_desk(**WRONG[complaint])
    (desk.play.folder / "wrong").write_text("wrong")
    box = mailbox(desk)
    with pytest.raises(OmbudError, match=complaint):
        box.open()


def test_check_and_poll_say_so(mailbox_desk: Configure, dovecot: Dovecot, user: str) -> None:
    desk = mailbox_desk(folder="No Such")
    (found,) = [
        item
        for item in json.loads(desk.play.command("check", "--json").stdout)
        if item["check"] == "mailbox of conduct"
    ]
    assert (found["level"], "folder cannot be selected" in found["detail"]) == ("failure", True)
    polled = desk.play.command("poll", "--once", "--json")
    assert polled.returncode == 75
    assert "folder cannot be selected" in json.loads(polled.stdout)[0]["trouble"]
    desk.play.change_config("No Such", "INBOX")
    dovecot.put(user, plain_mail("by cron"))
    polled = desk.play.command("poll", "--once", "--json")
    assert json.loads(polled.stdout) == [{"mailbox": "localhost/INBOX", "taken": 1, "left": 0, "trouble": ""}]
    assert len(desk.play.sink.mails) == 6, "what is due is sent as well"


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_oauth_and_a_token_that_expires(mailbox_desk: Configure, dovecot: Dovecot, mechanism: str) -> None:
    token = dovecot.folder / "token"
    desk = mailbox_desk(
        password_file=None, user="oauth-user", token_command=["cat", "token.txt"], token_mechanism=mechanism
    )
    held = desk.play.folder / "token.txt"
    held.write_text(TOKEN + "\n")
    dovecot.put("oauth-user", plain_mail(f"one {mechanism}"))
    assert empty(desk) == 1
    try:
        token.write_text("another")
        with pytest.raises(MailboxDown, match="login was refused"):
            empty(desk)
        held.write_text("another")
        dovecot.put("oauth-user", plain_mail(f"two {mechanism}"))
        assert empty(desk) == 1
    finally:
        token.write_text(TOKEN)


def test_a_mail_too_large_is_held_and_stays_at_the_provider(
    mailbox_desk: Configure, dovecot: Dovecot, user: str, team: list[Person]
) -> None:
    desk = mailbox_desk()
    desk.play.change_config('# size_limit = "25MB"', 'size_limit = "1MB"')
    dovecot.put(user, plain_mail("x" * 1_200_000), plain_mail("small"))
    empty(desk)
    assert (dovecot.count(user), dovecot.count(user, "Archive")) == (0, 1)
    lines = json.loads(desk.play.command("case", "list", "--json").stdout)
    assert sorted(line["state"] for line in lines) == ["held", "new"]
    mails = desk.mail_out()
    inside = b"".join(team[0].opens(item.mail) or b"" for item in mails if item.recipient == team[0].email)
    assert b"larger than this desk takes" in inside.replace(b"=\r\n", b"")
    assert Counter(item.recipient for item in mails)["sam@reporter.example"] == 2


def test_a_large_mail_is_fetched_once(mailbox_desk: Configure, dovecot: Dovecot, user: str) -> None:
    proxy = CutProxy(dovecot.port, lambda: 10**9)
    desk = mailbox_desk(host="127.0.0.1", port=proxy.port, tls="none")
    line = "x" * 75 + "\n"
    dovecot.put(user, plain_mail("small"), plain_mail(line * 320_000), plain_mail("small too"))
    assert empty(desk) == 3
    proxy.close()
    assert 24_000_000 < proxy.octets < 25_500_000


def test_a_full_disk_leaves_mail_in_the_mailbox(mailbox_desk: Configure, dovecot: Dovecot, user: str) -> None:
    from store.errors import StoreUnavailable

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
    from intake.message import Mail, read_mail
    from store.errors import OpenPGPStopped

    def stop_at_bad(raw: bytes) -> Mail:
        if b"BAD" in raw:
            raise OpenPGPStopped("stopped")
        return read_mail(raw)

    monkeypatch.setattr("intake.receive.read_mail", stop_at_bad)
    desk = mailbox_desk()
    dovecot.put(user, plain_mail("BAD"), plain_mail("good"))
    box = mailbox(desk)
    box.open()
    assert (box.take_all(), box.take_all(), box.take_all()) == ((box_passed(1, 1)), box_passed(0, 1), box_passed(0, 1))
    assert box.take_all() == box_passed(1, 0)
    box.close()
    assert texts(desk) == Counter({"good": 1, "": 1})


def box_passed(taken: int, left: int) -> object:
    from intake.imap import Passed

    return Passed(taken, left)
