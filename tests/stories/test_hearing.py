"""Hearing others in a case: the reported person and a witness write with the desk, and nobody learns from it who else did."""

from __future__ import annotations

import base64
import email
import io
import subprocess

import pytest
from PIL import Image

from desk.demo.mails import pgp_mime, plain_mail, text_entity, text_of
from desk.demo.rehearsal import Delivered, Person
from tests.conftest import Desk, DeskMaker
from tests.support.commands import as_text
from tests.support.talk import failed_delivery, headers, say, to, words

REPORT = (
    "Morgan Vale shouted at me behind the stage on Friday evening, in front of everybody from my own group.\n"
    "I do not want to see them again."
)
MORGAN = "morgan@vale.example"
KIM = "kim@witness.example"


@pytest.fixture
def desk(make_desk: DeskMaker) -> Desk:
    return make_desk()


def reported(desk: Desk, text: str = REPORT, sender: str = "Robin Sander <robin@sander.example>") -> str:
    """A case, of which everybody was told; its codename."""
    codename = desk.receive(plain_mail(text, sender=sender)).codename
    desk.mail_out()
    desk.clock.forward(minutes=1)
    return codename


def write(desk: Desk, member: Person, codename: str, line: str, text: str = "", **options: object) -> list[Delivered]:
    """Have a member write to somebody outside, and what leaves the desk because of it."""
    desk.clock.forward(minutes=1)
    return say(desk, member, f"/write {line}\n\n{text}", codename, **options)


def sent_to(mails: list[Delivered], address: str) -> Delivered:
    (mail,) = [item for item in mails if item.recipient == address]
    return mail


def answer(desk: Desk, mail: Delivered, text: str, sender: str) -> list[Delivered]:
    """Answer a mail of the desk, as a mail program does."""
    desk.clock.forward(minutes=1)
    head = headers(mail)
    to_address = email.utils.parseaddr(head["Reply-To"] or head["From"])[1]
    raw = plain_mail(text, "Re: A message", sender, extra=f"In-Reply-To: {head['Message-ID']}\n")
    raw = raw.replace(b"To: conduct@desk.example", f"To: {to_address}".encode(), 1)
    desk.receive(raw, to_address, sender=email.utils.parseaddr(sender)[1])
    return desk.mail_out()


def heard(desk: Desk, ada: Person, codename: str) -> Delivered:
    """Morgan is written to; the mail."""
    mails = write(desk, ada, codename, f"Morgan Vale <{MORGAN}> as reported", "What happened on that evening?")
    return sent_to(mails, MORGAN)


def test_the_reported_person_is_heard_and_the_readers_read_it(desk: Desk, team: list[Person]) -> None:
    ada, bo, *_ = team
    codename = reported(desk)
    mails = write(
        desk,
        ada,
        codename,
        f"Morgan Vale <{MORGAN}> as reported using hearing until 2099-12-31",
        "What happened on that evening?",
    )
    mail = sent_to(mails, MORGAN)
    said = words(text_of(mail.mail))
    assert "You were named in a report to us." in said
    assert "What happened on that evening?" in said
    assert "You can answer until" in said
    assert codename.encode() not in mail.mail
    for person in team:
        assert person.name.encode() not in mail.mail
        assert person.email.encode() not in mail.mail
    assert b"robin" not in mail.mail.lower()
    (own,) = to(ada, mails)
    assert "Your letter goes to Morgan Vale (the reported person), from Conduct Team" in words(own)
    assert "| What happened on that evening?" in own
    (told,) = to(bo, mails)
    assert "Ada Quist wrote this to Morgan Vale (the reported person), unencrypted" in words(told)
    assert desk.case(codename)["deadline"] == "2099-12-31"

    back = answer(desk, mail, "I only raised my voice.", f"Morgan <{MORGAN}>")
    assert {item.recipient for item in back} == {person.email for person in team}, "and nobody outside gets a word"
    (read,) = to(bo, back)
    assert "Morgan Vale (the reported person) wrote" in read
    assert "I only raised my voice." in read
    (shown,) = to(ada, say(desk, ada, "/show", codename))
    assert "=== Morgan Vale (the reported person) ===" in shown
    page = shown.partition("===")[2]
    assert "I only raised my voice." in page
    assert "behind the stage" not in page


