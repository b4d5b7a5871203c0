"""What a member hears of what they wrote, what the reporter gets of it, and what neither must get."""

from __future__ import annotations

import email
import io
import zipfile
from email.mime.application import MIMEApplication
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest

from desk.demo.mails import pgp_mime, plain_mail
from desk.demo.rehearsal import Delivered, Person
from tests.conftest import Desk
from tests.intake.test_follow_up import reply_to
from tests.support.talk import headers, member_mail, read, say, to, words


@pytest.fixture
def name(desk: Desk) -> str:
    """A case that everybody reads."""
    codename = desk.receive(plain_mail("Somebody shouted at me.")).codename
    desk.mail_out()
    return codename


def with_files(name: str, text: str, *files: tuple[str, str, bytes]) -> bytes:
    """A protected entity with files."""
    whole = MIMEMultipart()
    whole["Subject"] = f"Re: [Conduct Team] {name}: new report"
    whole.attach(MIMEText(text, "plain", "utf-8"))
    for file, kind, data in files:
        part = MIMEApplication(data, _subtype=kind)
        part.add_header("Content-Disposition", "attachment", filename=file)
        whole.attach(part)
    return whole.as_bytes()


def to_sam(mails: list[Delivered]) -> list[Delivered]:
    return [item for item in mails if item.recipient == "sam@reporter.example"]


SHAPE = (
    "/reply\n\nWe are here for you.\nCall us\u2026  {{ now }}\n\nSent from my iPhone\n\n"
    "Conduct Team <conduct@desk.example> skrev:\n> {}\n\nAcme Widgets Ltd, Leeds\n-- \nMobile 0700\n"
)


def test_the_answer_shows_what_is_sent_to_the_letter(desk: Desk, team: list[Person], name: str) -> None:
    """A block without a separator cannot be told from words: its author sees that it was sent."""
    files = (("advice.pdf", "pdf", b"%PDF-1.4 x"),)
    sent = say(desk, team[0], "", name, entity=with_files(name, SHAPE, *files))
    (reply,) = to_sam(sent)
    said = read(team[0], reply).partition("\n")[2].strip().removesuffix("\n\nConduct Team")
    assert said == "We are here for you.\nCall us\u2026  {{ now }}\n\nAcme Widgets Ltd, Leeds"
    (answer,) = to(team[0], sent)
    assert [line[2:] for line in answer.split("\n") if line.startswith("| ")] == said.split("\n")
    assert "Attached: advice.pdf" in answer
    assert "Files are sent as they are" in words(answer)
    (noted,) = to(team[0], say(desk, team[0], "/assign me\n\nI will call them.\n-- \nMobile 0700", name))
    assert "| I will call them.\n" in noted
    assert "0700" not in noted


def test_the_answer_of_a_desk_that_sends_summaries_shows_nothing(desk: Desk, team: list[Person]) -> None:
    desk.play.change_config('# notice = "full"', 'notice = "summary"')
    codename = desk.receive(plain_mail("Somebody shouted at me.")).codename
    desk.mail_out()
    (answer,) = to(team[0], say(desk, team[0], "/reply\n\nWe are here for you.", codename))
    assert "We are here" not in answer


NAMES = [
    "Dear Sam,\n\nDana will call you.",
    "Dear Sam,\n\nplease ask Reyes about it.",
    "Dear Sam,\n\nthank you.\n\nAda\n\nAcme Widgets Limited, Building seven\nThe High Street, some town far away\nPlease think of the trees before you print\nIt is confidential, and only meant for you",
    "Dear Sam,\n\nwe will see.\n\nBo\n",
    "Dear Sam,\n\nsee you there.\n\n- Dana",
    "Dear Sam,\n\nthis is from Eun-ji and from us all, and we wish you well.",
]  # fmt: skip


@pytest.mark.parametrize("text", NAMES)
def test_a_reply_with_a_first_or_last_name_of_a_member_is_refused(
    desk: Desk, team: list[Person], name: str, text: str
) -> None:
    sent = say(desk, team[0], f"/reply\n{text}", name)
    assert to_sam(sent) == []
    assert "a team member's name" in words(to(team[0], sent)[0])


@pytest.mark.parametrize(
    "text",
    [
        "Dear Sam,\n\nwe met in the park, and may will you some hope. Park it. A reply.",
        "May we call you? In May, we hope to. Will you?\n\nConduct Team",
        "Dear Dana,\n\nDana, we read what you wrote of Quist.",
    ],
)
def test_a_reply_may_say_back_what_the_reporter_wrote_and_ordinary_words(
    desk: Desk, team: list[Person], text: str
) -> None:
    mail = plain_mail("A man called Quist shouted.", sender="Dana Smith <sam@reporter.example>")
    codename = desk.receive(mail).codename
    desk.mail_out()
    assert len(to_sam(say(desk, team[2], f"/reply\n{text}", codename))) == 1


