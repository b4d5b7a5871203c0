"""Broken and hostile mail: kept as a case, or held, and never more than that."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.demo.mails import pgp_mime, plain_mail, text_entity
from desk.demo.rehearsal import Person, make_person
from intake.receive import Receiver
from store.openpgp.armor import armor
from tests.bench.prove import figure
from tests.conftest import Desk, DeskMaker
from tests.support.mails import only_message, sealed
from tests.support.nasty import NASTY
from tests.support.talk import read, to, words

FUZZ = int(os.environ.get("FUZZ", "300"))
SECRET = "It happened at the après-party. Ünïcode ✓"


BAD = {
    "empty": b"",
    "no From": b"Subject: x\n\nhello",
    "several authors": b"From: a@b.example, c@d.example\n\nhello",
    "10 MB header": b"Subject: " + b"y" * 10_000_000 + b"\nFrom: a@b.example\n\nhello",
    "1000 nested parts": b"From: a@b.example\n"
    + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(1000))
    + b"\nhi\n",
    "NUL octets": b"\0" * 5000,
    "line breaks in an encoded subject": b"From: a@b.example\nSubject: =?utf-8?q?x=0D=0ABcc:_x=40team.example?=\n\nhello",
    "attachment name": b'From: a@b.example\nContent-Type: text/x; name="../../x"\nContent-Disposition: attachment; filename="../../x"\n\nhello',
    "a quoted, foreign name": 'From: "Zoë \\"Z\\" Ünal" <a@b.example>\nSubject: =?utf-8?q?=C3?=\n\nhello'.encode(),
    "random": bytes(range(256)) * 20,
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_kept_and_told(desk: Desk, team: list[Person], name: str) -> None:
    receipt = desk.receive(BAD[name])
    assert receipt.outcome in ("case", "held")
    mails = desk.mail_out()
    assert {item.recipient for item in mails} >= {person.email for person in team}
    for item in mails:
        assert item.headers["Bcc"] is None
        assert "\n" not in item.headers["Subject"]
    record = desk.case(receipt.codename)
    assert all("/" not in item["name"] for message in record["messages"] for item in message["attachments"])
    assert desk.receive(BAD[name]).outcome == "duplicate"


COSTLY_ONCE = (
    "62 kB of References", "63 kB of From without @", "charset punycode", "HTML margins", "HTML colspan", "HTML nesting", "armor without ends", "ZIP bomb",
    "gzip bomb", "ZIP of ZIPs", "PDF of itself", "RTF groups", "OLE noise", "base64 of base64", "forwards in forwards", "wishes everywhere",
)  # fmt: skip


@pytest.mark.parametrize("name", COSTLY_ONCE)
def test_a_mail_made_to_be_slow_is_read_or_held_and_told(desk: Desk, name: str) -> None:
    """Within its bounds: what exceeds them is held as too costly, and that is none of these."""
    receipt = desk.receive(NASTY[name]())
    (message,) = desk.case(receipt.codename)["messages"]
    assert "more time or memory" not in message["failure"]
    assert len(desk.mail_out()) >= 2


def test_only_one_author_is_answered(desk: Desk) -> None:
    for name in ("no From", "several authors"):
        desk.receive(BAD[name])
    assert not [item for item in desk.mail_out() if item.recipient.endswith("b.example")]


def held_mails(desk: Desk, sam: Person, stranger: Person) -> dict[str, tuple[bytes, str]]:
    good = sam.keyring.seal_to_key(text_entity(SECRET), desk.play.desk_key, None)
    return {
        "another key": (pgp_mime(text_entity(SECRET), stranger.public_key, sam.keyring), "does not have"),
        "damaged": (plain_mail(armor(good[:-30] + b"x" * 30).decode()), "damaged"),
        "cut off": (plain_mail(armor(good).decode()[:-200]), "damaged"),
    }


@pytest.mark.parametrize("which", ["another key", "damaged", "cut off"])
def test_what_does_not_open_is_held_and_both_sides_are_told(
    desk: Desk, sam: Person, stranger: Person, team: list[Person], which: str
) -> None:
    mail, why = held_mails(desk, sam, stranger)[which]
    receipt = desk.receive(mail)
    assert receipt.outcome == "held"
    record = desk.case(receipt.codename)
    assert (record["state"], record["messages"][0]["text"]) == ("held", "")
    assert why in record["messages"][0]["failure"]
    mails = desk.mail_out()
    told = " ".join(to(team[0], mails))
    assert "could not be opened" in told
    assert "sam@reporter.example" not in told
    (answer,) = [item for item in mails if item.recipient == "sam@reporter.example"]
    assert "we couldn't decrypt it" in words(read(team[0], answer))
    assert receipt.codename.encode() not in answer.mail


def test_without_integrity_protection_is_held(desk: Desk, sam: Person) -> None:
    home = str(sam.keyring.home)
    (sam.keyring.home / "desk.asc").write_bytes(desk.play.desk_key)
    made = subprocess.run(
        ["gpg", "--homedir", home, "--batch", "--trust-model", "always", "--rfc2440", "--disable-mdc", "--cipher-algo", "3DES", "-a", "-e", "-f", f"{home}/desk.asc"],
        input=SECRET.encode(), capture_output=True, check=True,
    )  # fmt: skip
    receipt = desk.receive(plain_mail(made.stdout.decode()))
    assert receipt.outcome == "held"
    assert "integrity" in desk.case(receipt.codename)["messages"][0]["failure"]


def test_what_unpacks_to_more_than_the_limit_is_held(make_desk: DeskMaker, sam: Person) -> None:
    desk = make_desk()
    desk.play.change_config('# unpack_limit = "100MB"', 'unpack_limit = "1MB"')
    (sam.keyring.home / "desk.asc").write_bytes(desk.play.desk_key)
    bomb = subprocess.run(
        f"head -c 300000000 /dev/zero | gpg --homedir {sam.keyring.home} --batch --trust-model always -z 9 -a -e -f {sam.keyring.home}/desk.asc",
        shell=True, capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert len(bomb) < 1_000_000
    receipt = desk.receive(plain_mail(bomb.decode()))
    assert receipt.outcome == "held"
    assert "limit" in desk.case(receipt.codename)["messages"][0]["failure"]


def test_a_held_mail_opens_when_the_key_is_brought_back(
    desk: Desk, sam: Person, team: list[Person], short_tmp: Path
) -> None:
    old = make_person(short_tmp / f"old{time.monotonic_ns()}", "old", "An old key of the desk")
    mail = pgp_mime(text_entity("Exclude: Ada\n\nIt was Bo Lindqvist."), old.public_key, sam.keyring)
    receipt = desk.receive(mail, "conduct+except-Dana@desk.example")
    assert receipt.outcome == "held"
    before = desk.mail_out()
    assert {item.recipient for item in before} == {person.email for person in team if person.id != "dana"} | {sam.email}
    assert not Receiver(desk.context).reopen(receipt.codename)
    home = ["gpg", "--homedir", str(desk.play.folder / "gnupg"), "--batch"]
    secret = subprocess.run(
        ["gpg", "--homedir", str(old.keyring.home), "--batch", "--export-secret-keys"], capture_output=True, check=True
    ).stdout
    subprocess.run([*home, "--import"], input=secret, check=True, capture_output=True)
    answer = desk.play.command("case", "reopen", receipt.codename, "--json")
    assert json.loads(answer.stdout) == {"codename": receipt.codename, "opened": True}
    record = desk.case(receipt.codename)
    assert (record["state"], record["messages"][0]["failure"]) == ("new", "")
    assert {item["member"]: item["source"] for item in record["recused"]} == {
        "dana": "reporter",
        "ada": "reporter",
        "bo": "named",
    }
    desk.clock.forward(hours=1)
    assert {item.recipient for item in desk.mail_out()} == {team[2].email, team[4].email}
    assert desk.play.command("case", "reopen", receipt.codename).returncode == 1
    old.keyring.close()


def test_hours_of_work_in_one_mail_are_declined(desk: Desk, sam: Person, team: list[Person]) -> None:
    block = sealed(desk, sam, b"one of many")
    started = time.monotonic()
    receipt = desk.receive(plain_mail("\n".join([block] * 2000)))
    assert time.monotonic() - started < 60
    message = only_message(desk, receipt.codename)
    assert message["text"] == "one of many"
    many = (
        b"From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n"
        + b"--x\nContent-Type: image/x\n\ny\n" * 5000
        + b"--x--\n"
    )
    receipt = desk.receive(many)
    assert len(only_message(desk, receipt.codename)["attachments"]) == 1000
    for item in desk.mail_out():
        if item.recipient == team[0].email:
            assert b"Note" in (team[0].opens(item.mail) or b"") or b"one of many" in (team[0].opens(item.mail) or b"")
    slow = plain_mail("Exclude: a" + " " * 3_000_000 + "b\n" + "<div>" * 200_000)
    assert desk.receive(slow).outcome == "case"
    nested = b"From: a@b.example\nContent-Type: text/html\n\n" + b"<div><b>" * 150_000 + b"deep"
    assert desk.receive(nested).outcome == "case"
    names = plain_mail(" ".join(f"word{number} Lindqvost" for number in range(150_000)) + " Bo Lindqvist")
    assert desk.case(desk.receive(names).codename)["recused"] == [{"member": "bo", "source": "named"}]


SEEDS = [
    plain_mail("Exclude: Bo\n\nhello"),
    b'From: a@b.example\nContent-Type: multipart/signed; protocol="application/pgp-signature"; boundary=b\n\n--b\n\nx\n--b\nContent-Type: application/pgp-signature\n\nz\n--b--\n',
    b"From: a@b.example\nContent-Type: multipart/encrypted; boundary=b\n\n--b\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n--b\n\n-----BEGIN PGP MESSAGE-----\n\nhQ==\n-----END PGP MESSAGE-----\n--b--\n",
    b"From: a@b.example\nContent-Type: message/rfc822\n\nFrom: c@d.example\nContent-Type: multipart/alternative; boundary=q\n\n--q\nContent-Type: text/html; charset=x\n\n<p>y",
    b"From: a@b.example\nContent-Type: multipart/alternative; boundary=q\n\n--q\nContent-Type: text/html; charset=utf-7\nContent-Transfer-Encoding: quoted-printable\n\n<?xml encoding='x'?><p>=FFy\n--q--",
]
JUNK = [
    b"\n",
    b"\r",
    b"\0",
    b"--b\n",
    b"Content-Type: multipart/mixed; boundary=b\n",
    b"\nContent-Type: ",
    b"=?utf-8?q?=FF?=",
    b"charset=",
    b";",
    b'"',
    b"\xff\xfe",
    b"filename*0*=x''%00;",
    b"-----BEGIN PGP MESSAGE-----\n",
]


def wrong(seed: bytes, cuts: list[tuple[float, bytes, int]]) -> bytes:
    """A mail with pieces of it replaced: where (as a part of its length), by what, and how much is left out."""
    for where, junk, less in cuts:
        at = int(where * len(seed))
        seed = seed[:at] + junk + seed[at + less :]
    return seed


# Of what it draws from, hypothesis keeps a description with each mail: small seeds, and each strategy made once.
WRONG = st.builds(
    wrong,
    st.sampled_from([seed for seed in (*BAD.values(), *SEEDS) if len(seed) < 20_000]),
    st.lists(
        st.tuples(st.floats(0, 1), st.sampled_from(JUNK) | st.binary(max_size=20), st.integers(0, 40)), max_size=6
    ),
)


@given(WRONG)
@settings(max_examples=FUZZ)
def test_whatever_comes_is_kept(keeper: dict[str, Desk], make_desk: DeskMaker, raw: bytes) -> None:
    desk = keeper.setdefault("desk", None) or make_desk()  # type: ignore[arg-type]
    keeper["desk"] = desk
    receipt = desk.receive(raw)
    assert receipt.outcome in ("case", "held", "duplicate", "automatic")
    assert len(desk.case(receipt.codename)["messages"]) == 1
    told = {item.recipient for item in desk.mail_out(50)}
    desk.play.sink.mails.clear()  # of thousands of mails, nothing but the count is wanted
    assert any(recipient.endswith("team.example") for recipient in told) or receipt.outcome in (
        "duplicate",
        "automatic",
    )


@pytest.fixture(scope="module")
def keeper() -> Iterator[dict[str, Desk]]:
    yield {}
    figure("mails made wrong at random", f"{FUZZ}; not kept: 0")
