"""Unique words in everything that is said on a case, and the search for them wherever they must not be."""

from __future__ import annotations

import base64
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from desk.demo.mails import pgp_mime
from desk.demo.rehearsal import Delivered, Person
from desk.web import sealing
from tests.bench.prove import figure
from tests.conftest import Desk, DeskMaker
from tests.stories.test_web_crash import with_form
from tests.support.chaos import ciphertext_audit
from tests.support.mailboxes import wait_until
from tests.support.talk import headers, member_mail, read
from tests.support.web import sealed_fields, send

CANARIES = {
    what: f"canary{what}x7q"
    for what in (
        "body",
        "subject",
        "sender",
        "filename",
        "file",
        "note",
        "field",
        "reason",
        "reply",
        "later",
        "notefile",
        "why",
        "letter",
        "answer",
        "person",
        "measure",
        "form",
        "receipt",
        "addition",
    )
}


def shapes(word: str) -> set[bytes]:
    """A word as it could lie somewhere: as it is, in capitals, in UTF-16, hexadecimal, quoted-printable and base64 at any offset."""
    plain = word.encode()
    found = {plain, plain.upper(), word.encode("utf-16-le"), word.encode("utf-16-be"), plain.hex().encode()}
    found.add("".join(f"={octet:02X}" for octet in plain).encode())
    for offset in range(3):
        encoded = base64.b64encode(b"x" * offset + plain)
        # Without the characters that what stands before and behind would change.
        found.add(encoded[4 if offset else 0 : len(encoded) - 4])
    return found


SHAPES = {shape for word in CANARIES.values() for shape in shapes(word)}


def traces(content: bytes) -> list[bytes]:
    """The shapes that turn up in some octets."""
    return [shape for shape in SHAPES if shape in content]


class Watch(threading.Thread):
    """Looks at the arguments and environments of all processes, all along."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.found: list[str] = []
        self.seen: set[bytes] = set()
        self.done = threading.Event()

    def run(self) -> None:
        """Look until it is over."""
        own = str(os.getpid())
        while not self.done.is_set():
            for process in Path("/proc").iterdir():
                if process.name.isdigit() and process.name != own:
                    self._look(process)
            time.sleep(0.002)

    def _look(self, process: Path) -> None:
        for name in ("cmdline", "environ"):
            try:
                content = (process / name).read_bytes()
            except OSError:
                continue
            if name == "cmdline":
                self.seen.add(content.split(b"\0")[0].rpartition(b"/")[2])
            self.found += [f"{name}: {trace!r}" for trace in traces(content)]


@contextmanager
def watching() -> Iterator[Watch]:
    watch = Watch()
    watch.start()
    yield watch
    watch.done.set()
    watch.join()


def report(desk: Desk, sam: Person) -> bytes:
    """A sealed report whose every part holds a canary; the desk's key comes with it."""
    key = "".join(sam.public_key.decode().split("\n\n", 1)[1].splitlines()[:-2])
    entity = (
        f'Content-Type: multipart/mixed; boundary=m; protected-headers="v1"\nSubject: {CANARIES["subject"]}\n\n--m\n'
        f"Content-Type: text/plain; charset=utf-8\n\n{CANARIES['body']}\n\nWhen: {CANARIES['field']}\n--m\n"
        f'Content-Type: application/pdf\nContent-Disposition: attachment; filename="{CANARIES["filename"]}.pdf"\n\n'
        f"{CANARIES['file']}\n--m--\n"
    ).encode()
    sender = f"{CANARIES['sender']} <sam@reporter.example>"
    extra = f"Autocrypt: addr=sam@reporter.example; keydata={key}\n"
    return pgp_mime(entity, desk.play.desk_key, sam.keyring, sam.fingerprint, sender=sender, extra=extra)


def with_attachment(name: str, text: str, kind: str, data: str) -> bytes:
    """What a member writes on a case, with a file."""
    return (
        f"Content-Type: multipart/mixed; boundary=m\nSubject: Re: [Conduct Team] {name}: new report\n\n--m\nContent-Type: "
        f"text/plain\n\n{text}\n--m\nContent-Type: {kind}\n\n{data}\n--m--\n"
    ).encode()


