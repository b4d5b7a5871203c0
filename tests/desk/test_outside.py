"""How the address looks from outside, and the desk's own mail that comes back, or does not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from checkdmarc.utils import DNS_CACHE

from desk.care import outside
from desk.care.doctor import examine
from desk.care.machine import Finding
from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Delivered, Person
from store.outbox import canary
from tests.conftest import Desk
from tests.support.dns_server import Names, name_server
from tests.support.talk import read

DOMAIN = "desk.example"


@pytest.fixture
def names() -> Iterator[Names]:
    DNS_CACHE.clear()  # the library remembers for a while what another test published
    with name_server() as server:
        server.add(DOMAIN, "MX", "10 mx.desk.example.")
        server.add("mx.desk.example", "A", "127.0.0.1")
        server.add("1.0.0.127.in-addr.arpa", "PTR", "mx.desk.example.")
        server.add(DOMAIN, "TXT", "v=spf1 ip4:93.184.216.34 -all")
        server.add(f"_dmarc.{DOMAIN}", "TXT", "v=DMARC1; p=reject; rua=mailto:dmarc@desk.example")
        yield server


class Web:
    """What a web server has: pages by URL, and its clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pages: dict[str, bytes] = {}
        self.now = datetime.now(UTC)
        monkeypatch.setattr(requests, "get", self._get)
        monkeypatch.setattr(requests, "head", self._head)

    def _get(self, url: str, **_: object) -> Any:
        if url not in self.pages:
            raise requests.ConnectionError
        page = self.pages[url]
        return SimpleNamespace(status_code=200, raw=SimpleNamespace(read=lambda *_, **__: page))

    def _head(self, url: str, **_: object) -> Any:
        if not self.pages:
            raise requests.ConnectionError
        return SimpleNamespace(headers={"Date": format_datetime(self.now)})


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Web:
    return Web(monkeypatch)


def looked(desk: Desk, names: Names) -> dict[str, Finding]:
    text = desk.play.config.read_text()
    if 'nameservers = ["127.0.0.1"]\n' not in text:
        lines = f'nameservers = ["127.0.0.1"]\nport = {names.port}\n'
        desk.play.change_config("[sender_checks]\n", f"[sender_checks]\n{lines}")
        desk.reopen()
    return {item.check: item for item in outside.examine(desk.context.config, desk.clock)}


def test_what_is_published_is_well(desk: Desk, names: Names, web: Web) -> None:
    web.pages[outside.directory_urls("conduct@desk.example")[0]] = desk.context.keyring.export(
        desk.context.config.desk[0].fingerprint, armored=False
    )
    found = looked(desk, names)
    for check in (
        "MX of desk.example",
        "SPF of desk.example",
        "DMARC of desk.example",
        "WKD of conduct@desk.example",
        "clock outside",
    ):
        assert found[check].level == "ok", found[check]


def test_what_is_missing_is_said_with_its_remedy(desk: Desk, names: Names, web: Web) -> None:
    names.known.clear()
    found = looked(desk, names)
    assert found["MX of desk.example"].level == "failure"
    assert "Publish MX records" in found["MX of desk.example"].detail
    assert found["SPF of desk.example"].level == found["DMARC of desk.example"].level == "warning"
    assert "v=spf1" in found["SPF of desk.example"].detail
    assert "ombud key wkd" in found["WKD of conduct@desk.example"].detail
    assert found["clock outside"].level == "ok", "nobody to compare with"


def test_another_key_in_the_directory_is_a_failure(desk: Desk, names: Names, web: Web, stranger: Person) -> None:
    web.pages[outside.directory_urls("conduct@desk.example")[1]] = stranger.public_key
    found = looked(desk, names)["WKD of conduct@desk.example"]
    assert (found.level, "ANOTHER key" in found.detail) == ("failure", True)


def test_a_clock_that_is_wrong_is_a_failure(desk: Desk, names: Names, web: Web) -> None:
    web.pages["x"] = b""
    web.now -= timedelta(hours=2)
    assert looked(desk, names)["clock outside"].level == "failure"


