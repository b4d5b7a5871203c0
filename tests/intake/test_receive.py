"""Mail in, of every shape: what becomes of it."""

from __future__ import annotations

import email
import re
import time
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk import show
from desk.rehearsal import Person, pgp_mime, plain_mail, text_entity
from mailer.packets import armor
from tests.conftest import Desk, DeskMaker

SECRET = "It happened at the après-party. Ünïcode ✓"


def sealed(desk: Desk, by: Person, content: bytes, *, sign: bool = False) -> str:
    """An armored message to the desk's key."""
    return armor(by.keyring.seal_to_key(content, desk.play.desk_key, by.fingerprint if sign else None)).decode()


def mail_of(part: MIMEMultipart | MIMEText, subject: str = "Report") -> bytes:
    part["From"] = "Sam <sam@reporter.example>"
    part["To"] = "conduct@desk.example"
    part["Subject"] = subject
    return part.as_bytes()


def only_message(desk: Desk, codename: str) -> show.JSON:
    record = desk.case(codename)
    assert len(record["messages"]) == 1
    message: show.JSON = record["messages"][0]
    return message


def test_plain_mail_becomes_a_case_and_five_sealed_notices(desk: Desk, team: list[Person]) -> None:
    receipt = desk.receive(plain_mail(SECRET, subject="Grüße"))
    assert receipt.outcome == "case"
    assert re.fullmatch(r"[a-z]+-[a-z]+", receipt.codename)
    message = only_message(desk, receipt.codename)
    assert (message["text"], message["subject"], message["encryption"], message["direction"]) == (
        SECRET,
        "Grüße",
        "none",
        "in",
    )
    assert message["signature"] == {"status": "none", "fingerprint": None}
    mails = desk.mail_out()
    for person in team:
        (mine,) = [item for item in mails if item.recipient == person.email]
        inside = person.opens(mine.mail)
        assert inside is not None
        assert SECRET in email.message_from_bytes(inside).get_payload(0).get_payload(decode=True).decode()  # type: ignore[union-attr]
        assert all(other.opens(mine.mail) is None for other in team if other is not person)
        assert mine.headers["Subject"] == f"[conduct] {receipt.codename}"
    assert SECRET.encode() not in b"".join(item.mail for item in mails)


def test_pgp_mime_signed_inside_with_a_protected_subject(desk: Desk, sam: Person, team: list[Person]) -> None:
    ada = team[0]
    receipt = desk.receive(
        pgp_mime(
            text_entity(SECRET, "Inner Übersicht"), desk.play.desk_key, ada.keyring, ada.fingerprint, subject="..."
        )
    )
    message = only_message(desk, receipt.codename)
    assert (message["text"], message["subject"], message["encryption"], message["outside_subject"]) == (
        SECRET,
        "Inner Übersicht",
        "pgp/mime",
        "",
    )
    assert message["signature"] == {"status": "valid", "fingerprint": ada.fingerprint}
    record = desk.case(receipt.codename)
    assert record["recused"] == [{"member": "ada", "source": "sender"}]
    other = desk.receive(pgp_mime(text_entity("x"), desk.play.desk_key, sam.keyring, sam.fingerprint))
    assert only_message(desk, other.codename)["signature"] == {"status": "unknown-key", "fingerprint": sam.fingerprint}


@pytest.mark.parametrize("encoding", ["7bit", "quoted-printable", "base64"])
def test_inline_pgp_keeps_what_stands_around_it_apart(desk: Desk, sam: Person, encoding: str) -> None:
    text = f"before\n\n{sealed(desk, sam, SECRET.encode())}\nafter, Bo Lindqvist\n"
    part = MIMEText(text, "plain", "utf-8" if encoding != "7bit" else "us-ascii")
    if encoding == "quoted-printable":
        del part["Content-Transfer-Encoding"]
        part["Content-Transfer-Encoding"] = encoding
        part.set_payload("".join(f"={ord(char):02X}" if char in "=\t" else char for char in text))
    receipt = desk.receive(mail_of(part))
    message = only_message(desk, receipt.codename)
    assert (message["text"], message["encryption"]) == (SECRET, "inline")
    assert message["outside_text"] == "before\n\nafter, Bo Lindqvist"
    assert desk.case(receipt.codename)["recused"] == [{"member": "bo", "source": "named"}]


def test_inline_pgp_in_one_part_of_many(desk: Desk, sam: Person) -> None:
    whole = MIMEMultipart()
    whole.attach(MIMEText("plain words", "plain", "utf-8"))
    whole.attach(MIMEText(sealed(desk, sam, SECRET.encode()), "plain", "utf-8"))
    whole.attach(MIMEText("footer of a list", "plain", "utf-8"))
    message = only_message(desk, desk.receive(mail_of(whole)).codename)
    assert (message["text"], message["outside_text"]) == (SECRET, "plain words\n\nfooter of a list")