def test_what_the_reporter_and_another_heard_never_get(desk: Desk, team: list[Person]) -> None:
    ada = team[0]
    codename = reported(desk)
    mail = heard(desk, ada, codename)
    witness = sent_to(write(desk, ada, codename, f"Kim Ode <{KIM}> as witness", "Did you see anything?"), KIM)
    answer(desk, mail, "MORGAN-SAYS that it was a joke among friends and nothing more than that.", MORGAN)
    answer(desk, witness, "KIM-SAYS it was loud.", KIM)
    mails = say(desk, ada, "/reply\nWe asked around, and go on.", codename)
    outside = [item for item in mails if item.recipient == "robin@sander.example"]
    assert len(outside) == 1
    for item in outside:
        assert b"SAYS" not in item.mail
        assert "kim" not in text_of(item.mail).lower()


def test_tokens_lead_to_their_own_thread_alone(desk: Desk, team: list[Person]) -> None:
    ada = team[0]
    codename = reported(desk)
    mail = heard(desk, ada, codename)
    (reply,) = [item for item in say(desk, ada, "/reply\nThank you.", codename) if "robin" in item.recipient]
    one, other = (email.utils.parseaddr(headers(item)["Reply-To"])[1] for item in (mail, reply))
    assert one.partition("+")[2][2:18] != other.partition("+")[2][2:18], "not even the beginning is the same"
    # With a token that is not theirs, nothing joins: it becomes a case of its own.
    for address, sender in ((one, "robin@sander.example"), (other, MORGAN), (one, "eve@evil.example")):
        before = len(desk.case(codename)["messages"])
        raw = plain_mail(f"I am {sender}.", sender=sender).replace(
            b"To: conduct@desk.example", f"To: {address}".encode()
        )
        assert desk.receive(raw, address, sender=sender).codename != codename
        desk.mail_out()
        assert len(desk.case(codename)["messages"]) == before


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Robin told us about it.", "names the reporter"),
        ("It was reported by robin@sander.example.", "names the reporter"),
        ("You shouted behind the stage on Friday evening, in front of everybody.", "repeats what somebody else"),
        ("I am Ada Quist, and would like to hear you.", "team member's name"),
        ("Kim says that you were loud.", "Kim Ode"),
        ("We know it from kim@witness.example.", "Kim Ode"),
        ("Lee Harm was hurt by it.", "Lee Harm"),
        ("This is about the case {codename}.", "a piece of a notice"),
    ],
)
def test_a_letter_that_tells_of_somebody_does_not_leave(desk: Desk, team: list[Person], text: str, why: str) -> None:
    ada = team[0]
    codename = reported(desk)
    write(desk, ada, codename, f"Kim Ode <{KIM}> as witness", "Did you see anything?")
    say(desk, ada, "/field harmed: Lee Harm", codename)
    mails = write(desk, ada, codename, f"Morgan Vale <{MORGAN}> as reported", text.format(codename=codename))
    assert {item.recipient for item in mails} == {ada.email}
    (refused,) = to(ada, mails)
    assert why in words(refused)
    assert desk.case(codename)["correspondents"] == desk.case(codename)["correspondents"][:1], "and is not even begun"


def test_who_agreed_may_be_named_and_quoted(desk: Desk, team: list[Person]) -> None:
    ada = team[0]
    codename = reported(desk)
    say(desk, ada, "/consent reporter to be named", codename)
    mails = write(
        desk, ada, codename, f"Morgan Vale <{MORGAN}> as reported",
        "Robin says that you shouted at me behind the stage on Friday evening, in front of everybody.",
    )  # fmt: skip
    assert sent_to(mails, MORGAN)
    say(desk, ada, "/consent Robin Sander not to be named\n", codename)
    desk.clock.forward(minutes=1)
    assert "names the reporter" not in words(to(ada, write(desk, ada, codename, "Morgan Vale", "Well."))[0])


def test_a_draft_goes_out_when_somebody_else_sends_it(desk: Desk, team: list[Person]) -> None:
    ada, bo, *_ = team
    codename = reported(desk)
    mails = write(desk, ada, codename, f"Morgan Vale <{MORGAN}> as reported draft", "What happened?")
    assert {item.recipient for item in mails} == {person.email for person in team}
    assert "'/send 1'" in words(to(bo, mails)[0])
    assert "Somebody else on the case has to send it" in words(to(ada, say(desk, ada, "/send 1", codename))[0])
    assert "no draft 2" in words(to(bo, say(desk, bo, "/send 2", codename))[0])
    sent = say(desk, bo, "/send 1", codename)
    assert "What happened?" in text_of(sent_to(sent, MORGAN).mail)
    assert "sent draft 1 to Morgan Vale" in words(to(ada, sent)[0])
    again = say(desk, bo, f"/case {codename}\n/send 1", codename)
    assert "no draft 1" in words(to(bo, again)[0]), "it goes once"


