"""A desk under load while everything around it fails: what the crash tests have in common.

Senders come by SMTP, by standard input and by a mailbox, and send each mail again until it is taken. What was taken
is held against what the desk has and what it sent when all is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import email
import os
import random
import re
import signal
import smtplib
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests
from sqlmodel import select

from desk.demo.mails import ciphertext, pgp_mime, plain_mail, text_entity
from desk.demo.rehearsal import Delivered, Person, Sink, free_port
from store.cases import content
from store.openpgp.message import outside
from store.openpgp.values import PublicKey
from store.tables import audit
from store.tables.models import CaseRow
from tests.conftest import Desk
from tests.support.dovecot import Dovecot
from tests.support.processes import descendants, of_python
from tests.support.talk import read
from tests.support.web import sealed_fields, send

START_SECONDS = 40
_AT_ONCE = 20


class FailingSink(Sink):
    """A mail server that refuses for now, stalls, and hangs up, as long as it is told to."""

    def __init__(self, luck: random.Random) -> None:
        super().__init__()
        self.luck = luck
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


def impatient(desk: Desk, luck: random.Random) -> FailingSink:
    """Have a desk send through a failing mail server, and try again soon."""
    play = desk.play
    play.sink.stop()
    sink = FailingSink(luck)
    sink.port = play.sink.port
    play.sink = sink
    sink.start()
    text = play.config.read_text()
    for field, value in (("first_retry_seconds", "0.2"), ("longest_retry_seconds", "1"), ("claim_seconds", "4")):
        text = re.sub(rf"^(# )?{field} = \S+", f"{field} = {value}", text, flags=re.MULTILINE)
    play.config.write_text(text)
    return sink


class Fleet:
    """Several services of one desk, each with a listener of its own, and a form if that is wanted, that can be killed and started again."""

    def __init__(self, desk: Desk, count: int, forms: bool = False) -> None:
        self.desk = desk
        self.ports = [desk.play.port, *(free_port() for _ in range(count - 1))]
        self._form_ports = [free_port() for _ in range(count)] if forms else []
        self.sites = [f"http://127.0.0.1:{port}" for port in self._form_ports]
        self._running: list[subprocess.Popen[bytes] | None] = [None] * count

    def start(self, number: int) -> None:
        """Start one, and wait until it answers."""
        play = self.desk.play
        socket_name = "deliver.sock" if number == 0 else f"deliver{number}.sock"
        own = {"OMBUD_LISTENER__PORT": str(self.ports[number]), "OMBUD_LISTENER__SOCKET": socket_name}
        if self._form_ports:
            own["OMBUD_WEB__LISTEN"] = f"127.0.0.1:{self._form_ports[number]}"
        with (play.folder / "service.log").open("ab") as log:
            line = [sys.executable, "-m", "desk", "run", "--config", str(play.config)]
            process = subprocess.Popen(line, env={**os.environ, **own}, stdout=log, stderr=log)
        self._running[number] = process
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if process.poll() is not None:  # what it needs is away just now
                time.sleep(0.2)
                return self.start(number)
            with contextlib.suppress(OSError):
                return socket.create_connection(("127.0.0.1", self.ports[number]), timeout=1).close()
            time.sleep(0.02)
        raise TimeoutError(play.log())

    def pid(self, number: int) -> int:
        """The process of one."""
        process = self._running[number]
        assert process is not None
        return process.pid

    def send_signal(self, number: int, which: int) -> None:
        """Send one a signal; after SIGKILL or SIGTERM, wait until it is gone."""
        process = self._running[number]
        assert process is not None
        process.send_signal(which)
        if which in (signal.SIGKILL, signal.SIGTERM):
            process.wait(60)
            self._running[number] = None

    def __enter__(self) -> Fleet:
        """Start all."""
        for number in range(len(self.ports)):
            self.start(number)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all, however it went."""
        self.end()

    def end(self) -> None:
        """Stop all."""
        for number, process in enumerate(self._running):
            if process is not None:
                self.send_signal(number, signal.SIGTERM)


