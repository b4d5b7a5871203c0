"""Daily care as an operator does it: is it well, how is it doing, backups that open, old mail."""

from __future__ import annotations

import io
import json
import mailbox
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, date, datetime
from email import message_from_bytes
from pathlib import Path

import psycopg
import pytest
from rich.console import Console

from desk.care import machine
from desk.care.figures import figures
from desk.care.status import server
from desk.commands import show
from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person, command, free_port, make_person, roster_text
from intake.receive import Receiver
from store.context import open_context
from store.kit.presence import running_service
from store.openpgp.keyring import Keyring
from tests.conftest import Desk, DeskMaker
from tests.support.commands import ombud
from tests.support.mailboxes import wait_until
from tests.support.talk import say, to


def levels(desk: Desk) -> dict[str, str]:
    return {item["check"]: item["level"] for item in json.loads(desk.play.command("check", "--json").stdout)}


def test_a_check_names_what_is_wrong_and_what_to_do(desk: Desk, team: list[Person]) -> None:
    assert set(levels(desk).values()) <= {"ok", "warning"}
    desk.play.sink.stop()
    desk.receive(plain_mail("x"))
    desk.mail_out()
    with desk.context.database.write() as session:
        from sqlalchemy import text

        session.connection().execute(text("UPDATE deliveries SET first_try = '2026-01-01T00:00:00.000000Z'"))
    text_of_roster = roster_text(team[:2]).replace("until = 2099-12-31", "until = 2026-01-01", 1)
    (desk.play.folder / "roster.toml").write_text(text_of_roster)
    found = levels(desk)
    assert (found["deliveries"], found["relay"], found["roster of conduct"]) == ("failure", "failure", "warning")
    said = desk.play.command("check")
    assert said.returncode == 1
    assert b"ombud outbox list" in said.stdout
    assert b"fewer than quorum" in said.stdout


def test_checks_of_the_machine() -> None:
    here = Path("/srv")
    assert [machine.disk(here, free).level for free in (10**10, 5 * 10**8, 10**7)] == ["ok", "warning", "failure"]
    head = "Filename Type Size Used Priority\n"
    assert machine.swap(head).level == "ok"
    assert machine.swap(head + "/dev/zram0 partition 1 0 -2\n").level == "ok"
    assert machine.swap(head + "/dev/sda2 partition 1 0 -2\n").level == "warning"


def test_the_service_says_whose_desk_it_runs(desk: Desk, tmp_path: Path) -> None:
    assert machine.foreign(tmp_path) == ""
    if os.geteuid() == 0:
        shutil.chown(tmp_path, "nobody")
        assert "belongs to 'nobody', and this runs as 'root'" in machine.foreign(tmp_path)
        shutil.chown(desk.play.folder, "nobody")
        desk.play.start()
        assert "Run it as 'nobody'." in desk.play.log()


def test_check_watch_prints_what_changes(desk: Desk) -> None:
    line = [sys.executable, "-m", "desk", "check", "--watch", "0.2", "--config", str(desk.play.config)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.extend(iter(process.stdout.readline, "")), daemon=True)  # type: ignore[union-attr]
        reader.start()
        wait_until(lambda: any("templates" in text for text in lines))
        time.sleep(0.5)
        desk.play.sink.stop()
        wait_until(lambda: any("relay: failure" in text for text in lines))
        process.kill()


def test_the_operator_is_told_when_notices_stopped_and_only_once_a_day(desk: Desk) -> None:
    desk.clock.now = desk.clock.now.replace(hour=12)  # a day begins at midnight, UTC
    desk.tick()
    desk.play.sink.refuse_mail = {"bo@team.example": "451 later"}
    desk.receive(plain_mail("the content"))
    desk.mail_out()
    for _ in range(12):
        desk.clock.forward(minutes=6)
        desk.tick()
    sent = [item for item in desk.mail_out() if item.recipient == "operator@desk.example"]
    assert len(sent) == 1
    assert b"than 60 minutes" in sent[0].mail
    assert b"the content" not in sent[0].mail
    for hours in (1, 2):
        desk.clock.forward(hours=hours)
        desk.tick()
    later = [item for item in desk.mail_out() if item.recipient == "operator@desk.example"]
    assert len(later) <= 1, "at most one for each day (UTC)"


