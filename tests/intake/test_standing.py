"""Whose word counts how much: what strangers may not do with what they can copy, guess, forge or put beside it."""

from __future__ import annotations

import json
import re

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Delivered, Person
from store.openpgp.armor import armor
from tests.conftest import Desk
from tests.support.talk import beside, failed_delivery, headers, member_mail, read, say, signed_mail, to, words

SAM = "sam@reporter.example"
KIM = "Kim <kim@other.example>"


@pytest.fixture
def name(desk: Desk) -> str:
    """A case that everybody reads."""
    codename = desk.receive(plain_mail("Somebody shouted at me.")).codename
    desk.mail_out()
    return codename


def subject(name: str) -> str:
    return f"Re: [Conduct Team] {name}: new report"


def answering(mail: bytes, message_id: str) -> bytes:
    return mail.replace(b"MIME-Version", b"In-Reply-To: " + message_id.encode() + b"\nMIME-Version", 1)


def notice_id(desk: Desk, member: Person) -> str:
    return str(headers(desk.play.sink.to(member.email)[0])["Message-ID"])


def acknowledgement(mails: list[Delivered], who: str = SAM) -> Delivered:
    return next(item for item in mails if item.recipient == who)


def signed_file(member: Person, name: str) -> bytes:
    """A member's signed mail that holds a picture and no text."""
    entity = (
        f"Content-Type: image/png\nSubject: {subject(name)}\nContent-Disposition: attachment; filename=a.png\n"
        "Content-Transfer-Encoding: base64\n\naGVsbG8="
    ).encode()
    return signed_mail(member, entity, f"{member.name} <{member.email}>")


def test_a_text_beside_a_signed_file_is_not_signed(desk: Desk, team: list[Person], stranger: Person, name: str) -> None:
    ada = team[0]
    key = f"Content-Type: application/pgp-keys\n\n{stranger.public_key.decode()}"
    for command in ("/state closed warning", "/key"):
        mail = answering(signed_file(ada, name), notice_id(desk, ada))
        desk.receive(beside(mail, f"Content-Type: text/plain\n\n{command}", key), sender=ada.email)
        desk.clock.forward(seconds=2)
    assert desk.case(name)["state"] == "new"
    assert all("/state" not in message["text"] for message in desk.case(name)["messages"])
    assert desk.context.rosters.roster(desk.context.config.desk[0]).members[0].fingerprint == ada.fingerprint


def test_files_beside_a_sealed_mail_are_not_its_authors_and_do_not_make_it_another_mail(
    desk: Desk, team: list[Person], stranger: Person, name: str
) -> None:
    ada = team[0]
    mail = member_mail(desk.play, ada, "/reply\nWe are on it.", name)
    desk.receive(mail, sender=ada.email)
    assert "We are on it." in acknowledgement(desk.mail_out()).mail.decode()
    junk = armor(stranger.keyring.seal_to_key(b"\x89PNG junk", desk.play.desk_key, None)).decode()
    for other in (
        f"Content-Type: application/octet-stream; name=a.png.pgp\nContent-Disposition: attachment; filename=a.png.pgp\n\n{junk}",
        "Content-Type: application/pdf; name=b.pdf\nContent-Disposition: attachment; filename=b.pdf\n\n%PDF",
    ):
        assert desk.receive(beside(mail, other), sender=ada.email).outcome == "refused"
        (answer,) = desk.mail_out()
        assert "The same signed text came before" in words(read(ada, answer))
    fresh = beside(member_mail(desk.play, ada, "/reply\nMore.", name), other)
    desk.receive(fresh, sender=ada.email)
    assert b"b.pdf" not in acknowledgement(desk.mail_out()).mail


