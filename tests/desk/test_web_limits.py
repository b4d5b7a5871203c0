"""How much of the form's time, memory and turns one client can take: floods, guesses, and connections that are held open."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import altcha
import pytest
import requests

from desk.demo.rehearsal import Person
from desk.web import intake_form, turns
from desk.web import server as web_server
from desk.web.limits import HourlyLimit, ProofOfWork
from tests.conftest import DeskMaker
from tests.support.web import PlainBrowser, sealed_fields, send, served, wait_until, words_on

FAST = "work = 0"


@pytest.mark.parametrize(
    "work", ["", "x", "e30=", base64.b64encode(b'{"challenge":{},"solution":{}}').decode(), "A" * 70_000]
)
def test_without_work_nothing_is_taken(make_desk: DeskMaker, work: str) -> None:
    desk = make_desk()
    with served(desk) as site:
        fields = {name: (name, value) for name, value in sealed_fields(desk, "a b c").items()}
        answer = requests.post(f"{site}/conduct/sealed", params={"work": work}, files=fields)
        assert answer.status_code in (400, 403)
    assert desk.mail_out() == []


def test_work_counts_once_in_time_and_for_this_desk_alone() -> None:
    one, other = ProofOfWork(4), ProofOfWork(4)
    challenge = altcha.Challenge.from_dict(one.challenge())
    solution = altcha.solve_challenge(challenge)
    assert solution
    payload = altcha.Payload(challenge, solution).to_base64()
    assert not other.accepts(payload)
    assert one.accepts(payload)
    assert not one.accepts(payload)
    loose = json.loads(base64.b64decode(payload))
    loose["challenge"]["parameters"]["expiresAt"] += 1
    assert not one.accepts(base64.b64encode(json.dumps(loose).encode()).decode())


def test_more_work_is_asked_for_when_much_comes() -> None:
    work = ProofOfWork(4)

    def steps(*, harder: bool) -> int:
        solution = altcha.solve_challenge(altcha.Challenge.from_dict(work.challenge(harder=harder)))
        assert solution
        return solution.counter

    assert max(steps(harder=False) for _ in range(5)) < min(steps(harder=True) for _ in range(5))


def test_an_hour_takes_so_many_and_the_next_one_again() -> None:
    now = [0.0]
    limit = HourlyLimit(2, lambda: now[0], exact=True)
    assert [limit.take() for _ in range(3)] == [True, True, False]
    now[0] = 3599.0
    assert not limit.take()
    now[0] = 3600.0
    assert limit.take()
    assert limit.count() == 1
    limit.give_back()
    assert limit.count() == 0


def test_how_many_an_hour_takes_is_drawn_anew_so_that_nobody_can_count_the_others() -> None:
    now = [0.0]
    limit = HourlyLimit(10, lambda: now[0])
    taken = set()
    for _ in range(60):
        taken.add(sum(limit.take() for _ in range(30)))
        now[0] += 3600.0
    assert min(taken) >= 10
    assert max(taken) <= 20
    assert len(taken) > 3


def test_beyond_the_limit_nothing_is_kept_and_that_is_said(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    with served(desk, f"{FAST}\nper_hour = 3\nplain_per_hour = 1") as site:
        browser = PlainBrowser(site)
        answers = [browser.report(what=f"Number {number}.") for number in range(3)]
        kept = sum(answer.status_code == 200 for answer in answers)
        assert 1 <= kept <= 2
        assert answers[2].status_code == 429
        assert "Nothing was kept" in answers[2].text
        sealed = [send(site, "sealed", sealed_fields(desk, f"w {n}"))[0] for n in range(7 - kept)]
        assert sealed[-1] == 429
        kept += sealed.count(200)
        assert 3 <= kept <= 6
    assert len(desk.mail_out()) == kept * len(team)


def test_a_report_that_is_sent_again_counts_once(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    with served(desk, f"{FAST}\nper_hour = 1") as site:
        fields = sealed_fields(desk, "one two three")
        assert [send(site, "sealed", fields)[0] for _ in range(4)] == [200] * 4
    assert len(desk.mail_out()) == len(team)


def test_one_receipt_adds_so_much_in_an_hour(
    make_desk: DeskMaker, team: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_ADDITIONS_OF_ONE", 2)
    desk = make_desk()
    with served(desk, FAST) as site:
        browser = PlainBrowser(site)
        receipt, other = (words_on(browser.report(what=f"Report {n}.").text) for n in range(2))
        desk.mail_out()
        for number in range(2):
            assert "Nothing was kept" not in browser.open(receipt, more="yes", text=f"More {number}.").text
        assert "Nothing was kept" in browser.open(receipt, more="yes", text="More 2.").text
        assert "Nothing was kept" not in browser.open(other, more="yes", text="More.").text
    assert len(desk.mail_out()) == 3 * len(team)


def test_the_work_is_looked_at_before_anything_else_is_read(make_desk: DeskMaker) -> None:
    desk = make_desk()
    with served(desk) as site, connected(site) as client:
        client.sendall(request("/conduct/sealed?work=nonsense", 20_000_000))
        assert client.recv(1000).startswith(b"HTTP/1.1 403")


def request(path: str, length: int) -> bytes:
    """The header of a form that is to come."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: multipart/form-data; boundary=b"]
    return "\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode()


