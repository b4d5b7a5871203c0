"""What an attacker found in what is taken out of a case."""

from __future__ import annotations

import base64
from email.utils import parseaddr

import pytest
from sqlmodel import select

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person, roster_text
from store.cases import content, lookup
from store.cases.consistency import verify_recusals
from store.cases.redaction import Passage
from store.tables import audit
from store.tables.models import AnswerRow, EventRow
from tests.conftest import Desk, DeskMaker
from tests.store.test_moves import reported, texts
from tests.support.talk import say, to, words


@pytest.fixture
def desk(make_desk: DeskMaker) -> Desk:
    return make_desk()


@pytest.mark.parametrize("marks", ["| " * 60, "> " * 60, "|" * 200 + " ", ">|" * 100])
def test_marks_of_tables_and_quotes_cost_nothing(marks: str) -> None:
    assert Passage(f"see {marks} end").taken_out("see " + "| " * 2000) == "see " + "| " * 2000
    assert Passage(f"see {marks} end").taken_out("a see | > end b").startswith("a [")


def test_a_quote_below_a_members_mail_keeps_nothing(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk, "It happened.\nMy number is 0171 CANARY.\nPlease help.")
    quoted = "I know her.\n\n> It happened.\n> My number is 0171 CANARY.\n> Please help.\n"
    say(desk, team[1], quoted, codename)
    say(desk, team[1], "/field nosuchfield: 0171 CANARY", codename)
    say(desk, team[0], "/state decided\n/measure Morgan Vale: may not call 0171 CANARY", codename)
    say(desk, team[0], "/recuse dana because of 0171 CANARY", codename)
    say(desk, team[0], "/redact 0171 CANARY", codename)
    say(desk, team[1], "/redact 1", codename)
    vault = desk.context.vault
    with desk.context.database.read() as session:
        row = lookup.find_row(session, codename)
        assert row is not None
        for message in content.messages(session, vault, row.id):
            raw = content.raw_message(session, vault, row, message.id)
            opened = (
                desk.context.keyring.decrypt(raw[raw.find(b"-----BEGIN PGP") :]).plain
                if b"BEGIN PGP MESSAGE" in raw
                else b""
            )
            assert b"CANARY" not in raw + (opened or b"")
            assert "CANARY" not in str(message.body.to_json())
        for answer in session.exec(select(AnswerRow)):
            box = content.box_of(vault, row) if answer.case_id else vault
            assert "CANARY" not in str(box.open_json(answer.content_sealed, "answers", "content", answer.id))
        for event in session.exec(select(EventRow).where(EventRow.case_id == row.id)):
            if event.detail_sealed:
                assert b"CANARY" not in content.box_of(vault, row).open(
                    event.detail_sealed, "events", "detail", str(event.seq)
                )
        audit.verify(session, vault)
        verify_recusals(session, vault)
    assert "CANARY" not in desk.play.command("measures", "list").stdout.decode()


def test_other_texts_are_left_as_they_are(desk: Desk, team: list[Person]) -> None:
    latin, wide = "M\u00fcller CANARY Gr\u00f6\u00dfe".encode("latin-1"), "Yes CANARY no".encode("utf-16")
    parts = b"".join(
        b'--m\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename="%s"\n\n%s\n'
        % (name, data)
        for name, data in ((b"latin.txt", base64.b64encode(latin)), (b"wide.txt", base64.b64encode(wide)))
    )
    raw = (
        b"From: robin@sander.example\nTo: conduct@desk.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=m\n\n--m\n\nSee CANARY.\n"
        + parts
        + b"--m--\n"
    )
    codename = desk.receive(raw).codename
    desk.mail_out()
    say(desk, team[0], "/redact CANARY", codename)
    said = words(to(team[0], say(desk, team[1], "/redact 1", codename))[0])
    assert "Files that were not searched: 1" in said
    with desk.context.database.read() as session:
        row = lookup.find_row(session, codename)
        assert row is not None
        first = content.message(session, desk.context.vault, row.id)
        assert first is not None
        files = [item.data for item in content.attachment_contents(session, desk.context.vault, row, first)]
    assert files[0] == latin
    assert files[1].decode("utf-16") == "Yes [\u2026] no"


