"""A desk between real mail servers, by the files of deploy/: Postfix to LMTP or a pipe, to a case, to Postfix, to Dovecot."""

from __future__ import annotations

import os
import smtplib
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from desk.demo.mails import plain_mail, text_of
from desk.demo.rehearsal import Person, Rehearsal, Sink
from tests.conftest import DeskMaker
from tests.support.dovecot import Dovecot, make_certificate
from tests.support.mailboxes import wait_until
from tests.support.postfix import Postfix, lda_service

DEPLOY = Path(__file__).parent.parent.parent / "deploy" / "postfix"


def example(name: str) -> str:
    """What a file of deploy/ adds, without the map that the tests bring themselves."""
    return "".join(
        line for line in (DEPLOY / name).read_text().splitlines(keepends=True) if not line.startswith("transport_maps")
    )


@pytest.fixture
def play(make_desk: DeskMaker) -> Rehearsal:
    play = make_desk().play
    play.change_config('protocol = "smtp"', 'protocol = "lmtp"')
    return play


def mails_of(dovecot: Dovecot, user: str) -> list[bytes]:
    client = dovecot.client(user)
    client.select_folder("INBOX")
    found = [data[b"RFC822"] for data in client.fetch(client.search(), ["RFC822"]).values()]
    client.logout()
    return found


@pytest.fixture
def postfix(play: Rehearsal, dovecot: Dovecot, short_tmp: Path) -> Iterator[Postfix]:
    transports = {
        "conduct@desk.example": f"lmtp:inet:127.0.0.1:{play.port}",
        "team.example": "mailbox:",
        "reporter.example": "mailbox:",
    }
    server = Postfix(
        short_tmp / f"postfix{time.monotonic_ns()}", example("transport.cf"), transports, lda_service(dovecot)
    )
    server.start()
    play.sink.stop()
    play.change_config(f"port = {play.sink.port}", f"port = {server.port}")
    play.start()
    yield server
    server.stop()


def test_from_a_reporters_server_to_the_teams_mailboxes(
    play: Rehearsal, postfix: Postfix, dovecot: Dovecot, team: list[Person]
) -> None:
    postfix.send("sam@reporter.example", "conduct+except-Chidi@desk.example", plain_mail("It was Bo Lindqvist."))
    wait_until(lambda: all(mails_of(dovecot, who) for who in ("ada", "dana", "eunji", "sam")))
    assert [mails_of(dovecot, who) for who in ("bo", "chidi")] == [[], []]
    (mail,) = mails_of(dovecot, "ada")
    assert "It was Bo Lindqvist." in text_of(team[0].opens(mail) or b"")
    (answer,) = mails_of(dovecot, "sam")
    assert b"arrived" in answer
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        postfix.send("sam@reporter.example", "conduct+nonsense@desk.example", plain_mail("x"))
    assert caught.value.recipients["conduct+nonsense@desk.example"][0] == 550


def test_what_the_desk_cannot_take_now_waits_in_the_queue(
    play: Rehearsal, postfix: Postfix, dovecot: Dovecot, team: list[Person]
) -> None:
    database = play.folder / "ombud.sqlite3"
    database.rename(play.folder / "away")
    postfix.send("sam@reporter.example", "conduct@desk.example", plain_mail("kept all the same"))
    wait_until(lambda: "status=deferred" in (postfix.folder / "log").read_text())
    (play.folder / "away").rename(database)

    def told() -> bool:
        return any("kept all the same" in text_of(team[0].opens(mail) or b"") for mail in mails_of(dovecot, "ada"))

    wait_until(told, 60)


def test_the_line_of_the_pipe_is_one_that_postfix_reads(short_tmp: Path) -> None:
    """Its exit codes are tested with `ombud deliver`: Postfix runs no pipe as root, and these tests may be run by root."""
    server = Postfix(short_tmp / f"postfix{time.monotonic_ns()}", "", {}, example("pipe.cf"))
    line = ["postconf", "-c", str(server.folder / "etc"), "-M", "ombud/unix"]
    said = subprocess.run(
        line, capture_output=True, text=True, check=True, env={"PATH": f"{os.environ['PATH']}:/usr/sbin"}
    )
    assert said.stderr == ""
    assert "argv=/opt/ombud/bin/ombud deliver" in said.stdout
    assert "${original_recipient}" in said.stdout


def test_the_way_out_hands_nothing_to_a_server_without_a_good_certificate(short_tmp: Path) -> None:
    """It would be the login, and then the mail. With the server's CA the same mail leaves."""
    folder = short_tmp / f"provider{time.monotonic_ns()}"
    folder.mkdir()
    make_certificate(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    provider = Sink()
    logins: list[object] = []

    def login(*given: object) -> AuthResult:
        logins.append(given[-1])
        return AuthResult(success=True)

    listening = Controller(provider, hostname="127.0.0.1", port=provider.port, tls_context=context, authenticator=login)
    listening.start()
    (folder / "sasl").write_text(f"[localhost]:{provider.port} user:password\n")
    text = example("null-client.cf").replace("[smtp.provider.example]:587", f"[localhost]:{provider.port}")
    text = text.replace("hash:/etc/postfix/sasl", f"texthash:{folder}/sasl")
    ours = "mynetworks = 127.0.0.0/8\nrelay_transport = smtp\n"
    server = Postfix(short_tmp / f"postfix{time.monotonic_ns()}", text + ours, {})
    server.start()
    log = server.folder / "log"
    try:
        server.send("", "ada@team.example", plain_mail("the content"))
        wait_until(lambda: "status=deferred (Server certificate not " in log.read_text())
        assert (provider.mails, logins) == ([], [])
        trusted = (
            (server.folder / "etc/main.cf")
            .read_text()
            .replace("/etc/ssl/certs/ca-certificates.crt", f"{folder}/ca.pem")
        )
        (server.folder / "etc/main.cf").write_text(trusted)
        server.reload()
        wait_until(lambda: bool(provider.mails), 60)
        assert logins
    finally:
        server.stop()
        listening.stop()


@pytest.mark.parametrize("name", ["transport.cf", "null-client.cf"])
def test_each_setting_is_one_that_postfix_knows(short_tmp: Path, name: str) -> None:
    server = Postfix(short_tmp / f"postfix{time.monotonic_ns()}", example(name), {})
    line = ["postconf", "-c", str(server.folder / "etc"), "-n"]
    said = subprocess.run(
        line, capture_output=True, text=True, check=True, env={"PATH": f"{os.environ['PATH']}:/usr/sbin"}
    )
    assert "unused parameter" not in said.stderr