def test_a_member_who_is_heard_reads_no_more_and_two_must_want_it(desk: Desk, team: list[Person]) -> None:
    ada, bo, chidi, *_ = team
    codename = reported(desk)
    refused = write(desk, ada, codename, f"Bo <{bo.email}> as reported", "What happened?")
    assert "Add 'draft'" in words(to(ada, refused)[0])
    mails = write(desk, ada, codename, f"Bo <{bo.email}> as reported draft", "What happened?")
    assert bo.email not in {item.recipient for item in mails}, "not even the draft"
    sent = say(desk, chidi, "/send 1", codename)
    mail = sent_to(sent, bo.email)
    assert codename.encode() not in mail.mail
    back = answer(desk, mail, "I was not even there.", f"{bo.name} <{bo.email}>")
    assert bo.email not in {item.recipient for item in back}
    assert "Bo (the reported person) wrote" in to(ada, back)[0]
    assert "There is no such case" in words(to(bo, say(desk, bo, "Let me see.", codename))[0])


def test_whom_the_reporter_excluded_is_never_written_to(desk: Desk, team: list[Person]) -> None:
    ada, bo, *_ = team
    codename = reported(desk, "Exclude: Bo Lindqvist\n\nIt happened.")
    for line in (f"Bo <{bo.email}> as reported", f"Bo <{bo.email}> as reported draft"):
        mails = write(desk, ada, codename, line, "What happened?")
        assert "The reporter asked to keep this case from Bo Lindqvist" in words(to(ada, mails)[0])
        assert bo.email not in {item.recipient for item in mails}


def test_whoever_is_heard_cannot_choose_who_judges_them(desk: Desk, team: list[Person]) -> None:
    ada, bo, chidi, *_ = team
    codename = reported(desk)
    mail = heard(desk, ada, codename)
    answer(desk, mail, "Only: Dana Reyes\n\nI say nothing.", MORGAN)
    assert {"ada", "bo"} <= set(desk.case(codename)["readers"]), "they do not alone decide who reads"
    back = answer(desk, mail, "Bo Lindqvist was there, and laughed.", MORGAN)
    assert bo.email not in {item.recipient for item in back}
    assert [item for item in desk.case(codename)["recused"] if item["member"] == "bo"] == [
        {"member": "bo", "source": "named"}
    ]
    assert chidi.email in {item.recipient for item in back}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("Sam <a@x.example>, <b@y.example>", "one plain mail address"),
        ("Sam <a@x.example b@y.example>", "one plain mail address"),
        ("Sam <>", "one plain mail address"),
        ("sam@x.example", "one plain mail address"),
        ("Desk <conduct@desk.example>", "an address of this desk"),
        ("Robin Sander <other@sander.example>", "is the reporter of this case"),
        ("Somebody <robin+x@sander.example>", "is the reporter of this case"),
        ("Nobody Known", "is heard in this case yet"),
        ("Ada <ada@team.example>", "your own address"),
        ("Morgan <m@x.example> as judge", "does not know 'as judge'"),
        ("Morgan <m@x.example> until yesterday", "is not a date"),
        ("Morgan <m@x.example> until 2001-01-01", "in the past"),
        ("Morgan <m@x.example> new-key", "No new key of Morgan is known"),
    ],
)
def test_what_is_no_order_is_said_and_nothing_is_sent(desk: Desk, team: list[Person], line: str, why: str) -> None:
    ada = team[0]
    codename = reported(desk)
    mails = write(desk, ada, codename, line, "Hello.")
    assert {item.recipient for item in mails} == {ada.email}
    assert why in words(to(ada, mails)[0])
    assert desk.case(codename)["correspondents"] == []


