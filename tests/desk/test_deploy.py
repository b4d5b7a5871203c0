"""The files of deploy/ are what the program takes."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from store.kit.config import load

DEPLOY = Path(__file__).parent.parent.parent / "deploy"


@pytest.mark.parametrize("file", sorted(DEPLOY.glob("mailbox*.toml")), ids=lambda path: path.name)
def test_a_mailbox_example_is_a_configuration(file: Path, tmp_path: Path) -> None:
    text = file.read_text()
    top, mark, imap = text.partition("\n[[desk.imap]]")
    desk = f'[[desk]]\naddress = "conduct@example.org"\nfingerprint = "{"A" * 40}"\n'
    (tmp_path / "ombud.toml").write_text(top + desk + mark + imap)
    config = load(tmp_path / "ombud.toml")
    assert config.desk[0].imap[0].host in text
    assert config.relay.port == 587
    assert not config.listener.enabled
    uncommented = "\n".join(
        line.removeprefix("# ") if line.startswith("# ") and " = " in line else line for line in imap.splitlines()
    )
    tomllib.loads(mark + uncommented)
    assert file.name in (DEPLOY / "README.md").read_text()


def test_every_file_says_who_needs_it_and_how() -> None:
    listed = (DEPLOY / "README.md").read_text()
    for file in sorted(DEPLOY.rglob("*")):
        if file.is_file() and file.name != "README.md" and file.parent.name != "example":
            head = [line for line in file.read_text().splitlines()[:16] if line.startswith("#") and line[:2] != "#!"]
            assert " for " in f" {head[0].lower()} " or "way out" in head[0], file
            assert sum(line.startswith("#   ") for line in head) >= 3 or "Commands there" in head[0], file
            assert str(file.relative_to(DEPLOY)) in listed, file


def test_the_container_file_is_what_a_linter_lets_pass() -> None:
    """There is no container engine where these tests run: nothing was built from it here."""
    program = Path(sys.executable).with_name("hadolint")
    file = str(DEPLOY / "container" / "Containerfile")
    done = subprocess.run([program, file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_compose_file_has_a_profile_for_each_database() -> None:
    made = yaml.safe_load((DEPLOY / "container" / "compose.yaml").read_text())
    profiles = {name: service["profiles"] for name, service in made["services"].items()}
    assert profiles == {
        "desk": ["sqlite"],
        "worker1": ["postgresql"],
        "worker2": ["postgresql"],
        "database": ["postgresql"],
    }
    for name in ("desk", "worker1", "worker2"):
        assert all(port.startswith("127.0.0.1:") for port in made["services"][name]["ports"])
        assert made["services"][name]["read_only"]


def test_the_answers_are_answers(tmp_path: Path) -> None:
    from desk.setup.answers import read

    text = (DEPLOY / "answers.toml").read_text()
    (tmp_path / "answers.toml").write_text(text)
    answers = read(tmp_path / "answers.toml")
    assert [member.id for member in answers.member] == ["ada", "jo"]
    assert answers.member[0].key == tmp_path / "ada.asc"


def test_the_example_is_what_init_writes() -> None:
    from desk.setup.folder import DeskBasics, config_text

    answers = DeskBasics("conduct@example.org", "Conduct Team", "operator@example.org")
    text = (DEPLOY / "example" / "ombud.toml").read_text()
    assert text == config_text(answers, "0123456789ABCDEF0123456789ABCDEF01234567")


def test_the_configuration_of_a_new_desk_names_every_field() -> None:
    from desk.setup.folder import DeskBasics, config_text
    from store.kit.config import Config, Desk
    from store.kit.sections import Event, Imap

    text = config_text(DeskBasics("a@b.example"), "A" * 40)
    for section, model in Config.model_fields.items():
        fields = getattr(type(model.default), "model_fields", {})
        for field in fields:
            assert f"{field} = " in text, f"{section}.{field}"
    for field in (*Desk.model_fields, *Imap.model_fields, *Event.model_fields):
        assert f"{field} = " in text or field in ("imap", "event"), field
    uncommented = "\n".join(
        line.removeprefix("# ") if " = " in line or "[[" in line else line for line in text.splitlines()
    )
    tomllib.loads(uncommented)


@pytest.mark.parametrize("unit", ["ombud.service", "ombud-poll.service"])
def test_a_unit_is_shut_in(unit: str) -> None:
    """systemd's own measure of what a service could do to the machine: 0 is nothing, 10 is everything."""
    line = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(DEPLOY / "systemd" / unit)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-400:] + done.stderr
    text = (DEPLOY / "systemd" / unit).read_text()
    for setting in ("User=ombud", "LimitCORE=0", "UMask=0077", "MemorySwapMax=0", "LoadCredential="):
        assert setting in text


def test_the_units_are_what_systemd_understands(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("ombud")
    for file in (DEPLOY / "systemd").iterdir():
        (tmp_path / file.name).write_text(file.read_text().replace("/opt/ombud/bin/ombud", str(program)))
        assert f"systemd/{file.name}" in (DEPLOY / "README.md").read_text()
    line = ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))]
    done = subprocess.run(
        line, capture_output=True, text=True, check=False, env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"}
    )
    said = [text for text in done.stderr.splitlines() if "ombud" in text]
    assert said == []
    assert done.returncode == 0, done.stderr