def test_the_key_of_the_relay_is_looked_for_under_its_selector(desk: Desk, names: Names, web: Web) -> None:
    assert "dkim_selector" in looked(desk, names)["DKIM of conduct"].detail
    desk.play.change_config('# dkim_selector = "mail"', 'dkim_selector = "mail"')
    desk.reopen()
    assert looked(desk, names)["DKIM of conduct"].level == "warning"
    names.add(f"mail._domainkey.{DOMAIN}", "TXT", "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
    assert looked(desk, names)["DKIM of conduct"].level == "ok"


def test_name_servers_that_say_nothing_fail_nothing_else(
    desk: Desk, names: Names, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    names.silent = True
    monkeypatch.setattr(outside, "_SECONDS", 0.2)
    found = looked(desk, names)
    assert {"MX of desk.example", "SPF of desk.example", "WKD of conduct@desk.example"} <= set(found)


@pytest.mark.parametrize(
    ("matching", "expected"),
    [(0, b"certificate"), (1, hashlib.sha256(b"certificate").digest()), (2, hashlib.sha512(b"certificate").digest())],
)
def test_a_certificate_is_compared_with_what_is_published(matching: int, expected: bytes) -> None:
    assert outside.tlsa_fits(3, 0, matching, expected, b"certificate")
    assert not outside.tlsa_fits(3, 0, matching, expected, b"another")
    assert not outside.tlsa_fits(3, 1, matching, expected, b"no certificate")


# --- the desk's mail to itself ---


@pytest.fixture
def singing(desk: Desk) -> Desk:
    """A desk that writes to itself every day, a minute before it does."""
    desk.play.change_config("canary = false ", "canary = true ")
    desk.clock.now = desk.clock.now.replace(hour=3, minute=59, second=0)
    desk.tick()
    desk.clock.forward(minutes=2)
    return desk


def a_day(desk: Desk) -> list[Delivered]:
    desk.tick()
    sent = [mail for mail in desk.mail_out() if mail.recipient in ("conduct@desk.example", "operator@desk.example")]
    desk.clock.forward(days=1)
    return sent


def alarms(sent: list[Delivered]) -> list[Delivered]:
    return [mail for mail in sent if mail.recipient == "operator@desk.example"]


def test_a_mail_that_comes_back_is_noted_and_not_kept(singing: Desk, team: list[Person]) -> None:
    for _ in range(3):
        singing.tick()
        (mail,) = singing.mail_out()
        assert (mail.sender, mail.recipient) == ("<>", "conduct@desk.example")
        assert b"multipart/signed" in mail.mail
        assert singing.receive(mail.mail, sender="").outcome == "automatic"
        assert singing.mail_out() == []
        singing.clock.forward(days=1)
    assert singing.play.command("case", "list", "--json").stdout.strip() == b"[]"
    assert canary_finding(singing).level == "ok"
    singing.tick()
    singing.clock.forward(hours=5)
    assert canary_finding(singing).level == "failure", "that of today is not back"


def canary_finding(desk: Desk) -> Finding:
    (found,) = [item for item in examine(desk.play.config, desk.clock) if item.check == "canary of conduct"]
    return found


def test_one_that_does_not_come_back_for_a_day_is_an_alarm(singing: Desk, team: list[Person]) -> None:
    assert alarms(a_day(singing)) == []
    (alarm,) = alarms(a_day(singing))
    said = " ".join(read(team[0], alarm).split())
    assert "has not come back" in said
    assert "ombud check --outside" in said
    (again,) = alarms(a_day(singing))
    assert again


def test_a_pause_of_the_desk_is_no_alarm(singing: Desk) -> None:
    a_day(singing)
    singing.clock.forward(days=20)
    assert alarms(a_day(singing)) == []


def test_nobody_else_can_say_that_it_came_back(singing: Desk) -> None:
    singing.tick()
    (mail,) = singing.mail_out()
    forged = plain_mail("canary of the desk", sender="conduct@desk.example", subject="[Conduct Team] canary")
    assert singing.receive(forged, sender="").codename, "it is mail like any other"
    assert singing.receive(mail.mail.replace(b"From: ", b"From: x@other.example, "), sender="").codename
    singing.clock.forward(days=5)
    assert singing.receive(mail.mail, sender="").codename, "it came too late"
    with singing.context.database.read() as session:
        assert canary.last(session, "conduct")[1] is None
