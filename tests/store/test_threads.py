"""Reply addresses, forms of names, and stores that an older version made."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from desk.demo.mails import plain_mail
from store.cases import lookup, patterns, threads
from store.cases.threads import Token
from store.tables.database import Database
from store.tables.models import new_handle
from store.tables.vault import Vault, new_key
from tests.conftest import Desk

VAULT = Vault(new_key())


def test_the_tokens_of_the_two_sides_do_not_give_each_other_away() -> None:
    handle = new_handle()
    one, other = (threads.token(VAULT, handle, side) for side in ("reporter", "team"))
    assert (one[:2], other[:2]) == ("c-", "t-")
    assert one[2:] != other[2:]
    assert threads.reply_address(VAULT, handle, "team", "conduct@x.example") == f"conduct+{other}@x.example"
    assert threads.read_token(other) == Token("team", other[2:])
    assert threads.read_token(other.upper()) == Token("team", other[2:]), "mail programs change the case of addresses"
    assert threads.team_tokens(f"> ({other}) and <conduct+{other}@x> but not {one}") == [Token("team", other[2:])]


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz234567", min_size=24, max_size=24))
def test_a_token_that_was_made_up_leads_nowhere(text: str) -> None:
    handle = text[:16]
    true = threads.token(VAULT, handle, "reporter")
    other = Vault(new_key())
    assert threads.token(other, handle, "reporter") != true


def test_only_the_right_proof_for_the_right_side_finds_the_case(desk: Desk) -> None:
    name = desk.receive(plain_mail("x")).codename
    context = desk.context
    with context.database.read() as session:
        row = lookup.find_row(session, name)
        assert row is not None
        for side in ("reporter", "team"):
            token = threads.read_token(threads.token(context.vault, row.handle, side))
            assert token is not None
            found = threads.find(session, context.vault, "conduct", token)
            assert found is not None
            assert found.codename == name
            wrong_side = Token("team" if side == "reporter" else "reporter", token.text)
            assert threads.find(session, context.vault, "conduct", wrong_side) is None
            assert threads.find(session, context.vault, "other-desk", token) is None
            changed = token.text[:-1] + ("a" if token.text[-1] != "a" else "b")
            assert threads.find(session, context.vault, "conduct", Token(token.side, changed)) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("José Müller", "muller, JOSE", True),
        ("José Müller", "Jose Miller", False),
        ("@rude_person", "Rude Person", True),
        ("Rude Person (@rude)", "rude", True),
        ("a@b.example", "A@B.example", True),
        ("Ana und Bo Li", "Bo Li; Eva", True),
        ("", "", False),
        ("ab", "ab", False),
    ],
)
def test_forms_of_names(one: str, other: str, same: bool) -> None:
    assert bool({*patterns.forms(one)} & {*patterns.forms(other)}) is same


def test_a_store_of_the_first_version_is_brought_along(tmp_path: Path) -> None:
    from alembic import command
    from alembic.config import Config as AlembicConfig

    import store.tables.database as module

    database = Database(f"sqlite:///{tmp_path}/old.sqlite3")
    (tmp_path / "old.sqlite3").touch()
    settings = AlembicConfig()
    settings.set_main_option("script_location", str(Path(module.__file__).parent / "migrations"))
    with database.engine.connect() as connection:
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0001")
        for number in (1, 2):
            connection.execute(sa.text(
                f"INSERT INTO cases (id, codename, desk, state, received_at, screened) VALUES ('c{number}', 'name-{number}', 'd', 'new', 'x', '{{}}')"
            ))  # fmt: skip
            connection.execute(sa.text(
                "INSERT INTO messages (id, case_id, desk, position, direction, at, body_sealed, raw_sealed) "
                f"VALUES ('m{number}', 'c{number}', 'd', 1, 'in', 'x', 'x', 'x')"
            ))  # fmt: skip
        connection.commit()
    database.upgrade()
    database.check_migrated()
    with database.engine.connect() as connection:
        handles = connection.execute(sa.text("SELECT handle FROM cases")).scalars().all()
        assert len({*handles}) == 2
        assert all(len(handle) == 16 for handle in handles)
        assert connection.execute(sa.text("SELECT author FROM messages")).scalars().all() == ["reporter"] * 2
    database.close()
