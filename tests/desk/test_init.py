"""A desk begun by conversation or by a file of answers: what is wrong is said at once, what is made works."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from desk.rehearsal import Person, Sink, command, free_port, plain_mail
from store.config import load
from store.keyring import Keyring
from tests.dovecot import PASSWORD, Dovecot
from tests.talk import read


@pytest.fixture
def relay() -> Sink:
    sink = Sink()
    sink.start()
    return sink


def answers(folder: Path, relay: Sink, team: list[Person], **changes: str) -> Path:
    members = "".join(
        f'[[member]]\nid = "{person.id}"\nname = "{person.name}"\nemail = "{person.email}"\nkey = "{person.id}.asc"\nuntil = 2099-12-31\n'
        for person in team
    )
    for person in team:
        (folder / f"{person.id}.asc").write_bytes(person.public_key)
    text = (
        f'address = "conduct@desk.example"\noperator = "operator@desk.example"\n[listener]\nport = {free_port()}\n'
        f'[relay]\nhost = "127.0.0.1"\nport = {relay.port}\ntls = "none"\n{members}'
    )
    for old, new in changes.items():
        text = text.replace(old, new)
    file = folder / "answers.toml"
    file.write_text(text)
    return file


def init(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "desk", "init", str(folder), *arguments], capture_output=True, check=False
    )


def end(folder: Path, relay: Sink) -> None:
    relay.stop()
    Keyring("gpg", folder / "gnupg").close()


def test_a_file_of_answers_makes_a_desk_whose_team_can_read(
    short_tmp: Path, tmp_path: Path, team: list[Person], relay: Sink
) -> None:
    folder = short_tmp / f"init{free_port()}"
    done = init(folder, "--answers", str(answers(tmp_path, relay, team[:3])))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b"a sealed test notice was sent") == 3
    for person in team[:3]:
        (mail,) = relay.to(person.email)
        assert b"encrypted to you alone" in (person.opens(mail.mail) or b"").replace(b"=\r\n", b"")
    config = folder / "ombud.toml"
    found = json.loads(command(config, "check", "--json").stdout)
    assert {item["level"] for item in found} <= {"ok", "warning"}
    assert command(config, "deliver", "conduct@desk.example", stdin=plain_mail("the first report")).returncode == 0
    again = init(folder, "--answers", str(tmp_path / "answers.toml"))
    assert again.returncode == 1
    assert b"nothing is overwritten" in again.stderr
    end(folder, relay)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"operator@desk": "operator"}, "operator"),
        ({'"ada.asc"': '"missing.asc"'}, "cannot be read"),
        ({"until = 2099-12-31": 'until = "some day"'}, "until"),
        ({"[relay]": "[relays]"}, "relays"),
        ({"[relay]": "[relay"}, "is not TOML"),
    ],
)
def test_a_wrong_answer_is_named_and_nothing_is_made(
    tmp_path: Path, team: list[Person], relay: Sink, changes: dict[str, str], said: str
) -> None:
    done = init(tmp_path / "desk", "--answers", str(answers(tmp_path, relay, team[:1], **changes)))
    assert done.returncode == 1
    assert said in done.stderr.decode()
    assert not (tmp_path / "desk").exists()
    relay.stop()


def test_what_cannot_be_completed_leaves_nothing(
    tmp_path: Path, team: list[Person], relay: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the disk is full after the folder was made."""
    from desk import beginning, wishes

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    wished = wishes.read(answers(tmp_path, relay, team[:1]))
    monkeypatch.setattr(beginning, "_entry", full)
    with pytest.raises(OSError, match="No space"):
        beginning.begin(tmp_path / "desk", wished)
    assert not (tmp_path / "desk").exists()
    relay.stop()


def test_a_conversation_tries_each_answer_at_once(
    short_tmp: Path, tmp_path: Path, team: list[Person], relay: Sink, dovecot: Dovecot, user: str
) -> None:
    folder = short_tmp / f"init{free_port()}"
    key = tmp_path / "ada.asc"
    key.write_bytes(team[0].public_key)
    said = pexpect.spawn(
        sys.executable, ["-m", "desk", "init", str(folder)], timeout=40, encoding="utf-8", dimensions=(50, 200)
    )

    def dialogue(*turns: tuple[str, str]) -> None:
        for question, answer in turns:
            said.expect_exact(question)
            said.sendline(answer)

    dialogue(
        ("Address of the desk", "nonsense"), ("Address of the desk", "conduct@desk.example"), ("Name that people see", "Conduct"),
        ("Your own address", "operator@desk.example"), ("Language of the desk", "xx"), ("Language of the desk", "de"), ("Which", "7"), ("Which", "2"),
        ("IMAP server", "localhost"), ("tls, starttls or none", "none"), ("Port", str(dovecot.port)), ("User", user), ("Password", "wrong"),
        ("Keep it all the same", "n"),
        ("IMAP server", "localhost"), ("tls, starttls or none", "none"), ("Port", str(dovecot.port)), ("User", user), ("Password", PASSWORD),
    )  # fmt: skip
    said.expect_exact("The mailbox opens.")
    dialogue(
        ("Mail server (relay)", "127.0.0.1"), ("tls, starttls or none", ""), ("Port", str(free_port())), ("User", ""), ("Keep it all the same", "n"),
        ("Mail server (relay)", "127.0.0.1"), ("tls, starttls or none", ""), ("Port", str(relay.port)), ("User", ""),
    )  # fmt: skip
    said.expect_exact("The relay takes mail.")
    dialogue(
        ("Name of member 1", team[0].name), ("short id", ""), ("address", team[0].email), ("file with their public key", str(tmp_path / "no.asc")),
        ("short id", ""), ("address", team[0].email), ("file with their public key", str(key)),
    )  # fmt: skip
    said.expect_exact(team[0].fingerprint)
    dialogue(
        ("last day of their term", "2099-12-31"),
        ("role", "lead"),
        ("language that they read", ""),
        ("Name of member 2", ""),
    )
    said.expect_exact("a sealed test notice was sent")
    said.expect(pexpect.EOF)
    assert PASSWORD not in said.before
    assert (folder / "mailbox-password").stat().st_mode & 0o077 == 0
    (test,) = relay.to(team[0].email)
    assert "eine erste Mail, um zu sehen, ob sie sich öffnet" in read(team[0], test)
    assert load(folder / "ombud.toml").desk[0].language == "de"
    dovecot.put(user, plain_mail("from the mailbox"))
    assert command(folder / "ombud.toml", "poll", "--once").returncode == 0
    assert len(relay.to(team[0].email)) == 2
    end(folder, relay)
