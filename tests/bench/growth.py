"""`make bench`, third table: what becomes of a desk that grows, in readers, in the size of mails, in cases, in workers."""

from __future__ import annotations

import base64
import os
import smtplib
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table
from sqlmodel import insert

from desk import logs
from desk.commands.progress import Step, progress
from desk.demo.mails import pgp_mime, plain_mail, text_entity
from desk.demo.rehearsal import PEOPLE, Person, Rehearsal, make_person
from intake.arrival import Envelope
from intake.receive import Receiver
from mailer.saying.contents import Contents
from store.cases import retention
from store.cases.answers import Answer
from store.cases.lookup import screened_text
from store.cases.overview import Viewer
from store.context import Context, open_context
from store.kit.clock import from_text, to_text
from store.tables.models import CaseRow, DeliveryRow, EventRow, MessageRow, NoticeRow, new_handle, new_id
from tests.conftest import Desk
from tests.support.chaos import Fleet
from tests.support.fast_sink import FastSink
from tests.support.postgresql import cluster

TEXT = "It happened again on Friday. " * 60
READERS = (1, 5, 20, 50)
SIZES = (("1 KB", 1_000, 20), ("1 MB", 1_000_000, 5), ("25 MB", 25_000_000, 1))
CASES = (0, 10_000, 100_000)
WORKERS = (1, 2, 4)
SENDERS = 8


@dataclass
class Bench:
    """Where it plays, who takes part, and the table that it fills."""

    folder: Path
    people: list[Person]
    sam: Person
    table: Table
    step: Step

    def row(self, what: str, how_much: str, value: str) -> None:
        """Add something measured to the table."""
        self.table.add_row(what, how_much, value)
        self.step(1)

    def desk(self, name: str, readers: int = 5, database_url: str = "") -> Rehearsal:
        """A new desk with so many readers, and a mail server."""
        play = Rehearsal(self.folder / name, self.people[:readers], database_url=database_url)
        play.sink = FastSink(self.folder / f"{name}-sink", play.sink.port)
        play.sink.start()
        return play

    def sealed(self, play: Rehearsal, number: int, size: int = 0) -> bytes:
        """A reference mail, or one with a file that makes it as large as is asked."""
        entity = text_entity(f"{number} {TEXT}")
        if size > 10_000:
            head = b"Content-Type: application/octet-stream\nContent-Disposition: attachment; filename=film.mp4\nContent-Transfer-Encoding: base64\n\n"
            entity = head + base64.encodebytes(os.urandom(int(size * 0.53)))  # packed twice, it travels in that size
        return pgp_mime(entity, play.desk_key, self.sam.keyring, sender=f"r{number}@reporter.example")


def main() -> None:
    """Measure and print."""
    logs.set_up(quiet=True)
    table = Table(
        title="Growth: five readers, 2 KB PGP/MIME and SQLite where nothing else is said", title_justify="left"
    )
    for column in ("what", "how much"):
        table.add_column(column)
    table.add_column("value", justify="right")
    with tempfile.TemporaryDirectory(prefix="ob-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        names = [*PEOPLE, *((f"person{number}", f"Person No{number}") for number in range(max(READERS) - len(PEOPLE)))]
        people = [make_person(folder / "people", person, full) for person, full in names]
        sam = make_person(folder / "people", "sam", "Sam", "reporter.example")
        with progress("measuring growth", sum(map(len, (READERS, SIZES, CASES, WORKERS)))) as step:
            bench = Bench(folder, people, sam, table, step)
            for part in (_readers, _sizes, _cases, _workers):
                part(bench)
        for person in (*people, sam):
            person.keyring.close()
    Console(width=100).print(table)


def _timed(play: Rehearsal, mails: list[bytes], sent: int, send: Callable[[int, bytes], None] | None = None) -> float:
    """Seconds from the first mail to the last notice; `sent` is how many mails leave for each."""
    before, started = len(play.sink.mails), time.monotonic()

    def by_smtp(number: int, mail: bytes) -> None:
        play.send(mail, sender=f"r{number}@reporter.example")

    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(send or by_smtp, range(len(mails)), mails))
    play.sink.wait_for(before + sent * len(mails), 600)
    return max(item.at for item in play.sink.mails) - started


def _readers(bench: Bench) -> None:
    for count in READERS:
        play = bench.desk(f"readers{count}", count)
        play.start()
        _timed(play, [bench.sealed(play, -1)], count + 1)
        seconds = _timed(play, [bench.sealed(play, number) for number in range(30)], count + 1)
        bench.row("readers", str(count), f"{30 / seconds:.1f} mails/s in, {30 * count / seconds:.0f} notices/s out")
        play.end()


def _sizes(bench: Bench) -> None:
    play = bench.desk("sizes")
    play.start()
    _timed(play, [bench.sealed(play, -1)], 6)
    for name, size, count in SIZES:
        mails = [bench.sealed(play, size + number, size) for number in range(count)]
        seconds = _timed(play, mails, 6)
        bench.row(
            "size of a mail", f"{name} ({len(mails[0]) / 1e6:.1f} MB as it travels)", f"{seconds / count:.2f} s a mail"
        )
    play.end()


def _cases(bench: Bench) -> None:
    play = bench.desk("cases")
    context = open_context(play.config)
    receiver, first = Receiver(context), 0.0
    before: dict[str, float] = {}
    held = 0
    _intake(receiver, play.address, "warm", 100)
    for count in CASES:
        _fill(context, count - held, "closed")
        _fill(context, count - held, "junk")
        held = count
        rate = _intake(receiver, play.address, str(count), 300)
        first = first or rate
        what = f"{count} closed, {count} junk" if count else "0"
        bench.row("cases in the store", what, f"intake {rate:.0f} plain mails/s, {rate / first:.2f} of that at 0")
        _close_all_but(context, 100)
        for name, seconds in _asked(context, play).items():
            before.setdefault(name, seconds)
            bench.row(name, what, f"{seconds * 1000:.0f} ms, {seconds / before[name]:.2f} of that at 0")
    context.close()
    play.end()


