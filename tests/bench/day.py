"""`make bench`, fifth table: the memory of a desk over a day of load, hour by hour, in a minute or two: sealed and plain reports, and what members
write on them. It is to be flat after the first hours."""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from desk import logs
from desk.commands.progress import progress
from desk.demo.mails import pgp_mime, plain_mail, text_entity
from desk.demo.rehearsal import PEOPLE, Person, Rehearsal, make_person
from tests.bench.mails import memory
from tests.support.fast_sink import FastSink
from tests.support.talk import member_mail

HOURS = 24
SEALED, PLAIN, NOTES = 30, 10, 10  # an hour
SHOWN = (1, 2, 4, 8, 12, 16, 20, 24)
TEXT = "It happened again on Friday. " * 60


def main() -> None:
    """Measure and print."""
    logs.set_up(quiet=True)
    table = Table(title=f"A day of load: {SEALED + PLAIN} reports and {NOTES} notes an hour", title_justify="left")
    table.add_column("after hour")
    table.add_column("reports so far", justify="right")
    table.add_column("memory of all processes", justify="right")
    with tempfile.TemporaryDirectory(prefix="ob-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        people = [make_person(folder / "people", person, full) for person, full in PEOPLE]
        sam = make_person(folder / "people", "sam", "Sam", "reporter.example")
        play = Rehearsal(folder / "desk", people)
        play.sink = FastSink(folder / "sink", play.sink.port)
        play.sink.start()
        try:
            play.start()
            with progress("an hour at a time", HOURS) as step:
                for hour in range(1, HOURS + 1):
                    _hour(play, hour, people[0], sam)
                    if hour in SHOWN:
                        table.add_row(str(hour), str(hour * (SEALED + PLAIN)), f"{memory(play.pid):.0f} MB")
                    step(1)
        finally:
            play.end()
            for person in (*people, sam):
                person.keyring.close()
    Console(width=100).print(table)


def _hour(play: Rehearsal, hour: int, member: Person, sam: Person) -> None:
    """The mail of one hour, sent at once; returns when all of what it leads to has left."""
    mails = []
    for number in range(SEALED + PLAIN):
        sender, text = f"r{hour}-{number}@reporter.example", f"{hour} {number} {TEXT}"
        if number < SEALED:
            mail = pgp_mime(text_entity(text), play.desk_key, sam.keyring, sender=sender)
        else:
            mail = plain_mail(text, sender=sender)
        mails.append((mail, sender))
    before = len(play.sink.mails)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda item: play.send(item[0], sender=item[1]), mails))
    play.sink.wait_for(before + (len(PEOPLE) + 1) * len(mails), 120)  # notices, and an acknowledgement
    codename = str(play.sink.to(member.email)[-1].headers["Subject"]).rpartition(" ")[2]
    before = len(play.sink.mails)
    for number in range(NOTES):
        play.send(member_mail(play, member, f"A note, {hour} {number}.", codename), sender=member.email)
    play.sink.wait_for(before + NOTES * (len(PEOPLE) - 1), 120)
    time.sleep(1)


if __name__ == "__main__":
    main()