class Load(threading.Thread):
    """Somebody who sends mails one after the other, each again until it is taken."""

    def __init__(self, desk: Desk, number: int, sam: Person, ports: Sequence[int]) -> None:
        super().__init__(daemon=True)
        self.desk, self.number, self.key, self.sam = desk, number, desk.play.desk_key, sam
        self.taken: list[str] = []
        self.stop = threading.Event()
        self._ports = list(ports)

    def run(self) -> None:
        """Send until told to stop."""
        count = 0
        while not self.stop.is_set():
            count += 1
            name = f"load{self.number}n{count}e"
            exclude = "Exclude: Bo\n\n" if count % 3 == 0 else ""
            self.send_one(name, f"{exclude}{name}", sealed=count % 2 == 0)
            self.taken.append(name)

    def send_one(self, name: str, text: str, *, sealed: bool) -> None:
        """Send one report until it is taken."""
        sender = f"{name}@reporter.example"
        if sealed:
            self.send_until_taken(pgp_mime(text_entity(text), self.key, self.sam.keyring, sender=sender))
        else:
            self.send_until_taken(plain_mail(text, sender=sender))

    def send_until_taken(self, mail: bytes) -> None:
        """One mail."""
        while not self._smtp(mail):
            time.sleep(0.05)

    def _smtp(self, mail: bytes) -> bool:
        self._ports.append(self._ports.pop(0))
        octets = mail.replace(b"\n", b"\r\n")
        try:
            with smtplib.SMTP("127.0.0.1", self._ports[0], "localhost", timeout=120) as connection:
                connection.sendmail("sam@reporter.example", [self.desk.play.address], octets)
        except (OSError, smtplib.SMTPException):
            return False
        return True


class PipeLoad(Load):
    """By `ombud deliver`, as a mail server's pipe does."""

    def send_until_taken(self, mail: bytes) -> None:
        """One mail: exit code 0, or 75 and once more."""
        code = 75
        while code == 75:
            done = self.desk.play.command("deliver", self.desk.play.address, stdin=mail)
            code = done.returncode
            assert code in (0, 75), done.stderr.decode()


class MailboxLoad(Load):
    """Into the mailbox that the desk empties: taken is what is no longer there."""

    dovecot: Dovecot
    user: str

    def send_until_taken(self, mail: bytes) -> None:
        """Leave it in the mailbox; whether all of them are gone is seen at the end."""
        self.dovecot.put(self.user, mail)
        time.sleep(0.1)


