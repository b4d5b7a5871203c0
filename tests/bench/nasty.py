"""`make bench`, fourth table: what the worst mails cost in a reader process, in seconds of processor time and in memory."""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from desk import logs
from desk.demo.rehearsal import PEOPLE, Rehearsal, make_person
from intake import reader_process
from intake.arrival import Envelope, Job
from intake.asking.directives import ReporterRequest
from intake.reader_process import Unreadable
from store.context import open_context
from store.kit.config import Config
from tests.support.nasty import NASTY


def measured(config: Config, job: Job) -> tuple[float, int]:
    """In a reader process of its own: processor seconds that reading a mail takes, and the MB that the process had at most."""
    before = time.process_time()
    reader_process._read(config, job, "")
    return time.process_time() - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000


def main() -> None:
    """Print a table, the costly ones first."""
    logs.set_up(quiet=True)
    rows: list[tuple[float, str, int, int, str]] = []
    with tempfile.TemporaryDirectory(prefix="ob-") as name:
        folder = Path(name)
        team = [make_person(folder / "t", person, called) for person, called in PEOPLE]
        play = Rehearsal(folder / "desk", team)
        context = open_context(play.config)
        desk = context.config.desk[0]
        for what, make in NASTY.items():
            mail = make()
            job = Job(
                desk,
                ReporterRequest(),
                Envelope(mail, "kim@reporter.example", (desk.address,)),
                "",
                context.roster(desk),
            )
            reader_process.stop()
            try:
                seconds, megabytes = reader_process.run(measured, context.config, job)
                rows.append((seconds, what, len(mail), megabytes, "read"))
            except Unreadable as error:
                rows.append((reader_process.CPU_SECONDS, what, len(mail), 0, f"held: {error}"))
        reader_process.stop()
        context.close()
        play.end()
        for person in team:
            person.keyring.close()
    table = Table(title="The worst mails", title_justify="left")
    for column in ("mail", "kB", "CPU s", "MB", "ends"):
        table.add_column(column, justify="left" if column in ("mail", "ends") else "right")
    for seconds, what, size, megabytes, ends in sorted(rows, reverse=True):
        table.add_row(what, f"{size // 1000}", f"{seconds:.2f}", f"{megabytes}", ends)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