def test_a_key_is_used_when_a_reader_says_so(desk: Desk, team: list[Person], sam: Person) -> None:
    ada = team[0]
    codename = reported(desk)
    mail = sent_to(write(desk, ada, codename, f"Sam <{sam.email}> as witness", "Did you see it?"), sam.email)
    raw = pgp_mime(
        text_entity("Yes.", "Re"), desk.play.desk_key, sam.keyring, sam.fingerprint, sender=sam.email,
        extra=f"In-Reply-To: {headers(mail)['Message-ID']}\n",
    )  # fmt: skip
    desk.clock.forward(minutes=1)
    desk.receive(raw, email.utils.parseaddr(headers(mail)["Reply-To"])[1], sender=sam.email)
    assert "Yes." in to(ada, desk.mail_out())[0]
    refused = write(desk, ada, codename, "Sam", "Thank you.")
    assert "wrote encrypted" in words(to(ada, refused)[0])
    key = sam.keyring.export(sam.fingerprint, armored=True).decode()
    entity = (
        "Content-Type: multipart/mixed; boundary=m; protected-headers=v1\n"
        f"Subject: Re: [Conduct Team] {codename}: x\n\n--m\nContent-Type: text/plain\n\n/write Sam\n\nThank you, sealed.\n--m\n"
        f"Content-Type: application/pgp-keys; name=sam.asc\n\n{key}\n--m--\n"
    ).encode()
    desk.clock.forward(minutes=1)
    mails = say(desk, ada, "", codename, entity=entity)
    opened = sam.opens(sent_to(mails, sam.email).mail)
    assert opened is not None
    assert b"Thank you, sealed." in opened


def test_readers_hear_that_a_letter_did_not_arrive(desk: Desk, team: list[Person]) -> None:
    ada = team[0]
    codename = reported(desk)
    mail = heard(desk, ada, codename)
    assert mail.sender.startswith("conduct+p-"), "what comes back finds its way"
    back = failed_delivery(headers(mail)["Message-ID"], MORGAN)
    desk.receive(back, mail.sender, sender="")
    (told,) = to(ada, desk.mail_out())
    assert "We could not deliver a message on case" in words(told)
    assert "Morgan Vale (the reported person)" in words(told)


def test_a_reply_to_the_reporter_does_not_tell_of_who_else_was_heard(desk: Desk, team: list[Person]) -> None:
    ada = team[0]
    codename = reported(desk)
    witness = sent_to(write(desk, ada, codename, f"Kim Ode <{KIM}> as witness", "Did you see anything?"), KIM)
    answer(desk, witness, "It was very loud and I left as soon as I could.", KIM)
    for text in ("Kim Ode saw it as well.", "Somebody says it was very loud and I left as soon as I could."):
        mails = say(desk, ada, f"/reply\n{text}", codename)
        assert {item.recipient for item in mails} == {ada.email}
    mails = say(desk, ada, "/reply\nWe also heard Morgan Vale.", codename)
    assert "robin@sander.example" in {item.recipient for item in mails}, "whom the reporter named themself"


def test_who_is_heard_ends_with_the_case(desk: Desk, team: list[Person]) -> None:
    ada = team[0]
    codename = reported(desk)
    mail = heard(desk, ada, codename)
    say(desk, ada, "/state closed no-action", codename)
    desk.tick()
    desk.clock.forward(days=731 - 30)
    desk.tick()
    desk.clock.forward(days=31)
    desk.tick()
    with desk.context.database.read() as session:
        assert session.connection().exec_driver_sql("SELECT COUNT(*) FROM threads").scalar() == 0
    address = email.utils.parseaddr(headers(mail)["Reply-To"])[1]
    assert desk.receive(plain_mail("Too late?", sender=MORGAN), address, sender=MORGAN).codename != codename


def with_file(text: str, codename: str, name: str, data: bytes, kind: str) -> bytes:
    """What a member's mail says, with a file."""
    encoded = base64.encodebytes(data).decode()
    return (
        f"Content-Type: multipart/mixed; boundary=m; protected-headers=v1\nSubject: Re: [Conduct Team] {codename}: x\n\n"
        f"--m\nContent-Type: text/plain\n\n{text}\n--m\nContent-Type: {kind}\nContent-Transfer-Encoding: base64\n"
        f'Content-Disposition: attachment; filename="{name}"\n\n{encoded}\n--m--\n'
    ).encode()


