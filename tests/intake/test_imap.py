"""A mailbox on a real server, emptied into the desk: what a provider offers, what it lacks, what is wrong."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from intake.arrival import Envelope
from intake.doors.envelope import envelope_of
from intake.doors.session import MailboxDown
from intake.receive import Receipt, Receiver
from store.kit.config import Desk as DeskConfig
from store.kit.errors import OmbudError
from tests.intake.conftest import Configure
from tests.support.dovecot import TOKEN, CutProxy, Dovecot
from tests.support.mailboxes import box_passed, empty, mailbox, reports, texts, wait_until
from tests.support.talk import to, words


def test_two_hundred_mails_wait_at_the_start(mailbox_desk: Configure, dovecot: Dovecot, user: str) -> None:
    desk = mailbox_desk()
    dovecot.put(user, *reports(200))
    assert empty(desk) == 200
    assert dovecot.count(user) == 0
    assert texts(desk) == Counter({f"report {number}": 1 for number in range(200)})
    assert empty(desk) == 0


def test_what_lies_in_the_providers_folder_for_junk_is_junk(
    mailbox_desk: Configure, dovecot: Dovecot, user: str, team: list[Person]
) -> None:
    desk = mailbox_desk(folder="Junk", junk=True)
    dovecot.put(
        user,
        plain_mail("You won."),
        plain_mail("Exclude: Bo\n\nIt happened.", sender="kim@other.example"),
        folder="Junk",
    )
    assert empty(desk) == 2
    assert dovecot.count(user, "Junk") == 0
    told = {item.recipient for item in desk.mail_out()}
    assert "kim@other.example" in told, "what is to be kept from somebody is a report"
    assert "sam@reporter.example" not in told
    (aside,) = json.loads(desk.play.command("junk", "list", "--json").stdout)
    assert desk.case(aside["codename"])["messages"][0]["text"].strip() == "You won."


@pytest.mark.parametrize("tls", ["tls", "starttls", "none"])
def test_archived_instead_of_deleted(mailbox_desk: Configure, dovecot: Dovecot, user: str, tls: str) -> None:
    desk = mailbox_desk(
        after="archive",
        archive_folder="Kept ü",
        tls=tls,
        host="127.0.0.1",
        port=dovecot.tls_port if tls == "tls" else dovecot.port,
    )
    dovecot.put(user, *reports(3))
    assert empty(desk) == 3
    assert (dovecot.count(user), dovecot.count(user, "Kept ü")) == (0, 3)


def test_mail_that_arrives_in_idle_reaches_the_readers(
    mailbox_desk: Configure, dovecot: Dovecot, user: str, team: list[Person]
) -> None:
    desk = mailbox_desk(poll_seconds=600)
    play = desk.play
    play.start()
    dovecot.put(user, plain_mail("first"))
    play.sink.wait_for(6)
    time.sleep(1)
    started = time.monotonic()
    dovecot.put(user, plain_mail("Exclude: Bo\n\nsecond"))
    play.sink.wait_for(11)
    assert time.monotonic() - started < 20
    assert team[1].email not in {item.recipient for item in play.sink.mails[6:]}
    wait_until(lambda: dovecot.count(user) == 0)
    play.stop()
    assert "Traceback" not in play.log()
    assert user not in play.log()


@pytest.mark.parametrize(
    ("capability", "after"),
    [
        ("IMAP4rev1 SASL-IR LITERAL+ UIDPLUS", "delete"),
        ("IMAP4rev1 SASL-IR LITERAL+ IDLE UIDPLUS", "archive"),
        ("IMAP4rev1 SASL-IR LITERAL+ IDLE", "archive"),
        ("IMAP4rev1 SASL-IR LITERAL+ IDLE", "delete"),
    ],
)
def test_servers_that_lack_idle_move_or_uidplus(
    mailbox_desk: Configure, short_tmp: Path, user: str, capability: str, after: str
) -> None:
    server = Dovecot(short_tmp / f"poor{time.monotonic_ns()}", capability)
    server.start()
    try:
        desk = mailbox_desk(server, after=after)
        server.put(user, *reports(3))
        assert empty(desk) == 3
        assert server.count(user) == 0
        assert server.count(user, "Archive") == (3 if after == "archive" else 0)
        lacks = {
            item["detail"]
            for item in json.loads(desk.play.command("check", "--json").stdout)
            if item["check"] == "mailbox of conduct"
        }
        assert ("IDLE" in capability) != any("no IDLE" in text for text in lacks)
        assert ("UIDPLUS" in capability) != any("no UIDPLUS" in text for text in lacks)
        desk.play.start()
        server.put(user, plain_mail("while it runs"))
        desk.play.sink.wait_for(6)
        desk.play.stop()
    finally:
        server.kill()


@pytest.mark.parametrize("capability", ["IMAP4rev1 SASL-IR LITERAL+", ""])
def test_what_is_flagged_as_deleted_is_taken_in_as_well(
    mailbox_desk: Configure, short_tmp: Path, user: str, capability: str
) -> None:
    """By whoever has access to the mailbox, who may be named in it; or by a poller that was killed before it expunged."""
    server = Dovecot(short_tmp / f"flagged{len(capability)}", capability)
    server.start()
    try:
        desk = mailbox_desk(server)
        mails = [plain_mail("kept already"), plain_mail("somebody flagged this"), *reports(120)]
        server.put(user, *mails)
        desk.receive(mails[0])
        server.client(user).delete_messages([1, 2])
        assert empty(desk) == 122
        assert server.count(user) == 0
        assert texts(desk) == Counter(
            {"kept already": 1, "somebody flagged this": 1} | {f"report {number}": 1 for number in range(120)}
        )
        assert empty(desk) == 0
    finally:
        server.kill()


def test_without_uidplus_what_is_flagged_meanwhile_is_not_expunged(
    mailbox_desk: Configure, short_tmp: Path, user: str
) -> None:
    server = Dovecot(short_tmp / "meanwhile", "IMAP4rev1 SASL-IR LITERAL+")
    server.start()
    try:
        desk = mailbox_desk(server)
        server.put(user, plain_mail("a report"))
        box = mailbox(desk)
        box.open()
        keep = Receiver.receive

        def flag_another(self: Receiver, envelope: Envelope) -> list[Receipt]:
            server.put(user, plain_mail("came just now"))
            server.client(user).delete_messages([2])
            return keep(self, envelope)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Receiver, "receive", flag_another)
            assert box.take_all() == box_passed(1, 0)
        assert server.count(user) == 2
        assert box.take_all() == box_passed(1, 0)
        box.close()
        assert server.count(user) == 0
        assert texts(desk) == Counter({"a report": 1, "came just now": 1})
    finally:
        server.kill()


def test_the_recipient_comes_from_the_headers() -> None:
    desk = DeskConfig(address="conduct@desk.example", fingerprint="A" * 40, aliases=("aloha@desk.example",))
    for head, recipients in (
        ("To: x@y.example", ("conduct@desk.example",)),
        ("Delivered-To: conduct+except-bo@desk.example\nTo: x@y.example", ("conduct+except-bo@desk.example",)),
        (
            "Delivered-To: conduct@desk.example\nTo: Team <aloha+quiet@desk.example>",
            ("conduct@desk.example", "aloha+quiet@desk.example"),
        ),
        (
            "Envelope-To: other@desk.example\nCc: a@b.example, CONDUCT+quiet@desk.example",
            ("CONDUCT+quiet@desk.example",),
        ),
        ("X-Original-To: conduct+nonsense@desk.example", ("conduct@desk.example",)),
        ("", ("conduct@desk.example",)),
    ):
        assert envelope_of(f"{head}\n\nbody To: conduct+quiet@desk.example".encode(), desk).recipients == recipients
    assert envelope_of(b"Return-Path: <>\n\n", desk).sender == ""
    assert envelope_of(b"Return-Path: <a@b.example>\n\n", desk).sender == "a@b.example"
    assert envelope_of(b"\n\n", desk).sender is None


def test_plus_addresses_and_lines_work_in_a_mailbox(mailbox_desk: Configure, dovecot: Dovecot, user: str) -> None:
    desk = mailbox_desk()
    dovecot.put(
        user,
        plain_mail("by address", to="conduct+except-bo@desk.example"),
        plain_mail("Exclude: Ada\nReply: no\n\nby line"),
    )
    empty(desk)
    lines = json.loads(desk.play.command("case", "list", "--json").stdout)
    assert [desk.case(line["codename"])["recused"][0]["member"] for line in lines] == ["bo", "ada"]
    assert Counter(item.recipient for item in desk.mail_out())["sam@reporter.example"] == 1


WRONG: dict[str, dict[str, object]] = {
    "cannot be reached": {"port": 1},
    "certificate is not trusted": {"ca_file": None},
    "folder cannot be selected": {"folder": "No Such"},
    "login was refused": {"password_file": "wrong"},
    "cannot be read": {"password_file": "missing"},
    "could not be run": {"password_file": None, "token_command": ["/no/such/program"]},
    "gave no token": {"password_file": None, "token_command": ["false"]},
}


@pytest.mark.parametrize("complaint", WRONG)
def test_what_is_wrong_is_named(mailbox_desk: Configure, complaint: str) -> None:
    desk = mailbox_desk(**WRONG[complaint])
    (desk.play.folder / "wrong").write_text("wrong")
    box = mailbox(desk)
    with pytest.raises(OmbudError, match=complaint):
        box.open()


def test_check_and_poll_say_so(mailbox_desk: Configure, dovecot: Dovecot, user: str) -> None:
    desk = mailbox_desk(folder="No Such")
    (found,) = [
        item
        for item in json.loads(desk.play.command("check", "--json").stdout)
        if item["check"] == "mailbox of conduct"
    ]
    assert (found["level"], "folder cannot be selected" in found["detail"]) == ("failure", True)
    polled = desk.play.command("poll", "--once", "--json")
    assert polled.returncode == 75
    assert "folder cannot be selected" in json.loads(polled.stdout)[0]["trouble"]
    desk.play.change_config("No Such", "INBOX")
    dovecot.put(user, plain_mail("by cron"))
    polled = desk.play.command("poll", "--once", "--json")
    assert json.loads(polled.stdout) == [{"mailbox": "localhost/INBOX", "taken": 1, "left": 0, "trouble": ""}]
    assert len(desk.play.sink.mails) == 6, "what is due is sent as well"


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_oauth_and_a_token_that_expires(mailbox_desk: Configure, dovecot: Dovecot, mechanism: str) -> None:
    token = dovecot.folder / "token"
    desk = mailbox_desk(
        password_file=None, user="oauth-user", token_command=["cat", "token.txt"], token_mechanism=mechanism
    )
    held = desk.play.folder / "token.txt"
    held.write_text(TOKEN + "\n")
    dovecot.put("oauth-user", plain_mail(f"one {mechanism}"))
    assert empty(desk) == 1
    try:
        token.write_text("another")
        with pytest.raises(MailboxDown, match="login was refused"):
            empty(desk)
        held.write_text("another")
        dovecot.put("oauth-user", plain_mail(f"two {mechanism}"))
        assert empty(desk) == 1
    finally:
        token.write_text(TOKEN)


def test_a_mail_too_large_is_held_and_stays_at_the_provider(
    mailbox_desk: Configure, dovecot: Dovecot, user: str, team: list[Person]
) -> None:
    desk = mailbox_desk()
    desk.play.change_config('# size_limit = "25MB"', 'size_limit = "1MB"')
    dovecot.put(user, plain_mail("x" * 1_200_000), plain_mail("small"))
    empty(desk)
    assert (dovecot.count(user), dovecot.count(user, "Archive")) == (0, 1)
    lines = json.loads(desk.play.command("case", "list", "--json").stdout)
    assert sorted(line["state"] for line in lines) == ["held", "new"]
    held = next(line["codename"] for line in lines if line["state"] == "held")
    refused = desk.play.command("case", "reopen", held)
    assert refused.returncode == 1
    assert b"is in the mailbox" in refused.stderr
    mails = desk.mail_out()
    assert any("larger than this desk takes" in words(text) for text in to(team[0], mails))
    assert Counter(item.recipient for item in mails)["sam@reporter.example"] == 2


def test_a_large_mail_is_fetched_once(mailbox_desk: Configure, dovecot: Dovecot, user: str) -> None:
    proxy = CutProxy(dovecot.port, lambda: 10**9)
    desk = mailbox_desk(host="127.0.0.1", port=proxy.port, tls="none")
    line = "x" * 75 + "\n"
    dovecot.put(user, plain_mail("small"), plain_mail(line * 320_000), plain_mail("small too"))
    assert empty(desk) == 3
    proxy.close()
    assert 24_000_000 < proxy.octets < 25_500_000
