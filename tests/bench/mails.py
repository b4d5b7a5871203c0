"""`make bench`: how fast a desk is, beside what raw gpg does in the same run on the same machine.

The reference mail is 2 KB, PGP/MIME, to five readers: one gpg call opens it, one signs and seals it to five, one
signs the acknowledgement. Everything runs on this machine's cores, the sender and the receiving server (Postfix's smtp-sink) as
well.
"""

from __future__ import annotations

import base64
import contextlib
import os
import smtplib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from desk.commands.progress import Step, progress
from desk.demo.mails import pgp_mime, text_entity
from desk.demo.rehearsal import PEOPLE, Person, Rehearsal, make_person
from tests.support.fast_sink import FastSink
from tests.support.processes import descendants

MAILS = 400
_SECOND_ENDS = 12.0  # the process that sends while many notices wait ends when none does
CORES = os.cpu_count() or 1
LARGE = 17_900_000  # octets; 25 MB as it travels, in base64


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="ob-") as name:
        folder = Path(name)
        team = [make_person(folder / "people", person, full) for person, full in PEOPLE]
        sam = make_person(folder / "people", "sam", "Sam", "reporter.example")
        play = Rehearsal(folder / "desk", team)
        play.sink = sink = FastSink(folder / "sink", play.sink.port)
        sink.start()
        try:
            with progress("measuring", 4) as step:
                table = _measure(play, sink, team, sam, step)
        finally:
            play.end()
            for person in (*team, sam):
                person.keyring.close()
    Console(width=100).print(table)


def _measure(play: Rehearsal, sink: FastSink, team: list[Person], sam: Person, step: Step) -> Table:
    key = play.desk_key
    text = "It happened again on Friday. " * 60
    mails = [
        pgp_mime(text_entity(f"{number} {text}"), key, sam.keyring, sender=f"r{number}@reporter.example")
        for number in range(MAILS)
    ]
    raw = _raw_gpg(play, team, mails[0])
    step(1)
    play.start()
    play.send(mails.pop())
    play.sink.wait_for(6)
    rate, latencies, cpu = through(play, mails)
    step(1)
    table = Table(title=f"2 KB PGP/MIME, five readers, listener to sink, SQLite, {CORES} cores", title_justify="left")
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_row("raw gpg alone: open, sign and seal to five, sign", f"{raw:.1f} mails/s")
    table.add_row("ombud", f"{rate:.1f} mails/s")
    table.add_row("ratio", f"{rate / raw:.2f}")
    table.add_row("from 250 to the last notice, p50", f"{statistics.median(latencies) * 1000:.0f} ms")
    table.add_row("from 250 to the last notice, p99", f"{sorted(latencies)[int(len(latencies) * 0.99)] * 1000:.0f} ms")
    table.add_row("CPU of the service and its gpg, per mail", f"{cpu * 1000:.0f} ms")
    alone = _alone(play)
    table.add_row("the same on a quiet desk, one mail at a time, p50", f"{alone * 1000:.0f} ms")
    time.sleep(_SECOND_ENDS)
    table.add_row("resident memory, idle after that", f"{memory(play.pid):.0f} MB")
    seconds, most = _large(play, sink, sam)
    step(1)
    table.add_row("25 MB mail, from sending to the last notice", f"{seconds:.1f} s")
    table.add_row("resident memory, at most, with that mail", f"{most:.0f} MB")
    table.add_row("`ombud deliver`, handing over to the service", f"{_deliver(play) * 1000:.0f} ms")
    step(1)
    return table


def _raw_gpg(play: Rehearsal, team: list[Person], mail: bytes) -> float:
    """Mails a second if only gpg had to work: three calls for each mail, as many at a time as there are cores."""
    home = str(play.folder / "gnupg")
    for person in team:
        subprocess.run(
            ["gpg", "--homedir", home, "--batch", "--import"], input=person.public_key, capture_output=True, check=True
        )
    base = ["gpg", "--homedir", home, "--batch", "--trust-model", "always", "--no-options", "--disable-dirmngr"]
    to = [part for person in team for part in ("-r", person.fingerprint)]
    armored = mail[mail.index(b"-----BEGIN PGP") : mail.rindex(b"--b1--")]
    calls = [
        ([*base, "-d"], armored),
        ([*base, "-z", "0", "-s", "-u", play.made.fingerprint, "-e", *to], b"x" * 4096),
        ([*base, "--detach-sign", "-a", "-u", play.made.fingerprint], b"x" * 800),
    ]

    def one(_: int) -> None:
        for command, data in calls:
            subprocess.run(command, input=data, capture_output=True, check=True)

    one(0)
    with ThreadPoolExecutor(CORES) as pool:
        started = time.monotonic()
        list(pool.map(one, range(MAILS)))
        return MAILS / (time.monotonic() - started)


