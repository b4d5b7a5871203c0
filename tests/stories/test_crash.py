"""The service is killed at random moments, under load, while all that it needs fails: nothing is lost, nothing doubled.

`make prove` kills it 200 times; the suite a few times. CRASHES says how often, CRASH_SEED repeats a run.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import psycopg

from desk.demo.rehearsal import Person, Rehearsal
from store.kit.config import load
from tests.bench.prove import figure
from tests.conftest import Desk, DeskMaker
from tests.support import chaos
from tests.support.chaos import Fleet, FormLoad, Load, MailboxLoad, PipeLoad
from tests.support.dovecot import PASSWORD, Dovecot

CRASHES = int(os.environ.get("CRASHES", "2"))
SEED = int(os.environ.get("CRASH_SEED", str(secrets.randbelow(10**6))))


def with_mailbox(desk: Desk, dovecot: Dovecot, user: str) -> None:
    play = desk.play
    (play.folder / "password").write_text(PASSWORD + "\n")
    lines = {
        "host": "localhost", "port": dovecot.tls_port, "ca_file": str(dovecot.ca_file), "user": user,
        "password_file": "password", "poll_seconds": 1,
    }  # fmt: skip
    text = "\n[[desk.imap]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in lines.items())
    play.config.write_text(play.config.read_text() + text)


def allow_form(desk: Desk) -> None:
    """Configure the form without proof of work or rate limit; its address comes from the service's environment."""
    desk.play.change_config('# listen = "127.0.0.1:8025"', "work = 0\nper_hour = 100000")
    desk.reopen()


def loads_on(desk: Desk, sam: Person, fleet: Fleet, dovecot: Dovecot, user: str) -> list[Load]:
    """Every way in."""
    loads = [Load(desk, number, sam, fleet.ports) for number in range(2)]
    loads.append(PipeLoad(desk, 2, sam, fleet.ports))
    by_mailbox = MailboxLoad(desk, 3, sam, fleet.ports)
    by_mailbox.dovecot, by_mailbox.user = dovecot, user
    loads += [by_mailbox, FormLoad(desk, 4, sam, fleet.sites)]
    for thread in loads:
        thread.start()
    return loads


def kill_agent(desk: Desk) -> None:
    subprocess.run(["pkill", "-KILL", "-f", f"gpg-agent --homedir {desk.play.folder}/gnupg"], check=False)


def test_nothing_is_lost_when_the_service_is_killed(
    short_tmp: Path, team: list[Person], sam: Person, dovecot: Dovecot, user: str
) -> None:
    print(f"CRASH_SEED={SEED}")
    luck, done = random.Random(SEED), Counter[str]()
    done["seed"] = SEED
    with chaos.small_disk(short_tmp / "small", 300 + 4 * CRASHES) as disk:
        desk = Desk(Rehearsal(disk / "desk", team))
        sink = chaos.impatient(desk, luck)
        with_mailbox(desk, dovecot, user)
        allow_form(desk)
        assert load(desk.play.config).outbox.claim_seconds == 4
        with Fleet(desk, 1, forms=True) as fleet:
            loads = loads_on(desk, sam, fleet, dovecot, user)
            for _ in range(CRASHES):
                time.sleep(luck.uniform(0.05, 1.2))
                if luck.random() < 0.3:
                    kill_agent(desk)
                    done["agent killed"] += 1
                if luck.random() < 0.3:
                    done["child processes killed"] += chaos.kill_a_process_of(fleet.pid(0), luck)
                    time.sleep(luck.uniform(0, 0.3))
                if luck.random() < 0.2:
                    with chaos.full(disk) as small:
                        done["disk full"] += small
                        time.sleep(luck.uniform(0.1, 0.6))
                fleet.send_signal(0, signal.SIGKILL)
                done["service killed"] += 1
                time.sleep(luck.uniform(0, 0.1))
                fleet.start(0)
            done["opened by hand"] = chaos.finish(desk, loads, sink)
        figure(
            "killed, on SQLite, by SMTP, mailbox, pipe and form",
            f"{chaos.check(desk, team, loads)}; {chaos.told(done)}",
        )
        desk.end()


def test_several_workers_on_postgresql_are_killed_cut_off_and_stopped(
    make_desk: DeskMaker, database: str, team: list[Person], sam: Person, dovecot: Dovecot, user: str
) -> None:
    print(f"CRASH_SEED={SEED}")
    luck, done = random.Random(SEED), Counter[str]()
    done["seed"] = SEED
    desk = make_desk(database_url=database)
    sink = chaos.impatient(desk, luck)
    with_mailbox(desk, dovecot, user)
    allow_form(desk)
    with Fleet(desk, 4, forms=True) as fleet:
        loads = loads_on(desk, sam, fleet, dovecot, user)
        name = database.rpartition("/")[2]
        with psycopg.connect(database.replace(name, "postgres"), autocommit=True) as server:
            for step in range(CRASHES):
                time.sleep(luck.uniform(0.1, 1.0))
                victim = luck.choice((0, 1))
                if step % 3 == 0:  # it hangs for longer than its claims last, and goes on as if nothing had been
                    fleet.send_signal(victim, signal.SIGSTOP)
                    time.sleep(5)
                    fleet.send_signal(victim, signal.SIGCONT)
                    done["hung"] += 1
                if luck.random() < 0.3:
                    server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
                    done["database cut off"] += 1
                if luck.random() < 0.3:
                    done["child processes killed"] += chaos.kill_a_process_of(fleet.pid(victim), luck)
                    time.sleep(luck.uniform(0, 0.3))
                fleet.send_signal(victim, signal.SIGKILL)
                done["worker killed"] += 1
                fleet.start(victim)
        done["opened by hand"] = chaos.finish(desk, loads, sink)
    figure(
        "killed, on PostgreSQL, four workers, by all four ways", f"{chaos.check(desk, team, loads)}; {chaos.told(done)}"
    )
