"""`make demo`: a desk with five members, real mail in and out, and proof that a withheld member sees nothing.

Ends with a table, and with a non-zero exit code if anything that it shows does not hold. With a file behind it, a picture
of the first tables is written there (SVG).
"""

from __future__ import annotations

import email
import re
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from email.header import decode_header, make_header
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.table import Table
from rich.text import Text

from desk.demo.form import play_form
from desk.demo.mails import pgp_mime, plain_mail, text_entity, text_of
from desk.demo.rehearsal import PEOPLE, Delivered, Person, Rehearsal, make_person
from desk.demo.talk import play_conversation

WITHHELD = "bo"
REPORTERS = "@reporter.example"
KIM = "Kim <kim@reporter.example>"


@dataclass(frozen=True)
class DemoMail:
    """One mail, and who must be told of it."""

    title: str
    mail: bytes
    readers: tuple[str, ...]
    times: int = 1


def main(picture: Path | None = None) -> int:
    """Play the demo; the exit code."""
    width = 110 if picture else max(110, shutil.get_terminal_size().columns)
    console = Console(width=width, highlight=False, record=picture is not None)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ombud-") as name:
        folder = Path(name)
        console.print(
            "[bold]ombud demo[/]: a throw-away desk, conduct@desk.example, with five members and their own keys"
        )
        team = [make_person(folder / "people", person, full) for person, full in PEOPLE]
        reporter = make_person(folder / "people", "sam", "Sam", "reporter.example")
        stranger = make_person(folder / "people", "stranger", "Stranger")
        play = Rehearsal(folder / "desk", team)
        play.serve_form()
        play.sink.start()
        play.start()
        try:
            ready = time.monotonic()
            console.print(f"keys made, service running after {ready - started:.1f} s\n")
            faults = _play(console, play, team, reporter, stranger)
            if picture:
                _draw(console, picture)
            faults += _show_reporter(console, play, reporter)
            faults += play_conversation(console, play, _withheld(team))
            faults += play_form(console, play, _withheld(team))
        finally:
            play.end()
            for person in (*team, reporter, stranger):
                person.keyring.close()
    console.print(f"\n{time.monotonic() - started:.1f} s in all")
    if faults:
        console.print("[bold red]This does not hold:[/]")
        for fault in faults:
            console.print(f"- {fault}")
        return 1
    console.print("[bold green]Everything above was checked, and holds.[/]")
    return 0


def demo_mails(play: Rehearsal, reporter: Person, stranger: Person) -> list[DemoMail]:
    """The mails of the demo."""
    everyone = tuple(person.id for person in play.team)
    others = tuple(person for person in everyone if person != WITHHELD)
    key = play.desk_key
    autocrypt = "".join(
        reporter.keyring.export(reporter.fingerprint, armored=True).decode().split("\n\n", 1)[1].splitlines()[:-2]
    )
    return [
        DemoMail("a plain report", plain_mail("Somebody followed me home after the meetup.", "Help"), everyone),
        DemoMail(
            "a PGP/MIME report, subject and all",
            pgp_mime(
                text_entity("I was threatened in the hallway. Please keep it quiet.", "What happened on Friday"), key, reporter.keyring,
                reporter.fingerprint, extra=f"Autocrypt: addr={reporter.email}; keydata={autocrypt}\n",
            ),
            everyone,
        ),
        DemoMail(
            "one that excludes a member",
            pgp_mime(text_entity("Exclude: Bo\n\nIt is about a friend of his."), key, reporter.keyring),
            others,
        ),
        DemoMail("one that names a member", plain_mail("Hello team,\n\nit was bo lindqvíst who shouted at us."), others),
        DemoMail("one sent twice", plain_mail("Please call me back.", sender=KIM), everyone, times=2),
        DemoMail("one that cannot be opened", pgp_mime(text_entity("Sealed to the wrong key."), stranger.public_key, reporter.keyring, sender=KIM), everyone),
    ]  # fmt: skip


def _withheld(team: list[Person]) -> Person:
    return next(person for person in team if person.id == WITHHELD)