@pytest.mark.parametrize("name", ["report.asc", "message.gpg", "report.txt.pgp"])
def test_an_attached_sealed_file_is_the_report(desk: Desk, sam: Person, name: str) -> None:
    whole = MIMEMultipart()
    whole.attach(MIMEText("see attached", "plain", "utf-8"))
    binary = sam.keyring.seal_to_key(SECRET.encode(), desk.play.desk_key, None)
    part = MIMEApplication(binary if name.endswith("gpg") else armor(binary), "octet-stream")
    part.add_header("Content-Disposition", "attachment", filename=name)
    whole.attach(part)
    message = only_message(desk, desk.receive(mail_of(whole)).codename)
    assert (message["text"], message["outside_text"], message["encryption"]) == (SECRET, "see attached", "attachment")


def test_a_sealed_picture_beside_a_plain_report_is_opened_as_a_file(desk: Desk, sam: Person) -> None:
    whole = MIMEMultipart()
    whole.attach(MIMEText(SECRET, "plain", "utf-8"))
    part = MIMEApplication(sam.keyring.seal_to_key(b"\x89PNG\0\xff", desk.play.desk_key, None), "octet-stream")
    part.add_header("Content-Disposition", "attachment", filename="photo.png.gpg")
    whole.attach(part)
    message = only_message(desk, desk.receive(mail_of(whole)).codename)
    assert (message["text"], message["encryption"]) == (SECRET, "none")
    assert [(item["name"], item["size"]) for item in message["attachments"]] == [("photo.png", 6)]


def test_mangled_by_exchange(desk: Desk, sam: Person) -> None:
    whole = MIMEMultipart("mixed")
    whole.attach(MIMEText("", "plain", "us-ascii"))
    whole.attach(MIMEApplication(b"Version: 1\r\n", "pgp-encrypted"))
    part = MIMEApplication(sealed(desk, sam, text_entity(SECRET, "Inner")).encode(), "octet-stream")
    part.add_header("Content-Disposition", "attachment", filename="encrypted.asc")
    whole.attach(part)
    message = only_message(desk, desk.receive(mail_of(whole)).codename)
    assert (message["text"], message["subject"], message["encryption"]) == (SECRET, "Inner", "pgp/mime")


def test_signed_only(desk: Desk, team: list[Person]) -> None:
    ada = team[0]
    signed = b"Content-Type: text/plain; charset=utf-8\r\n\r\nmy own words\r\n"
    signature, micalg = ada.keyring.sign(signed, ada.fingerprint)

    def mail(content: bytes) -> bytes:
        head = f'From: x@y.example\r\nTo: conduct@desk.example\r\nSubject: s\r\nContent-Type: multipart/signed; micalg={micalg}; protocol="application/pgp-signature"; boundary=b\r\n\r\n'
        return (
            head.encode()
            + b"--b\r\n"
            + content
            + b"\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\n"
            + signature
            + b"\r\n--b--\r\n"
        )

    good = only_message(desk, desk.receive(mail(signed)).codename)
    assert (good["text"], good["encryption"], good["signature"]) == (
        "my own words",
        "none",
        {"status": "valid", "fingerprint": ada.fingerprint},
    )
    # The same with bare line feeds, as it comes from standard input.
    assert (
        only_message(desk, desk.receive(b"X-A: 1\n" + mail(signed).replace(b"\r\n", b"\n")).codename)["signature"][
            "status"
        ]
        == "valid"
    )
    bad = only_message(desk, desk.receive(mail(signed.replace(b"own", b"new"))).codename)
    assert bad["signature"]["status"] == "invalid"


def test_clear_signed(desk: Desk, team: list[Person]) -> None:
    import subprocess

    ada = team[0]
    made = subprocess.run(
        ["gpg", "--homedir", str(ada.keyring.home), "--batch", "--clearsign"],
        input=b"- dash\nclear words\n",
        capture_output=True,
        check=True,
    )
    message = only_message(desk, desk.receive(plain_mail("around\n" + made.stdout.decode())).codename)
    assert (message["text"], message["outside_text"]) == ("- dash\nclear words", "around")
    assert message["signature"] == {"status": "valid", "fingerprint": ada.fingerprint}


