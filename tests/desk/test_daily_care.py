"""What docs/operators.md has operators type for daily care, typed as it is printed there."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from store.kit import local
from tests.conftest import Desk
from tests.desk.test_care import offline, with_archive_key

__all__ = ["offline"]

ROOT = Path(__file__).parent.parent.parent
WRAPPER = ROOT / "deploy" / "ombud"


def printed(heading: str) -> list[str]:
    """The commands of the first block below a heading."""
    _, _, text = (ROOT / "docs/operators.md").read_text().partition(f"\n## {heading}\n")
    block = text.lstrip("\n").split("\n\n")[0]
    return [line.removeprefix("    ") for line in block.splitlines()]


@pytest.fixture
def installed(desk: Desk, tmp_path: Path) -> dict[str, str]:
    """The environment of a machine on which `ombud` is installed as the documents say, for a user of its own."""
    shutil.copy(WRAPPER, tmp_path / "ombud")
    return {
        **os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "OMBUD_USER": pwd.getpwuid(os.geteuid()).pw_name,
        "OMBUD_FOLDER": str(desk.play.folder), "OMBUD_PROGRAM": str(Path(sys.executable).with_name("ombud")),
    }  # fmt: skip


def test_the_lines_of_daily_care_run_as_they_are_printed(
    desk: Desk, offline: Person, installed: dict[str, str]
) -> None:
    with_archive_key(desk, offline)
    desk.play.start()
    desk.play.send(plain_mail("a report"))
    desk.play.sink.wait_for(6)
    lines = printed("Daily care")
    assert len(lines) == 10
    for line in lines:
        assert line.startswith("ombud ")
        done = subprocess.run(["sh", "-euc", line], cwd="/", env=installed, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b""), (line, done.stdout.decode(), done.stderr)
        assert done.stdout, line
    assert len(list(desk.play.folder.glob("*.gpg"))) == 1


def test_the_manual_page_has_a_place_on_a_fresh_machine(installed: dict[str, str], tmp_path: Path) -> None:
    (line,) = [line for line in (ROOT / "docs/operators.md").read_text().splitlines() if "ombud manual" in line]
    line = line.replace("/usr/local", str(tmp_path / "fresh"))
    done = subprocess.run(["sh", "-euc", line], env=installed, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "fresh/share/man/man1/ombud.1").read_text().startswith(".TH OMBUD 1")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else without being asked")
def test_the_command_runs_as_the_desks_user_in_its_folder(short_tmp: Path) -> None:
    folder = short_tmp / "of-nobody"
    folder.mkdir()
    shutil.chown(folder, "nobody")
    folder.chmod(0o700)
    environment = {**os.environ, "OMBUD_USER": "nobody", "OMBUD_FOLDER": str(folder)}
    for program, arguments, said in (
        ("id", ["-un"], "nobody"),
        ("pwd", [], str(folder)),
        ("printenv", ["HOME"], str(folder)),
    ):
        environment["OMBUD_PROGRAM"] = f"/usr/bin/{program}"
        done = subprocess.run(
            [str(WRAPPER), *arguments], env=environment, cwd="/root", capture_output=True, text=True, check=False
        )
        assert done.stdout.strip() == said, done.stderr


def test_the_configuration_is_found_without_being_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    etc, var, here = (tmp_path / name / "ombud.toml" for name in ("etc", "var", "here"))
    for file in (etc, var, here):
        file.parent.mkdir()
    monkeypatch.setattr(local, "SYSTEM_CONFIGS", (etc, var))
    monkeypatch.delenv("OMBUD_CONFIG", raising=False)
    monkeypatch.chdir(here.parent)
    assert local.find() == Path("ombud.toml")
    var.touch()
    assert local.find() == var
    etc.touch()
    assert local.find() == etc
    here.touch()
    assert local.find() == Path("ombud.toml")
    if os.geteuid() == 0:
        shutil.chown(here, "nobody")
        assert local.find() == etc, "programs are named in it: a stranger's is not taken"
        here.unlink()
        here.symlink_to(var)
        os.lchown(here, pwd.getpwnam("nobody").pw_uid, -1)
        assert local.find() == etc
    monkeypatch.setenv("OMBUD_CONFIG", "/elsewhere")
    assert local.find() == Path("/elsewhere")
    assert local.find(var) == var
