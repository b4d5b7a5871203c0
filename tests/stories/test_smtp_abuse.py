"""What a hostile client says to the listener: commands that make no sense, and mails that try to pass for two."""

from __future__ import annotations

import json
import random
import secrets
import socket

from desk.demo.mails import plain_mail
from tests.conftest import Desk

SEED = secrets.randbelow(10**6)
SMUGGLED = b"MAIL FROM:<eve@b.example>\r\nRCPT TO:<conduct@desk.example>\r\nDATA\r\nFrom: eve@b.example\r\n\r\nsmuggled"
WORDS = [
    b"EHLO x", b"HELO", b"MAIL FROM:<a@b.example>", b"MAIL FROM:<>", b"MAIL FROM:a b", b"RCPT TO:<conduct@desk.example>", b"RCPT TO:<>",
    b"RCPT TO:<@a,@b:conduct@desk.example>", b"DATA", b"BDAT 10 LAST", b"RSET", b"NOOP", b"VRFY conduct", b"EXPN x", b"HELP", b"STARTTLS",
    b"AUTH PLAIN AAAA", b"LHLO x", b"MAIL FROM:<a@b.example> SIZE=-1", b"MAIL FROM:<a@b.example> SIZE=99999999999", b"XXXX", b"\xff\xfe\x00",
    b"", b".", b"A" * 600, b"GET / HTTP/1.1", b"\x16\x03\x01\x02",
]  # fmt: skip


def talk(port: int, octets: bytes) -> bytes:
    """Say it all at once; whatever is answered until the server hangs up or says no more."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
        try:
            connection.sendall(octets + b"\r\nQUIT\r\n")
            while piece := connection.recv(65536):
                said += piece
        except OSError:
            pass
    return said


def cases(desk: Desk) -> list[str]:
    lines = json.loads(desk.play.command("case", "list", "--json").stdout)
    return [desk.case(line["codename"])["messages"][0]["text"] for line in lines]


ENDS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n\n.\r\n", b"\r\n\x00.\r\n"]


def test_a_mail_cannot_pass_for_two(running: Desk) -> None:
    """SMTP smuggling: only CRLF.CRLF ends a mail (RFC 5321 section 4.1.1.4), whatever another server takes for an end."""
    for number, end in enumerate(ENDS):
        said = talk(
            running.play.port,
            b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<conduct@desk.example>\r\nDATA\r\n"
            b"From: a@b.example\r\n\r\nfirst %d" % number + end + SMUGGLED + b"\r\n.\r\n",
        )
        texts = cases(running)
        assert len(texts) <= number + 1, (end, said)
        assert all(text.startswith("first") for text in texts), end


def test_whatever_a_client_says_the_service_goes_on(running: Desk) -> None:
    luck = random.Random(SEED)
    print(f"SEED={SEED}")
    for _ in range(150):
        lines = [luck.choice(WORDS) for _ in range(luck.randint(1, 12))]
        talk(running.play.port, luck.choice([b"\r\n", b"\r\n", b"\n", b"\r"]).join(lines))
    running.play.send(plain_mail("a person"))
    assert "a person" in cases(running)
    assert '"level": "error"' not in running.play.log()
