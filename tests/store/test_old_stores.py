"""Desks that older versions made, with keys made for this alone: they open in this version, and in every later one.

Each archive in `old/` is named after the version of its tables. A new version of the tables comes with an archive of
a desk made by the program as it was before.
"""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from desk.commands import show
from desk.demo.mails import plain_mail
from desk.demo.rehearsal import command
from intake.arrival import Envelope
from intake.receive import Receiver
from store.context import open_context
from store.openpgp.keyring import Keyring
from store.tables.database import MIGRATION_HEAD
from store.tables.unpack import unpack

OLD = sorted((Path(__file__).parent / "old").glob("*.tar.xz"))


def test_there_is_one_of_each_version() -> None:
    versions = [path.name.partition(".")[0] for path in OLD]
    assert versions == [f"{number:04}" for number in range(1, int(MIGRATION_HEAD) + 1)]


@pytest.fixture(params=OLD, ids=lambda path: path.name.partition(".")[0])
def config(request: pytest.FixtureRequest, short_tmp: Path) -> Iterator[Path]:
    """The configuration of a desk that an older version made, brought up to this one."""
    folder = Path(tempfile.mkdtemp(dir=short_tmp))
    with tarfile.open(request.param) as packed:
        unpack(packed, folder)
    done = command(folder / "desk" / "ombud.toml", "upgrade")
    assert done.returncode == 0, done.stderr
    yield folder / "desk" / "ombud.toml"
    Keyring("gpg", folder / "desk" / "gnupg").close()


def test_a_desk_of_an_older_version_goes_on(config: Path) -> None:
    context = open_context(config)
    try:
        with context.database.read() as session:
            (case,) = show.visible_cases(context, session, None)
            record = show.case_record(context, session, case.codename, None)
        assert record["messages"][0]["text"].endswith("kept by an older version")
        assert (record["readers"], [item["member"] for item in record["recused"]]) == (["ada"], ["bo"])
        mail = Envelope(plain_mail("and one of today"), "sam@reporter.example", ("conduct@desk.example",))
        assert Receiver(context).receive(mail)[0].outcome == "case"
        with context.database.read() as session:
            assert len(show.visible_cases(context, session, None)) == 2
    finally:
        context.close()
    assert command(config, "audit", "verify").returncode == 0
