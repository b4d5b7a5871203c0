"""The running service, over real sockets: what senders, operators and readers see of it."""

from __future__ import annotations

import json
import os
import smtplib
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person, Rehearsal
from store.openpgp.keyring import Keyring
from tests.conftest import Desk, DeskMaker
from tests.support.mails import case_text


def answer(play: Rehearsal, *lines: bytes) -> list[bytes]:
    """What the listener says to raw lines; the last reply to each."""
    with (
        socket.create_connection(("127.0.0.1", play.port), timeout=20) as connection,
        connection.makefile("rwb") as stream,
    ):
        replies = [stream.readline()]
        for line in lines:
            stream.write(line)
            stream.flush()
            while (reply := stream.readline())[3:4] == b"-":
                pass
            replies.append(reply)
        return replies[1:]


def test_what_is_taken_and_what_is_refused_at_rcpt(running: Desk) -> None:
    play = running.play
    with smtplib.SMTP("127.0.0.1", play.port, "localhost") as connection:
        connection.ehlo()
        assert connection.has_extn("smtputf8")
        assert connection.has_extn("8bitmime")
        assert connection.esmtp_features["size"] == "25000000"
        connection.mail("a@b.example")
        for address, code in (
            ("conduct@desk.example", 250),
            ("CONDUCT@Desk.Example", 250),
            ("conduct+quiet@desk.example", 250),
            ("conduct+except-bo@desk.example", 250),
            ("conduct+except-nobody.we.know@desk.example", 250),
            ("conduct+quiet+except-bo@desk.example", 250),
            ("conduct+nonsense@desk.example", 550),
            ("conduct+except-@desk.example", 550),
            ("other@desk.example", 550),
            ("conduct@elsewhere.example", 550),
        ):
            assert connection.rcpt(address)[0] == code, address


