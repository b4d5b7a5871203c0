"""The envelope of a mail in a mailbox: whoever its author keeps it from is found, however its header is written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.demo.mails import plain_mail
from intake.doors.envelope import envelope_of
from store.kit.config import Desk as DeskConfig
from tests.intake.conftest import Configure
from tests.support.dovecot import Dovecot
from tests.support.mailboxes import empty, texts

DESK = DeskConfig(address="conduct@desk.example", fingerprint="A" * 40, aliases=("aloha@desk.example",))
EXCEPT_BO = "conduct+except-bo@desk.example"
DEEP = "(" * 900
HOSTILE_FIELDS = (
    f"To: {DEEP}",
    f"To: {DEEP}, {EXCEPT_BO}",
    f"Cc: {EXCEPT_BO}\nTo: {DEEP * 100}",
    "To: " + "<" * 60_000,
    "To: " + '"' * 60_001,
    "To: " + "x" * 63_000,
    "To: " + "=?a?q?" * 20_000,
    "To: =?punycode?q?" + "a" * 900 + "?=",
    "To: =?utf-8?b?A?=, =?nonsense?q?=40?=",
    "To: a@[" + "1" * 5_000,
    "To: \udcff\udcfe\x00\x01@desk.example",
    "Return-Path: " + DEEP,
    "To: " + "conduct+" * 10_000 + "@desk.example",
    "To: " + ", ".join(f"conduct+except-n{number}@desk.example" for number in range(4_000)),
    "From: " + DEEP + "\nReply-To: " + DEEP,
)


@pytest.mark.parametrize(
    "field",
    [
        f"To: {EXCEPT_BO}",
        f"To: {DEEP}, {EXCEPT_BO}",
        f"To: {EXCEPT_BO}, {DEEP}",
        f"To: undisclosed ({EXCEPT_BO}",
        f'To: "{EXCEPT_BO}" <conduct@desk.example>',
        f"To: Team:{EXCEPT_BO};",
        f"To:\n {EXCEPT_BO}",
        f"To : {EXCEPT_BO}",
        f"TO: <{EXCEPT_BO.upper()}>",
        f"To: a@b.example,{EXCEPT_BO},c@d.example",
        'To: "conduct+except-bo"@desk.example',
        "To: conduct+except-bo @ desk.example",
        "To: =?utf-8?q?conduct+except-bo=40desk=2Eexample?=",
        "To: =?utf-8?b?Y29uZHVjdCtleGNlcHQtYm9A?= =?utf-8?q?desk.example?=",
        "To: conduct+mail+except-bo@desk.example",
        f"To: mailto:{EXCEPT_BO}",
        f"Bcc: {EXCEPT_BO}",
        f"Resent-To: {EXCEPT_BO}",
        f"this line is no field\nTo: {EXCEPT_BO}",
        f"X: {'x' * 1_000_000}\nTo: {EXCEPT_BO}",
        "To: " + ", ".join(f"u{number}@other.example" for number in range(40_000)) + f", {EXCEPT_BO}",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_whom_an_address_excludes_is_found_however_it_is_written(field: str, end: str) -> None:
    raw = f"\nSubject: x\n{field}\nDate: x\n\nTo: conduct+quiet@desk.example\n".replace("\n", end).encode()
    found = [address.casefold() for address in envelope_of(raw, DESK).recipients]
    assert EXCEPT_BO in found
    assert not any("quiet" in address for address in found), "the text is no header field"


@pytest.mark.parametrize(
    "field",
    [
        "To: conduct+except-bo@desk.example.evil.example",
        "To: notconduct+except-bo@desk.example",
        "To: conduct+except-bo@mydesk.example",
        "Subject: conduct+except-bo@desk.example",
        "From: conduct+except-bo@desk.example",
        "X-To: conduct+except-bo@desk.example",
    ],
)
def test_what_is_no_address_of_the_desk_asks_for_nothing(field: str) -> None:
    assert envelope_of(f"{field}\n\n".encode(), DESK).recipients == ("conduct@desk.example",)


@given(st.binary(max_size=2_000))
def test_no_octets_raise(octets: bytes) -> None:
    for raw in (octets, b"To: " + octets, b"To: =?" + octets + b"?= conduct+" + octets + b"@desk.example"):
        assert envelope_of(raw, DESK).recipients


@pytest.mark.parametrize("number", range(len(HOSTILE_FIELDS)))
def test_no_field_raises(number: int) -> None:
    field = HOSTILE_FIELDS[number].encode("utf-8", "surrogateescape")
    assert 1 <= len(envelope_of(field + b"\n\nx", DESK).recipients) <= 200


def test_no_field_stops_a_mailbox(mailbox_desk: Configure, dovecot: Dovecot, user: str) -> None:
    desk = mailbox_desk()
    hostile = [
        f"{field}\nFrom: r{n}@reporter.example\n\nhostile\n".encode("utf-8", "surrogateescape").replace(b"\0", b"")
        for n, field in enumerate(HOSTILE_FIELDS[number] for number in (0, 1, 3, 10, 11))
    ]
    dovecot.put(user, *hostile, plain_mail("a report"))
    assert empty(desk) == len(hostile) + 1
    assert dovecot.count(user) == 0
    assert sum(texts(desk).values()) == len(hostile) + 1
    assert texts(desk)["a report"] == 1
    lines = json.loads(desk.play.command("case", "list", "--json").stdout)
    records = [desk.case(line["codename"]) for line in lines]
    assert sum(bool(record["recused"]) for record in records) == 1, "the one that was kept from Bo"
