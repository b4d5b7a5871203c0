"""One mail in one SMTP transaction: what the relay gets, and what its refusals come to, with and without pipelining."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.relay.connection import NotTaken, Relay, RelayDown
from store.kit.config import load

MAIL = b"Subject: x\r\n\r\n.\r\n..two\r\nend\r\n"


class Server(socketserver.ThreadingTCPServer):
    """A mail server that answers by a table, and keeps what it took. Announces what `extensions` says."""

    daemon_threads = True

    def __init__(self, extensions: tuple[str, ...]) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.extensions = extensions
        self.answers: dict[str, str] = {}
        self.taken: list[bytes] = []
        self.heard: list[str] = []
        self.connections = 0


class Session(socketserver.StreamRequestHandler):
    """One connection; nobody is refused unless the table says so, and DATA is answered without looking at RCPT."""

    server: Server

    def handle(self) -> None:
        """Answer each line."""
        self.server.connections += 1
        self.say("220 here")
        for line in self.rfile:
            verb = line.split(b" ")[0].split(b":")[0].strip().decode().upper()
            self.server.heard.append(line.decode().strip())
            answer = self.server.answers.get(verb, {"DATA": "354 go on", "EHLO": ""}.get(verb, "250 fine"))
            if verb == "EHLO":
                answer = "\r\n".join(["250-here", *(f"250-{word}" for word in self.server.extensions), "250 HELP"])
            self.say(answer)
            if answer.startswith("421"):
                return
            if verb == "DATA" and answer.startswith("354"):
                self.data()

    def data(self) -> None:
        """Take a mail."""
        lines = []
        for line in self.rfile:
            if line == b".\r\n":
                break
            lines.append(line.removeprefix(b"."))
        if lines:
            self.server.taken.append(b"".join(lines))
        self.say(self.server.answers.get(".", "250 kept"))

    def say(self, text: str) -> None:
        """Send a line."""
        self.wfile.write(f"{text}\r\n".encode())


@pytest.fixture(params=[("PIPELINING", "SIZE 1000"), ("SIZE 1000",)], ids=["pipelining", "one by one"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with Server(request.param) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def relay(server: Server, tmp_path: Path) -> Iterator[Relay]:
    file = tmp_path / "ombud.toml"
    file.write_text(
        f'[[desk]]\naddress = "a@b.example"\nfingerprint = "{"A" * 40}"\n'
        f'[relay]\nhost = "127.0.0.1"\nport = {server.server_address[1]}\ntls = "none"\n'
    )
    made = Relay(load(file))
    yield made
    made.close()


def test_the_relay_gets_the_mail_as_it_was(server: Server, relay: Relay) -> None:
    for mail in (MAIL, b".first\r\n", b"no end"):
        relay.send("a@b.example", "c@d.example", mail)
    assert server.taken == [MAIL, b".first\r\n", b"no end\r\n"]
    heard = [line.casefold() for line in server.heard]  # verbs and parameters in any case (RFC 5321, 2.4)
    assert f"mail from:<a@b.example> size={len(MAIL)}" in heard
    assert server.connections == 1


@given(st.text(alphabet=".\n a", max_size=30))
def test_no_mail_ends_before_its_end(text: str) -> None:
    from mailer.relay.transaction import _dotted

    mail = text.replace("\n", "\r\n").encode()
    travelling = _dotted(mail)
    assert travelling.endswith(b"\r\n.\r\n") or travelling == b".\r\n" or not mail
    lines = travelling.split(b"\r\n")[:-2]
    assert b"." not in lines
    arrived = b"".join(line.removeprefix(b".") + b"\r\n" for line in lines)
    assert arrived == (mail if mail.endswith(b"\r\n") else mail + b"\r\n")


@pytest.mark.parametrize(
    ("verb", "answer", "final"),
    [
        ("RCPT", "550 5.1.1 nobody here", True),
        ("RCPT", "450 4.2.0 later", False),
        ("DATA", "554 5.5.1 no valid recipients", True),
        (".", "552 5.2.3 too large", True),
        (".", "451 4.3.0 not now", False),
        ("MAIL", "552 5.3.4 too large", True),
    ],
)
def test_a_refusal_is_of_this_mail_alone(server: Server, relay: Relay, verb: str, answer: str, final: bool) -> None:
    server.answers = {verb: answer}
    with pytest.raises(NotTaken) as refused:
        relay.send("a@b.example", "c@d.example", MAIL)
    assert refused.value.final is final
    server.answers, server.taken = {}, []
    relay.send("a@b.example", "e@d.example", b"next\r\n")
    assert (server.taken, server.connections) == ([b"next\r\n"], 1)


@pytest.mark.parametrize(
    ("verb", "answer"), [("MAIL", "550 5.7.1 not yours"), ("MAIL", "421 closing"), (".", "421 closing")]
)
def test_a_relay_that_closes_or_refuses_the_desk_is_down(server: Server, relay: Relay, verb: str, answer: str) -> None:
    server.answers = {verb: answer}
    with pytest.raises((RelayDown, NotTaken)) as failed:
        relay.send("a@b.example", "c@d.example", MAIL)
    assert not getattr(failed.value, "final", False)
    server.answers, server.taken = {}, []
    relay.send("a@b.example", "c@d.example", MAIL)
    assert (server.taken, server.connections) == ([MAIL], 2)
