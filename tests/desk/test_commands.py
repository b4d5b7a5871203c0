"""The command line, as an operator uses it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from desk.handover import read_arguments
from desk.setup.folder import DeskBasics, create
from store.kit.errors import ConfigError
from store.openpgp.keyring import Keyring
from tests.conftest import Desk
from tests.support.commands import ombud


def test_init_makes_a_desk_and_never_overwrites(short_tmp: Path, sam: Person) -> None:
    folder = short_tmp / "init"
    archive = short_tmp / "archive.asc"
    archive.write_bytes(sam.public_key)
    secret = short_tmp / "passphrase"
    secret.write_text("correct horse\n")
    arguments = (
        "init",
        str(folder),
        "--address",
        "aloha@desk.example",
        "--name",
        'Team "Ä"',
        "--passphrase-file",
        str(secret),
        "--archive-key",
        str(archive),
    )
    made = ombud(*arguments)
    assert made.returncode == 0, made.stderr
    for name in ("ombud.toml", "roster.toml", "vault.asc", "ombud.sqlite3", "gnupg", "keys"):
        assert (folder / name).exists()
        assert (folder / name).stat().st_mode & 0o077 == 0, name
    config = str(folder / "ombud.toml")
    first = ombud("deliver", "--config", config, "--json", "aloha@desk.example", stdin=plain_mail("x"))
    assert json.loads(first.stdout)["outcome"] == "case"
    # The archive key alone opens the vault; a wrong passphrase does not.
    assert len(sam.keyring.decrypt((folder / "vault.asc").read_bytes()).plain or b"") == 32
    Keyring("gpg", folder / "gnupg").close()
    secret.write_text("wrong\n")
    assert ombud("case", "list", "--config", config).returncode != 0
    before = {path: path.read_bytes() for path in folder.glob("*") if path.is_file()}
    again = ombud(*arguments)
    assert again.returncode == 1
    assert b"exists already" in again.stderr
    assert {path: path.read_bytes() for path in folder.glob("*") if path.is_file()} == before
    assert ombud("rewrap", "--config", config).returncode != 0
    secret.write_text("correct horse\n")
    assert b"2 keys" in ombud("rewrap", "--config", config).stdout
    assert json.loads(ombud("case", "list", "--config", config, "--json").stdout)[0]["desk"] == "aloha"
    Keyring("gpg", folder / "gnupg").close()


@pytest.mark.parametrize("address", ["", "no address", "a+b@c.example", "Conduct <a@b.example>"])
def test_init_needs_an_address(short_tmp: Path, address: str) -> None:
    folder = short_tmp / "none"
    failed = ombud("init", str(folder), "--address", address)
    assert failed.returncode == 1
    assert b"--address" in failed.stderr
    assert not folder.exists()


def test_a_failed_init_leaves_nothing(short_tmp: Path) -> None:
    folder = short_tmp / "failed"
    with pytest.raises(ConfigError):
        create(folder, DeskBasics("a@b.example", passphrase_file=Path("/no/such/file")))
    assert not folder.exists()
    with pytest.raises(ConfigError, match=r"database\.url"):
        create(folder, DeskBasics("a@b.example", database_url="mysql://x"))
    assert not folder.exists()


def test_check_names_what_is_wrong(desk: Desk) -> None:
    play = desk.play

    def levels() -> dict[str, str]:
        return {item["check"]: item["level"] for item in json.loads(play.command("check", "--json").stdout)}

    assert {check: level for check, level in levels().items() if level != "ok"} == {"service": "warning"}
    (play.folder / "vault.asc").chmod(0o644)
    (play.folder / "keys" / "bo.asc").write_text("junk")
    play.sink.stop()
    found = levels()
    assert {check for check, level in found.items() if level == "failure"} == {
        "permissions",
        "roster of conduct",
        "relay",
    }
    assert play.command("check").returncode == 1
    play.change_config("fingerprint = ", "fingerprints = ")
    failed = play.command("check")
    assert failed.returncode == 1
    assert b"Did you mean" in failed.stdout


def test_roster_show_on_a_day(desk: Desk, team: list[Person]) -> None:
    text = (desk.play.folder / "roster.toml").read_text().replace("until = 2099-12-31", "until = 2027-06-30", 1)
    (desk.play.folder / "roster.toml").write_text(text)

    def on_duty(day: str) -> list[str]:
        return [
            item["id"]
            for item in json.loads(desk.play.command("roster", "show", "--at", day, "--json").stdout)
            if item["on_duty"]
        ]

    everyone = [person.id for person in team]
    assert on_duty("2027-06-30") == everyone
    assert on_duty("2027-07-01") == everyone[1:]
    assert on_duty("2019-12-31") == []
    assert b"not a date" in desk.play.command("roster", "show", "--at", "tomorrow").stderr
    assert b"Ada Quist" in desk.play.command("roster", "show").stdout


def test_cases_and_outbox_for_people_and_scripts(desk: Desk) -> None:
    desk.play.sink.stop()
    receipt = desk.receive(plain_mail("[red]markup[/] stays text\n\x1b[31mand no colours", subject="[bold]"))
    shown = desk.play.command("case", "show", receipt.codename).stdout.decode()
    assert "[red]markup[/] stays text" in shown
    assert "\x1b" not in shown
    assert receipt.codename in desk.play.command("case", "list").stdout.decode()
    desk.mail_out()
    rows = json.loads(desk.play.command("outbox", "list", "--json").stdout)
    assert {row["recipient"] for row in rows} >= {"ada", "bo"}
    assert {row["case"] for row in rows} == {receipt.codename}
    assert b"relay cannot be reached" in b" ".join(desk.play.command("outbox", "list", "--json").stdout.split())
    desk.play.sink.start()
    assert json.loads(desk.play.command("outbox", "retry", "--json").stdout)["retried"] >= 6
    desk.clock.forward(minutes=1)
    assert len(desk.mail_out()) == 6
    assert b"Nothing waits" in desk.play.command("outbox", "list").stdout
    assert json.loads(desk.play.command("audit", "verify", "--json").stdout)["intact"] is True


def test_the_shape_of_a_case_that_scripts_rely_on(desk: Desk) -> None:
    receipt = desk.receive(plain_mail("Exclude: Bo\n\nhello"))
    record = json.loads(desk.play.command("case", "show", receipt.codename, "--json").stdout)
    assert {"codename", "desk", "state", "received_at", "readers", "recused", "messages"} <= set(record)
    assert record["recused"] == [{"member": "bo", "source": "reporter"}]
    (message,) = record["messages"]
    assert {"direction", "from", "subject", "text", "outside_text", "encryption", "signature", "attachments"} <= set(
        message
    )
    assert set(message["signature"]) == {"status", "fingerprint"}


def test_handing_over_needs_the_standard_library_alone() -> None:
    code = "import sys; import desk.entry, desk.handover; print([m for m in ('typer', 'sqlalchemy', 'email', 'ssl', 'aiosmtpd', 'pydantic', 'gnupg') if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert loaded.strip() == b"[]"


def test_the_arguments_of_deliver() -> None:
    order = read_arguments(["--config", "/x/ombud.toml", "--sender=a@b.example", "c@d.example", "--json"])
    assert order is not None
    assert (str(order.config), order.sender, order.recipients, order.as_json) == (
        "/x/ombud.toml",
        "a@b.example",
        ("c@d.example",),
        True,
    )
    for strange in (
        [],
        ["--help"],
        ["--config"],
        ["a@b.example\r\nDATA"],
        ["<a@b.example>"],
        ["--nonsense", "x@y.example"],
    ):
        assert read_arguments(strange) is None


def test_the_manual_names_every_command_and_option() -> None:
    page = ombud("manual").stdout.decode()
    assert page.startswith(".TH OMBUD 1")
    assert page.isascii()
    for piece in (
        ".SS ombud case destroy",
        ".SS ombud check",
        r"\-\-watch SECONDS",
        r".B \-\-gnupg\-home",
        "archive key",
    ):
        assert piece in page, piece
    for line in page.splitlines():
        assert line
        assert not line.startswith((".", "'")) or line.split()[0] in (".TH", ".SH", ".SS", ".B", ".I", ".TP", ".PP"), (
            line
        )


def test_long_work_shows_a_bar_on_a_terminal_and_nothing_elsewhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    from desk.commands.progress import progress

    with progress("importing", 3) as step:
        step(1)
    assert capsys.readouterr() == ("", "")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    seen = Terminal()
    monkeypatch.setattr(sys, "stderr", seen)
    monkeypatch.setenv("TERM", "xterm")
    with progress("importing", 3) as step:
        step(2)
    assert "importing" in seen.getvalue()
    assert "2/3" in seen.getvalue()


@pytest.mark.parametrize(
    ("answer", "code"), [(250, 0), (550, 67), (552, 65), (451, 75), (421, 75), (500, 75), (503, 75), (554, 75)]
)
def test_a_pipe_gives_a_mail_up_only_for_an_address_that_is_not_ours(
    answer: int, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is not understood is tried again: the mail server behind the pipe would tell the reporter that nobody is here."""
    from desk.handover import exit_code

    assert exit_code((answer, "2.0.0 case amber-heron"), as_json=False) == code
    said = capsys.readouterr()
    assert (said.out + said.err).startswith("case amber-heron" if code == 0 else "ombud: ")


def test_it_says_which_version_it_is() -> None:
    done = subprocess.run([sys.executable, "-m", "desk", "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"ombud \d+\.\d+\.\d+\n", done.stdout)
