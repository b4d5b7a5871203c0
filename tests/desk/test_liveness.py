"""Somebody notices when the service is not at work: check, status and /healthz say so, and say what to do."""

from __future__ import annotations

import json
import os
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest

from desk.care.doctor import examine
from desk.care.liveness import late_mailboxes, liveness
from desk.care.machine import Finding
from desk.care.status import server
from desk.demo.mails import plain_mail
from desk.demo.rehearsal import free_port
from desk.service import poll_once
from store.context import open_context
from store.kit import presence
from store.outbox import heartbeat
from tests.conftest import Desk
from tests.support.mailboxes import wait_until


def finding(desk: Desk, check: str = "service", *, at: datetime | None = None) -> Finding:
    clock = (lambda: at) if at else desk.clock
    (found,) = [item for item in examine(desk.play.config, clock) if item.check == check]
    return found


def status(desk: Desk) -> str:
    return str(json.loads(desk.play.command("status", "--json").stdout)["service"])


@contextmanager
def healthz(desk: Desk) -> Iterator[str]:
    context, port = open_context(desk.play.config), free_port()
    with server(context, f"127.0.0.1:{port}") as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{port}"
        running.shutdown()
    context.close()


def code(url: str) -> int:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def at_work(url: str) -> str:
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        (line,) = [item for item in answer.read().decode().splitlines() if item.startswith("ombud_service_at_work")]
        return str(line.split()[1])


def test_a_service_that_was_never_started_runs_or_was_killed(desk: Desk) -> None:
    with healthz(desk) as url:
        found = finding(desk)
        assert (found.level, "has not run yet" in found.detail) == ("warning", True)
        assert (status(desk), code(url)) == ("never ran", 503)
        desk.play.start()
        wait_until(lambda: code(url) == 200)
        assert (finding(desk).level, status(desk), at_work(url)) == ("ok", "runs", "1.0")
        wait_until(lambda: not beats(desk, None))
        os.kill(desk.play.pid, signal.SIGKILL)
        wait_until(lambda: code(url) == 503)
        desk.play.stop(0)
        found = finding(desk)
        assert (found.level, "does not run" in found.detail) == ("failure", True)
        assert "systemctl start ombud" in found.detail
        assert status(desk).startswith("stopped; last at work 0 min ago")
        assert at_work(url) == "0.0"
        assert desk.play.command("check").returncode == 1


def beats(desk: Desk, expected: datetime | None) -> bool:
    with desk.context.database.read() as session:
        return heartbeat.last_beat(session, heartbeat.SERVICE) == expected


def test_a_service_by_cron_counts_until_cron_stops(desk: Desk) -> None:
    poll_once(desk.context)
    found = finding(desk)
    assert (found.level, "poll --once" in found.detail) == ("ok", True)
    with healthz(desk) as url:
        assert code(url) == 200
    later = desk.clock.now + timedelta(hours=2)
    assert finding(desk, at=later).level == "failure"


def test_a_service_that_runs_and_does_nothing(desk: Desk) -> None:
    with presence.running_service(desk.context.config):
        assert finding(desk).level == "ok", "it has just started"
        found = finding(desk, at=desk.clock.now + timedelta(minutes=20))
    assert (found.level, "Restart it" in found.detail) == ("failure", True)


def test_several_services_and_one_that_ends(desk: Desk) -> None:
    config = desk.context.config
    with presence.running_service(config):
        with presence.running_service(config):
            assert presence.runs_since(config)
        assert presence.runs_since(config)
        assert presence.runs_since(config), "looking does not take the lock"
    assert presence.runs_since(config) is None


def test_due_work_that_fails_is_a_failure(desk: Desk) -> None:
    with desk.context.database.write() as session:
        heartbeat.beat(session, heartbeat.SERVICE, desk.clock.now)
        heartbeat.fails(session, "reminders of conduct", desk.clock.now)
    with presence.running_service(desk.context.config), healthz(desk) as url:
        found = finding(desk, "due work")
        assert (found.level, "reminders of conduct" in found.detail) == ("failure", True)
        assert code(url) == 503
        with desk.context.database.write() as session:
            heartbeat.works(session, "reminders of conduct")
        assert code(url) == 200


def test_a_mailbox_that_is_not_looked_into(desk: Desk) -> None:
    desk.play.config.write_text(
        desk.play.config.read_text()
        + '\n[[desk.imap]]\nhost = "127.0.0.1"\nuser = "u"\ntls = "none"\npassword_file = "p"\n'
    )
    config, now = desk.context.config, desk.clock.now
    part = "mailbox of conduct at 127.0.0.1/INBOX"

    def late(at: datetime) -> list[str]:
        with desk.context.database.read() as session:
            return late_mailboxes(config, liveness(config, session, at), at)

    with desk.context.database.write() as session:
        heartbeat.beat(session, heartbeat.SERVICE, now + timedelta(minutes=59))
        heartbeat.beat(session, part, now)
    with presence.running_service(config):
        assert late(now + timedelta(minutes=35)) == []
        assert late(now + timedelta(minutes=60)) == ["conduct"]
        with desk.context.database.write() as session:
            heartbeat.beat(session, part, now + timedelta(minutes=59))
            heartbeat.fails(session, part, now)
        assert late(now + timedelta(minutes=60)) == ["conduct"], "it is looked into, and mail is left there"


def test_a_desk_whose_key_is_not_there_does_not_start(desk: Desk) -> None:
    desk.play.change_config(f'fingerprint = "{desk.play.made.fingerprint}"', f'fingerprint = "{"A" * 40}"')
    for line in (["run"], ["poll"], ["poll", "--once"]):
        done = desk.play.command(*line)
        assert done.returncode == 1
        assert b"there is no secret key AAAA" in done.stderr
        assert b"correct desk.fingerprint" in done.stderr
        assert b"Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run it as root")
def test_a_service_that_runs_as_root_says_so(running: Desk) -> None:
    running.play.send(plain_mail("x"))
    assert "ombud runs as root" in running.play.log()