def _intake(receiver: Receiver, address: str, name: str, count: int) -> float:
    """So many plain mails taken in, in this process; how many a second."""
    mails = [
        plain_mail(f"{name} {number} {TEXT}", sender=f"r{name}-{number}@reporter.example") for number in range(count)
    ]
    started = time.monotonic()
    for mail in mails:
        receiver.receive(Envelope(mail, None, (address,)))
    return count / (time.monotonic() - started)


def _close_all_but(context: Context, count: int) -> None:
    """The same number of open cases each time: those are gone over by digests, as they have to be."""
    with context.database.write() as session:
        session.connection().exec_driver_sql(
            "UPDATE cases SET state = 'closed', closed_at = '2026-01-01T00:00:00.000000Z' WHERE state = 'new' AND id NOT IN "
            f"(SELECT id FROM cases WHERE state = 'new' LIMIT {count})"
        )
        session.connection().exec_driver_sql(
            "UPDATE promises SET ended_at = '2026-01-01T00:00:00.000000Z' WHERE ended_at IS NULL"
        )


def _asked(context: Context, play: Rehearsal) -> dict[str, float]:
    """Seconds for what goes over all cases that somebody may know of, the best of three."""
    desk, contents = context.config.desk[0], Contents(context)
    roster = context.roster(desk)
    member = roster.members[0]

    def cases() -> None:
        with context.database.read() as session:
            contents._answer_values(session, desk, Viewer(roster, member.id, context.clock()), Answer(cases=True), None)

    def care() -> None:
        with context.database.write() as session:
            retention.care(session, context.vault, desk, context.clock())

    tried: dict[str, Callable[[], object]] = {
        "a digest": lambda: contents.digest_text(desk, member.id), "/cases": cases, "daily care": care,
        "ombud check": lambda: play.command("check"),
    }  # fmt: skip
    return {name: min(_seconds(action) for _ in range(3)) for name, action in tried.items()}


def _seconds(action: Callable[[], object]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started


def _fill(context: Context, count: int, state: str) -> None:
    """Cases that are done with, as many rows each as a real one; their contents open to nobody."""
    at, raw = "2026-01-01T00:00:00.000000Z", b"x" * 3000
    members = context.roster(context.config.desk[0]).members
    screened = screened_text({member.id: member.identity for member in members})
    with context.database.write() as session:
        connection = session.connection()
        begin = connection.exec_driver_sql("SELECT coalesce(max(seq), 0) FROM events").scalar_one()
        for start in range(0, count, 5000):
            ids = [new_id() for _ in range(min(5000, count - start))]
            rows: dict[type, list[dict[str, object]]] = {
                CaseRow: [],
                MessageRow: [],
                EventRow: [],
                NoticeRow: [],
                DeliveryRow: [],
            }
            for number, case in enumerate(ids):
                rows[CaseRow].append(
                    {
                        "id": case,
                        "codename": case,
                        "desk": "conduct",
                        "state": state,
                        "received_at": to_text(from_text(at) - timedelta(seconds=begin + start + number)),
                        "closed_at": at if state == "closed" else to_text(context.clock()),
                        "wrapped_key": b"x" * 72,
                        "facts_sealed": b"x" * 300,
                        "screened": screened,
                        "handle": new_handle(),
                    }
                )
                rows[MessageRow].append(
                    {
                        "id": new_id(),
                        "case_id": case,
                        "desk": "conduct",
                        "position": 1,
                        "direction": "in",
                        "author": "reporter",
                        "at": at,
                        "digest": new_id(),
                        "body_sealed": raw,
                        "raw_sealed": raw,
                    }
                )
                rows[EventRow].append(
                    {
                        "seq": begin + start + number + 1 + 10_000_000,
                        "case_id": case,
                        "kind": "case-opened",
                        "at": at,
                        "actor": "desk",
                        "detail_digest": case,
                        "link": case,
                    }
                )
                notice = new_id()
                rows[NoticeRow].append(
                    {
                        "id": notice,
                        "case_id": case,
                        "desk": "conduct",
                        "kind": "report",
                        "created": at,
                        "due": at,
                        "done": 1,
                        "reopened": 0,
                    }
                )
                rows[DeliveryRow] += [
                    {
                        "id": new_id(),
                        "notice_id": notice,
                        "case_id": case,
                        "recipient": person,
                        "state": "sent",
                        "reason": "",
                        "tries": 0,
                        "due": at,
                        "message_id": new_id(),
                    }
                    for person, _ in PEOPLE
                ]
            for table, values in rows.items():
                connection.execute(insert(table), values)


def _workers(bench: Bench) -> None:
    with cluster(bench.folder / "pg") as url:
        for count in WORKERS:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE w{count}")
            play = bench.desk(f"workers{count}", database_url=url.replace("/postgres", f"/w{count}"))
            fleet = Fleet(Desk(play), count)
            mails = [bench.sealed(play, number) for number in range(100)]

            def send(number: int, mail: bytes, ports: list[int] = fleet.ports) -> None:
                with smtplib.SMTP("127.0.0.1", ports[number % len(ports)], "localhost", timeout=120) as connection:
                    connection.sendmail("", ["conduct@desk.example"], mail.replace(b"\n", b"\r\n"))

            with fleet:
                seconds = _timed(play, mails, 5, send)
            bench.row("workers on PostgreSQL", str(count), f"{100 / seconds:.1f} mails/s")
            play.end()


if __name__ == "__main__":
    main()
