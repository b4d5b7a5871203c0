"""`make bench`: where the milliseconds of a mail go, stage by stage, each alone in one thread.

The reference mail of `tests.bench.mails`: 2 KB of PGP/MIME to five readers. Time is that of the processor in this process; the
relay's side (Postfix's smtp-sink) is not in it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from desk.demo.mails import pgp_mime, text_entity
from desk.demo.rehearsal import PEOPLE, Person, Rehearsal, make_person
from desk.ticker import look_at_rosters
from intake import reader_process
from intake.arrival import Envelope, Job
from intake.asking.directives import ReporterRequest
from intake.open_job import Tools, open_job
from intake.receive import Receiver
from mailer.delivery import Mailer
from mailer.sealing.seal import Sealer
from store.context import Context, open_context
from tests.support.fast_sink import FastSink

MAILS, FIRST = 100, 10


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="ob-") as name:
        folder = Path(name)
        team = [make_person(folder / "people", person, full) for person, full in PEOPLE]
        sam = make_person(folder / "people", "sam", "Sam", "reporter.example")
        play = Rehearsal(folder / "desk", team)
        play.sink = sink = FastSink(folder / "sink", play.sink.port)
        sink.start()
        context = open_context(play.config)
        try:
            table = _measure(play, context, team, sam)
        finally:
            context.close()
            reader_process.stop()
            play.end()
            for person in (*team, sam):
                person.keyring.close()
    Console(width=100).print(table)


def _measure(play: Rehearsal, context: Context, team: list[Person], sam: Person) -> Table:
    text = "It happened again on Friday. " * 60
    mails = [
        pgp_mime(text_entity(f"{number} {text}"), play.desk_key, sam.keyring, sender=f"r{number}@reporter.example")
        for number in range(MAILS + FIRST)
    ]
    look_at_rosters(context)
    keyring, desk, fingerprint = context.keyring, context.config.desk[0], play.made.fingerprint
    roster, tools = context.roster(desk), Tools(keyring, context.config.is_own)
    jobs = [
        Job(
            desk,
            ReporterRequest(),
            Envelope(mail.replace(b"\n", b"\r\n"), "r@reporter.example", (play.address,)),
            "x",
            roster,
        )
        for mail in mails
    ]
    receiver, mailer, readers = Receiver(context), Mailer(context, Sealer(keyring)), [item.fingerprint for item in team]
    sealed = keyring.seal_to_key(b"x" * 2048, play.desk_key, None)

    def take_in(job: Job) -> None:
        receiver.receive(replace(job.envelope, sender="r@reporter.example"))

    rows = [
        ("opened by an engine", _each(lambda _: keyring.decrypt(sealed), jobs)),
        ("read, opened and searched, in a reader process", _each(lambda job: open_job(job, tools), jobs)),
        ("taken in: handed to a reader, written down", _each(take_in, jobs)),
        (
            "sealed to five readers by an engine",
            _each(lambda _: keyring.seal_each(b"x" * 4096, readers, fingerprint), jobs),
        ),
        (
            "signed by an engine (an acknowledgement in plain)",
            _each(lambda _: keyring.sign(b"x" * 800, fingerprint), jobs),
        ),
    ]
    before = time.process_time()
    while mailer.run_once():
        pass
    rows.append(("sent: claimed, rendered, sealed, six mails to the relay", (time.process_time() - before) / len(jobs)))
    mailer.close()
    table = Table(title="One mail of 2 KB to five readers, stage by stage", title_justify="left")
    table.add_column("stage")
    table.add_column("processor time", justify="right")
    for stage, seconds in rows:
        table.add_row(stage, f"{seconds * 1000:.2f} ms")
    return table


def _each(work: Callable[[Job], object], jobs: list[Job]) -> float:
    """Seconds of the processor for each job, after a few that do not count."""
    for job in jobs[:FIRST]:
        work(job)
    before = time.process_time()
    for job in jobs[FIRST:]:
        work(job)
    return (time.process_time() - before) / len(jobs[FIRST:])


if __name__ == "__main__":
    main()