def test_files_go_without_what_they_tell_of_their_author(desk: Desk, team: list[Person]) -> None:
    ada = team[0]
    codename = reported(desk)
    exif = Image.Exif()
    exif[0x013B] = "Ada Quist"
    picture = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(picture, "JPEG", exif=exif)
    line = f"/write Morgan Vale <{MORGAN}> as reported\n\nDo you know this place?"
    mails = say(
        desk, ada, "", codename, entity=with_file(line, codename, "place.jpg", picture.getvalue(), "image/jpeg")
    )
    parts = [part for part in email.message_from_bytes(sent_to(mails, MORGAN).mail).walk() if part.get_filename()]
    sent = next(part.get_payload(decode=True) for part in parts if part.get_filename() == "place.jpg")
    assert isinstance(sent, bytes)
    assert sent.startswith(b"\xff\xd8\xff")
    assert b"Ada" not in sent
    for name, data in (("note.docx", b"PK\x03\x04nothing"), ("robin.txt", b"x"), ("note.txt", b"Robin Sander said so")):
        desk.clock.forward(minutes=1)
        mails = say(desk, ada, "", codename, entity=with_file(line, codename, name, data, "application/octet-stream"))
        assert {item.recipient for item in mails} == {ada.email}, name


def test_the_same_from_the_command_line(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk)

    def ombud(*arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
        return as_text(desk.play.command("case", *arguments, stdin=said.encode()))

    draft = ombud("write", codename, "--by", "ada", said=f"Morgan Vale <{MORGAN}> as reported draft\n\nWhat happened?")
    assert draft.returncode == 0, draft.stderr
    refused = ombud("write", codename, "--by", "ada", said=f"Kim <{KIM}>\n\nRobin says hello.")
    assert refused.returncode != 0
    assert "names the reporter" in refused.stderr
    assert "Somebody else" in ombud("send", codename, "1", "--by", "ada").stderr
    assert ombud("send", codename, "1", "--by", "bo").returncode == 0
    assert ombud("consent", codename, "--by", "bo", said="reporter").returncode == 0
    assert desk.case(codename)["may_be_named"] == ["reporter"]
    assert "heard:    Morgan Vale (reported)" in ombud("show", codename).stdout
    assert "What happened?" in text_of(sent_to(desk.mail_out(), MORGAN).mail)


def test_a_desk_without_extensions_knows_them_by_the_subject(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    desk.play.change_config("# extensions = true", "extensions = false #")
    desk.reopen()
    codename = reported(desk)
    mail = heard(desk, team[0], codename)
    subject = headers(mail)["Subject"]
    assert "[p-" in subject
    desk.clock.forward(minutes=1)
    desk.receive(plain_mail("Here I am.", f"Re: {subject}", MORGAN), sender=MORGAN)
    assert "Here I am." in to(team[0], desk.mail_out())[0]


def test_who_joins_later_and_was_heard_does_not_read_it(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk(team[:3])
    codename = reported(desk)
    dana = team[3]
    write(desk, team[0], codename, f"D. <{dana.email}> as witness", "Did you see anything?")
    desk.play.set_team(team)
    desk.tick()
    assert dana.email not in {item.recipient for item in desk.mail_out()}
    assert {"member": "dana", "source": "named"} in desk.case(codename)["recused"]


def test_which_member_they_think_of_is_not_confirmed(desk: Desk, team: list[Person]) -> None:
    ada = team[0]
    codename = reported(desk)
    mail = heard(desk, ada, codename)
    answer(desk, mail, "I know that it is Chidi who writes this.", MORGAN)
    refused = write(desk, ada, codename, "Morgan Vale", "Do you think that Chidi is unfair?")
    assert MORGAN not in {item.recipient for item in refused}


def test_lines_of_two_people_who_chat_are_two_notices(desk: Desk, team: list[Person]) -> None:
    ada = team[0]
    codename = reported(desk)
    (reply,) = [item for item in say(desk, ada, "/reply\nThank you.", codename) if "robin" in item.recipient]
    mail = heard(desk, ada, codename)
    for item, sender, text in ((reply, "robin@sander.example", "A LINE OF ROBIN"), (mail, MORGAN, "A LINE OF MORGAN")):
        address = email.utils.parseaddr(headers(item)["Reply-To"])[1]
        raw = plain_mail(text, sender=sender, extra="Chat-Version: 1.0\n")
        desk.receive(raw.replace(b"To: conduct@desk.example", f"To: {address}".encode()), address, sender=sender)
    desk.clock.forward(minutes=5)
    read_by_ada = "\n".join(to(ada, desk.mail_out()))
    assert "A LINE OF ROBIN" in read_by_ada
    assert "A LINE OF MORGAN" in read_by_ada


def test_a_receipt_is_nobody_to_write_to(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk)
    address = f"{'a' * 32}@form.invalid"
    mails = write(desk, team[0], codename, f"Somebody <{address}>", "Hello.")
    assert "one plain mail address" in words(to(team[0], mails)[0])
    assert desk.case(codename)["correspondents"] == []
