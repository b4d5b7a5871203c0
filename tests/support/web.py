"""The web form of a test's desk, served in this process, and browsers without scripts that fill it in."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import unescape
from typing import Any

import altcha
import requests

from desk.demo.rehearsal import free_port
from desk.web import sealing
from desk.web.pages import Pages
from desk.web.server import WebServer
from intake.receive import Receiver
from store.openpgp.receipts import read_receipt
from tests.conftest import Desk

_LISTEN = '# listen = "127.0.0.1:8025"'
Files = Sequence[tuple[str, bytes]]


@contextmanager
def served(desk: Desk, settings: str = "") -> Iterator[str]:
    """The address of a desk's form while it is served; `settings` are lines of `[web]`."""
    listen = desk.context.config.web.listen
    if listen:
        port = int(listen.rpartition(":")[2]) if not listen.startswith("unix:") else 0
    else:
        port = free_port()
        desk.play.change_config(_LISTEN, f'listen = "127.0.0.1:{port}"\n{settings}')
        desk.reopen()
    server = WebServer(desk.context, Receiver(desk.context))
    server.bind()
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()
        server.join(20)


class PlainBrowser:
    """A browser without scripts."""

    def __init__(self, site: str, desk: str = "conduct", language: str = "en") -> None:
        self.session = requests.Session()
        self.form = f"{site}/{desk}/{language}/"
        self.receipt = f"{self.form}receipt/"

    def report(self, files: Files = (), **fields: str | list[str]) -> requests.Response:
        """Open the form, fill it in, send it."""
        words = hidden(self.session.get(self.form).text, "receipt")
        return self.post(self.form, files, receipt=words, **fields)

    def post(self, url: str, files: Files = (), **fields: str | list[str]) -> requests.Response:
        """Send a form."""
        parts: list[tuple[str, Any]] = [("files", (name, data)) for name, data in files] or [("files", ("", b""))]
        for name, value in fields.items():
            parts += [(name, (None, item)) for item in ([value] if isinstance(value, str) else value)]
        return self.session.post(url, files=parts)

    def open(self, words: str, files: Files = (), **fields: str) -> requests.Response:
        """Open a receipt, and add something with it."""
        return self.post(self.receipt, files, words=words, **fields)


def hidden(page: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', page)
    assert found, "no such field"
    return unescape(found[1])


def words_on(page: str) -> str:
    """The words of the receipt that a page shows."""
    found = re.search(r'<p class="words"[^>]*>([^<]*)</p>', page)
    assert found, page
    return unescape(found[1]).strip()


def answers_on(page: str) -> list[str]:
    """The answers that a page shows."""
    return [unescape(item) for item in re.findall(r'<p class="letter"[^>]*>([^<]*)</p>', page)]


def solved(site: str, desk: str = "conduct") -> str:
    """A challenge of the desk, solved."""
    challenge = altcha.Challenge.from_dict(requests.get(f"{site}/{desk}/challenge").json())
    solution = altcha.solve_challenge(challenge)
    assert solution
    return str(altcha.Payload(challenge, solution).to_base64())


def send(site: str, path: str, fields: Mapping[str, str | bytes], desk: str = "conduct") -> tuple[int, dict[str, Any]]:
    """Send what a script sends, with a solved challenge; status and answer."""
    parts = {name: (name, value) for name, value in fields.items()}
    answer = requests.post(f"{site}/{desk}/{path}", params={"work": solved(site, desk)}, files=parts)
    return answer.status_code, json.loads(answer.content)


def sealed_fields(desk: Desk, words: str, text: str = "It happened.") -> dict[str, Any]:
    """What a script sends for a report."""
    here = desk.context.config.desk[0]
    receipt = read_receipt(words, Pages(desk.context).salt(here))
    made = sealing.receipt_key(receipt)
    message = sealing.sealed_report(desk.context.keyring, here, text, ())
    coded = {"key": base64.b64encode(made.key).decode(), "locked": base64.b64encode(made.locked).decode()}
    return {"lookup": receipt.lookup, **coded, "message": message}


def wait_until(found: Any, seconds: float = 20) -> None:
    """Wait for something to come true."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)