@pytest.mark.parametrize("charset", ["iso-8859-1", "utf-7", "koi8-r", "utf-16"])
def test_another_charset_around_a_signed_text_makes_no_new_mail(
    desk: Desk, team: list[Person], name: str, charset: str
) -> None:
    ada = team[0]
    reference = re.search(r"t-[a-z2-7]{24}", to(ada, desk.play.sink.mails)[0])
    assert reference is not None
    home = ada.keyring
    text = f"/state investigating\n\nÜber {reference[0]}".encode()
    made, _, _ = home._gnupg._run(["--clearsign", "--local-user", ada.fingerprint], text)
    mail = plain_mail(made.decode(), sender=ada.email)
    assert desk.receive(mail, sender=ada.email).outcome == "thread"
    say(desk, team[2], "/state decided", name)
    again = mail.replace(b"charset=utf-8", f"charset={charset}".encode()).replace(b"Message-ID: <", b"Message-ID: <x")
    again = again.replace(b"/state investigating", b"/state investigating   ")
    desk.receive(again, sender=ada.email)
    assert desk.case(name)["state"] == "decided"


def test_a_reference_to_somebody_elses_mail_joins_no_case_and_shows_no_token(desk: Desk, team: list[Person]) -> None:
    """He copied the desk; she forwards what he wrote. Her report is her own, and answers to it go to her."""
    his = plain_mail("What a lovely evening, dear.", sender="Max <max@other.example>")
    his_id = re.search(rb"Message-ID: (<.+>)", his)
    assert his_id is not None
    his_case = desk.receive(his, sender="max@other.example").codename
    his_answer = acknowledgement(desk.mail_out(), "max@other.example")
    token = re.search(r"\+(c-[a-z2-7]{24})", str(his_answer.headers["Reply-To"]))
    assert token is not None
    hers = plain_mail("He stalks me. See below.", extra=f"References: {his_id[1].decode()}\n")
    receipt = desk.receive(hers)
    assert receipt.outcome == "case"
    assert receipt.codename != his_case
    sent = desk.mail_out()
    answer = acknowledgement(sent)
    assert token[1] not in answer.mail.decode()
    assert len(desk.case(his_case)["messages"]) == 1
    assert "He stalks me." in to(team[0], sent)[0]
    reply = acknowledgement(say(desk, team[0], "/reply\nThank you.", receipt.codename))
    assert reply.recipient == SAM
    # What she answers to the desk's mail is hers again.
    more = answering(plain_mail("Thanks."), str(answer.headers["Message-ID"]))
    assert desk.receive(more).codename == receipt.codename


@pytest.mark.parametrize("known", [True, False])
def test_what_a_stranger_is_answered_does_not_tell_whether_a_mail_is_known_here(desk: Desk, known: bool) -> None:
    first = plain_mail("Reply: no\n\nSomebody shouted at me.")
    found = re.search(rb"Message-ID: (<.+>)", first)
    assert found is not None
    if known:
        desk.receive(first)
        desk.mail_out()
    mail = answering(plain_mail("Who reads this?", sender=KIM), found[1].decode())
    desk.receive(mail, sender="kim@other.example")
    answer = acknowledgement(desk.mail_out(), "kim@other.example")
    assert answer.headers["Reply-To"] is None
    assert "+c-" not in answer.mail.decode()
    assert "References" not in answer.headers or found[1].decode() not in str(answer.headers["References"])


def test_of_two_mails_with_one_message_id_the_first_keeps_it(desk: Desk) -> None:
    first = plain_mail("Somebody shouted at me.")
    found = re.search(rb"Message-ID: (<.+>)", first)
    assert found is not None
    name = desk.receive(first).codename
    copied = plain_mail("Mine now.", sender=KIM)
    copied = re.sub(rb"Message-ID: <.+>", b"Message-ID: " + found[1], copied)
    other = desk.receive(copied, sender="kim@other.example").codename
    assert other != name
    receipt = desk.receive(answering(plain_mail("It happened again."), found[1].decode()))
    assert (receipt.outcome, receipt.codename) == ("thread", name)


