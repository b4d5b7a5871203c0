"""What `ombud check` says of secrets, of a folder and of databases: the thing that is wrong, and the right remedy."""

from __future__ import annotations

import os
import resource
import sqlite3
import stat
from pathlib import Path

import pytest

from desk.care import private
from desk.care.doctor import examine
from desk.care.machine import Finding
from store.kit.config import load
from store.tables.database import MIGRATION_HEAD
from tests.conftest import Desk


def finding(desk: Desk, check: str) -> Finding:
    (found,) = [item for item in examine(desk.play.config, desk.clock) if item.check == check]
    return found


IMAP = """
[[desk.imap]]
host = "127.0.0.1"
port = 1
tls = "none"
user = "u"
"""


def with_secrets(desk: Desk) -> None:
    """Every kind of file that holds one, named in the configuration or lying where it is used."""
    folder, config = desk.play.folder, desk.play.config
    for name in (
        "mailbox-password",
        "token.txt",
        "relay-token",
        "tls-key",
        ".pgpass",
        "ombud.sqlite3-wal",
        "ombud.sqlite3.before-2026",
    ):
        (folder / name).touch(0o600)
        (folder / name).chmod(0o600)
    text = config.read_text().replace('# tls_key = "tls/privkey.pem"', 'tls_key = "tls-key"')
    text = text.replace('# tls_certificate = "tls/fullchain.pem"', 'tls_certificate = "tls-key"')
    text += IMAP + 'password_file = "mailbox-password"\n' + IMAP + 'token_command = ["cat", "token.txt"]\n'
    config.write_text(text)


@pytest.mark.parametrize(
    "name",
    [
        ".", "mailbox-password", "token.txt", "tls-key", "gnupg", "vault.asc", "ombud.sqlite3", "ombud.sqlite3-wal", ".pgpass",
        "ombud.sqlite3.before-2026",
    ],
)  # fmt: skip
def test_a_secret_that_others_can_read_is_named(desk: Desk, name: str) -> None:
    with_secrets(desk)
    config = load(desk.play.config)
    assert [item.level for item in private.examine(config)] == ["ok"]
    path = desk.play.folder / name
    before = stat.S_IMODE(path.stat().st_mode)
    for mode in (0o004, 0o040, 0o020):
        path.chmod(before | mode)
        (found,) = private.examine(config)
        path.chmod(before)
        assert found.level == "failure"
        assert f"chmod go-rwx {path if name != '.' else desk.play.folder}" in found.detail


def test_all_of_them_are_named_in_one_command(desk: Desk) -> None:
    with_secrets(desk)
    for name in ("mailbox-password", "token.txt"):
        (desk.play.folder / name).chmod(0o644)
    detail = finding(desk, "permissions").detail
    assert detail.endswith(f"chmod go-rwx {desk.play.folder / 'mailbox-password'} {desk.play.folder / 'token.txt'}")


def test_a_newer_database(desk: Desk) -> None:
    file = desk.play.folder / "ombud.sqlite3"
    desk.reopen()
    with sqlite3.connect(file) as connection:
        connection.execute(f"UPDATE alembic_version SET version_num = '{int(MIGRATION_HEAD) + 1:04}'")
    connection.close()
    assert "newer version of ombud. Install that version" in finding(desk, "database").detail
    before = sorted(desk.play.folder.iterdir())
    for line in ("run", "upgrade"):
        done = desk.play.command(line)
        assert done.returncode == 75
        assert b"newer version of ombud" in done.stderr
    assert sorted(desk.play.folder.iterdir()) == before, "nothing was copied or made"


@pytest.mark.parametrize("how", ["gone", "garbage", "empty", "truncated"])
def test_a_lost_database_is_to_be_brought_back_and_never_begun_anew(desk: Desk, how: str) -> None:
    file = desk.play.folder / "ombud.sqlite3"
    desk.reopen()
    for path in desk.play.folder.glob("ombud.sqlite3-*"):
        path.unlink()
    octets = file.read_bytes()
    file.unlink()
    made = {"garbage": b"garbage " * 5_000, "empty": b"", "truncated": octets[:100]}
    if how != "gone":
        file.write_bytes(made[how])
    found = finding(desk, "database")
    assert found.level == "failure"
    assert "ombud restore" in found.detail
    assert "init" not in found.detail
    for line in ("run", "upgrade", "status"):
        done = desk.play.command(line)
        assert done.returncode == 75, done.stderr
        assert b"ombud restore" in done.stderr
    if how != "empty":  # SQLite writes a header
        assert (file.read_bytes() if file.exists() else None) == made.get(how)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_a_folder_that_is_read_only_is_named_before_all_else(desk: Desk) -> None:
    desk.reopen()
    desk.play.folder.chmod(0o500)
    try:
        _only_the_folder_is_named(desk, desk.play.folder)
    finally:
        desk.play.folder.chmod(0o700)


def test_a_disk_without_room_is_named_before_all_else(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a disk that is full or read-only: no file takes an octet."""
    desk.reopen()
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        found = examine(desk.play.config, desk.clock)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    _names_the_folder(found, desk.play.folder)


def _only_the_folder_is_named(desk: Desk, folder: Path) -> None:
    _names_the_folder(examine(desk.play.config, desk.clock), folder)
    done = desk.play.command("run")
    assert done.returncode == 1
    assert b"nothing can be written here" in done.stderr


def _names_the_folder(found: list[Finding], folder: Path) -> None:
    (named,) = [item for item in found if item.check == "folder"]
    assert named.level == "failure"
    assert str(folder) in named.detail
    misleading = ("GnuPG", "vault", "database", "key of conduct", "roster of conduct")
    assert not [item for item in found if item.check in misleading]


def test_a_check_that_breaks_does_not_hide_the_others(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise UnicodeEncodeError("ascii", "ü", 0, 1, "x")

    for where in (
        "private.examine",
        "load_vault",
        "look",
        "RosterBook.check",
        "check_templates",
        "Relay.check",
        "machine.examine",
    ):
        monkeypatch.setattr(f"desk.care.doctor.{where}", fails)
    found = {item.check: item for item in examine(desk.play.config, desk.clock)}
    for name in ("permissions", "vault", "templates", "relay", "machine"):
        assert (found[name].level, "report it" in found[name].detail) == ("failure", True)
    assert found["GnuPG"].level == "ok"