def test_status_and_metrics_hold_numbers_alone(desk: Desk) -> None:
    name = desk.receive(plain_mail("the content", sender="Sam <sam@reporter.example>")).codename
    desk.mail_out()
    said = desk.play.command("status", "--json")
    found = json.loads(said.stdout)
    assert (found["cases new"], found["deliveries sent"]) == ("1", "6")
    assert (found["cases"], found["deliveries"]) == ({"new": 1}, {"sent": 6})
    assert (found["well"], found["service_at_work"], found["last_at_work"]) == (False, False, None), "no service runs"
    assert (found["given_up"], found["oldest_delivery_seconds"]) == (0, 0)
    assert found["waiting_since"] is found["relay_away_since"] is None
    assert datetime.fromisoformat(found["last_mail_in"]) <= datetime.fromisoformat(found["at"])
    assert datetime.fromisoformat(found["last_notice_sent"]).tzinfo is not None
    context, port = open_context(desk.play.config), free_port()
    with running_service(context.config), server(context, f"127.0.0.1:{port}") as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()

        def get(path: str) -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return str(answer.read().decode())

        metrics = get("/metrics")
        assert 'ombud_cases{state="new"} 1.0' in metrics
        assert "ombud_up 1.0" in metrics
        assert get("/healthz") == "ok\n"
        for text in (metrics, said.stdout.decode()):
            assert not any(word in text for word in (name, "sam", "Bo", "content"))
        database = desk.play.folder / "ombud.sqlite3"
        database.rename(database.with_suffix(".away"))
        with pytest.raises(urllib.error.HTTPError, match="503"):
            get("/healthz")
        assert "ombud_up 0.0" in get("/metrics")
        database.with_suffix(".away").rename(database)
        running.shutdown()
    context.close()
    refused = desk.play.command("status", "--serve", "0.0.0.0:9464")
    assert refused.returncode == 1
    assert b"loopback" in refused.stderr


def test_the_outbox_can_be_read_on_a_small_screen(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.play.sink.stop()
    name = desk.receive(plain_mail("x")).codename
    desk.mail_out()
    screen = io.StringIO()
    monkeypatch.setattr(show, "_console", lambda: Console(width=80, file=screen))
    show.outbox_table(desk.outbox())
    lines = screen.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    (ada,) = [line for line in lines if " ada " in line]
    assert name in ada
    assert "waiting" in ada
    assert "(1)" in " ".join(lines), "below the state where the name of the case is long"
    assert "." not in ada, "no microseconds"
    assert " ".join(lines).count("cannot be reached") == 1, "one reason for all"


@pytest.fixture
def offline(short_tmp: Path) -> Person:
    """Somebody who keeps the archive key."""
    return make_person(short_tmp / f"offline{time.monotonic_ns()}", "offline", "Offline")


def with_archive_key(desk: Desk, offline: Person) -> None:
    home = desk.play.folder / "gnupg"
    subprocess.run(
        ["gpg", "--homedir", str(home), "--batch", "--import"],
        input=offline.public_key,
        check=True,
        capture_output=True,
    )
    desk.play.change_config("# archive_fingerprints = []", f'archive_fingerprints = ["{offline.fingerprint}"]')
    assert desk.play.command("rewrap").returncode == 0


def restored(desk: Desk, offline: Person, file: Path, folder: Path) -> subprocess.CompletedProcess[bytes]:
    return ombud("restore", file, folder, "--gnupg-home", offline.keyring.home)


def test_a_backup_made_while_the_desk_runs_opens_elsewhere(
    desk: Desk, offline: Person, stranger: Person, tmp_path: Path
) -> None:
    file = tmp_path / "backup.gpg"
    refused = desk.play.command("backup", str(file))
    assert refused.returncode == 1
    assert b"archive_fingerprints" in refused.stderr
    with_archive_key(desk, offline)
    password = desk.play.folder / "relay-password"
    desk.play.change_config("# password_file", f'password_file = "{password}"\n#')
    password.write_text("secret")
    key = desk.play.folder / "keys" / "bo.asc"
    key.rename(tmp_path / "elsewhere.asc")
    key.symlink_to(tmp_path / "elsewhere.asc")
    os.link(desk.play.folder / "keys" / "ada.asc", desk.play.folder / "keys" / "ada-again.asc")
    (desk.play.folder / "keys" / "round").symlink_to(desk.play.folder / "keys")
    desk.play.start()
    desk.play.send(plain_mail("the content"))
    desk.play.sink.wait_for(6)
    (desk.play.folder / "keys" / "nowhere.asc").symlink_to(tmp_path / "nowhere")
    refused = desk.play.command("backup", str(file))
    assert refused.returncode == 1
    assert b"nowhere.asc: is a link that leads nowhere" in refused.stderr
    assert not file.exists()
    (desk.play.folder / "keys" / "nowhere.asc").unlink()
    before = os.umask(0o022)
    done = desk.play.command("backup", str(file))
    os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600
    assert done.returncode == 0, done.stderr
    assert desk.play.command("backup", str(file)).returncode == 1, "nothing is overwritten"
    assert file.read_bytes().find(b"PRIVATE KEY") == -1
    assert not list(desk.play.folder.glob(".snapshot-*"))
    (line,) = json.loads(desk.play.command("case", "list", "--json").stdout)
    assert restored(desk, stranger, file, tmp_path / "no").returncode == 1
    assert not (tmp_path / "no").exists()
    password.unlink()
    done = restored(desk, offline, file, tmp_path / "new")
    assert done.returncode == 0, done.stderr
    assert f"{password} (relay.password_file)" in done.stdout.decode()
    assert b"chown -R" in done.stdout
    for name in ("ada.asc", "ada-again.asc", "bo.asc"):
        assert (tmp_path / "new" / "keys" / name).read_bytes().startswith(b"-----BEGIN PGP PUBLIC KEY")
        assert not (tmp_path / "new" / "keys" / name).is_symlink()
    record = json.loads(command(tmp_path / "new" / "ombud.toml", "case", "show", line["codename"], "--json").stdout)
    assert record["messages"][0]["text"] == "the content"
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "new").rglob("*") if not path.is_socket())
    Keyring("gpg", tmp_path / "new" / "gnupg").close()