@pytest.mark.parametrize(
    "sender",
    [
        "kim@other.example>\nReply-To: <sam@reporter.example",
        "kim@other.example>, Sam <sam@reporter.example",
        "kim@other.example",
        "sam@reporter.example.evil.example",
    ],
)
def test_who_is_not_the_one_author_on_record_does_not_speak_for_them(desk: Desk, name: str, sender: str) -> None:
    address = str(acknowledgement(desk.play.sink.mails).headers["Reply-To"])
    found = re.search(r"<(.+)>", address)
    assert found is not None
    forged = plain_mail("Exclude: Ada\nReply: no\n\nNever mind.", sender=f"Kim <{sender}>")
    assert desk.receive(forged, found[1], sender="kim@other.example").codename != name
    assert desk.case(name)["recused"] == []
    assert len(desk.case(name)["messages"]) == 1


def test_a_mail_that_its_authors_domain_disowns_does_not_speak_for_them(desk: Desk, name: str) -> None:
    address = re.search(r"<(.+)>", str(acknowledgement(desk.play.sink.mails).headers["Reply-To"]))
    assert address is not None
    failed = "Authentication-Results: mx.desk.example; spf=fail; dmarc=fail (p=reject) header.from=reporter.example\n"
    assert desk.receive(plain_mail("Reply: no\n\nNever mind.", extra=failed), address[1]).codename != name


def test_who_answers_a_notice_or_writes_to_the_teams_address_is_no_reporter(
    desk: Desk, team: list[Person], name: str
) -> None:
    text = to(team[0], desk.play.sink.mails)[0]
    token = re.search(r"t-[a-z2-7]{24}", text)
    assert token is not None
    for mail, address in (
        (answering(plain_mail("Exclude: Ada"), notice_id(desk, team[0])), "conduct@desk.example"),
        (plain_mail("Exclude: Ada"), f"conduct+{token[0]}@desk.example"),
    ):
        receipt = desk.receive(mail, address)
        assert receipt.codename != name
        assert [item for item in desk.mail_out() if item.recipient == SAM] == [], "the team's side answers nobody"
    assert desk.case(name)["recused"] == []


def test_where_the_first_mail_was_signed_an_unsigned_one_is_not_its_authors(desk: Desk, sam: Person) -> None:
    entity = b"Content-Type: text/plain; charset=utf-8\n\nSomebody shouted at me.\n"
    name = desk.receive(signed_mail(sam, entity, "Sam <sam@reporter.example>")).codename
    address = re.search(r"<(.+)>", str(acknowledgement(desk.mail_out()).headers["Reply-To"]))
    assert address is not None
    assert desk.receive(plain_mail("Reply: no\n\nNever mind."), address[1]).codename != name
    again = signed_mail(sam, b"Content-Type: text/plain; charset=utf-8\n\nAnd again.\n", "Sam <sam@reporter.example>")
    assert desk.receive(again, address[1]).codename == name


def test_a_later_mail_does_not_move_where_replies_go(desk: Desk, team: list[Person], name: str) -> None:
    address = re.search(r"<(.+)>", str(acknowledgement(desk.play.sink.mails).headers["Reply-To"]))
    assert address is not None
    moved = plain_mail("Reply: yes\n\nWrite to my new address.", extra="Reply-To: sam2@elsewhere.example\n")
    assert desk.receive(moved, address[1]).codename == name
    desk.mail_out()
    sent = say(desk, team[0], "/reply\nThank you.", name)
    assert {item.recipient for item in sent} & {SAM, "sam2@elsewhere.example"} == {SAM}
    assert desk.receive(plain_mail("Reply: no\n\nStop."), address[1]).codename == name
    assert desk.receive(moved.replace(b"Message-ID: <", b"Message-ID: <y"), address[1]).codename == name
    desk.mail_out()
    assert SAM in {item.recipient for item in say(desk, team[0], "/reply\nHello.", name)}


def test_another_copy_of_a_mail_withholds_only_provisionally_and_the_readers_hear_of_it(
    desk: Desk, team: list[Person]
) -> None:
    mail = plain_mail("Somebody shouted at me.")
    name = desk.receive(mail).codename
    desk.mail_out()
    assert desk.receive(mail, "conduct+except-ada+except-bo@desk.example").outcome == "duplicate"
    assert desk.case(name)["recused"] == [
        {"member": "ada", "source": "doubtful"}, {"member": "bo", "source": "doubtful"},
    ]  # fmt: skip
    sent = desk.mail_out()
    assert {item.recipient for item in sent} == {person.email for person in team[2:]}
    for reader in (team[2], team[3]):
        say(desk, reader, "/reinstate ada", name)
    assert desk.case(name)["recused"] == [{"member": "bo", "source": "doubtful"}]