def word_file(creator: str, text: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("docProps/core.xml", f"<cp><dc:creator>{creator}</dc:creator></cp>")
        archive.writestr("word/document.xml", f"<w:p><w:t>{text}</w:t></w:p>")
    return made.getvalue()


@pytest.mark.parametrize(
    ("file", "data", "why"),
    [
        ("card.vcf", b"BEGIN:VCARD\r\nVERSION:3.0\r\nN:Quist;Ada;;;\r\nFN:Ada Quist\r\nEND:VCARD\r\n", "names Ada Quist"),
        ("notes.txt", "We talked with Dana Reyes.".encode("utf-16"), "names Dana Reyes"),
        ("list.csv", b"who;what\nada@team.example;calls\n", "names Ada Quist"),
        ("Ada Quist.pdf", b"%PDF-1.4", "names Ada Quist"),
        ("advice.pdf", b"%PDF-1.4\n<< /Author (Ada Quist) >>\n\x00\x01", "names Ada Quist"),
        ("advice.pdf", b"%PDF-1.4\0\xfe\xff" + "Ada Quist".encode("utf-16-be"), "names Ada Quist"),
        ("photo.jpg", b"\xff\xd8\xff\xe1\0\0Exif\0\0Artist\0Bo Lindqvist\0\xff\xd9", "names Bo Lindqvist"),
        ("advice.docx", word_file("Ada Quist", "Hello."), "names Ada Quist"),
        ("advice.docx", word_file("-", "Ask Dana</w:t><w:t> Re<w:proofErr/>yes."), "names Dana Reyes"),
        ("notice.eml", b"From: x@y.example\nSubject: x\n\nHello\n", "is a mail"),
        ("encrypted.asc", b"-----BEGIN PGP MESSAGE-----\n\nhQ==\n-----END PGP MESSAGE-----\n", "is encrypted"),
        ("notice.txt", b"Case: {name}\n", "contains a piece of a notice"),
        ("notice.pdf", b"%PDF\0 t-abcdefghijklmnopqrstuvwx \0", "contains a piece of a notice"),
    ],
)  # fmt: skip
def test_a_file_that_names_a_member_does_not_go_to_the_reporter(
    desk: Desk, team: list[Person], name: str, file: str, data: bytes, why: str
) -> None:
    entity = with_files(name, "/reply\nPlease read.", (file, "octet-stream", data.replace(b"{name}", name.encode())))
    sent = say(desk, team[0], "", name, entity=entity)
    assert to_sam(sent) == []
    assert why in words(to(team[0], sent)[0])


def test_a_forwarded_notice_does_not_go_to_the_reporter(desk: Desk, team: list[Person], name: str) -> None:
    inner = MIMEText("harmless", "plain", "utf-8")
    whole = MIMEMultipart()
    whole["Subject"] = f"Re: [Conduct Team] {name}: new report"
    whole.attach(MIMEText("/reply\nPlease read.", "plain", "utf-8"))
    whole.attach(MIMEMessage(inner))
    sent = say(desk, team[0], "", name, entity=whole.as_bytes())
    assert to_sam(sent) == []
    assert "is a mail" in words(to(team[0], sent)[0])


@pytest.mark.parametrize(
    "file",
    [("advice.pdf", b"%PDF-1.4 x"), ("advice.docx", word_file("Somebody", "Hello.")), ("broken.zip", b"PK\3\4junk")],
)
def test_a_file_that_tells_of_nobody_goes(desk: Desk, team: list[Person], name: str, file: tuple[str, bytes]) -> None:
    entity = with_files(name, "/reply\nPlease read.", (file[0], "octet-stream", file[1]))
    assert len(to_sam(say(desk, team[0], "", name, entity=entity))) == 1


def test_a_members_own_key_is_not_sent_round_with_each_note(
    desk: Desk, team: list[Person], name: str, sam: Person
) -> None:
    files = (("OpenPGP_0x1.asc", "pgp-keys", team[0].public_key), ("sam.asc", "pgp-keys", sam.public_key))
    sent = say(desk, team[0], "", name, entity=with_files(name, "Their key is attached.", *files))
    (text,) = to(team[1], sent)
    assert "sam.asc" in text
    assert "OpenPGP_0x1" not in text
    assert [item["name"] for item in desk.case(name)["messages"][-1]["attachments"]] == ["sam.asc"]


def test_an_answer_belongs_to_the_thread_of_the_mail_that_it_answers(desk: Desk, team: list[Person], name: str) -> None:
    """Also a refusal; and it is the same, whether the case is withheld from its asker or was never there."""
    desk.play.command("case", "recuse", name, "bo")
    kinds = {
        "done": (team[0], "/assign me", name), "wrong": (team[0], "/nonsense", name),
        "withheld": (team[1], "/assign me", name), "none": (team[1], "/assign me", "no-such"),
    }  # fmt: skip
    heads = {}
    for kind, (member, text, codename) in kinds.items():
        mail = member_mail(desk.play, member, text, codename)
        own = str(email.message_from_bytes(mail)["Message-ID"])
        desk.receive(mail, sender=member.email)
        (answer,) = [item for item in desk.mail_out() if item.recipient == member.email]
        head = headers(answer)
        assert head["In-Reply-To"] == own
        assert own in " ".join(str(head["References"]).split())
        heads[kind] = {
            key: str(value).replace(own, "")
            for key, value in head.items()
            if key not in ("Date", "Message-ID", "Content-Type")
        }
        heads[kind]["says"] = read(member, answer)
    assert heads["withheld"] == heads["none"]


def test_what_is_no_message_id_is_not_written_into_an_answer(desk: Desk, team: list[Person], name: str) -> None:
    mail = member_mail(desk.play, team[0], "/help", name).replace(b"\nMessage-ID: <", b"\nMessage-ID: <a b> <")
    desk.receive(mail, sender=team[0].email)
    (answer,) = [item for item in desk.mail_out() if item.recipient == team[0].email]
    assert "a b" not in str(headers(answer)["In-Reply-To"])


def test_who_asks_for_the_key_and_answers_that_mail_writes_a_report(
    desk: Desk, team: list[Person], sam: Person
) -> None:
    silent = desk.receive(plain_mail("Your key please!"), "conduct+key@desk.example").codename
    (key_mail,) = desk.mail_out()
    desk.clock.forward(days=30)
    key = sam.public_key.decode()
    entity = (
        "Content-Type: multipart/mixed; boundary=k\nSubject: Help\n\n--k\nContent-Type: text/plain\n\nHe hit me.\n\nExclude: Bo\n"
        f"--k\nContent-Type: application/pgp-keys\nContent-Disposition: attachment; filename=k.asc\n\n{key}\n--k--\n"
    ).encode()
    mail = pgp_mime(entity, desk.play.desk_key, sam.keyring, sender="Sam <sam@reporter.example>")
    receipt = desk.receive(mail, reply_to(key_mail))
    assert receipt.codename == silent
    sent = desk.mail_out()
    assert {item.recipient for item in sent} == {
        "sam@reporter.example",
        *(person.email for person in team if person.id != "bo"),
    }
    (text,) = to(team[0], sent)
    assert text.startswith(f"[Conduct Team] {silent}: new report")
    assert "He hit me." in text
    (ack,) = to_sam(sent)
    assert "has arrived" in words(read(sam, ack)), "and sealed to the key that came with the report"
    record = desk.case(silent)
    assert (record["state"], record["recused"]) == ("new", [{"member": "bo", "source": "reporter"}])
    desk.tick()
    assert [item for item in desk.mail_out() if "reminder" in read(team[0], item)] == [], (
        "the clock of the report starts now"
    )
    desk.receive(plain_mail("More."), reply_to(key_mail))
    again = desk.mail_out()
    assert to_sam(again) == [], "acknowledged once"
    assert "the reporter wrote again" in to(team[0], again)[0]


def test_an_answer_to_the_key_moves_no_address_and_undoes_no_silence(desk: Desk, team: list[Person]) -> None:
    desk.receive(plain_mail("Your key please!"), "conduct+key@desk.example")
    (key_mail,) = desk.mail_out()
    forged = plain_mail("He hit me.", extra="Reply-To: evil@other.example\n")
    desk.receive(forged, reply_to(key_mail))
    sent = desk.mail_out()
    assert {item.recipient for item in sent if "team.example" not in item.recipient} == {"sam@reporter.example"}
    desk.receive(plain_mail("Key please!", sender="kim@other.example"), "conduct+key@desk.example")
    (key_mail,) = desk.mail_out()
    desk.receive(plain_mail("He hit me.\n\nReply: no", sender="kim@other.example"), reply_to(key_mail))
    assert {item.recipient for item in desk.mail_out()} == {person.email for person in team}
