"""Mail in, of every shape: what becomes of it."""

from __future__ import annotations

import base64
import email
import re
from email.mime.application import MIMEApplication
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest

from desk.demo.mails import pgp_mime, plain_mail, text_entity, text_of
from desk.demo.rehearsal import Person
from intake import reader_process
from intake.arrival import Job, Opened
from intake.receive import Receiver
from store.kit.config import Config
from store.openpgp.armor import armor
from tests.conftest import Desk, DeskMaker
from tests.support.mails import mail_of, only_message, sealed
from tests.support.talk import read, say, to, words

READ = reader_process.read
SECRET = "It happened at the après-party. Ünïcode ✓"


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
        assert SECRET in text_of(person.opens(mine.mail) or b"")
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
    (part,) = [item for item in inside.walk() if item.get_filename() == "Bild ü.png"]
    assert part.get_payload(decode=True) == bytes(range(256)) * 40


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
    assert desk.case(first.codename)["recused"] == [{"member": "bo", "source": "doubtful"}]


def test_a_mail_to_two_addresses_of_a_desk_is_one_case_with_what_both_ask(desk: Desk) -> None:
    receipt = desk.receive(plain_mail("x"), "conduct@desk.example", "conduct+quiet+except-bo@desk.example")
    assert desk.case(receipt.codename)["recused"] == [{"member": "bo", "source": "reporter"}]
    assert not [item for item in desk.mail_out() if item.recipient.startswith("sam@")]


@pytest.mark.parametrize(
    ("text", "withheld", "unknown"),
    [
        ("Exclude: Bo (my ex)\n\nhello", {"bo": "named"}, ("Bo (my ex)",)),
        (
            "Exclude: that Okafor guy from work, Dana\n\nhello",
            {"chidi": "named", "dana": "reporter"},
            ("that Okafor guy from work",),
        ),
        ("Exclude: Ada Miller\n\nhello", {"ada": "named"}, ("Ada Miller",)),
        ("Exclude: the tall one\n\nhello", {}, ("the tall one",)),
        ("**Exclude:** *bo lindqvíst* and Eun-ji\n\nhello", {"bo": "reporter", "eunji": "reporter"}, ()),
        ("Hello team,\n\nEXCLUDE\uff1aAda\nexclude: Dana\n\nhello", {"ada": "reporter", "dana": "reporter"}, ()),
        ("It was today.\n\nExclude: Ada", {"ada": "reporter"}, ()),
        ("It was today.\n\n> Exclude: Ada", {}, ()),
        ("It was today. Exclude: Ada", {"ada": "named"}, ()),
    ],
)
def test_whom_a_line_excludes(
    desk: Desk, team: list[Person], text: str, withheld: dict[str, str], unknown: tuple[str, ...]
) -> None:
    receipt = desk.receive(plain_mail(text))
    assert {item["member"]: item["source"] for item in desk.case(receipt.codename)["recused"]} == withheld
    mails = desk.mail_out()
    assert {item.recipient for item in mails if item.recipient.endswith("team.example")} == {
        person.email for person in team if person.id not in withheld
    }
    reader = next(person for person in team if person.id not in withheld)
    shown = text_of(reader.opens(next(item.mail for item in mails if item.recipient == reader.email)) or b"")
    assert all(name in shown for name in unknown)


def test_a_line_outside_the_encryption_withholds_provisionally(desk: Desk, sam: Person, stranger: Person) -> None:
    around = f"Exclude: Bo\nReply: no\n\n{sealed(desk, sam, SECRET.encode())}"
    receipt = desk.receive(plain_mail(around))
    assert desk.case(receipt.codename)["recused"] == [{"member": "bo", "source": "named"}]
    unopened = f"Exclude: Bo\n\n{armor(sam.keyring.seal_to_key(b'x', stranger.public_key, None)).decode()}"
    kim = "kim@reporter.example"
    held = desk.receive(plain_mail(unopened, sender=kim), sender=kim)
    assert (held.outcome, desk.case(held.codename)["recused"]) == ("held", [{"member": "bo", "source": "named"}])
    assert [item.recipient for item in desk.mail_out() if item.recipient.endswith("reporter.example")] == [kim]


def test_a_name_in_a_forwarded_mail_counts(desk: Desk) -> None:
    inner = MIMEText("")
    inner.set_payload(base64.b64encode("It was Bo\nLindqvist, schöne Grüße".encode()).decode())
    inner.replace_header("Content-Transfer-Encoding", "base64")
    inner["From"] = "a@b.example"
    whole = MIMEMultipart()
    whole.attach(MIMEText("see below", "plain", "utf-8"))
    whole.attach(MIMEMessage(inner))
    assert b"Lindqvist" not in whole.as_bytes()
    assert desk.case(desk.receive(mail_of(whole)).codename)["recused"] == [{"member": "bo", "source": "named"}]