def test_a_forged_absence_note_withholds_only_provisionally(desk: Desk, name: str) -> None:
    address = re.search(r"<(.+)>", str(acknowledgement(desk.play.sink.mails).headers["Reply-To"]))
    assert address is not None
    forged = plain_mail("Exclude: Ada\n\nI am away.", extra="Auto-Submitted: auto-replied\n")
    assert desk.receive(forged, address[1], sender="").outcome == "automatic"
    assert desk.case(name)["recused"] == [{"member": "ada", "source": "doubtful"}]


def test_a_case_that_may_belong_to_another_is_withheld_from_whom_that_is_withheld_from(
    desk: Desk, team: list[Person]
) -> None:
    first = plain_mail("Exclude: Bo\n\nSomebody shouted at me.")
    name = desk.receive(first).codename
    address = re.search(r"<(.+)>", str(acknowledgement(desk.mail_out()).headers["Reply-To"]))
    assert address is not None
    receipt = desk.receive(plain_mail("From my work address.", sender="Sam <sam@work.example>"), address[1])
    assert receipt.codename != name
    sent = desk.mail_out()
    assert team[1].email not in {item.recipient for item in sent}
    assert desk.case(receipt.codename)["recused"] == [{"member": "bo", "source": "linked"}]
    # Somebody who may not know of the other case is not told that there is one.
    say(desk, team[0], "/recuse dana", name)
    told = desk.receive(plain_mail("And more.", sender="Sam <sam@work.example>"), address[1])
    for item in desk.mail_out():
        if item.recipient in {person.email for person in team[3:4]}:
            assert name not in read(team[3], item)
    assert told.outcome == "case"


def test_a_notice_that_comes_back_is_kept_with_its_case_where_only_its_readers_see_it(
    desk: Desk, team: list[Person]
) -> None:
    name = desk.receive(plain_mail("Exclude: Bo\n\nSomebody shouted at me.")).codename
    desk.mail_out()
    receipt = desk.receive(failed_delivery(notice_id(desk, team[0]), team[0].email), sender="")
    assert (receipt.outcome, receipt.codename) == ("automatic", name)
    assert {item.recipient for item in desk.mail_out()} <= {person.email for person in team} - {team[1].email}
    assert desk.case(name)["messages"][-1]["author"] == "machine"
    assert json.loads(desk.play.command("case", "list", "--as", "bo", "--json").stdout) == []


@pytest.mark.parametrize(
    "mark", ["Precedence: bulk\n", "Auto-Submitted: auto-generated\n", "X-Auto-Response-Suppress: All\n"]
)
def test_an_absence_note_of_a_member_is_not_answered(desk: Desk, team: list[Person], name: str, mark: str) -> None:
    away = plain_mail("I am away.", f"Re: [conduct] {name}", f"Bo <{team[1].email}>", extra=mark)
    receipt = desk.receive(answering(away, notice_id(desk, team[1])), sender="")
    assert receipt.outcome == "automatic"
    assert desk.mail_out() == []


def test_a_members_unsigned_mail_is_refused_a_few_times_and_then_kept(
    desk: Desk, team: list[Person], name: str
) -> None:
    answers = 0
    for number in range(6):
        mail = answering(plain_mail(f"Note {number}.", sender=team[0].email), notice_id(desk, team[0]))
        receipt = desk.receive(mail, sender=team[0].email)
        answers += len(desk.mail_out())
        assert receipt.outcome == ("refused" if number < 4 else "automatic")
    assert answers == 4
    kept = desk.case(receipt.codename)
    assert kept["messages"][0]["text"] == "Note 5."
    assert len(desk.case(name)["messages"]) == 1
