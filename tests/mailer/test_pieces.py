"""Packets, padding, MIME and templates."""

from __future__ import annotations

import email
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.demo.rehearsal import Person
from mailer.saying import render
from mailer.saying.samples import sample_values
from mailer.sealing import mime
from mailer.sealing.padding import FLOOR, filled, padded_length
from mailer.sealing.seal import Sealer
from store.kit.config import Desk as DeskConfig
from store.kit.config import load
from store.kit.errors import ConfigError
from store.openpgp.armor import armor
from store.openpgp.keyring import Keyring
from store.openpgp.message import outside
from store.tables.records import Attachment
from tests.conftest import Desk

CONFIG = DeskConfig(address="conduct@desk.example", fingerprint="A" * 40)


@given(st.integers(0, 10**9))
def test_padding_says_little_and_costs_little(length: int) -> None:
    padded = padded_length(length)
    assert padded >= max(length, FLOOR)
    assert padded == FLOOR or padded - length <= length * 0.12
    assert padded_length(padded) == padded


def test_few_lengths_are_left() -> None:
    assert len({padded_length(length) for length in range(1, 100_000)}) < 10 * math.log2(100_000)


@given(st.integers(0, 20_000))
def test_padding_is_whole_lines_and_leaves_no_length_of_its_own(length: int) -> None:
    made = filled(b"x" * length, padded_length)
    assert len(made) == padded_length(len(made)) < max(FLOOR + 1, (length + 2) * 1.12)
    *lines, last = made[length:].split(b"\r\n")
    assert lines
    assert last == b""
    assert all(len(line) < 78 and not line.strip(b".") for line in lines)


@pytest.mark.parametrize("size", [10, 9_000, 200_000])
def test_each_part_opens_with_its_readers_key_alone_and_names_no_other(
    team: list[Person], short_tmp: Path, size: int
) -> None:
    home = short_tmp / f"split{size}"
    home.mkdir(mode=0o700)
    keyring = Keyring("gpg", home)
    for person in team:
        keyring.add_public(person.public_key)
    made = keyring.seal_each(b"x" * size, [person.fingerprint for person in team], None)
    owners = {
        key_id: person.id
        for person in team
        for key in keyring.public_keys([person.fingerprint])
        for key_id in key.subkey_ids
    }
    assert len({bytes(message[-100:]) for message in made.values()}) == len(team), "each has a session key of its own"
    for person in team:
        message = made[person.fingerprint]
        (named,) = outside(message).recipients
        assert owners[named] == person.id
        for other in team:
            assert (other.keyring.decrypt(armor(message)).plain == b"x" * size) == (other is person)


def test_one_bad_key_never_stops_the_others(desk: Desk, team: list[Person], stranger: Person) -> None:
    from dataclasses import replace

    sealer = Sealer(desk.context.keyring)
    members = list(desk.context.roster(desk.context.config.desk[0]).members)
    members[1] = replace(members[1], fingerprint=stranger.fingerprint)
    entity, signer = b"Content-Type: text/plain\r\n\r\nhello", desk.play.made.fingerprint
    made = {member.id: sealer.for_member(entity, member, signer) for member in members}
    assert {member for member, message in made.items() if message} == {"ada", "chidi", "dana", "eunji"}
    assert sealer.key_trouble(members[1]) == "the desk does not have your key"


@given(st.text(max_size=300), st.text(max_size=2000), st.text(max_size=80), st.binary(max_size=300))
def test_what_is_put_in_comes_out(subject: str, text: str, name: str, data: bytes) -> None:
    from intake.reading.message import clean, one_line

    subject, text, name = one_line(subject) or "s", clean(text), one_line(name) or "n"
    outside = mime.fields([("Subject", "[...]"), ("To", "ada@team.example"), ("Autocrypt", "addr=x")])
    content = mime.content(text, [Attachment(name, "application/octet-stream", data)])
    made = mime.protected(outside, subject, content, padded_length)
    assert len(made) == padded_length(len(made))
    assert made.endswith(b"\r\n")
    read = email.message_from_bytes(made)
    assert read.get_param("hp") == "cipher"
    assert read["To"] == "ada@team.example"
    assert read.get_all("HP-Outer") == ["Subject: [...]", "To: ada@team.example"]
    assert " ".join(str(email.header.make_header(email.header.decode_header(read["Subject"]))).split()) == " ".join(
        subject.split()
    )
    body, file = read.get_payload()  # type: ignore[str-unpack]
    assert body.get_payload(decode=True).decode().replace("\r\n", "\n") == text  # type: ignore[union-attr]
    assert file.get_payload(decode=True) == data  # type: ignore[union-attr]


@given(st.text(max_size=100) | st.text("\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028: a", max_size=20))
def test_no_value_can_add_a_header(value: str) -> None:
    block = mime.header_block([("To", mime.mailbox(value, "a@b.example")), ("X", value)])
    assert [name.lower() for name in email.message_from_bytes(block)] == ["to", "x"]


def test_an_attachment_cannot_pose_as_a_part_of_the_notice() -> None:
    for kind in ("multipart/mixed", "message/rfc822", "text/html", "application/pgp-encrypted", "x\r\nBcc: y", ""):
        made = mime.content("t", [Attachment("a.bin", kind, b"--x")])
        assert email.message_from_bytes(made).get_payload(1).get_content_type() == "application/octet-stream"  # type: ignore[union-attr]


def test_every_built_in_template_renders() -> None:
    templates = render.Templates(None)
    for kind in render.KINDS:
        made = templates.render(kind, "en", sample_values(CONFIG)[kind])
        assert made.subject
        assert made.text.endswith("\n")
        assert "\n\n\n" not in made.text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Subject: x\n{{ nonsense }}", "UndefinedError"),
        ("Subject: x\n{% if %}", "TemplateSyntaxError"),
        ("no subject", "first line"),
        ("Subject: x\n{{ ''.__class__.__mro__ }}", "SecurityError"),
        ("Subject: x\n{{ 1 / 0 }}", "ZeroDivisionError"),
    ],
)
def test_a_broken_template_of_a_desk_is_found_at_start(desk: Desk, text: str, complaint: str) -> None:
    folder = desk.play.folder / "own"
    folder.mkdir()
    desk.play.change_config('# templates = "templates"', 'templates = "own"')
    config = load(desk.play.config)
    (folder / "acknowledge.txt").write_text("Subject: Danke\nIhre Nachricht ist da: {{ desk.title }}\n")
    render.check(config, config.desk[0], sample_values(config.desk[0]))
    (folder / "acknowledge.txt").write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        render.check(config, config.desk[0], sample_values(config.desk[0]))
    answer = desk.play.command("run")
    assert answer.returncode == 1
    assert b"acknowledge" in answer.stderr