def test_a_backup_of_postgresql_comes_back_into_postgresql(
    make_desk: DeskMaker, database: str, offline: Person, tmp_path: Path
) -> None:
    desk = make_desk(database_url=database)
    with_archive_key(desk, offline)
    name = desk.receive(plain_mail("the content")).codename
    desk.mail_out()
    file = tmp_path / "backup.gpg"
    done = desk.play.command("backup", str(file))
    assert done.returncode == 0, done.stderr
    refused = restored(desk, offline, file, tmp_path / "refused")
    assert b"holds cases already" in refused.stderr
    base, _, old = database.rpartition("/")
    with psycopg.connect(f"{base}/postgres", autocommit=True) as connection:
        desk.context.close()
        connection.execute(f"ALTER DATABASE {old} RENAME TO {old}_before")
        connection.execute(f"CREATE DATABASE {old}")
    done = restored(desk, offline, file, tmp_path / "new")
    assert done.returncode == 0, done.stderr
    desk.reopen()
    assert desk.case(name)["messages"][0]["text"] == "the content"
    assert desk.play.command("audit", "verify").returncode == 0
    assert desk.receive(plain_mail("another")).outcome == "case"


def test_old_mail_becomes_closed_cases_once_and_nobody_is_written_to(
    desk: Desk, team: list[Person], tmp_path: Path
) -> None:
    old = mailbox.mbox(tmp_path / "old.mbox")
    mails = [plain_mail(f"It was Bo Lindqvist, {number}", sender=f"r{number}@reporter.example") for number in range(3)]
    for mail in (*mails, plain_mail("/state closed", sender=team[0].email), b"\xff\x00 not a mail"):
        old.add(message_from_bytes(mail))
    old.flush()
    for outcome in ("case", "duplicate"):
        done = desk.play.command("import", str(tmp_path / "old.mbox"), "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {outcome: 5}
    assert desk.mail_out() == []
    lines = json.loads(desk.play.command("case", "list", "--json").stdout)
    assert {line["state"] for line in lines} == {"closed"}
    texts = {desk.case(line["codename"])["messages"][0]["text"]: line["codename"] for line in lines}
    record = desk.case(texts["It was Bo Lindqvist, 1"])
    assert [item["member"] for item in record["recused"]] == ["bo"]
    desk.clock.forward(days=3)
    desk.tick()
    assert not any("reminder" in text.lower() for text in to(team[0], desk.mail_out()))
    assert len(say(desk, team[0], "/show", texts["It was Bo Lindqvist, 1"])) == 1


def imported(desk: Desk, folder: Path, *mails: bytes) -> str:
    """What an import of some mails says to a person; standard error."""
    file = folder / f"{time.monotonic_ns()}.mbox"
    old = mailbox.mbox(file)
    for mail in mails:
        old.add(message_from_bytes(mail))
    old.close()
    done = desk.play.command("import", str(file))
    assert done.returncode == 0, done.stderr
    return done.stderr.decode()


def of_day(date: str, text: str, extra: str = "") -> bytes:
    return plain_mail(text, sender=f"{text}@reporter.example", extra=f"Date: {date}\n{extra}")


def test_old_mail_has_the_date_of_its_mail_for_figures_and_retention(desk: Desk, tmp_path: Path) -> None:
    said = imported(
        desk,
        tmp_path,
        *(of_day(f"Tue, 0{day} May 2025 10:00:00 +0200", f"may{day}") for day in range(1, 6)),
        of_day("Mon, 06 May 2019 10:00:00 +0200", "ancient"),
        of_day("Mon, 06 May 2999 10:00:00 +0200", "future"),
        of_day("Thu, 01 Jan 1970 00:00:00 +0000", "epoch"),
        of_day("no date at all", "none"),
    )
    assert said.startswith("1 closed cases are older than desk.retention_days")
    lines = json.loads(desk.play.command("case", "list", "--json").stdout)
    cases = {desk.case(line["codename"])["messages"][0]["text"]: line for line in lines}
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert {text: line["received_at"][:10] for text, line in cases.items() if not text.startswith("may")} == {
        "ancient": "2019-05-06", "future": today, "epoch": today, "none": today,
    }  # fmt: skip
    assert b"2025-05-03" in desk.play.command("case", "show", cases["may3"]["codename"]).stdout
    assert desk.play.command("audit", "verify").returncode == 0
    with desk.context.database.read() as session:
        tables = figures(session, desk.context.config.desk[0], date(2025, 1, 1), date(2025, 12, 31))
    assert dict(tables[0].rows)["2025-05"] == "5-9"
    assert "5-9" in dict(tables[-1].rows)["unknown"]
    for _ in range(3):
        desk.tick()
        desk.clock.forward(days=31)
    states = {
        line["codename"]: line["state"] for line in json.loads(desk.play.command("case", "list", "--json").stdout)
    }
    assert states.get(cases["ancient"]["codename"], "destroyed") == "destroyed"
    assert states[cases["may1"]["codename"]] == "closed"


@pytest.mark.parametrize(
    ("headers", "state"),
    [
        ("List-Id: News <news.shop.example>\n", "automatic"),
        ("List-Unsubscribe: <https://shop.example/u?x=1>\n", "automatic"),
        ("Precedence: bulk\n", "automatic"),
        ("", "closed"),
        # A list in front of the desk, and a program that keeps the laws of the trade.
        ("List-Id: Conduct <conduct.desk.example>\nPrecedence: list\n", "closed"),
        ("List-Post: <mailto:conduct@desk.example>\nList-Id: <x.lists.example>\n", "closed"),
        ("Feedback-ID: 1:2:proton\n", "closed"),
    ],
)
def test_newsletters_in_an_archive_are_no_reports(desk: Desk, headers: str, state: str) -> None:
    mail = of_day("Mon, 06 May 2024 10:00:00 +0200", "text", headers)
    receiver = Receiver(desk.context)
    name = receiver.receive_old(mail, desk.context.config.desk[0], tell=False).codename
    assert desk.case(name)["state"] == state
    notified = receiver.receive_old(mail + b"again\n", desk.context.config.desk[0], tell=True).codename
    assert desk.case(notified)["state"] == {"closed": "new"}.get(state, state)
    assert desk.case(notified)["received_at"][:4] == str(desk.clock().year)


def test_old_mail_from_a_maildir_with_notices(desk: Desk, team: list[Person], tmp_path: Path) -> None:
    mailbox.Maildir(tmp_path / "old").add(plain_mail("from a Maildir"))
    assert desk.play.command("import", str(tmp_path / "old"), "--notify").returncode == 0
    desk.clock.forward(minutes=5)
    mails = desk.mail_out()
    assert {item.recipient for item in mails} == {person.email for person in team}
    refused = desk.play.command("import", str(tmp_path / "nothing"))
    assert refused.returncode == 1
    assert b"neither an mbox file nor a Maildir" in refused.stderr


def test_an_upgrade_copies_the_database_first(desk: Desk) -> None:
    name = desk.receive(plain_mail("the content")).codename
    with desk.context.database.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0002'")
        connection.exec_driver_sql("DROP TABLE chores")
        for table in (
            "correspondents",
            "junk_numbers",
            "junk_lessons",
            "promises",
            "letters",
            "letterboxes",
            "proposal_words",
            "measure_forms",
            "measures",
            "threads",
            "guests",
            "proposals",
        ):
            connection.exec_driver_sql(f"DROP TABLE {table}")
        for index in (
            "cases_of_state",
            "cases_ending",
            "cases_of_junk",
            "promises_open",
            "messages_by_time",
            "deliveries_of_state",
            "deliveries_by_time",
        ):
            connection.exec_driver_sql(f"DROP INDEX IF EXISTS {index}")
        for column in (
            "writable",
            "erase_at",
            "merged_into",
            "urgent",
            "came",
            "escalated",
            "announced_at",
            "acknowledged_at",
            "decided_at",
            "closed_at",
        ):
            connection.exec_driver_sql(f"ALTER TABLE cases DROP COLUMN {column}")
        connection.exec_driver_sql("ALTER TABLE rosters DROP COLUMN duty")
        connection.commit()
    desk.reopen()
    assert desk.play.command("case", "list").returncode == 75
    done = desk.play.command("upgrade")
    assert done.returncode == 0, done.stderr
    (copy,) = desk.play.folder.glob("ombud.sqlite3.before-*")
    assert copy.stat().st_mode & 0o077 == 0
    assert desk.case(name)["messages"][0]["text"] == "the content"
    assert b"of this version." in desk.play.command("upgrade").stdout