def through(play: Rehearsal, mails: list[bytes]) -> tuple[float, list[float], float]:
    """Mails a second, seconds from 250 to the last notice, and CPU seconds for each mail."""
    before, accepted = len(play.sink.mails), {}
    cpu = _cpu(play.pid)
    waiting = list(enumerate(mails))
    lock = threading.Lock()

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", play.port, "localhost", timeout=120) as connection:
            while True:
                with lock:
                    if not waiting:
                        return
                    number, mail = waiting.pop()
                connection.sendmail(f"r{number}@reporter.example", [play.address], mail.replace(b"\n", b"\r\n"))
                accepted[number] = time.monotonic()

    started = time.monotonic()
    senders = [threading.Thread(target=send) for _ in range(2 * CORES)]
    for sender in senders:
        sender.start()
    play.sink.wait_for(before + 6 * len(mails), 300)
    took = max(item.at for item in play.sink.mails) - started
    for sender in senders:
        sender.join()
    last: dict[str, float] = {}
    answered: dict[str, str] = {}
    for item in play.sink.mails[before:]:
        last[item.headers["Subject"]] = item.at
        answered[item.recipient] = ""
    # Which case a mail became is not told by the notices: the n-th mail accepted is set against the n-th case done.
    latencies = [
        done - at
        for done, at in zip(
            sorted(last[subject] for subject in last if subject.startswith("[")), sorted(accepted.values()), strict=True
        )
    ]
    return len(mails) / took, latencies, (_cpu(play.pid) - cpu) / len(mails)


def _alone(play: Rehearsal) -> float:
    """Seconds from 250 to the last notice when nothing else is going on."""
    times = []
    for number in range(15):
        before = len(play.sink.mails)
        play.send(
            f"From: a{number}@reporter.example\n\nIt happened. {number}".encode(), sender=f"a{number}@reporter.example"
        )
        accepted = time.monotonic()
        play.sink.wait_for(before + 6, 30)
        times.append(max(item.at for item in play.sink.mails) - accepted)
    return statistics.median(times)


def _large(play: Rehearsal, sink: FastSink, sam: Person) -> tuple[float, float]:
    """Seconds from sending to the last notice, and the most memory (MB) meanwhile."""
    before, started, most = sink.arrived(), time.monotonic(), 0.0
    entity = (
        b"Content-Type: application/octet-stream\nContent-Disposition: attachment; filename=film.mp4\nContent-Transfer-Encoding: base64\n\n"
        + base64.encodebytes(os.urandom(LARGE // 4 * 3))
    )
    mail = pgp_mime(entity, play.desk_key, sam.keyring, sender="large@reporter.example")
    sender = threading.Thread(target=play.send, args=(mail,))
    started = time.monotonic()
    sender.start()
    while sink.arrived() < before + 6 and time.monotonic() < started + 120:
        most = max(most, memory(play.pid))
        time.sleep(0.02)
    sender.join()
    return time.monotonic() - started, most


def _deliver(play: Rehearsal) -> float:
    times = []
    for number in range(7):
        mail = f"From: d{number}@reporter.example\n\n{number}".encode()
        started = time.monotonic()
        command = [str(Path(sys.executable).with_name("ombud")), "deliver", "--config", str(play.config), play.address]
        subprocess.run(command, input=mail, capture_output=True, check=True)
        times.append(time.monotonic() - started)
    return statistics.median(times)


def memory(pid: int) -> float:
    """Megabytes in use; what the processes share is counted once."""
    kilobytes = 0
    for item in {pid, *descendants(pid)}:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{item}/smaps_rollup").read_text().splitlines()
            kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kilobytes / 1000


def _cpu(pid: int) -> float:
    """Seconds that the service and the programs that it started have used."""
    ticks = 0
    for item in {pid, *descendants(pid)}:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{item}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