class FormLoad(Load):
    """By the web form, as its script does; at the end every receipt has to open."""

    def __init__(self, desk: Desk, number: int, sam: Person, sites: Sequence[str]) -> None:
        super().__init__(desk, number, sam, ())
        self._sites = list(sites)
        self._lookups: list[str] = []

    def send_one(self, name: str, text: str, *, sealed: bool) -> None:
        """Send one form, again until it is kept; what a form sends is always sealed."""
        fields = sealed_fields(self.desk, f"receipt of {name}", text)
        while not self._is_kept(fields):
            time.sleep(0.05)
        self._lookups.append(fields["lookup"])
        time.sleep(0.2)

    def _is_kept(self, fields: Mapping[str, Any]) -> bool:
        self._sites.append(self._sites.pop(0))
        with contextlib.suppress(requests.RequestException, ValueError, KeyError):
            return send(self._sites[0], "sealed", fields)[0] == 200
        return False

    def check_receipts(self) -> None:
        """AssertionError unless what each receipt stands for is there."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:  # each look-up is made to take a second
            opened = pool.map(
                lambda lookup: send(self._sites[0], "open", {"lookup": lookup})[1]["found"], self._lookups
            )
        assert all(opened), "a report is kept, and its receipt opens nothing"


def kill_a_process_of(pid: int, luck: random.Random) -> bool:
    """Kill one of the processes that a service started: a reader, what readers come from, or a second one that sends. Whether there was one."""
    started = sorted(of_python(descendants(pid)))
    if started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(luck.choice(started), signal.SIGKILL)
    return bool(started)


def finish(desk: Desk, loads: Sequence[Load], sink: FailingSink) -> int:
    """End the load, and wait until nothing waits any more. How many mails were held until now, and opened.

    A mail under which the service was killed four times stays held, and is for the operator to open.
    """
    for thread in loads:
        thread.stop.set()
    for thread in loads:
        thread.join(120)
        assert not thread.is_alive()
    sink.failing = False
    _drain(desk, loads, sink)
    with desk.context.database.read() as session:
        held = session.exec(select(CaseRow.codename).where(CaseRow.state == "held")).all()
    for name in held:
        answer = desk.play.command("case", "reopen", name).stdout.decode()
        assert "is open" in answer, answer
    _drain(desk, loads, sink)
    for thread in loads:
        if isinstance(thread, FormLoad):
            thread.check_receipts()
    return len(held)


def _drain(desk: Desk, loads: Sequence[Load], sink: FailingSink, seconds: float = 120) -> None:
    """Wait until nothing is left in the outbox and the mailbox. AssertionError when for so many seconds nothing was sent. That a mail is held is
    told ten minutes later, if it still is: nobody waits for that here."""
    sent, moved = len(sink.mails), time.monotonic()
    while _waiting(desk) or any(isinstance(item, MailboxLoad) and item.dovecot.count(item.user) for item in loads):
        if len(sink.mails) != sent:
            sent, moved = len(sink.mails), time.monotonic()
        assert time.monotonic() < moved + seconds, f"still wait: {_waiting(desk)}"
        time.sleep(0.5)


def _waiting(desk: Desk) -> list[Any]:
    return [item for item in desk.outbox() if item["kind"] != "held"]


def check(desk: Desk, team: Sequence[Person], loads: Sequence[Load]) -> str:
    """What was taken is a case, once; each reader has each notice; nobody else has anything; the chain holds."""
    taken = {name for thread in loads for name in thread.taken}
    found: Counter[str] = Counter()
    names: dict[str, str] = {}
    with desk.context.database.read() as session:
        assert audit.verify(session, desk.context.vault) >= len(taken)
        for row in session.exec(select(CaseRow)).all():
            message = content.message(session, desk.context.vault, row.id)
            assert message is not None
            name = (
                message.body.text.split("\n")[-1]
                or f"{row.state}: {message.body.failure}, by form: {message.body.by_form}"
            )
            found[name] += 1
            names[row.codename] = name
    assert sorted(taken - set(found)) == [], f"lost; not known: {sorted(set(found) - taken)}"
    assert [name for name, count in found.items() if count != 1] == [], "doubled"
    check_notices(desk, team, names)
    assert ciphertext_audit(desk.play.sink.mails, team) > 0
    return f"{len(found)} mails taken in, {len(desk.play.sink.mails)} sent; lost 0, doubled 0"


def told(done: Mapping[str, int]) -> str:
    """What was done to a desk, in words."""
    return ", ".join(f"{what} {count}" for what, count in done.items())


def check_notices(desk: Desk, team: Sequence[Person], names: dict[str, str]) -> None:
    """Each reader has each notice once, not counting equal Message-IDs; who is excluded has none."""
    got: dict[tuple[str, str], set[str]] = defaultdict(set)
    by_address = {person.email: person for person in team}
    for item in desk.play.sink.mails:
        if item.recipient in by_address:
            person = by_address[item.recipient]
            name, said = names[str(item.headers["Subject"]).rpartition(" ")[2]], read(person, item)
            if "a mail that could not be opened" in said:  # what it says, and whom it excludes, was not known yet
                continue
            assert name in said
            got[(person.id, name)].add(str(item.headers["Message-ID"]))
    for name in names.values():
        excluded = int(name.split("n")[1].rstrip("e")) % 3 == 0
        for person in team:
            count = len(got.get((person.id, name), ()))
            assert count == (0 if excluded and person.id == "bo" else 1), (person.id, name, count)


def ciphertext_audit(mails: Sequence[Delivered], people: Sequence[Person]) -> int:
    """Every sealed mail to one of these people names one of their keys and no other; how many there are."""
    ours: dict[str, set[str]] = {}
    for person in people:
        keys: list[PublicKey] = person.keyring.read_key_data(person.public_key)
        ours[person.email] = {item for key in keys for item in key.subkey_ids}
    seen = 0
    for item in mails:
        if item.recipient in ours and (armored := ciphertext(item.mail)):
            named = outside(dearmored(armored)).recipients
            assert len(named) == 1, item.recipient
            assert set(named) <= ours[item.recipient], item.recipient
            seen += 1
    return seen


def dearmored(armored: bytes) -> bytes:
    """The octets of an armored message (RFC 9580 section 6)."""
    message = email.message_from_bytes(
        b"Content-Transfer-Encoding: base64\n\n" + armored.split(b"\n\n", 1)[1].rpartition(b"\n=")[0]
    )
    octets = message.get_payload(decode=True)
    assert isinstance(octets, bytes)
    return octets


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own that can be filled; needs the rights to mount one."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    try:
        yield folder
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False)


@contextlib.contextmanager
def full(folder: Path) -> Iterator[bool]:
    """Fill a small disk for a while; whether it is one."""
    filler = folder / "filler"
    small = folder.is_mount()
    if small:
        free = os.statvfs(folder)
        with filler.open("wb") as handle, contextlib.suppress(OSError):
            os.posix_fallocate(handle.fileno(), 0, free.f_bavail * free.f_frsize)
    try:
        yield small
    finally:
        filler.unlink(missing_ok=True)
