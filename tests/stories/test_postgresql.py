"""The same desk on PostgreSQL, with several workers."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from intake.arrival import Envelope
from intake.receive import Receiver
from mailer.delivery import Mailer
from mailer.schedule import Schedule
from mailer.sealing.seal import Sealer
from store.cases import content, lookup
from store.cases.deadlines import dues
from store.kit.errors import StoreUnavailable
from store.tables import audit
from tests.conftest import Desk, DeskMaker
from tests.support.talk import say, to


def test_mail_in_and_out(make_desk: DeskMaker, database: str, team: list[Person]) -> None:
    desk = make_desk(database_url=database)
    receipt = desk.receive(plain_mail("Exclude: Bo\n\nhello ünï \N{PILE OF POO}"))
    assert desk.case(receipt.codename)["messages"][0]["text"].endswith("hello ünï \N{PILE OF POO}")
    assert {item.recipient for item in desk.mail_out()} == {person.email for person in team if person.id != "bo"} | {
        "sam@reporter.example"
    }
    desk.play.start()
    desk.play.send(plain_mail("by the service", sender="Kim <kim@reporter.example>"))
    desk.play.sink.wait_for(11)
    assert desk.play.command("check").returncode == 0


def test_workers_share_the_outbox_and_the_same_mail_at_once_is_one_case(
    make_desk: DeskMaker, database: str, team: list[Person]
) -> None:
    desk = make_desk(database_url=database)
    context = desk.context
    sealer = Sealer(context.keyring)
    receiver = Receiver(context)
    mails = [plain_mail(f"report {number}", sender=f"r{number}@reporter.example") for number in range(8)] * 3
    stop = threading.Event()

    def work() -> None:
        mailer = Mailer(context, sealer)
        while not stop.is_set():
            if mailer.run_once() == 0:
                time.sleep(0.02)
        mailer.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    with ThreadPoolExecutor(6) as pool:
        receipts = list(
            pool.map(lambda mail: receiver.receive(Envelope(mail, "x@y.example", (desk.play.address,)))[0], mails)
        )
    desk.play.sink.wait_for(8 * 6)
    time.sleep(0.5)
    stop.set()
    for worker in workers:
        worker.join()
    assert Counter(receipt.outcome for receipt in receipts) == {"case": 8, "duplicate": 16}
    assert len({receipt.codename for receipt in receipts}) == 8
    assert Counter(item.recipient for item in desk.play.sink.mails if item.recipient.endswith("team.example")) == {
        person.email: 8 for person in team
    }
    with context.database.read() as session:
        assert audit.verify(session, context.vault) >= 8


def test_two_mails_at_once_do_not_undo_each_other(make_desk: DeskMaker, database: str) -> None:
    desk = make_desk(database_url=database)
    receiver = Receiver(desk.context)

    def receive(mail: bytes) -> str:
        return receiver.receive(Envelope(mail, "sam@reporter.example", (desk.play.address,)))[0].codename

    for number in range(6):
        first = plain_mail(f"Report {number}.")
        name = receive(first)
        own_id = re.search(rb"Message-ID: (<.+>)", first)
        assert own_id is not None
        extra = f"In-Reply-To: {own_id[1].decode()}\n"
        texts = ("Reply: no\n\nStop.", "And more.", "Exclude: Bo", "Who: Somebody")
        with ThreadPoolExecutor(4) as pool:
            names = list(pool.map(lambda text, extra=extra: receive(plain_mail(text, extra=extra)), texts))
        assert set(names) == {name}
        with desk.context.database.read() as session:
            row = lookup.find_row(session, name)
            assert row is not None
            known = content.facts(desk.context.vault, row)
        assert known.asks_quiet, "silence holds"
        assert known.wishes.excluded == ("Bo",)
        assert desk.case(name)["fields"] == {"reported": "Somebody"}


def test_a_server_that_is_away_is_a_passing_trouble(make_desk: DeskMaker, database: str) -> None:
    desk = make_desk(database_url=database)
    desk.receive(plain_mail("one"))
    name = database.rpartition("/")[2]
    with psycopg.connect(database.replace(name, "postgres"), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        with pytest.raises(StoreUnavailable):
            desk.receive(plain_mail("two"))
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert desk.receive(plain_mail("two")).outcome == "case"


def test_the_migrations_fit(make_desk: DeskMaker, database: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlmodel import SQLModel

    desk: Desk = make_desk(database_url=database)
    with desk.context.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []


def test_what_is_due_is_done_once_by_many_and_what_is_destroyed_is_gone(
    make_desk: DeskMaker, database: str, team: list[Person]
) -> None:
    desk = make_desk(database_url=database)
    receipt = desk.receive(plain_mail("x"))
    desk.mail_out()
    workers = [Schedule(desk.context, Sealer(desk.context.keyring)) for _ in range(4)]
    for worker in workers:
        worker.run()
    desk.clock.forward(days=8)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda worker: worker.run(), workers))
    sent = Counter((item.recipient, str(item.headers["Subject"])) for item in desk.mail_out(60))
    assert sent == Counter(
        {
            (person.email, subject): 1
            for person in team
            for subject in ("[conduct] digest", f"[conduct] {receipt.codename}")
        }
    )
    desk.play.command("case", "state", receipt.codename, "closed", "warning")
    assert desk.play.command("case", "destroy", receipt.codename, "--yes").returncode == 0
    with psycopg.connect(database) as connection:
        for table in ("messages", "attachments", "recusals", "notices", "deliveries", "answers"):
            assert connection.execute(f"SELECT count(*) FROM {table} WHERE case_id IS NOT NULL").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM cases WHERE wrapped_key IS NOT NULL").fetchone() == (0,)
    with desk.context.database.read() as session:
        assert audit.verify(session, desk.context.vault) > 0


def test_junk_promises_and_urgency(make_desk: DeskMaker, team: list[Person], database: str) -> None:
    desk = make_desk(database_url=database)
    desk.tick()
    spam = "Received: from a.example by mx.desk.example (Postfix)\nX-Spam-Flag: YES\n"
    assert desk.receive(plain_mail("You won.", sender="w@casino.example", extra=spam)).outcome == "junk"
    name = desk.receive(plain_mail("Ongoing: yes\n\nIt happened.")).codename
    desk.mail_out()
    assert "casino.example" in "\n".join(to(team[0], say(desk, team[0], "/junk")))
    assert "reports now" in " ".join("\n".join(to(team[0], say(desk, team[0], "/notjunk 1"))).split())
    say(desk, team[0], "/reply status", name)
    with desk.context.database.read() as session:
        row = lookup.find_row(session, name)
        assert row is not None
        assert [due.stage for due in dues(lookup.case_of(session, row), desk.context.config.desk[0])] == [
            "respond",
            "status",
        ]
    wave = [
        desk.receive(plain_mail(f"Buy watches today, number {n}.", sender=f"s{n}@w.example")).codename for n in range(3)
    ]
    desk.mail_out()
    for member in team[:2]:
        say(desk, member, "/junk all-like-this", wave[0])
    assert {desk.case(item)["state"] for item in wave} == {"junk"}
    assert desk.play.command("audit", "verify").returncode == 0
