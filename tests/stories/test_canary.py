"""Unique words in everything that is said on a case, and the search for them wherever they must not be."""

from __future__ import annotations

import base64
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from desk.demo.mails import pgp_mime
from desk.demo.rehearsal import Person
from tests.bench.prove import figure
from tests.conftest import Desk
from tests.support.chaos import ciphertext_audit
from tests.support.talk import headers, member_mail, read

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


def test_nothing_that_was_said_is_found_where_it_must_not_be(
    desk: Desk, team: list[Person], sam: Person, tmp_path: Path
) -> None:
    play = desk.play
    play.start(environment={"TMPDIR": str(tmp_path)})
    ada = team[0]
    with watching() as watch:
        play.send(report(desk, sam))
        play.sink.wait_for(6)
        name = str(headers(play.sink.mails[0])["Subject"]).rpartition(" ")[2]

        def say(text: str, mails: int, entity: bytes | None = None) -> None:
            before = len(play.sink.mails)
            play.send(member_mail(play, ada, text, name, entity=entity), sender=ada.email)
            play.sink.wait_for(before + mails)

        note = (
            f"Content-Type: multipart/mixed; boundary=m\nSubject: Re: [Conduct Team] {name}: new report\n\n--m\nContent-Type: "
            f"text/plain\n\n/field what: {CANARIES['field']}\n\n{CANARIES['note']}\n--m\nContent-Type: image/png\n"
            f'Content-Disposition: attachment; filename="{CANARIES["notefile"]}.png"\n\n{CANARIES["notefile"]}\n--m--\n'
        )
        say("", 5, note.encode())
        say(f"/recuse bo {CANARIES['reason']}", 4)
        say(f"/reply\n{CANARIES['reply']}", 5)
        say("/show\n/cases", 1)
        (mail,) = [
            item
            for item in play.sink.mails
            if "Reply-To" not in item.headers and item.recipient == "sam@reporter.example"
        ][-1:]
        assert CANARIES["reply"] in read(sam, mail)
        extra = f"In-Reply-To: {mail.headers['Message-ID']}\n"
        before = len(play.sink.mails)
        play.send(
            pgp_mime(
                f"Content-Type: text/plain\n\n{CANARIES['later']}\n".encode(), play.desk_key, sam.keyring, extra=extra
            )
        )
        play.sink.wait_for(before + 4)
        play.command("case", "show", name)
        play.command("digest", "preview", "--as", "ada")
        play.command("outbox", "list")
        play.command("check")
        say(f"/state closed warning {CANARIES['reason']}", 4)
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
    sealed = ciphertext_audit(play.sink.mails, team)
    assert sealed > 20
    figure("unique words looked for in files, logs, processes and mails", f"{len(SHAPES)} shapes; found 0")
    figure("sealed mails whose recipients' keys were looked at", f"{sealed}; to a key that is not the reader's: 0")
    # And it was all there to be found: Ada has it.
    hers = "".join(read(ada, item) for item in play.sink.to(ada.email))
    for what in ("body", "subject", "sender", "filename", "field", "reply", "later", "reason"):
        assert CANARIES[what] in hers, what
    bos = "".join(read(team[1], item) for item in play.sink.to(team[1].email))
    assert CANARIES["reason"] not in bos
    assert CANARIES["reply"] not in bos
    play.stop()
    assert play.command("case", "destroy", name, "--yes").returncode == 0
