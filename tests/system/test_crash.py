"""The service is killed at random moments, under load, with a relay that fails: nothing is lost, and nothing doubled.

`make prove` kills it 200 times; the suite a few times. CRASHES says how often, CRASH_SEED repeats a run.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import secrets
import signal
import smtplib
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from typing import Any

from desk.rehearsal import Person, Sink, pgp_mime, plain_mail, text_entity
from store import audit, cases
from store.config import load
from tests.conftest import Desk, DeskMaker
from tests.talk import read

CRASHES = int(os.environ.get("CRASHES", "6"))
SEED = int(os.environ.get("CRASH_SEED", str(secrets.randbelow(10**6))))
SENDERS = 3


class FailingSink(Sink):
    """A mail server that refuses for now, stalls, and hangs up, as long as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.luck = random.Random(SEED)
        self.failing = True

    async def handle_DATA(self, server: Any, session: object, envelope: Any) -> str:
        """Keep the mail, or fail before or after it is kept."""
        chance = self.luck.random() if self.failing else 1.0
        if chance < 0.1:
            return "451 4.3.0 Not now"
        if chance < 0.15:
            await asyncio.sleep(0.3)
        answer = await super().handle_DATA(server, session, envelope)
        if chance < 0.2:
            server.transport.close()  # kept, but the answer is lost
        return answer


class Load(threading.Thread):
    """Somebody who sends mails one after the other, and sends each again until it is taken."""

    def __init__(self, desk: Desk, number: int, key: bytes, sam: Person) -> None:
        super().__init__(daemon=True)
        self.desk, self.number, self.key, self.sam = desk, number, key, sam
        self.taken: list[str] = []
        self.stop = threading.Event()

    def run(self) -> None:
        """Send until told to stop."""
        count = 0
        while not self.stop.is_set():
            count += 1
            name = f"load{self.number}n{count}e"
            mail = self._mail(name, count)
            deliver = self.number == 0
            while not (self._pipe(mail) if deliver else self._smtp(mail)):
                time.sleep(0.05)
            self.taken.append(name)

    def _mail(self, name: str, count: int) -> bytes:
        exclude = "Exclude: Bo\n\n" if count % 3 == 0 else ""
        if count % 2:
            return plain_mail(f"{exclude}{name}", sender=f"{name}@reporter.example")
        return pgp_mime(text_entity(f"{exclude}{name}"), self.key, self.sam.keyring, sender=f"{name}@reporter.example")

    def _smtp(self, mail: bytes) -> bool:
        try:
            self.desk.play.send(mail)
        except (OSError, smtplib.SMTPException):
            return False
        return True

    def _pipe(self, mail: bytes) -> bool:
        line = [sys.executable, "-m", "desk", "deliver", "conduct@desk.example", "--config", str(self.desk.play.config)]
        done = subprocess.run(line, input=mail, capture_output=True, check=False, timeout=120)
        assert done.returncode in (0, 75), done.stderr.decode()
        return done.returncode == 0


def crash(desk: Desk, luck: random.Random) -> None:
    """Kill the service, sometimes GnuPG's agent as well, and start it again."""
    time.sleep(luck.uniform(0.05, 1.2))
    if luck.random() < 0.3:
        subprocess.run(["pkill", "-KILL", "-f", f"gpg-agent --homedir {desk.play.folder}/gnupg"], check=False)
    desk.play.stop(signal.SIGKILL)
    time.sleep(luck.uniform(0, 0.1))
    desk.play.start()


def test_nothing_is_lost_when_the_service_is_killed(make_desk: DeskMaker, team: list[Person], sam: Person) -> None:
    luck = random.Random(SEED)
    print(f"CRASH_SEED={SEED}")
    desk = make_desk()
    play = desk.play
    play.sink.stop()
    sink = FailingSink()
    sink.port = play.sink.port
    play.sink = sink
    sink.start()
    text = play.config.read_text()
    for field, value in (("first_retry_seconds", "0.2"), ("longest_retry_seconds", "1"), ("claim_seconds", "4")):
        text = re.sub(rf"^(# )?{field} = \S+", f"{field} = {value}", text, flags=re.MULTILINE)
    play.config.write_text(text)
    assert load(play.config).outbox.claim_seconds == 4
    play.start()
    loads = [Load(desk, number, play.desk_key, sam) for number in range(SENDERS)]
    for thread in loads:
        thread.start()
    for _ in range(CRASHES):
        crash(desk, luck)
    for thread in loads:
        thread.stop.set()
    for thread in loads:
        thread.join(60)
        assert not thread.is_alive()
    sink.failing = False
    wait_until_all_is_sent(desk)
    play.stop()
    check(desk, team, {name for thread in loads for name in thread.taken})


def wait_until_all_is_sent(desk: Desk, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while desk.outbox():
        assert time.monotonic() < end, f"{len(desk.outbox())} deliveries still wait"
        time.sleep(0.5)


def check(desk: Desk, team: list[Person], taken: set[str]) -> None:
    """What was taken is a case, once; each reader has each notice; nobody else has anything; the chain holds."""
    found: Counter[str] = Counter()
    names: dict[str, str] = {}
    with desk.context.database.read() as session:
        assert audit.verify(session, desk.context.vault) >= len(taken)
        from sqlmodel import select

        from store.models import CaseRow

        for row in session.exec(select(CaseRow)).all():
            message = cases.message(session, desk.context.vault, row.id)
            assert message is not None
            name = message.body.text.split("\n")[-1]
            found[name] += 1
            names[row.codename] = name
    assert taken - set(found) == set(), "lost"
    assert [name for name, count in found.items() if count != 1] == [], "doubled"
    got: dict[tuple[str, str], set[str]] = defaultdict(set)
    by_address = {person.email: person for person in team}
    for item in desk.play.sink.mails:
        if item.recipient in by_address:
            person = by_address[item.recipient]
            codename = str(item.headers["Subject"]).rpartition(" ")[2]
            assert names[codename] in read(person, item)
            got[(person.id, names[codename])].add(str(item.headers["Message-ID"]))
    for name in found:
        excluded = int(name.split("n")[1].rstrip("e")) % 3 == 0
        for person in team:
            count = len(got.get((person.id, name), ()))
            assert count == (0 if excluded and person.id == "bo" else 1), (person.id, name, count)
    print(f"{len(found)} mails, {CRASHES} kills, lost 0, doubled 0")