class Life:
    """A running desk, and what is said with it."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.play, self.name, self._before = desk, desk.play, "", 0

    def settle(self, least: int) -> list[Delivered]:
        """Wait until so many more mails were sent, and none waits; they are."""
        before = self._before
        self.play.sink.wait_for(before + least)
        wait_until(lambda: not self.desk.outbox())
        self._before = len(self.play.sink.mails)
        return self.play.sink.mails[before:]

    def send(self, mail: bytes, least: int, sender: str = "sam@reporter.example") -> list[Delivered]:
        """Send a mail, and what is sent for it."""
        self.play.send(mail, sender=sender)
        return self.settle(least)

    def say(self, member: Person, text: str, least: int, entity: bytes | None = None) -> list[Delivered]:
        """Have a member write on the case."""
        return self.send(member_mail(self.play, member, text, self.name, entity=entity), least, member.email)


def conversation(life: Life, team: list[Person], sam: Person) -> None:
    """A report, notes, a field, a recusal, a reply, what the reporter writes then."""
    ada = team[0]
    (notice, *_) = life.send(report(life.desk, sam), 6)
    life.name = str(headers(notice)["Subject"]).rpartition(" ")[2]
    note = (
        f"Content-Type: multipart/mixed; boundary=m\nSubject: Re: [Conduct Team] {life.name}: new report\n\n--m\nContent-Type: "
        f"text/plain\n\n/field what: {CANARIES['field']}\n\n{CANARIES['note']}\n--m\nContent-Type: image/png\n"
        f'Content-Disposition: attachment; filename="{CANARIES["notefile"]}.png"\n\n{CANARIES["notefile"]}\n--m--\n'
    )
    life.say(ada, "", 5, note.encode())
    life.say(ada, f"/recuse bo {CANARIES['reason']}", 4)
    replied = life.say(ada, f"/reply\n{CANARIES['reply']}", 5)
    life.say(ada, "/show\n/cases", 1)
    (mail,) = [item for item in replied if item.recipient == sam.email]
    assert CANARIES["reply"] in read(sam, mail)
    extra = f"In-Reply-To: {mail.headers['Message-ID']}\n"
    later = f"Content-Type: text/plain\n\n{CANARIES['later']}\n".encode()
    life.send(pgp_mime(later, life.play.desk_key, sam.keyring, extra=extra), 4)


def procedure(life: Life, team: list[Person], stranger: Person) -> None:
    """Somebody else is heard, readers decide, a measure is kept, one has the archive."""
    ada, _, chidi, *_ = team
    line = f"/write Kim <{stranger.email}> as witness\n\n{CANARIES['letter']}"
    key = stranger.public_key.decode()
    sent = life.say(ada, "", 5, with_attachment(life.name, line, "application/pgp-keys; name=kim.asc", key))
    (letter,) = [item for item in sent if item.recipient == stranger.email]
    assert CANARIES["letter"] in read(stranger, letter)
    answer = pgp_mime(
        f"Content-Type: text/plain\n\n{CANARIES['answer']}\n".encode(), life.play.desk_key, stranger.keyring, stranger.fingerprint,
        sender=stranger.email, extra=f"In-Reply-To: {headers(letter)['Message-ID']}\n",
    )  # fmt: skip
    life.send(answer, 4, stranger.email)
    life.say(ada, f"/propose warning {CANARIES['why']}", 4)
    life.say(chidi, "/agree 1", 4)
    life.say(ada, f"/state decided\n/measure {CANARIES['person']} Vale: {CANARIES['measure']}", 4)
    life.say(ada, "/measures\n/export", 1)


def by_form(life: Life, site: str) -> None:
    """A report by the form, and what is added with its receipt."""
    fields = sealed_fields(life.desk, CANARIES["receipt"], CANARIES["form"])
    assert send(site, "sealed", fields)[0] == 200
    life.settle(5)
    assert send(site, "open", {"lookup": fields["lookup"]})[1]["found"]
    more = sealing.sealed_report(life.desk.context.keyring, life.desk.context.config.desk[0], CANARIES["addition"], ())
    assert send(site, "more", {"lookup": fields["lookup"], "message": more})[0] == 200
    life.settle(5)


@pytest.mark.parametrize("custody", ["process", "agent"])
def test_nothing_that_was_said_is_found_where_it_must_not_be(
    make_desk: DeskMaker, team: list[Person], sam: Person, stranger: Person, tmp_path: Path, custody: str
) -> None:
    desk = make_desk()
    site, play, ada = with_form(desk), desk.play, team[0]
    play.change_config('# custody = "process"', f'custody = "{custody}"')
    play.start(environment={"TMPDIR": str(tmp_path)})
    life = Life(desk)
    with watching() as watch:
        conversation(life, team, sam)
        procedure(life, team, stranger)
        by_form(life, site)
        for line in (
            ("case", "show", life.name), ("digest", "preview", "--as", "ada"), ("outbox", "list"), ("check",), ("measures", "list"),
        ):  # fmt: skip
            assert play.command(*line).returncode == 0 or line == ("check",), line  # a rehearsal has no canary outside
        life.say(ada, f"/state closed warning {CANARIES['reason']}", 4)
        limits = Path(f"/proc/{play.pid}/limits").read_text().splitlines()
        assert next(line.split()[4:6] for line in limits if line.startswith("Max core file size")) == ["0", "0"]
    assert b"gpg" in watch.seen, "the watch saw GnuPG at work"
    assert watch.found == []
    for folder in (play.folder, tmp_path):
        for file in folder.rglob("*"):
            if file.is_file() and not file.is_socket():
                assert traces(file.read_bytes()) == [], file.name
                assert traces(str(file).encode()) == []
    for item in play.sink.mails:
        assert traces(item.mail) == []
    sealed = ciphertext_audit(play.sink.mails, [*team, sam, stranger])
    assert sealed > 20
    figure(
        f"unique words looked for in files, logs, processes and mails, keys with the {custody}",
        f"{len(SHAPES)} shapes; found 0",
    )
    figure(
        f"sealed mails whose recipients' keys were looked at, keys with the {custody}",
        f"{sealed}; to a key that is not the reader's: 0",
    )
    # And it was all there to be found: Ada has it.
    hers = "".join(read(ada, item) for item in play.sink.to(ada.email))
    for what in (
        "body",
        "subject",
        "sender",
        "filename",
        "field",
        "reply",
        "later",
        "reason",
        "letter",
        "answer",
        "why",
        "person",
        "measure",
        "form",
        "addition",
    ):
        assert CANARIES[what] in hers, what
    bos = "".join(read(team[1], item) for item in play.sink.to(team[1].email))
    for what in ("reason", "reply", "letter", "answer", "why", "measure"):
        assert CANARIES[what] not in bos, what
    play.stop()
    assert play.command("case", "destroy", life.name, "--yes").returncode == 0
