"""Desks that older versions made, with keys made for this alone: they open in this version, and in every later one.

Each archive in `old/` is named after the version of its tables. A new version of the tables comes with an archive of
a desk made by the program as it was before.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import command
from store.openpgp.keyring import Keyring
from store.tables.database import MIGRATION_HEAD
from store.tables.unpack import unpack

OLD = sorted((Path(__file__).parent / "old").glob("*.tar.xz"))


def test_there_is_one_of_each_version() -> None:
    versions = [path.name.partition(".")[0] for path in OLD]
    assert versions == [f"{number:04}" for number in range(1, int(MIGRATION_HEAD) + 1)]


@pytest.mark.parametrize("archive", OLD, ids=lambda path: path.name.partition(".")[0])
def test_a_desk_of_an_older_version_goes_on(archive: Path, short_tmp: Path) -> None:
    folder = short_tmp / f"old{archive.name[:4]}"
    with tarfile.open(archive) as packed:
        unpack(packed, folder)
    config = folder / "desk" / "ombud.toml"
    done = command(config, "upgrade")
    assert done.returncode == 0, done.stderr
    (line,) = json.loads(command(config, "case", "list", "--json").stdout)
    record = json.loads(command(config, "case", "show", line["codename"], "--json").stdout)
    assert record["messages"][0]["text"].endswith("kept by an older version")
    assert (record["readers"], [item["member"] for item in record["recused"]]) == (["ada"], ["bo"])
    assert command(config, "audit", "verify").returncode == 0
    assert command(config, "deliver", "conduct@desk.example", stdin=plain_mail("and one of today")).returncode == 0
    assert len(json.loads(command(config, "case", "list", "--json").stdout)) == 2
    Keyring("gpg", folder / "desk" / "gnupg").close()
