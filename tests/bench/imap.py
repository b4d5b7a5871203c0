"""`make bench`, second table: a full mailbox, emptied, beside the same code fed in process."""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from desk import logs
from desk.demo.mails import plain_mail
from desk.demo.rehearsal import PEOPLE, Rehearsal, make_person
from intake.arrival import Envelope
from intake.doors.poller import pollers
from intake.receive import Receiver
from store.context import open_context
from tests.support.dovecot import PASSWORD, Dovecot

MAILS = 2000


def main() -> None:
    """Measure and print."""
    logs.set_up(quiet=True)
    with tempfile.TemporaryDirectory(prefix="ob-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        server = Dovecot(folder / "dovecot")
        server.start()
        team = [make_person(folder / "people", person, full) for person, full in PEOPLE]
        play = Rehearsal(folder / "desk", team)
        try:
            _measure(play, server)
        finally:
            server.kill()
            play.end()
            for person in team:
                person.keyring.close()


def _measure(play: Rehearsal, server: Dovecot) -> None:
    (play.folder / "password").write_text(PASSWORD)
    lines = f'\n[[desk.imap]]\nhost = "localhost"\nport = {server.tls_port}\nca_file = "{server.ca_file}"\nuser = "bench"\npassword_file = "password"\n'
    play.config.write_text(play.config.read_text() + lines)
    context = open_context(play.config)
    receiver = Receiver(context)
    text = "It happened again on Friday. " * 60
    mails = [
        plain_mail(f"{number} {text}", sender=f"r{number}@reporter.example").replace(b"\n", b"\r\n")
        for number in range(2 * MAILS)
    ]
    server.put("bench", *mails[:MAILS])
    started = time.monotonic()
    for mail in mails[MAILS:]:
        receiver.receive(Envelope(mail, None, (play.address,)))
    in_process = MAILS / (time.monotonic() - started)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (poller,) = pollers(context.config, receiver)
    started = time.monotonic()
    taken = poller.once().taken
    by_imap = taken / (time.monotonic() - started)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1000
    context.close()
    table = Table(title=f"{MAILS} plain mails of 2 KB taken in, SQLite", title_justify="left")
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_row("in process, as `ombud deliver` does it", f"{in_process:.1f} mails/s")
    table.add_row(f"from a mailbox over TLS ({taken} mails)", f"{by_imap:.1f} mails/s")
    table.add_row("ratio", f"{by_imap / in_process:.2f}")
    table.add_row("memory that the mailbox needed more than the other", f"{grown:.1f} MB")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
