"""The files of deploy/ are what the program takes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from store.config import load

DEPLOY = Path(__file__).parent.parent.parent / "deploy"


@pytest.mark.parametrize("file", sorted(DEPLOY.glob("*.toml")), ids=lambda path: path.name)
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


def test_the_configuration_of_a_new_desk_names_every_field() -> None:
    from desk.setup import Answers, config_text
    from store.config import Config, Desk, Imap

    text = config_text(Answers("a@b.example"), "A" * 40)
    for section, model in Config.model_fields.items():
        fields = getattr(type(model.default), "model_fields", {})
        for field in fields:
            assert f"{field} = " in text, f"{section}.{field}"
    for field in (*Desk.model_fields, *Imap.model_fields):
        assert f"{field} = " in text or field == "imap", field
    uncommented = "\n".join(
        line.removeprefix("# ") if " = " in line or "[[" in line else line for line in text.splitlines()
    )
    tomllib.loads(uncommented)
