"""What the form answers to programs that mean harm: floods, guesses, forgeries, malformed and endless requests."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import requests

from desk.demo.rehearsal import Person
from store.openpgp.armor import armor
from tests.conftest import Desk, DeskMaker
from tests.support.web import PlainBrowser, hidden, sealed_fields, send, served, solved

FAST = "work = 0"


def test_what_a_script_sends_is_kept_once_and_opens(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    with served(desk, FAST) as site:
        fields = sealed_fields(desk, "one two three")
        assert send(site, "sealed", fields) == (200, {"kept": True})
        assert send(site, "sealed", fields) == (200, {"kept": True}), "sent again, because the answer was lost"
        assert len(desk.mail_out()) == len(team)
        found = send(site, "open", {"lookup": fields["lookup"]})[1]
        assert found["found"] is True
        assert [item["read"] for item in found["letters"]] == [False]
        assert [item["read"] for item in send(site, "open", {"lookup": fields["lookup"]})[1]["letters"]] == [True]


def wrong_fields(desk: Desk) -> list[dict[str, Any]]:
    good = sealed_fields(desk, "some words")
    other = sealed_fields(desk, "other words")
    return [
        {**good, "lookup": "0" * 63}, {**good, "lookup": "G" * 64}, {**good, "lookup": "../" * 20},
        {**good, "key": "!"}, {**good, "key": base64.b64encode(b"x" * 100).decode()}, {**good, "key": other["key"]}, {**good, "key": ""},
        {**good, "locked": ""}, {**good, "locked": base64.b64encode(b"x" * 9000).decode()},
        {**good, "message": b"hello"}, {**good, "message": b""}, {**good, "message": good["message"] + b"\r\n\r\n--x\r\nSubject: y"},
        {**good, "message": b"-----BEGIN PGP MESSAGE-----\n\nSubject: x\n\n-----END PGP MESSAGE-----\n"},
        {**good, "message": good["message"].replace(b"MESSAGE-----\n", b"MESSAGE-----\n" + b"A: b\n" * 500_000, 1)},
    ]  # fmt: skip


def test_what_is_no_sealed_report_is_refused_and_nothing_is_kept(make_desk: DeskMaker) -> None:
    desk = make_desk()
    with served(desk, FAST) as site:
        for fields in wrong_fields(desk):
            assert send(site, "sealed", fields) == (400, {"error": "wrong"})
        assert desk.mail_out() == []
        with desk.context.database.read() as session:
            assert session.connection().exec_driver_sql("SELECT COUNT(*) FROM cases").scalar() == 0


def test_what_was_sealed_to_another_key_is_kept_and_said_to_be_unreadable(
    make_desk: DeskMaker, stranger: Person, team: list[Person]
) -> None:
    desk = make_desk()
    with served(desk, FAST) as site:
        wrong = stranger.keyring.seal_each(b"x", [stranger.fingerprint], None)[stranger.fingerprint]
        fields = {**sealed_fields(desk, "one two three"), "message": armor(wrong)}
        assert send(site, "sealed", fields)[0] == 200
        assert {mail.recipient for mail in desk.mail_out()} == {person.email for person in team}
        found = send(site, "open", {"lookup": fields["lookup"]})[1]
        assert len(found["letters"]) == 1, "that it could not be read waits for them, sealed"


def test_a_page_of_another_site_cannot_send(make_desk: DeskMaker) -> None:
    desk = make_desk()
    with served(desk, f'{FAST}\norigins = ["https://copy.example"]') as site:
        browser = PlainBrowser(site)
        receipt = hidden(browser.session.get(browser.form).text, "receipt")
        form = [("receipt", (None, receipt)), ("what", (None, "Forged."))]
        for headers in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Origin": "https://evil.example"},
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": "null"},
        ):
            answer = requests.post(browser.form, files=form, headers=headers)
            assert answer.status_code == 400
        for headers in ({"Sec-Fetch-Site": "same-origin", "Origin": site}, {"Origin": site}, {}):
            assert requests.post(browser.form, files=form, headers=headers).status_code == 200
        fields = {name: (name, value) for name, value in sealed_fields(desk, "x y").items()}
        work, origin = {"work": solved(site)}, {"Origin": "https://copy.example"}
        copied = requests.post(f"{site}/conduct/sealed", params=work, files=fields, headers=origin)
        assert copied.status_code == 200
        assert copied.headers["access-control-allow-origin"] == "https://copy.example"
        other = requests.get(f"{site}/conduct/challenge", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


def test_too_large_too_many_and_malformed_is_refused(make_desk: DeskMaker) -> None:
    desk = make_desk()
    with served(desk, f'{FAST}\nsize_limit = "100kB"') as site:
        browser = PlainBrowser(site)
        assert browser.report(what="x", files=[("big", b"x" * 200_000)]).status_code == 413
        chunked = requests.post(
            browser.form,
            data=(b"x" * 50_000 for _ in range(5)),
            headers={"Content-Type": "multipart/form-data; boundary=b"},
        )
        assert chunked.status_code in (400, 413)
        many = [("exclude", (None, "x")) for _ in range(5000)]
        assert requests.post(browser.form, files=many).status_code in (400, 413)
        for body, kind in (
            (b"a=b", "application/x-www-form-urlencoded"), (b"{}", "application/json"), (b"", "multipart/form-data"),
            (b"--b\r\n" * 1000, "multipart/form-data; boundary=b"), (b"--b\r\nContent-Disposition: form-data\r\n\r\n", "multipart/form-data; boundary=b"),
            (b"--b\r\nContent-Disposition: form-data; name=\"what\"\r\n\r\n\xff\xfe\r\n--b--", "multipart/form-data; boundary=b; charset=nonsense"),
        ):  # fmt: skip
            answer = requests.post(browser.form, data=body, headers={"Content-Type": kind})
            assert answer.status_code in (400, 422), (body[:20], answer.status_code)
        with pytest.raises((requests.RequestException, AssertionError)):
            assert requests.get(f"{site}/conduct/en/", headers={"X": "y" * 3_000_000}).status_code == 200
        assert browser.report(what="Still here.").status_code == 200


def test_the_page_logs_and_keeps_no_address(make_desk: DeskMaker, capfd: pytest.CaptureFixture[str]) -> None:
    desk = make_desk()
    with served(desk, FAST) as site:
        browser = PlainBrowser(site)
        browser.session.headers["X-Forwarded-For"] = "203.0.113.7"
        assert browser.report(what="CANARY-TEXT").status_code == 200
        requests.post(f"{site}/conduct/sealed", data=b"CANARY-BAD")
    said = "".join(capfd.readouterr())
    assert "203.0.113.7" not in said
    assert "127.0.0.1" not in said
    assert "CANARY" not in said
    for path in desk.play.folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"203.0.113.7" not in content
            assert b"CANARY-TEXT" not in content
