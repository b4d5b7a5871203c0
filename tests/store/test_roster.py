"""The roster file: what is refused and on which line, and that the last good one stays in force."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from desk.demo.rehearsal import Person, make_person, roster_text
from store.kit.config import Desk as DeskConfig
from store.kit.errors import RosterError
from store.team.roster_file import parse
from tests.conftest import Desk

CONFIG = DeskConfig(address="conduct@desk.example", fingerprint="A" * 40)
GOOD = """\
[[member]]
id = "ada"
name = "Ada Quist"
email = "ada@team.example"
fingerprint = "AAAA AAAA AAAA AAAA AAAA  AAAA AAAA AAAA AAAA AAAA"
role = "lead"
from = 2026-01-01
until = 2026-12-31

[[member]]
id = "bo"
name = "Bo \\"B\\" Ünal"
email = "bo+team@team.example"
fingerprint = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
from = "2026-01-01"
until = "2026-12-31"
"""


def test_a_good_roster() -> None:
    roster = parse(GOOD, Path("r.toml"), CONFIG)
    assert [(member.id, member.role) for member in roster.members] == [("ada", "lead"), ("bo", "responder")]
    assert parse("", Path("r.toml"), CONFIG).members == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "field"),
    [
        ('id = "bo"', 'id = "ada"', 11, "id"),
        ("bo+team@team.example", "ADA@team.example", 13, "email"),
        ("B" * 40, "A" * 40, 14, "fingerprint"),
        ('until = "2026-12-31"', "", 10, "until"),
        ('until = "2026-12-31"', 'until = "2025-12-31"', 16, "until"),
        ('until = "2026-12-31"', 'until = "soon"', 16, "until"),
        ('role = "lead"', 'role = "boss"', 6, "role"),
        ('role = "lead"', 'rôle = "lead"', 6, ""),
        ('role = "lead"', 'rolle = "lead"', 6, "rolle"),
        ("ada@team.example", "conduct@desk.example", 4, "email"),
        ("ada@team.example", "not an address", 4, "email"),
        ('id = "ada"', 'id = "Ada!"', 2, "id"),
        ('id = "ada"', 'id = "reporter"', 2, "id"),
        ('name = "Ada Quist"', 'name = " "', 3, "name"),
        ("AAAA AAAA AAAA AAAA AAAA  AAAA AAAA AAAA AAAA AAAA", "AAAA", 5, "fingerprint"),
        ('[[member]]\nid = "ada"', '[[members]]\nid = "ada"', 1, "members"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(old: str, new: str, line: int, field: str) -> None:
    with pytest.raises(RosterError) as caught:
        parse(GOOD.replace(old, new, 1), Path("r.toml"), CONFIG)
    assert str(caught.value).startswith(f"r.toml:{line}: {field}") or (not field and "r.toml" in str(caught.value))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'role = "lead"',
            'role = "boss"',
            "r.toml:6: role: input should be 'responder', 'lead', 'alternate' or 'escalation'.",
        ),
        (
            "[[member]]",
            "[member]",
            "[member] is there twice: write [[member]] in double brackets, once for each person (line 10)",
        ),
        ('role = "lead"', 'role = "lead"\nrole = "lead"', "a field is there twice: keep one of them (line 7)"),
        ('role = "lead"', "role = lead", "put text in double quotes (line 6)"),
    ],
)
def test_what_is_wrong_is_said_once_and_in_words(old: str, new: str, said: str) -> None:
    with pytest.raises(RosterError) as caught:
        parse(GOOD.replace(old, new), Path("r.toml"), CONFIG)
    assert said in str(caught.value)
    assert str(caught.value).count("responder") <= 1


def write(desk: Desk, text: str) -> None:
    (desk.play.folder / "roster.toml").write_text(text, encoding="utf-8")


def current(desk: Desk) -> tuple[list[str], str]:
    loaded = desk.context.rosters.current(desk.context.config.desk[0])
    return [member.id for member in loaded.roster.members], loaded.complaint


def test_key_files_are_checked(desk: Desk, team: list[Person], stranger: Person, sam: Person) -> None:
    keys = desk.play.folder / "keys"
    good = (keys / "bo.asc").read_bytes()
    secret = subprocess.run(
        ["gpg", "--homedir", str(sam.keyring.home), "--batch", "--armor", "--export-secret-keys"],
        capture_output=True,
        check=True,
    ).stdout
    for content, complaint in (
        (None, "cannot be read"),
        (stranger.public_key, "no key with this fingerprint"),
        (secret, "SECRET"),
        (good + stranger.public_key, "more than one key"),
        (b"junk", "no key with this fingerprint"),
    ):
        (keys / "bo.asc").unlink(missing_ok=True)
        if content is not None:
            (keys / "bo.asc").write_bytes(content)
        answer = desk.play.command("roster", "check")
        assert answer.returncode == 1
        assert complaint in answer.stderr.decode()
        assert "roster.toml:1" in answer.stderr.decode()
    (keys / "bo.asc").write_bytes(good)
    assert desk.play.command("roster", "check").returncode == 0


def test_an_expired_a_revoked_and_a_signing_key_are_refused(desk: Desk, short_tmp: Path) -> None:
    home = short_tmp / "bad-keys"
    home.mkdir(mode=0o700)

    def gpg(*args: str, stdin: bytes = b"") -> bytes:
        return subprocess.run(
            ["gpg", "--homedir", str(home), "--batch", "--pinentry-mode", "loopback", "--passphrase", "", *args],
            input=stdin,
            capture_output=True,
            check=True,
        ).stdout

    gpg("--faked-system-time", "20200101T000000", "--quick-gen-key", "expired@x.example", "rsa2048", "default", "1y")
    gpg("--quick-gen-key", "signing@x.example", "ed25519", "sign", "never")
    gpg("--quick-gen-key", "revoked@x.example", "ed25519", "default", "never")
    revoked = gpg("--with-colons", "-k", "revoked@x.example").decode().split("fpr:::::::::")[1][:40]
    certificate = (home / "openpgp-revocs.d" / f"{revoked}.rev").read_text().replace(":-----BEGIN", "-----BEGIN")
    gpg("--import", stdin=certificate.encode())
    for name, complaint in (("expired", "has expired"), ("signing", "cannot encrypt"), ("revoked", "is revoked")):
        key = gpg("--armor", "--export", f"{name}@x.example")
        fingerprint = gpg("--with-colons", "-k", f"{name}@x.example").decode().split("fpr:::::::::")[1][:40]
        (desk.play.folder / "keys" / "x.asc").write_bytes(key)
        write(
            desk,
            f'[[member]]\nid="x"\nname="X"\nemail="x@x.example"\nfingerprint="{fingerprint}"\nfrom=2020-01-01\nuntil=2099-01-01\n',
        )
        answer = desk.play.command("roster", "check")
        assert answer.returncode == 1
        assert complaint in answer.stderr.decode()
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"], check=True)


def test_a_broken_file_leaves_the_last_good_roster_in_force_also_after_a_restart(
    desk: Desk, team: list[Person]
) -> None:
    desk.tick()
    everyone = [person.id for person in team]
    assert current(desk) == (everyone, "")
    write(desk, "[[member]\n")
    assert current(desk)[0] == everyone
    desk.tick()
    desk.tick()
    told = desk.mail_out()
    assert [item.recipient for item in told] == ["operator@desk.example"]
    assert "roster" in told[0].headers["Subject"]
    desk.reopen()
    assert current(desk)[0] == everyone
    assert "not valid TOML" in current(desk)[1]
    write(desk, "")
    assert current(desk)[0] == everyone
    assert "names nobody" in current(desk)[1]
    write(desk, roster_text(team[:2]))
    assert current(desk) == (everyone[:2], "")


def test_a_key_that_arrives_later_puts_a_refused_roster_in_force(
    desk: Desk, team: list[Person], short_tmp: Path
) -> None:
    assert len(current(desk)[0]) == 5
    late = make_person(short_tmp / f"late{time.monotonic_ns()}", "late", "Late Comer")
    write(desk, roster_text([*team, late]))
    assert current(desk)[0] == [person.id for person in team]
    (desk.play.folder / "keys" / "late.asc").write_bytes(late.public_key)
    assert current(desk)[0][-1] == "late"
    late.keyring.close()