def test_attachments_reach_the_readers_whole(desk: Desk, sam: Person, team: list[Person]) -> None:
    inner = MIMEMultipart()
    inner.attach(MIMEText(SECRET, "plain", "utf-8"))
    picture = MIMEApplication(bytes(range(256)) * 40, "octet-stream")
    picture.add_header("Content-Disposition", "attachment", filename=("utf-8", "", "../../Bild ü.png"))
    inner.attach(picture)
    receipt = desk.receive(pgp_mime(inner.as_bytes(), desk.play.desk_key, sam.keyring))
    message = only_message(desk, receipt.codename)
    assert message["failure"] == ""
    assert message["attachments"][0]["name"] == "Bild ü.png"
    mine = next(item for item in desk.mail_out() if item.recipient == team[0].email)
    inside = email.message_from_bytes(team[0].opens(mine.mail) or b"")
    part = inside.get_payload(1)
    assert isinstance(part, email.message.Message)
    assert part.get_payload(decode=True) == bytes(range(256)) * 40
    assert part.get_filename() == "Bild ü.png"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"From: a@b.example\nContent-Type: text/plain; charset=iso-8859-1\n\nGr\xfc\xdfe", "Grüße"),
        (
            b"From: a@b.example\nContent-Type: text/plain; charset=utf-16\nContent-Transfer-Encoding: base64\n\n//5IAGkA",
            "Hi",
        ),
        (b"From: a@b.example\nContent-Type: text/plain; charset=koi8-r\n\n\xf0\xd2\xc9", "При"),
        (b"From: a@b.example\nContent-Type: text/plain; charset=no-such-thing\n\nGr\xc3\xbc\xc3\x9fe", "Grüße"),
        (b"From: a@b.example\n\nraw \x80 octets", "raw € octets"),
        (
            b"From: a@b.example\nContent-Type: text/html; charset=utf-8\n\n<p>Hello <b>team</b></p><script>x()</script>",
            "Hello team",
        ),
        (
            b"From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain\n\nno end",
            "no end",
        ),
        (b"From: a@b.example\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\n!!!", "!!!"),
        (b"From: a@b.example\n\nnul \0 and \x1b[31mred", "nul \ufffd and \ufffd[31mred"),
    ],
)
def test_any_charset_and_broken_mime(desk: Desk, raw: bytes, text: str) -> None:
    receipt = desk.receive(raw)
    assert receipt.outcome == "case"
    assert str(only_message(desk, receipt.codename)["text"]).strip() == text


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
    inside = team[0].opens(next(item.mail for item in mails if item.recipient == team[0].email)) or b""
    assert b"could not be opened" in inside
    assert b"sam@reporter.example" not in inside
    (answer,) = [item for item in mails if item.recipient == "sam@reporter.example"]
    assert b"cannot open it" in answer.mail
    assert receipt.codename.encode() not in answer.mail


def test_without_integrity_protection_is_held(desk: Desk, sam: Person) -> None:
    import subprocess

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
    import subprocess

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


def test_the_same_mail_twice_is_one_case(desk: Desk) -> None:
    mail = plain_mail("once")
    first = desk.receive(b"Received: from a by b; today\n" + mail)
    again = desk.receive(b"Return-Path: <x>\nDelivered-To: y\n" + mail.replace(b"\n", b"\r\n"))
    assert (again.outcome, again.codename) == ("duplicate", first.codename)
    assert desk.receive(mail + b"more").outcome == "case"


def test_a_duplicate_with_an_exclusion_still_recuses(desk: Desk) -> None:
    mail = plain_mail("once")
    first = desk.receive(mail)
    desk.receive(mail, "conduct+except-bo@desk.example")
    assert desk.case(first.codename)["recused"] == [{"member": "bo", "source": "reporter"}]


def test_a_mail_to_two_addresses_of_a_desk_is_one_case_with_what_both_ask(desk: Desk) -> None:
    receipt = desk.receive(plain_mail("x"), "conduct@desk.example", "conduct+quiet+except-bo@desk.example")
    assert desk.case(receipt.codename)["recused"] == [{"member": "bo", "source": "reporter"}]
    assert not [item for item in desk.mail_out() if item.recipient.startswith("sam@")]


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


@given(st.data())
@settings(max_examples=60)
def test_whatever_comes_is_kept(keeper: dict[str, Desk], make_desk: DeskMaker, data: st.DataObject) -> None:
    desk = keeper.setdefault("desk", None) or make_desk()  # type: ignore[arg-type]
    keeper["desk"] = desk
    raw = data.draw(st.sampled_from([*BAD.values(), *SEEDS]).filter(lambda seed: len(seed) < 20_000))
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(raw)))
        raw = (
            raw[:at]
            + data.draw(st.sampled_from(JUNK) | st.binary(max_size=20))
            + raw[at + data.draw(st.integers(0, 40)) :]
        )
    receipt = desk.receive(raw)
    assert receipt.outcome in ("case", "held", "duplicate", "automatic")
    assert len(desk.case(receipt.codename)["messages"]) == 1
    desk.mail_out(50)


@pytest.fixture(scope="module")
def keeper() -> dict[str, Desk]:
    return {}


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
