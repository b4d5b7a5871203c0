"""`ombud init` on a terminal: each answer is tried at once, asked for again by itself, and never lost."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pexpect
import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person, Sink, command, free_port
from desk.setup.interview_team import offered_id
from store.kit.config import load
from tests.desk.test_init import end
from tests.support.dovecot import PASSWORD, TOKEN, Dovecot
from tests.support.talk import read


@pytest.fixture
def relay() -> Sink:
    sink = Sink()
    sink.start()
    return sink


def _hear_interrupts() -> None:
    """As on a terminal: a shell that starts something in the background has it ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Conversation:
    """`ombud init` on a terminal of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self._said = pexpect.spawn(
            sys.executable, ["-m", "desk", "init", str(folder)], timeout=40, encoding="utf-8", dimensions=(50, 300),
            env={**os.environ, **environment}, preexec_fn=_hear_interrupts,
        )  # fmt: skip
        self._said.logfile_read = self._all = io.StringIO()

    def turns(self, *turns: tuple[str, str]) -> None:
        """Wait for each question, and answer it."""
        for question, answer in turns:
            self._said.expect_exact(question)
            self._said.sendline(answer)

    def hears(self, text: str) -> None:
        """Wait for something to be said."""
        self._said.expect_exact(text)

    def interrupt(self) -> str:
        """Ctrl-C; all that was said. Pressed again where it came just before the program began to listen."""
        for _ in range(20):
            self._said.sendintr()
            if self._said.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=2) == 0:
                break
        return self.end()

    def end(self) -> str:
        """Wait for the end; all that was said."""
        self._said.expect(pexpect.EOF)
        self._said.close()
        return self._all.getvalue()

    @property
    def code(self) -> int | None:
        """The exit code."""
        code: int | None = self._said.exitstatus
        return code


def test_a_conversation_tries_each_answer_at_once(
    short_tmp: Path, tmp_path: Path, team: list[Person], relay: Sink, dovecot: Dovecot, user: str
) -> None:
    folder = short_tmp / f"init{time.monotonic_ns()}"
    key = tmp_path / "ada.asc"
    key.write_bytes(team[0].public_key)
    said = Conversation(folder)
    said.turns(
        ("Address of the desk", "nonsense"), ("Address of the desk", "conduct@desk.example"), ("Name that people see", "Conduct"),
        ("Your own address", "operator@desk.example"), ("Language of the desk", "xx"), ("Language of the desk", "de"),
        ("opens the backups", ""), ("Which", "7"), ("Which", "2"),
        ("IMAP server", "localhost"), ("tls, starttls or none", "none"), ("Port", str(dovecot.port)), ("User", user), ("Log in", ""), ("Password", "wrong"),
        ("Keep it all the same", "n"),
        # What was answered is the default now.
        ("IMAP server [localhost]", ""), ("[none]", ""), (f"Port [{dovecot.port}]", ""), (f"User [{user}]", ""), ("Log in", ""), ("Password", PASSWORD),
    )  # fmt: skip
    said.hears("The mailbox opens.")
    said.turns(
        ("Mail server (relay)", ""), ("tls, starttls or none", ""), ("Port", str(free_port())), ("User", ""), ("Keep it all the same", "n"),
        ("Mail server (relay)", ""), ("tls, starttls or none", ""), ("Port", str(relay.port)), ("User", ""),
    )  # fmt: skip
    said.hears("The relay takes mail.")
    said.turns(
        ("Name of member 1", team[0].name), ("short id", ""), ("address", team[0].email), ("file with their public key", str(tmp_path / "no.asc")),
        ("file with their public key", str(key)),
    )  # fmt: skip
    said.hears(team[0].fingerprint[:4])
    said.turns(
        ("nicknames and handles", "Lady A, aq"), ("last day of their term", "2099-12-31"), ("role", "lead"),
        ("language that they read", ""), ("Name of member 2", ""), ("Is that right?", ""),
    )  # fmt: skip
    said.hears("a sealed test notice was sent")
    text = said.end()
    assert "One member alone" in text
    assert PASSWORD not in text
    assert (folder / "mailbox-password").stat().st_mode & 0o077 == 0
    (test,) = relay.to(team[0].email)
    assert "eine erste Mail, um zu sehen, ob sie sich öffnet" in read(team[0], test)
    assert load(folder / "ombud.toml").desk[0].language == "de"
    dovecot.put(user, plain_mail("from the mailbox"))
    assert command(folder / "ombud.toml", "poll", "--once").returncode == 0
    assert len(relay.to(team[0].email)) == 2
    dovecot.put(user, plain_mail("It was Lady A."))
    assert command(folder / "ombud.toml", "poll", "--once").returncode == 0
    assert len(relay.to(team[0].email)) == 2, "a report that names a nickname is kept from who bears it"
    assert not (folder / ".init-answers.json").exists()
    end(folder, relay)


def test_every_wrong_answer_is_asked_for_again_at_once_and_by_itself(
    short_tmp: Path, tmp_path: Path, team: list[Person], relay: Sink, expired: bytes
) -> None:
    """And what was typed outlives Ctrl-C, but for passwords."""
    folder = short_tmp / f"init{time.monotonic_ns()}"
    files = {
        "ada": team[0].public_key, "bo": team[1].public_key, "two": team[0].public_key + team[1].public_key, "expired": expired,
        "secret": subprocess.run(["gpg", "--homedir", str(team[0].keyring.home), "--armor", "--export-secret-keys", team[0].fingerprint],
                                 capture_output=True, check=True).stdout, "none": b"ssh-ed25519 AAAA",
    }  # fmt: skip
    for name, content in files.items():
        (tmp_path / f"{name}.asc").write_bytes(content)
    said = Conversation(folder)
    said.turns(
        ("Address of the desk", "conduct@desk.example"), ("Name that people see", ""), ("Your own address", "conduct@desk.example"),
        ("This is the desk's own", ""), ("Language", ""), ("opens the backups", ""), ("Which", "1"), ("Protocol", ""), ("Port to listen", str(relay.port)),
        ("is in use by another program", str(free_port())), ("Mail server (relay)", ""), ("tls, starttls", ""), ("Port", "70000"),
        ("from 1 to 65535", str(relay.port)), ("User", ""),
        ("Name of member 1", "Sam Öne"), ("short id [sam]", "Ada"), ("It must be lower-case letters", "me"), ("a meaning of its own", ""),
        ("address", "a b"), ("It must be a plain mail address", "sam@team.example"),
        ("file with", str(tmp_path / "expired.asc")), ("This key has expired", str(tmp_path / "secret.asc")),
        ("must not leave its owner", str(tmp_path / "two.asc")), ("There are 2 keys", str(tmp_path / "none.asc")),
        ("is no OpenPGP key", str(tmp_path)), ("it is a folder", str(tmp_path / "ada.asc")), ("make sure that it is theirs".capitalize(), ""),
        ("last day", "some day"), ("It must be a day as 2027-12-31", "31.2.2099"), ("no such day", "2001-01-01"),
        ("2001-01-01 is in the past", "31.12.2099"), ("role", "boss"), ("Answer one of", ""), ("language", ""),
        ("Name of member 2", "Sam Two"), ("short id [sam2]", "sam"), ("The same as Sam Öne (sam) has", ""), ("address", "SAM@team.example"),
        ("The same as Sam", "conduct@desk.example"), ("the desk's own", "two@team.example"), ("file with", str(tmp_path / "ada.asc")),
        ("the same as Sam", str(tmp_path / "bo.asc")), ("nicknames", "Sammy"), ("last day", ""),
    )  # fmt: skip
    said.hears("role")
    text = said.interrupt()
    assert said.code == 1
    assert "without passwords" in text
    assert "pydantic" not in text
    assert "Traceback" not in text
    kept = folder / ".init-answers.json"
    assert kept.stat().st_mode & 0o077 == 0

    said = Conversation(folder)
    said.turns(("Go on with them?", ""))
    said.turns(
        *((f"[{default}]", "") for default in ("conduct@desk.example", "conduct")),
        ("Your own", ""),
        ("Language", ""),
        ("opens the backups", ""),
        ("Which [1]", ""),
    )
    said.turns(("Protocol", ""), ("Port to listen", ""), ("Mail server", ""), ("tls", ""), ("Port", ""), ("User", ""))
    said.turns(
        ("[Sam Öne]", ""),
        ("short id [sam]", ""),
        ("address [sam@", ""),
        ("file with", ""),
        ("nicknames", ""),
        ("last day", ""),
    )
    said.turns(
        ("role", ""),
        ("language", ""),
        ("[Sam Two]", ""),
        ("short id [sam2]", ""),
        ("address [two@", ""),
        ("file with", ""),
    )
    said.turns(
        (
            "nicknames and handles, with commas between (a report that names one is kept from them; empty: none) [Sammy]",
            "none",
        )
    )
    said.turns(
        ("last day", ""),
        ("role", ""),
        ("language", ""),
        ("Name of member 3", "X"),
        ("short id", "-"),
        ("Taken back", ""),
    )
    said.turns(
        ("Is that right?", "nobody"),
        ("Answer one of: sam, sam2", "sam2"),
        ("[Sam Two]", "Bo"),
        ("short id", "bo"),
        ("address", ""),
    )
    said.turns(
        ("file with", ""), ("nicknames", ""), ("last day", ""), ("role", ""), ("language", ""), ("bo: Bo <two@", "")
    )
    said.hears("The desk is made")
    said.hears("Next: have each of them say that it opened")
    said.end()
    assert said.code == 0
    roster = (folder / "roster.toml").read_text()
    assert 'name = "Bo"' in roster
    assert "Sammy" not in roster
    assert not kept.exists()
    assert {item.recipient for item in relay.mails} == {"sam@team.example", "two@team.example"}
    end(folder, relay)


def test_a_conversation_knows_tokens_and_certificate_authorities(
    short_tmp: Path, tmp_path: Path, dovecot: Dovecot, relay: Sink
) -> None:
    folder = short_tmp / f"init{time.monotonic_ns()}"
    program = tmp_path / "token"
    program.write_text(f"#!/bin/sh\necho {TOKEN}\n")
    said = Conversation(folder)
    said.turns(
        ("Address of the desk", "conduct@desk.example"), ("Name", ""), ("Your own", ""), ("Language", ""), ("opens the backups", ""), ("Which", "2"),
        ("IMAP server", "mail.example"), ("tls, starttls", "none"), ("in clear", "tls"), ("Port", ""), ("certificate authority", str(program)),
        ("holds no certificates", ""), ("User", "oauth-user"), ("Log in", "token"), ("Command that prints", str(program)), ("can start", "'"),
        ("not closed", "sh -c 'exit 3'"), ("Mechanism", ""), ("Keep it all the same", "n"),
    )  # fmt: skip
    program.chmod(0o700)
    said.turns(
        ("IMAP server", "localhost"), ("tls, starttls", ""), ("Port", str(dovecot.tls_port)), ("certificate authority", str(dovecot.ca_file)),
        ("User", ""), ("Log in", ""), ("Command that prints", str(program)), ("Mechanism", ""),
    )  # fmt: skip
    said.hears("The mailbox opens.")
    said.turns(
        ("Mail server (relay)", ""), ("tls", ""), ("Port", str(relay.port)), ("User", ""), ("Name of member 1", "")
    )
    said.hears("The desk is made")
    said.end()
    (mailbox,) = load(folder / "ombud.toml").desk[0].imap
    assert (mailbox.token_command, mailbox.ca_file) == ((str(program),), dovecot.ca_file)
    assert command(folder / "ombud.toml", "poll", "--once").returncode == 0
    end(folder, relay)


@pytest.mark.parametrize(
    ("name", "others", "offered"),
    [
        ("Sam One", [], "sam"),
        ("Sam Two", ["sam"], "sam2"),
        ("Sam Three", ["sam", "sam2"], "sam3"),
        ("Cléo", [], "cleo"),
        ("Łukasz Żak", [], "lukasz"),
        ("محمد علي", [], "mhmd"),
        ("Ольга", [], "olga"),
        ("李雷", [], "lilei"),
        ("Me Kim", [], "me2"),
        ("!!!", [], "member"),
        ("!!!", ["member"], "member2"),
    ],
)
def test_a_short_id_is_offered_for_a_name_in_any_script(name: str, others: list[str], offered: str) -> None:
    assert offered_id(name, others) == offered
