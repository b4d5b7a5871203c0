"""What tests share: people with keys (made once), desks (made for each test), a PostgreSQL server."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from desk import logs
from desk.commands import show
from desk.demo import rehearsal
from desk.demo.rehearsal import PEOPLE, Delivered, Person, Rehearsal, make_person
from intake import reader_process
from intake.arrival import Envelope
from intake.receive import Receipt, Receiver
from intake.screening import screen_desk
from mailer.delivery import Mailer
from mailer.schedule import Schedule
from mailer.sealing.seal import Sealer
from store.cases.case_file import Actor, CaseFile, open_for
from store.cases.overview import JSON
from store.context import Context, open_context, refresh_roster
from store.openpgp.keyring import Keyring
from tests.support import commands
from tests.support.dovecot import Dovecot, introspection
from tests.support.postgresql import cluster

settings.register_profile(
    "ombud",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("ombud")

logs.set_up(quiet=True)
rehearsal.run_command = commands.run_command

if os.environ.get("READ_HERE"):  # no reader process for each of very many short runs (`make mutants`)
    reader_process.run = lambda work, *arguments: work(*arguments)


@pytest.fixture(scope="session")
def short_tmp() -> Iterator[Path]:
    """A folder with a short name: sockets of gpg-agent and PostgreSQL live in it."""
    folder = Path(tempfile.mkdtemp(prefix="ob-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def team(short_tmp: Path) -> Iterator[list[Person]]:
    """Five members with keys of their own."""
    people = [make_person(short_tmp / "team", person, name) for person, name in PEOPLE]
    yield people
    for person in people:
        person.keyring.close()


@pytest.fixture(scope="session")
def sam(short_tmp: Path) -> Iterator[Person]:
    """A reporter with a key."""
    person = make_person(short_tmp / "others", "sam", "Sam", "reporter.example")
    yield person
    person.keyring.close()


@pytest.fixture(scope="session")
def stranger(short_tmp: Path) -> Iterator[Person]:
    """Somebody whose key the desk does not have."""
    person = make_person(short_tmp / "others", "stranger", "Stranger")
    yield person
    person.keyring.close()


@pytest.fixture(scope="session")
def expired(short_tmp: Path) -> Iterator[bytes]:
    """A public key whose time is over."""
    home = short_tmp / "expired"
    home.mkdir(mode=0o700)
    keyring = Keyring("gpg", home)
    line = ["gpg", "--homedir", str(home), "--batch", "--passphrase", "", "--faked-system-time", "20190101T000000"]
    made = [*line, "--quick-generate-key", "Old <old@team.example>", "future-default", "default", "1y"]
    subprocess.run(made, check=True, capture_output=True)
    (key,) = keyring.public_keys()
    yield keyring.export(key.fingerprint, armored=True)
    keyring.close()


@dataclass
class MovableClock:
    """A clock that stands still until it is moved."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        """Move it."""
        self.now += timedelta(**by)


class Desk:
    """A desk in one process: what the service does, step by step."""

    def __init__(self, play: Rehearsal) -> None:
        self.play = play
        self.clock = MovableClock()
        self._context: Context | None = None
        self._mailer: Mailer | None = None
        self._schedule: Schedule | None = None

    @property
    def context(self) -> Context:
        """The opened desk."""
        if self._context is None:
            self._context = open_context(self.play.config, self.clock)
        return self._context

    def reopen(self) -> None:
        """As if the program had been started again."""
        if self._mailer is not None:
            self._mailer.close()
        if self._context is not None:
            self._context.close()
        self._context = self._mailer = self._schedule = None

    @contextmanager
    def open_case(self, codename: str, actor: str = "operator") -> Iterator[CaseFile]:
        """A case opened for writing in this process: a command would read the roster and its keys anew."""
        desk = self.context.config.desk[0]
        by = Actor(self.context.vault, desk, self.context.roster(desk), actor, self.clock())
        with self.context.database.write() as session:
            yield open_for(session, by, codename)

    def receive(self, mail: bytes, *to: str, sender: str | None = "sam@reporter.example") -> Receipt:
        """Take a mail in; the first receipt."""
        return Receiver(self.context).receive(Envelope(mail, sender, to or (self.play.address,)))[0]

    def tick(self) -> list[str]:
        """Look at the rosters and at the clock, as the service does every few seconds; what by time fails."""
        for desk in self.context.config.desk:
            refresh_roster(self.context, desk)
            screen_desk(self.context, desk)
        self._schedule = self._schedule or Schedule(self.context, Sealer(self.context.keyring))
        return self._schedule.run()

    def mail_out(self, rounds: int = 20) -> list[Delivered]:
        """Send whatever is due; what the mail server got meanwhile."""
        before = len(self.play.sink.mails)
        self._mailer = self._mailer or Mailer(self.context, Sealer(self.context.keyring))
        for _ in range(rounds):
            if self._mailer.run_once() == 0:
                break
        return self.play.sink.mails[before:]

    def case(self, codename: str, member: str | None = None) -> JSON:
        """The record of a case."""
        with self.context.database.write() as session:
            return show.case_record(self.context, session, codename, member)

    def outbox(self) -> list[JSON]:
        """What waits."""
        with self.context.database.read() as session:
            return show.deliveries(session)

    def end(self) -> None:
        """Close and stop everything."""
        self.reopen()
        self.play.end()


DeskMaker = Callable[..., Desk]


@pytest.fixture
def make_desk(short_tmp: Path, team: list[Person]) -> Iterator[DeskMaker]:
    """Makes desks that are taken down after the test."""
    yield from _desks(short_tmp, team)


@pytest.fixture(scope="module")
def make_desk_of_module(short_tmp: Path, team: list[Person]) -> Iterator[DeskMaker]:
    """Makes desks that are taken down after the tests of a file."""
    yield from _desks(short_tmp, team)


def _desks(short_tmp: Path, team: list[Person]) -> Iterator[DeskMaker]:
    made: list[tuple[Desk, Path]] = []

    def make(people: list[Person] | None = None, **options: str) -> Desk:
        folder = Path(tempfile.mkdtemp(prefix="d", dir=short_tmp))
        play = Rehearsal(folder / "desk", team if people is None else people, **options)
        play.sink.start()
        made.append((Desk(play), folder))
        return made[-1][0]

    yield make
    for desk, folder in made:
        desk.end()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def desk(make_desk: DeskMaker) -> Desk:
    """A desk with the five members."""
    return make_desk()


@pytest.fixture
def running(make_desk: DeskMaker) -> Desk:
    """A desk whose service runs."""
    desk = make_desk()
    desk.play.start()
    return desk


@pytest.fixture(scope="session")
def postgresql(short_tmp: Path) -> Iterator[str]:
    """A PostgreSQL server of its own, on loopback, in a temporary folder; the URL of an empty database."""
    with cluster(short_tmp / "pg") as url:
        yield url


@pytest.fixture
def database(postgresql: str) -> str:
    """An empty database of its own; its URL."""
    name = f"d{time.monotonic_ns()}"
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgresql.replace("/postgres", f"/{name}")


@pytest.fixture(scope="module")
def dovecot(short_tmp: Path) -> Iterator[Dovecot]:
    """A Dovecot for the tests of a file."""
    server = Dovecot(short_tmp / f"dovecot{time.monotonic_ns()}")
    with introspection(server):
        server.start()
        yield server
        server.kill()


@pytest.fixture
def user() -> str:
    """A new user of it."""
    return f"u{time.monotonic_ns()}"