def _play(console: Console, play: Rehearsal, team: list[Person], reporter: Person, stranger: Person) -> list[str]:
    faults: list[str] = []
    table = Table(title="What became of each mail", title_justify="left")
    for column in ("mail sent by SMTP", "case", "told, and opened with their own key", "withheld", "last notice after"):
        table.add_column(column, overflow="fold")
    withheld = _withheld(team)
    for mail in demo_mails(play, reporter, stranger):
        before, sent = len(play.sink.mails), time.monotonic()
        for _ in range(mail.times):
            play.send(mail.mail)
        play.sink.wait_for(before + len(mail.readers) + 1)
        time.sleep(0.2)  # whatever should not come would come now
        new = play.sink.mails[before:]
        notices = [item for item in new if not item.recipient.endswith(REPORTERS)]
        codenames = {_codename(item) for item in notices}
        codename = ", ".join(sorted(codenames))
        told = [person for person in team if any(item.recipient == person.email for item in notices)]
        faults += _check(mail, team, notices, codenames, told)
        if WITHHELD not in mail.readers:
            faults += _check_no_trace(play, withheld, new, codename)
        last = max(item.at for item in new) - sent
        kept_from = ", ".join(person.name for person in team if person not in told) or "-"
        table.add_row(mail.title, codename, ", ".join(person.id for person in told), kept_from, f"{last:.2f} s")
    console.print(table)
    _show_mailboxes(console, play, team)
    return faults


def _draw(console: Console, picture: Path) -> None:
    """What was printed so far, as a picture that fetches nothing when it is looked at."""
    drawn = console.export_svg(
        title="make demo", code_format=re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.S)
    )
    picture.write_text(drawn, encoding="utf-8")


def _check(
    mail: DemoMail, team: list[Person], notices: list[Delivered], codenames: set[str], told: list[Person]
) -> list[str]:
    faults = []
    if len(codenames) != 1:
        faults.append(f"{mail.title}: {len(codenames)} cases instead of one")
    if tuple(person.id for person in told) != mail.readers or len(notices) != len(mail.readers):
        faults.append(f"{mail.title}: told {[person.id for person in told]}, not {list(mail.readers)}, each once")
    for item in notices:
        openers = [person.email for person in team if person.opens(item.mail) is not None]
        if openers != [item.recipient]:
            faults.append(f"{mail.title}: the mail to {item.recipient} opens with the keys of {openers}")
    return faults


def _check_no_trace(play: Rehearsal, withheld: Person, new: list[Delivered], codename: str) -> list[str]:
    faults = []
    if any(withheld.opens(item.mail) is not None for item in new):
        faults.append(f"{withheld.name}'s key opens a mail on {codename}")
    if any(
        codename.encode() in item.mail or codename.encode() in (withheld.opens(item.mail) or b"")
        for item in play.sink.to(withheld.email)
    ):
        faults.append(f"{withheld.name}'s mailbox has a trace of {codename}")
    answer = play.command("case", "show", codename, "--as", withheld.id)
    nothing = play.command("case", "show", "no-such-case", "--as", withheld.id)
    if answer.returncode != nothing.returncode or answer.stderr.replace(
        codename.encode(), b""
    ) != nothing.stderr.replace(b"no-such-case", b""):
        faults.append(f"asking for {codename} as {withheld.name} is not answered like a case that does not exist")
    return faults


def _show_mailboxes(console: Console, play: Rehearsal, team: list[Person]) -> None:
    cases = list(dict.fromkeys(_codename(item) for item in play.sink.mails if not item.recipient.endswith(REPORTERS)))
    table = Table(title="Each member's mailbox, tried with that member's key", title_justify="left")
    table.add_column("member")
    for case in cases:
        table.add_column(case.replace("-", "\n"))
    for person in team:
        opened = {_codename(item) for item in play.sink.to(person.email) if person.opens(item.mail) is not None}
        table.add_row(person.name, *("opens" if case in opened else Text("no trace", "bold") for case in cases))
    console.print(table)
    first = next(item for item in play.sink.to(team[0].email) if _codename(item) == cases[1])
    console.print(
        f"\nWhat {team[0].name} reads of the encrypted report (subject on the way: ",
        Text(str(first.headers["Subject"])),
        ")",
        sep="",
    )
    protected = team[0].opens(first.mail) or b""
    inside = email.message_from_bytes(protected)
    console.print(
        Text(
            f"\nSubject: {make_header(decode_header(inside['Subject'] or ''))}\n\n{text_of(protected)}".replace(
                "\n", "\n    "
            ),
            "dim",
        )
    )


def _show_reporter(console: Console, play: Rehearsal, reporter: Person) -> list[str]:
    mails = [item for item in play.sink.mails if item.recipient.endswith(REPORTERS)]
    sealed = [item for item in mails if reporter.opens(item.mail) is not None]
    console.print(
        f"The reporters got {len(mails)} acknowledgements, {len(sealed)} of them encrypted (a key came with that mail)."
    )
    codenames = {_codename(item) for item in play.sink.mails if not item.recipient.endswith(REPORTERS)}
    told = [
        item
        for item in mails
        if any(name.encode() in item.mail + (reporter.opens(item.mail) or b"") for name in codenames)
    ]
    return ["an acknowledgement names a case"] if told else []


def _codename(item: Delivered) -> str:
    return str(item.headers["Subject"]).rpartition(" ")[2]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if sys.argv[1:] else None))