@pytest.mark.parametrize(
    ("name", "text", "passage"),
    [
        ("Wu Lin", "It was Wu CANARY who did it.", "Wu CANARY"),
        ("Jo Li", "It was Li CANARY who did it.", "Li CANARY"),
        (
            "\u738b\u5c0f\u660e",
            "\u662f\u738b\u5c0f\u660e\u5e72\u7684 CANARY.",
            "\u662f\u738b\u5c0f\u660e\u5e72\u7684 CANARY",
        ),
        ("Jan Kowalski", "Widzia\u0142em Kowalskiego CANARY.", "Kowalskiego CANARY"),
        (
            "\uae40\ubbfc\uc218",
            "\uae40\ubbfc\uc218\uc5d0\uac8c\uc11c CANARY.",
            "\uae40\ubbfc\uc218\uc5d0\uac8c\uc11c CANARY",
        ),
        ("Dana Reyes", "See CANARY.", "CANARY"),
    ],
)
def test_who_joins_is_looked_for_under_short_names_too(
    desk: Desk, team: list[Person], name: str, text: str, passage: str
) -> None:
    """Also in the headers of a mail that is kept no more as it came."""
    joining = team[3]
    roster = roster_text(team).replace(f'name = "{joining.name}"', f'name = "{name}"')
    (desk.play.folder / "roster.toml").write_text(
        "[[member]]".join(part for part in roster.split("[[member]]") if f'id = "{joining.id}"' not in part)
    )
    desk.tick()
    desk.mail_out()
    raw = plain_mail(text, "", "Robin <robin@sander.example>", extra="Cc: Dana R. <reyes@friends.example>\n")
    codename = desk.receive(raw).codename
    desk.mail_out()
    say(desk, team[0], f"/redact {passage}", codename)
    say(desk, team[1], "/redact 1", codename)
    assert passage not in texts(desk, codename)
    (desk.play.folder / "roster.toml").write_text(roster)
    desk.tick()
    desk.tick()
    assert not [item for item in to(joining, desk.mail_out()) if codename in item]
    assert joining.id in {item["member"] for item in desk.case(codename)["recused"]}


def test_what_is_to_be_taken_out_is_bounded(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk, "a b " * 500)
    assert "too long to be looked for" in words(to(team[0], say(desk, team[0], f"/redact {'a b ' * 20}", codename))[0])
    two = to(team[0], say(desk, team[0], "/redact a b a b\n/redact b a b a", codename))[0]
    assert "one '/redact' in a mail" in words(two)


def attached(*files: str) -> bytes:
    parts = "".join(
        f"--m\nContent-Type: text/plain\nContent-Disposition: attachment; filename={name}.txt\n\n{name}\n"
        for name in files
    )
    return (
        "From: Robin <robin@sander.example>\nTo: conduct@desk.example\nMIME-Version: 1.0\n"
        f"Content-Type: multipart/mixed; boundary=m\n\n--m\n\nSee the files.\n{parts}--m--\n"
    ).encode()


def test_a_word_on_a_file_counts_for_that_file_whatever_its_number_is_then(desk: Desk, team: list[Person]) -> None:
    codename = desk.receive(attached("KEPT")).codename
    desk.mail_out()
    here = parseaddr(str(desk.play.sink.to("robin@sander.example")[-1].headers["Reply-To"]))[1]
    for name in ("MOVED", "OTHER"):
        desk.clock.forward(minutes=1)
        desk.receive(attached(name), here, sender="robin@sander.example")
    desk.mail_out()
    say(desk, team[0], "/redact file 2", codename)
    desk.clock.forward(minutes=1)
    say(desk, team[0], "/split 2", codename)
    say(desk, team[1], "/redact 1", codename)
    with desk.context.database.read() as session:
        row = lookup.find_row(session, codename)
        assert row is not None
        files = [
            item.data
            for message in content.messages(session, desk.context.vault, row.id)
            for item in content.attachment_contents(session, desk.context.vault, row, message)
        ]
    assert [item.strip() for item in files] == [b"KEPT", b"OTHER"]
