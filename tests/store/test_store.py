"""Configuration, tables, the chain of events, the outbox: what an operator would notice."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest
from sqlmodel import SQLModel

from desk.demo.mails import plain_mail
from store.kit.config import load
from store.kit.errors import ConfigError, StoreUnavailable, VaultError
from store.tables import audit
from store.tables.database import MIGRATION_HEAD, Database
from tests.conftest import Desk

FINGERPRINT = "A" * 40


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "[[desk]]\naddress='a@b.c'\nfingerprint='%s'\nquorums=2",
            "desk[0].quorums: there is no such field. Did you mean 'quorum'?",
        ),
        (
            "[relay]\nprot=1\n[[desk]]\naddress='a@b.c'\nfingerprint='%s'",
            "relay.prot: there is no such field. Did you mean 'port'?",
        ),
        (
            "[[desk]]\naddress='a@b.c'\nfingerprint='%s'\nquorum=0",
            "desk[0].quorum: input should be greater than or equal to 1 (it is 0)",
        ),
        ("[[desk]]\naddress='a@b.c'\nfingerprint='12'", "desk[0].fingerprint: must be a full OpenPGP fingerprint"),
        ("[[desk]]\naddress='a b@c'\nfingerprint='%s'", "desk[0].address: must be a plain mail address"),
        ("[[desk]]\naddress='a+x@b.c'\nfingerprint='%s'", "desk[0].address: must be a plain mail address"),
        ("[[desk]]\nfingerprint='%s'", "desk[0].address: must be set"),
        ("[[desk]]\naddress='a@b.c'\nfingerprint='%s'\ntimezone='Mars'", "desk[0].timezone: must be a time zone name"),
        (
            "[[desk]]\naddress='a@b.c'\nfingerprint='%s'\nnotice='half'",
            "desk[0].notice: input should be 'full' or 'summary' (it is 'half')",
        ),
        (
            "[listener]\nport='x'\n[[desk]]\naddress='a@b.c'\nfingerprint='%s'",
            "listener.port: input should be a valid integer",
        ),
        (
            "[listener]\ntls_key='x'\n[[desk]]\naddress='a@b.c'\nfingerprint='%s'",
            "listener: tls_certificate and tls_key belong together",
        ),
        (
            "[relay]\nhost='m.x'\nuser='u'\n[[desk]]\naddress='a@b.c'\nfingerprint='%s'",
            "relay: a password would travel in clear",
        ),
        (
            "[database]\nurl='mysql://x'\n[[desk]]\naddress='a@b.c'\nfingerprint='%s'",
            "database.url: must begin with sqlite:/// or postgresql://",
        ),
        ("x = [", "not valid TOML"),
        ("", "there is no [[desk]]"),
        (
            "[[desk]]\naddress='a@b.c'\nfingerprint='%s'\n[[desk]]\nid='z'\naddress='A@b.c'\nfingerprint='%s'",
            "two desks share the address a@b.c",
        ),
    ],
)
def test_a_wrong_configuration_names_file_field_and_remedy(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "ombud.toml"
    file.write_text(text.replace("%s", FINGERPRINT))
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert complaint in str(caught.value)
    assert str(caught.value).startswith(str(file))


def test_a_good_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ombud.toml"
    file.write_text(
        f"[listener]\nsize_limit = '5MB'\n[[desk]]\naddress='a.b@c.example'\nfingerprint='{FINGERPRINT}'\naliases=['aloha@c.example']"
    )
    monkeypatch.setenv("OMBUD_RELAY__PORT", "2500")
    config = load(file)
    assert (config.desk[0].id, config.listener.size_limit, config.relay.port) == ("a-b", 5_000_000, 2500)
    assert config.database_url == f"sqlite:///{tmp_path}/ombud.sqlite3"
    assert config.is_own("Aloha+x@C.example")


def test_the_migrations_make_the_tables_of_the_models(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    database = Database(f"sqlite:///{tmp_path}/x.sqlite3")
    with pytest.raises(StoreUnavailable, match="ombud restore"):
        database.check_migrated()
    database.upgrade()
    database.check_migrated()
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == MIGRATION_HEAD
        assert compare_metadata(context, SQLModel.metadata) == []
    assert (tmp_path / "x.sqlite3").stat().st_mode & 0o077 == 0
    database.close()


def test_nothing_a_reporter_wrote_lies_in_clear(desk: Desk) -> None:
    desk.receive(plain_mail("MAGPIE-BODY", subject="MAGPIE-SUBJECT", sender="magpie-sender@reporter.example"))
    desk.mail_out()
    desk.reopen()
    for file in desk.play.folder.rglob("*"):
        if file.is_file() and not file.is_socket():
            content = file.read_bytes().lower()
            assert b"magpie" not in content, file.name


def test_the_chain_notices_what_was_changed_or_cut_off(desk: Desk) -> None:
    for number in range(3):
        desk.receive(plain_mail(f"report {number}"))
    context = desk.context
    with context.database.read() as session:
        assert audit.verify(session, context.vault) >= 3
    file = str(context.database.file)
    for change, undo, complaint in (
        ("UPDATE events SET actor='x' WHERE seq=2", "UPDATE events SET actor='desk' WHERE seq=2", "broken at event 2"),
        ("UPDATE chain_head SET seq = seq + 1", "UPDATE chain_head SET seq = seq - 1", "cut off"),
        ("DELETE FROM events WHERE seq=(SELECT max(seq) FROM events)", "", "cut off"),
    ):
        with sqlite3.connect(file) as connection:
            connection.execute(change)
        with context.database.read() as session, pytest.raises(VaultError, match=complaint):
            audit.verify(session, context.vault)
        if undo:
            with sqlite3.connect(file) as connection:
                connection.execute(undo)


def test_a_locked_database_is_a_passing_trouble(desk: Desk) -> None:
    desk.receive(plain_mail("one"))
    url = desk.context.database.url
    quick = Database(url, busy_seconds=0.1)
    with sqlite3.connect(str(quick.file), isolation_level=None) as blocker:
        blocker.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable, match="locked"), quick.write():
            pass
        blocker.execute("ROLLBACK")
    with quick.write():
        pass
    quick.close()


def test_what_somebody_put_into_the_schema_of_the_file_is_not_run(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    database.upgrade()
    with database.read() as session:
        connection = session.connection()
        assert connection.exec_driver_sql("PRAGMA trusted_schema").scalar_one() == 0
        connection.exec_driver_sql("PRAGMA writable_schema=ON")
        defensive = sys.version_info >= (3, 12)
        assert connection.exec_driver_sql("PRAGMA writable_schema").scalar_one() == (0 if defensive else 1)
    database.close()


def test_a_database_that_was_moved_away_is_not_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "desk of ours.sqlite3"
    database = Database(f"sqlite:///{file}")
    database.upgrade()
    database.close()
    file.rename(tmp_path / "elsewhere.sqlite3")
    with pytest.raises(Exception, match="unable to open"), database.engine.connect():
        pass
    assert not file.exists()
    (tmp_path / "elsewhere.sqlite3").rename(file)
    database.check_migrated()
    database.close()