def test_long_lines_eight_bits_and_utf8_addresses(running: Desk) -> None:
    play = running.play
    mail = plain_mail("ü" * 50_000, sender="Ünal <ünal@reporter.example>")
    with smtplib.SMTP("127.0.0.1", play.port, "localhost") as connection:
        connection.sendmail("ünal@reporter.example", [play.address], mail, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    play.sink.wait_for(6)
    assert "ünal@reporter.example" in {item.recipient for item in play.sink.mails}
    (line,) = json.loads(play.command("case", "list", "--json").stdout)
    record = json.loads(play.command("case", "show", line["codename"], "--json").stdout)
    assert record["messages"][0]["text"] == "ü" * 50_000


def test_the_null_sender_dots_and_lone_line_feeds(running: Desk) -> None:
    play = running.play
    text = b".one\r\n..two\r\n.\nthree\r\n"
    said = answer(
        play,
        b"EHLO x\r\n",
        b"MAIL FROM:<>\r\n",
        b"RCPT TO:<conduct@desk.example>\r\n",
        b"DATA\r\n",
        b"From: a@b.example\r\n\r\n..one\r\n...two\r\n..\nthree\r\n.\r\n",
    )
    assert said[-1].startswith(b"250")
    assert text.replace(b"\r\n", b"\n").decode().strip() == case_text(play)


def test_too_large_is_552_and_the_service_goes_on(make_desk: DeskMaker) -> None:
    desk = make_desk()
    desk.play.change_config('# size_limit = "25MB"', 'size_limit = "1MB"')
    desk.play.start()
    with smtplib.SMTP("127.0.0.1", desk.play.port, "localhost") as connection:
        with pytest.raises(smtplib.SMTPSenderRefused) as early:
            connection.sendmail("a@b.example", [desk.play.address], b"x" * 1_100_000)
        assert early.value.smtp_code == 552
        connection.mail("a@b.example")
        connection.rcpt(desk.play.address)
        assert connection.data(b"x\r\n" * 400_000)[0] == 552
    assert answer(
        desk.play,
        b"EHLO x\r\n",
        b"MAIL FROM:<a@b.example>\r\n",
        b"RCPT TO:<conduct@desk.example>\r\n",
        b"DATA\r\n",
        b"y" * 1_500_000 + b"\r\n.\r\n",
    )[-1][:3] in (b"552", b"500")
    desk.play.send(plain_mail("small"))
    refused = desk.play.command("deliver", "conduct@desk.example", stdin=b"x" * 1_100_000)
    assert refused.returncode == 65


def test_lmtp_answers_once_for_each_recipient(make_desk: DeskMaker) -> None:
    desk = make_desk()
    desk.play.change_config('protocol = "smtp"', 'protocol = "lmtp"')
    desk.play.start()
    with (
        socket.create_connection(("127.0.0.1", desk.play.port), timeout=20) as connection,
        connection.makefile("rwb") as stream,
    ):

        def say(line: bytes) -> bytes:
            stream.write(line)
            stream.flush()
            while (reply := stream.readline())[3:4] == b"-":
                pass
            return reply

        stream.readline()
        assert say(b"EHLO x\r\n").startswith(b"500")
        assert say(b"LHLO x\r\n").startswith(b"250")
        say(b"MAIL FROM:<a@b.example>\r\n")
        say(b"RCPT TO:<conduct@desk.example>\r\n")
        say(b"RCPT TO:<nobody@desk.example>\r\n")
        say(b"RCPT TO:<conduct+quiet@desk.example>\r\n")
        say(b"DATA\r\n")
        assert say(b"From: a@b.example\r\n\r\nhello\r\n.\r\n").startswith(b"250")
        assert stream.readline().startswith(b"250")
        assert say(b"NOOP\r\n").startswith(b"250")
    assert len(json.loads(desk.play.command("case", "list", "--json").stdout)) == 1


def test_connections_are_limited(make_desk: DeskMaker) -> None:
    desk = make_desk()
    desk.play.change_config("# connections = 50", "connections = 3")
    desk.play.start()
    time.sleep(0.2)
    open_ones = [socket.create_connection(("127.0.0.1", desk.play.port), timeout=10) for _ in range(4)]
    greetings = [connection.recv(100) for connection in open_ones]
    assert [greeting[:3] for greeting in greetings] == [b"220", b"220", b"220", b"421"]
    for connection in open_ones:
        connection.close()
    time.sleep(0.3)
    desk.play.send(plain_mail("after"))


def test_starttls(make_desk: DeskMaker, short_tmp: Path) -> None:
    import ssl

    desk = make_desk()
    key, certificate = desk.play.folder / "key.pem", desk.play.folder / "cert.pem"
    line = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run([*line, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    desk.play.change_config('# tls_certificate = "tls/fullchain.pem"', 'tls_certificate = "cert.pem"')
    desk.play.change_config('# tls_key = "tls/privkey.pem"', 'tls_key = "key.pem"')
    desk.play.start()
    context = ssl.create_default_context(cafile=str(certificate))
    with smtplib.SMTP("localhost", desk.play.port, "localhost") as connection:
        connection._host = "localhost"  # type: ignore[attr-defined]
        context.check_hostname = False
        connection.starttls(context=context)
        connection.sendmail("a@b.example", [desk.play.address], plain_mail("over TLS"))
    desk.play.sink.wait_for(6)


def test_deliver_with_and_without_the_service(desk: Desk) -> None:
    play = desk.play
    mail = plain_mail(".dot\n\nhello")
    cold = play.command("deliver", "--json", "--sender", "sam@reporter.example", "conduct@desk.example", stdin=mail)
    first = json.loads(cold.stdout)
    assert (cold.returncode, first["outcome"]) == (0, "case")
    play.start()
    warm = play.command("deliver", "conduct@desk.example", "--json", stdin=mail)
    assert json.loads(warm.stdout) == {"outcome": "duplicate", "case": first["case"]}
    fresh = play.command("deliver", "conduct@desk.example", stdin=mail.replace(b"hello", b"good day"))
    assert fresh.stdout.split()[0] == b"case"
    assert play.command("deliver", "nobody@desk.example", stdin=mail).returncode == 67
    for sender in ("root", "a b@c", "x@y@z", "<>", ""):
        odd = plain_mail(f"by {sender or 'nobody'}", sender="kim@reporter.example")
        assert play.command("deliver", "--sender", sender, "conduct@desk.example", stdin=odd).returncode == 0, sender
    record = json.loads(play.command("case", "show", fresh.stdout.split()[1].decode(), "--json").stdout)
    assert record["messages"][0]["text"] == ".dot\n\ngood day"
    play.sink.wait_for(12)  # without --sender the envelope is unknown, not null: the reporter is answered
    play.stop()
    assert play.command("deliver", "nobody@desk.example", stdin=mail).returncode == 67


def test_logs_and_process_arguments_hold_nothing(make_desk: DeskMaker, team: list[Person]) -> None:
    play = make_desk().play
    play.change_config('# custody = "process"', 'custody = "agent"')
    play.start()
    seen: list[bytes] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.append(path.read_bytes())
                except OSError:
                    continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    for number in range(5):
        play.send(
            plain_mail(f"YANRAC body {number}", subject="YANRAC subject", sender=f"yanrac{number}@reporter.example"),
            sender=f"yanrac{number}@reporter.example",
        )
    play.sink.wait_for(30)
    stop.set()
    watcher.join()
    assert any(b"--detach-sign" in line for line in seen)
    everything = b"".join(seen).lower() + play.log().lower().encode()
    for told in (b"yanrac", *(person.email.encode() for person in team)):
        assert told not in everything
    assert "taken in" in play.log()


def test_the_service_stops_when_told_and_ends_its_work(running: Desk) -> None:
    running.play.send(plain_mail("x"))
    running.play.stop()
    assert not (running.play.folder / "deliver.sock").exists()
    assert "Traceback" not in running.play.log()
    running.play.start()
    running.play.sink.wait_for(6)


def test_errors_at_start_are_sentences(desk: Desk) -> None:
    play = desk.play
    blocker = socket.create_server(("127.0.0.1", play.port))
    failed = play.command("run")
    blocker.close()
    assert failed.returncode == 1
    assert b"cannot listen" in failed.stderr
    assert b"Traceback" not in failed.stderr
    (play.folder / "ombud.sqlite3").unlink()
    failed = play.command("run")
    assert failed.returncode == 75
    assert b"ombud restore" in failed.stderr
    assert b"ombud init" not in failed.stderr, "that would begin an empty one"
    env = {**os.environ, "OMBUD_CONFIG": "/no/such/ombud.toml"}
    missing = subprocess.run([sys.executable, "-m", "desk", "check"], capture_output=True, env=env, check=False)
    assert b"no such file" in missing.stdout
    assert missing.returncode == 1
    Keyring("gpg", play.folder / "gnupg").close()
