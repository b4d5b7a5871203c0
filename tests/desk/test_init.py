"""A desk begun by conversation or by a file of answers: what is wrong is said at once, what is made works."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import time
from pathlib import Path

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person, Sink, command, free_port
from desk.setup import answers, beginning, folder
from store.kit.errors import ConfigError
from store.openpgp.keyring import Keyring
from tests.support.commands import ombud
from tests.support.users import unprivileged


@pytest.fixture
def relay() -> Sink:
    sink = Sink()
    sink.start()
    return sink


def answers_file(folder: Path, relay: Sink, team: list[Person], **changes: str) -> Path:
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
    return ombud("init", folder, *arguments)


def end(folder: Path, relay: Sink) -> None:
    relay.stop()
    Keyring("gpg", folder / "gnupg").close()


def test_a_file_of_answers_makes_a_desk_whose_team_can_read(
    short_tmp: Path, tmp_path: Path, team: list[Person], relay: Sink
) -> None:
    folder = short_tmp / f"init{time.monotonic_ns()}"
    done = init(folder, "--answers", str(answers_file(tmp_path, relay, team[:3])))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b"a sealed test notice was sent") == 3
    for person in team[:3]:
        (mail,) = relay.to(person.email)
        assert b"encrypted for you alone" in (person.opens(mail.mail) or b"").replace(b"=\r\n", b"")
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
    done = init(tmp_path / "desk", "--answers", str(answers_file(tmp_path, relay, team[:1], **changes)))
    assert done.returncode == 1
    assert said in done.stderr.decode()
    assert not (tmp_path / "desk").exists()
    relay.stop()


def test_what_cannot_be_completed_leaves_nothing(
    tmp_path: Path, team: list[Person], relay: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the disk is full after the folder was made."""

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    wished = answers.read(answers_file(tmp_path, relay, team[:1]))
    monkeypatch.setattr(beginning, "_entry", full)
    with pytest.raises(OSError, match="No space"):
        beginning.begin(tmp_path / "desk", wished)
    assert not (tmp_path / "desk").exists()
    relay.stop()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({'id = "bo"': 'id = "ada"'}, "member 2: id: the same as Ada Quist (ada) has; each member has their own."),
        ({"bo@team": "ADA@team"}, "member 2: email: the same as Ada Quist (ada) has"),
        ({"bo@team.example": "Conduct@desk.example"}, "member 2: email: this is the desk's own address"),
        ({'"bo.asc"': '"ada.asc"'}, "ada.asc: holds the key that ada has; each member has their own."),
        ({'id = "bo"': 'id = "Bo"'}, "member 2: id: must be lower-case letters"),
        ({'id = "bo"': 'id = "me"'}, "member 2: id: 'me' has a meaning of its own"),
        ({'key = "bo.asc"': 'keyfile = "bo.asc"'}, "member 2: keyfile: there is no such field. Did you mean 'key'?"),
        ({"operator = ": "opertor = "}, "opertor: there is no such field. Did you mean 'operator'?"),
        ({"until = 2099-12-31": "until = 2001-01-01"}, "member 1: until: 2001-01-01 is in the past"),
        ({"until = 2099-12-31": 'until = "31.2.2099"'}, "member 1: until: there is no such day in the calendar."),
        ({'tls = "none"': 'tls = "tls"\nuser = "x"'}, "relay: user is set: give one of password_file, password"),
        ({'tls = "none"': 'tls = "none"\ntls = "tls"'}, "a field is there twice: keep one of them (line"),
        ({'"bo.asc"': '"expired.asc"'}, "expired.asc: This key has expired."),
        ({'"bo.asc"': '"secret.asc"'}, "secret.asc: This is a secret key: it must not leave its owner."),
        ({'"bo.asc"': '"two.asc"'}, "two.asc: There are 2 keys in this."),
    ],
)
def test_a_desk_that_cannot_work_is_not_made(
    tmp_path: Path, team: list[Person], relay: Sink, expired: bytes, changes: dict[str, str], said: str
) -> None:
    secret = ["gpg", "--homedir", str(team[1].keyring.home), "--armor", "--export-secret-keys", team[1].fingerprint]
    (tmp_path / "secret.asc").write_bytes(subprocess.run(secret, capture_output=True, check=True).stdout)
    (tmp_path / "two.asc").write_bytes(team[0].public_key + team[1].public_key)
    (tmp_path / "expired.asc").write_bytes(expired)
    done = init(tmp_path / "desk", "--answers", str(answers_file(tmp_path, relay, team[:2], **changes)))
    assert done.returncode == 1
    assert said in done.stderr.decode()
    assert "pydantic" not in done.stderr.decode()
    assert not (tmp_path / "desk").exists()
    relay.stop()


def test_what_the_roster_check_refuses_is_not_made_either(
    tmp_path: Path, team: list[Person], relay: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the answers let pass: the roster is the last word."""
    monkeypatch.setattr(beginning, "_entry", lambda item, _: f'[[member]]\nid = "{item.id}"\n')
    with pytest.raises(ConfigError, match=r"roster.toml:\d+: name: must be set"):
        beginning.begin(tmp_path / "desk", answers.read(answers_file(tmp_path, relay, team[:1])))
    assert not (tmp_path / "desk").exists()
    relay.stop()


def test_what_was_refused_is_not_called_sent(short_tmp: Path, tmp_path: Path, team: list[Person], relay: Sink) -> None:
    """One by the recipient's server for good, one for now."""
    relay.refuse_recipient = {team[1].email: "550 5.7.1 no", team[2].email: "451 later"}
    folder = short_tmp / f"init{time.monotonic_ns()}"
    done = init(folder, "--answers", str(answers_file(tmp_path, relay, team[:3])))
    said = done.stdout.decode()
    assert done.returncode == 1
    assert f"{team[0].id}: a sealed test notice was sent" in said
    assert f"{team[1].id}: the test notice was refused" in said
    assert f"{team[2].id}: the test notice waits" in said
    assert "Not everybody could be told" in said
    end(folder, relay)


def test_what_the_desks_user_may_not_read_or_write_is_said_with_the_user(
    tmp_path: Path, team: list[Person], relay: Sink
) -> None:
    wished = answers.read(answers_file(tmp_path, relay, team[:1]))
    (tmp_path / "ada.asc").chmod(0)
    (tmp_path / "closed").mkdir(mode=0o500)
    with unprivileged():
        user = pwd.getpwuid(os.geteuid()).pw_name
        with pytest.raises(
            ConfigError, match=f"ada.asc: cannot be read by the user '{user}', who runs this: permission"
        ):
            beginning.begin(tmp_path / "desk", wished)
        with pytest.raises(ConfigError, match="the user who runs this may not write there"):
            folder.require_free(tmp_path / "closed" / "desk")
    relay.stop()


def test_a_relay_that_takes_mail_for_nobody_does_not_take_mail(tmp_path: Path, team: list[Person], relay: Sink) -> None:
    wished = answers.read(answers_file(tmp_path, relay, team[:2]))
    assert beginning.try_relay(wished) == ""
    relay.refuse_recipient = {person.email: "554 5.7.1 Relay access denied" for person in team}
    assert "takes our mail for nobody (it answered 554 5.7.1)" in beginning.try_relay(wished)
    relay.stop()