def test_who_joins_later_is_compared_with_whom_the_reporter_excluded(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk(team[:2])
    receipt = desk.receive(plain_mail("Exclude: Bo and Chidi and that Dana person\n\nhello"))
    desk.mail_out()
    desk.play.set_team(team)
    desk.tick()
    told = {item.recipient for item in desk.mail_out()}
    assert told == {team[0].email, team[4].email}, "Ada hears who was withheld"
    assert {item["member"]: item["source"] for item in desk.case(receipt.codename)["recused"]} == {
        "bo": "reporter",
        "chidi": "reporter",
        "dana": "named",
    }


class Killed(BaseException):
    """What stands for SIGKILL while a mail is being handled."""


def killed(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Have handling die the first times that a mail is opened."""
    left = iter(range(times))

    def dying(config: Config, job: Job, unread: str = "") -> Opened:
        if next(left, None) is not None:
            raise Killed
        return READ(config, job, unread)

    monkeypatch.setattr(reader_process, "read", dying)


def test_a_mail_under_which_the_service_was_killed_is_kept_first_and_then_opened(
    desk: Desk, team: list[Person], sam: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody hears of it before it is known whom its author excludes; its author hears as usual."""
    mail = pgp_mime(text_entity("Exclude: Bo\n\nhello"), desk.play.desk_key, sam.keyring)
    killed(monkeypatch, 3)
    for _ in range(3):
        with pytest.raises(Killed):
            desk.receive(mail)
    receipt = desk.receive(mail)
    assert (receipt.outcome, desk.receive(mail).outcome) == ("case", "duplicate")
    told = {item.recipient for item in desk.mail_out()}
    assert told == {person.email for person in team if person.id != "bo"} | {"sam@reporter.example"}
    answered = say(desk, team[0], "/reply plain\nThank you.", receipt.codename)
    assert "sam@reporter.example" in {item.recipient for item in answered}
    desk.clock.forward(hours=1)
    assert desk.mail_out() == [], "nobody is told any more that it was held"


@pytest.mark.parametrize(("to", "sender"), [("conduct+quiet@desk.example", "sam@reporter.example"), ("", "")])
def test_who_asked_for_silence_and_programs_are_not_answered_after_kills_either(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, to: str, sender: str
) -> None:
    mail = plain_mail("please do not answer")
    killed(monkeypatch, 3)
    for _ in range(3):
        with pytest.raises(Killed):
            desk.receive(mail, *filter(None, [to]), sender=sender)
    assert desk.receive(mail, *filter(None, [to]), sender=sender).outcome == "case"
    assert {item.recipient.partition("@")[2] for item in desk.mail_out()} == {"team.example"}


def test_old_mail_is_not_opened_as_a_new_report_after_kills(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its author of years ago would be answered."""
    mail, old = plain_mail("long ago"), desk.context.config.desk[0]
    killed(monkeypatch, 3)
    for _ in range(3):
        with pytest.raises(Killed):
            Receiver(desk.context).receive_old(mail, old, tell=False)
    assert Receiver(desk.context).receive_old(mail, old, tell=False).outcome == "held"
    assert "sam@reporter.example" not in {item.recipient for item in desk.mail_out()}


def test_a_mail_that_kills_the_service_each_time_is_told_of_as_held(
    desk: Desk, team: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = plain_mail("bad luck")
    killed(monkeypatch, 5)
    for _ in range(4):
        with pytest.raises(Killed):
            desk.receive(mail)
    receipt = desk.receive(mail)
    assert (receipt.outcome, desk.case(receipt.codename)["state"]) == ("duplicate", "held")
    assert desk.mail_out() == []
    desk.clock.forward(minutes=11)
    assert {item.recipient for item in desk.mail_out()} == {person.email for person in team}
    killed(monkeypatch, 0)
    assert "is open" in desk.play.command("case", "reopen", receipt.codename).stdout.decode()
    answered = say(desk, team[0], "/reply\nThank you.", receipt.codename)
    assert "sam@reporter.example" in {item.recipient for item in answered}


CMS = "MIAGCSqGSIb3DQEHA6CAMIACAQAxggE="
SMIME = 'application/pkcs7-mime; smime-type=enveloped-data; name="smime.p7m"'


@pytest.mark.parametrize(
    ("kind", "name", "content"),
    [
        (SMIME, "smime.p7m", CMS),
        ("application/x-pkcs7-mime; smime-type=signed-data", "smime.p7m", CMS),
        ("application/octet-stream", "smime.p7m", CMS),
        ("application/ms-tnef", "winmail.dat", "eJ8+IgAA"),
        ("application/octet-stream", "a.bin", "eJ8+IgAA"),
    ],
)
@pytest.mark.parametrize("around", [False, True])
def test_what_other_programs_wrap_is_held_and_its_author_told(
    desk: Desk, team: list[Person], kind: str, name: str, content: str, around: bool
) -> None:
    part = (
        f"Content-Type: {kind}\nContent-Disposition: attachment; filename={name}\n"
        f"Content-Transfer-Encoding: base64\n\n{content}\n"
    )
    if around:  # as a list does, which puts its footer below
        footer = "Content-Type: text/plain\n\n_______________\nhttps://list.example\n" if "pkcs7" in kind else ""
        part = f"Content-Type: multipart/mixed; boundary=l\n\n--l\n{part}--l\n{footer}--l--\n"
    mail = f"From: sam@reporter.example\nTo: conduct@desk.example\nSubject: x\nMIME-Version: 1.0\n{part}".encode()
    receipt = desk.receive(mail)
    assert receipt.outcome == "held"
    sent = desk.mail_out()
    (answer,) = [item for item in sent if item.recipient == "sam@reporter.example"]
    assert "but we can't read it: " in words(read(team[0], answer))
    assert "which this desk cannot open. Please write to us once more." in words(read(team[0], answer))
    assert "which this desk cannot open" in words(to(team[0], sent)[0])


def test_a_file_of_other_programs_behind_a_text_is_a_file(desk: Desk) -> None:
    mail = (
        "From: sam@reporter.example\nSubject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=l\n\n--l\n"
        "Content-Type: text/plain\n\nHe wrote me this.\n--l\n"
        f"Content-Type: {SMIME}\nContent-Transfer-Encoding: base64\n\n{CMS}\n--l--\n"
    ).encode()
    receipt = desk.receive(mail)
    assert receipt.outcome == "case"
    message = only_message(desk, receipt.codename)
    assert message["text"] == "He wrote me this."
    assert [item["name"] for item in message["attachments"]] == ["smime.p7m"]