@contextmanager
def connected(site: str, window: int = 0) -> Iterator[socket.socket]:
    """A connection to a form, which takes little at a time when it has a `window` (octets)."""
    host, port = site.removeprefix("http://").split(":")
    with closing(socket.socket()) as client:
        client.settimeout(20)
        if window:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        client.connect((host, int(port)))
        yield client


def test_a_client_that_says_nothing_is_hung_up_on(make_desk: DeskMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "_HEADER_SECONDS", 0.3)
    desk = make_desk()
    with served(desk, f"{FAST}\nseconds = 0.5") as site, connected(site) as silent, connected(site) as slow:
        silent.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        slow.sendall(request("/conduct/en/", 1000) + b"--b")
        assert silent.recv(1000) == b""
        assert slow.recv(1000).startswith(b"HTTP/1.1 400")


def test_a_client_that_was_answered_and_sends_no_more_is_hung_up_on(
    make_desk: DeskMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "_HEADER_SECONDS", 0.3)
    desk = make_desk()
    with served(desk) as site, connected(site) as client:
        client.sendall(request("/nobody/en/", 1_000_000))
        answer = b""
        while piece := client.recv(1000):  # ends when the connection does
            answer += piece
        assert answer.startswith(b"HTTP/1.1 404")


def test_a_client_that_does_not_read_is_hung_up_on(make_desk: DeskMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "_HEADER_SECONDS", 0.3)
    desk = make_desk()
    with served(desk) as site, connected(site, window=4096) as client:
        script = f"{site}/static/vendor/openpgp.min.js"
        length = len(requests.get(script).content)
        many = 200
        client.sendall(b"GET /static/vendor/openpgp.min.js HTTP/1.1\r\nHost: x\r\n\r\n" * many)
        time.sleep(3)
        read = 0
        try:
            while piece := client.recv(65_536):
                read += len(piece)
        except ConnectionResetError:
            pass
        assert read < many * length


def test_a_client_that_stops_within_a_form_is_hung_up_on(make_desk: DeskMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_form, "_SILENCE_SECONDS", 0.3)
    desk = make_desk()
    with served(desk, FAST) as site, connected(site) as client:
        client.sendall(request("/conduct/en/", 1_000_000) + b"--b")
        assert client.recv(1000).startswith(b"HTTP/1.1 400")


def test_guesses_are_answered_alike_and_hold_nobody_up(make_desk: DeskMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_MANY_WRONG", 0)
    desk = make_desk()
    with served(desk, FAST) as site:
        browser = PlainBrowser(site)
        receipt = words_on(browser.report(what="It happened.").text)
        came: list[str] = []

        def guess(number: int) -> None:
            assert send(site, "open", {"lookup": f"{number:064x}"}) == (200, {"found": False})
            came.append("wrong")

        with ThreadPoolExecutor(8) as crowd:
            guesses = [crowd.submit(guess, number) for number in range(8)]
            wait_until(lambda: all(item.running() for item in guesses))
            assert browser.open(receipt).status_code == 200
            came.append("right")
            for item in guesses:
                item.result()
        assert came == ["right", *["wrong"] * 8], "whoever guesses waits, and nobody else"
        assert browser.open("six words that open nothing here").status_code == 404
