"""More mail on a case that there is: where it belongs, who is told, and who is told nothing any more."""

from __future__ import annotations

import re

import pytest

from desk.demo.mails import pgp_mime, plain_mail, text_entity
from desk.demo.rehearsal import Delivered, Person
from tests.conftest import Desk
from tests.support.talk import failed_delivery, headers, member_mail, read, say, to, words

SAM = "Sam <sam@reporter.example>"


def opened(desk: Desk, text: str = "Somebody shouted at me.", **options: str) -> tuple[str, list[Delivered]]:
    """A new case: its codename, and what was sent."""
    receipt = desk.receive(plain_mail(text, **options))
    return receipt.codename, desk.mail_out()


def acknowledgement(mails: list[Delivered]) -> Delivered:
    return next(item for item in mails if item.recipient.endswith("reporter.example"))


def reply_to(item: Delivered) -> str:
    found = re.search(r"<(.+)>", str(headers(item)["Reply-To"]))
    assert found is not None
    return found[1]


def test_a_mail_to_the_reply_address_joins_its_case_and_reaches_its_readers(desk: Desk, team: list[Person]) -> None:
    name, mails = opened(desk)
    address = reply_to(acknowledgement(mails))
    assert re.fullmatch(r"conduct\+c-[a-z2-7]{24}@desk\.example", address)
    receipt = desk.receive(plain_mail("It happened again."), address)
    assert (receipt.outcome, receipt.codename) == ("thread", name)
    sent = desk.mail_out()
    assert [item.recipient for item in sent] == [person.email for person in team], "and no second acknowledgement"
    for person in team:
        (text,) = to(person, sent)
        assert text.startswith(f"[Conduct Team] {name}: the reporter wrote again")
        assert text.endswith("It happened again.\n")
        assert "somebody else" not in text
    assert [item["author"] for item in desk.case(name)["messages"]] == ["reporter", "reporter"]


def test_without_the_address_the_mails_that_it_answers_lead_to_the_case(desk: Desk) -> None:
    first = plain_mail("One.")
    name = desk.receive(first).codename
    sent = desk.mail_out()
    own_id = re.search(rb"Message-ID: (<.+>)", first)
    assert own_id is not None
    ours = str(headers(acknowledgement(sent))["Message-ID"])
    for number, extra in enumerate((f"In-Reply-To: {ours}\n", f"References: <x@y>\n {own_id[1].decode()}\n")):
        receipt = desk.receive(plain_mail(f"More {number}.", extra=extra))
        assert (receipt.outcome, receipt.codename) == ("thread", name)


def test_without_plus_addresses_a_tag_in_the_subject_leads_to_the_case(desk: Desk) -> None:
    desk.play.change_config("# extensions = true ", "extensions = false ")
    name, mails = opened(desk)
    note = acknowledgement(mails)
    assert note.headers["Reply-To"] is None
    subject = str(note.headers["Subject"])
    assert re.fullmatch(r"Your message \[c-[a-z2-7]{24}\]", subject)
    receipt = desk.receive(plain_mail("More.", subject=f"AW: {subject}"))
    assert (receipt.outcome, receipt.codename) == ("thread", name)


def test_a_stranger_with_the_address_has_a_case_of_their_own_that_says_where_it_may_belong(
    desk: Desk, team: list[Person]
) -> None:
    name, mails = opened(desk)
    address = reply_to(acknowledgement(mails))
    receipt = desk.receive(plain_mail("I was there too.", sender="Kim <kim@other.example>"), address)
    assert receipt.outcome == "case"
    assert receipt.codename != name
    sent = desk.mail_out()
    (text,) = to(team[0], sent)
    assert f"It may belong to the case {name}" in words(text)
    (answer,) = [item for item in sent if item.recipient == "kim@other.example"]
    assert answer.headers["In-Reply-To"] is not None
    assert "has arrived" in read(team[0], answer)
    assert "shouted" not in answer.mail.decode()
    assert len(desk.case(name)["messages"]) == 1
    assert desk.case(name)["links"] == [receipt.codename]


def test_what_a_stranger_excludes_is_provisional(desk: Desk) -> None:
    name, mails = opened(desk)
    address = reply_to(acknowledgement(mails))
    receipt = desk.receive(plain_mail("Exclude: Bo\n\nx", sender="kim@other.example"), address)
    assert desk.case(name)["recused"] == []
    assert desk.case(receipt.codename)["recused"] == [{"member": "bo", "source": "doubtful"}]


def test_an_address_that_was_made_up_or_whose_case_is_gone_makes_a_case(desk: Desk) -> None:
    name, mails = opened(desk)
    address = reply_to(acknowledgement(mails))
    for made_up in (
        address[:-20] + ("aaaaaaa" if address[-20] != "a" else "bbbbbbb") + address[-13:],
        address.replace("+c-", "+t-"),
    ):
        receipt = desk.receive(plain_mail(f"Who reads {made_up}?", sender="kim@other.example"), made_up)
        assert receipt.outcome == "case"
        assert receipt.codename != name
        answered = [item.recipient for item in desk.mail_out() if item.recipient == "kim@other.example"]
        assert answered == (["kim@other.example"] if "+c-" in made_up else []), "the team's side is never answered"


@pytest.mark.parametrize("extension", ["c-short", "c-" + "a" * 25, "x-" + "a" * 24, "c-" + "1" * 24])
def test_what_has_not_the_form_of_a_reply_address_is_refused_at_the_door(desk: Desk, extension: str) -> None:
    from intake.receive import Receiver

    assert not Receiver(desk.context).knows(f"conduct+{extension}@desk.example")


def test_a_later_mail_recuses_whom_it_names_from_then_on_and_says_so(desk: Desk, team: list[Person]) -> None:
    name, mails = opened(desk)
    address = reply_to(acknowledgement(mails))
    desk.receive(plain_mail("I know now who it was: Bo Lindqvist."), address)
    sent = desk.mail_out()
    assert team[1].email not in {item.recipient for item in sent}
    (text,) = to(team[0], sent)
    assert "Because of this mail:\n- withheld from Bo Lindqvist from now on" in text
    assert desk.case(name)["recused"] == [{"member": "bo", "source": "named"}]
    desk.receive(plain_mail("Exclude: Dana, Chidi\n\nThey are his friends."), address)
    desk.mail_out()
    sources = {item["member"]: item["source"] for item in desk.case(name)["recused"]}
    assert sources == {"bo": "named", "dana": "reporter", "chidi": "reporter"}
    assert {item.recipient for item in say(desk, team[0], "A note.", name)} == {team[4].email}


def test_a_later_mail_opens_a_closed_case_again(desk: Desk, team: list[Person]) -> None:
    name, mails = opened(desk)
    say(desk, team[0], "/state closed warning He was warned.", name)
    assert (desk.case(name)["state"], desk.case(name)["outcome"]) == ("closed", "warning")
    address = reply_to(acknowledgement(mails))
    desk.receive(plain_mail("Hi.", sender="kim@other.example"), address)
    assert desk.case(name)["state"] == "closed", "somebody else cannot"
    desk.mail_out()
    desk.receive(plain_mail("He did it again."), address)
    assert desk.case(name)["state"] == "acknowledged"
    assert all("is open again" in text for text in to(team[1], desk.mail_out()))


def test_a_later_mail_that_does_not_open_is_kept_and_opened_when_the_key_is_back(
    desk: Desk, team: list[Person], sam: Person, stranger: Person
) -> None:
    name, mails = opened(desk)
    address = reply_to(acknowledgement(mails))
    mail = pgp_mime(text_entity("The truth about Bo Lindqvist."), stranger.public_key, sam.keyring)
    assert desk.receive(mail, address).outcome == "thread"
    sent = desk.mail_out()
    (text,) = to(team[0], sent)
    assert "nobody could read it yet: it is encrypted to a key that this desk does not have" in words(text)
    assert "we couldn't decrypt it" in words(read(team[0], acknowledgement(sent)))
    assert "still cannot be opened" in desk.play.command("case", "reopen", name).stdout.decode()
    secret = stranger.keyring._gnupg._gpg.export_keys(stranger.fingerprint, secret=True, expect_passphrase=False)
    desk.context.keyring._gnupg._gpg.import_keys(secret)
    assert "is open; its readers are told" in desk.play.command("case", "reopen", name).stdout.decode()
    desk.clock.forward(minutes=1)
    sent = desk.mail_out()
    assert team[1].email not in {item.recipient for item in sent}
    (text,) = to(team[0], sent)
    assert "The truth about Bo Lindqvist." in text


def test_machines_that_answer_a_reply_wake_nobody_but_a_failed_delivery_is_told(desk: Desk, team: list[Person]) -> None:
    name, _ = opened(desk)
    sent = say(desk, team[0], "/reply\nThank you.", name)
    reply = acknowledgement(sent)
    assert reply.sender.startswith("conduct+c-"), "a server that gives up can say so"
    away = plain_mail("I am away.", subject="Auto: Your message", extra="Auto-Submitted: auto-replied\n")
    assert desk.receive(away, reply.sender, sender="").outcome == "automatic"
    assert desk.mail_out() == []
    assert acknowledgement(say(desk, team[0], "/reply\nWe wait.", name)), (
        "an absence note does not end the conversation"
    )
    ours = str(reply.headers["Message-ID"])
    delayed = failed_delivery(ours, "sam@reporter.example", "delayed")
    assert desk.receive(delayed, reply.sender, sender="").outcome == "automatic"
    assert desk.mail_out() == []
    # Without the token in the address, what it returns leads to the case.
    receipt = desk.receive(failed_delivery(ours, "sam@reporter.example"), sender="")
    assert (receipt.outcome, receipt.codename) == ("automatic", name)
    assert "could not be delivered" in to(team[0], desk.mail_out())[0]


def test_keys_of_the_reporter_are_remembered_and_a_new_one_is_not_trusted_by_itself(
    desk: Desk, team: list[Person], sam: Person, stranger: Person
) -> None:
    name, mails = opened(desk)
    address = reply_to(acknowledgement(mails))

    def with_key(person: Person, text: str) -> bytes:
        lines = person.public_key.decode().split("\n\n", 1)[1].splitlines()
        material = "".join(line for line in lines if not line.startswith(("=", "-----")))
        return plain_mail(text, extra=f"Autocrypt: addr=sam@reporter.example; keydata={material}\n")

    desk.receive(with_key(sam, "My key."), address)
    (text,) = to(team[0], desk.mail_out())
    assert (
        f"a key came with this mail ({sam.fingerprint}); it is not used until somebody writes /reply new-key"
        in words(text)
    )
    (answer,) = say(desk, team[0], "/reply\nFor you alone.", name)
    assert f"A key came with a later mail ({sam.fingerprint})" in words(read(team[0], answer))
    reply = acknowledgement(say(desk, team[0], "/reply new-key\nFor you alone.", name))
    assert "For you alone." in read(sam, reply)
    assert reply.headers["Reply-To"] is None, "a mail program looks for the key of the address that it answers to"
    assert sam.opens(reply.mail) is not None
    other = stranger.keyring.create("Sam", "sam@reporter.example")
    false = Person("sam", "Sam", "sam@reporter.example", stranger.keyring, other)
    desk.receive(with_key(false, "My new key."), address)
    (text,) = to(team[0], desk.mail_out())
    assert "a different key came with this mail" in text
    assert sam.opens(acknowledgement(say(desk, team[0], "/reply\nStill yours.", name)).mail) is not None
    asked = acknowledgement(say(desk, team[0], "/reply new-key\nYours now.", name))
    assert sam.opens(asked.mail) is None
    assert "Yours now." in read(false, asked)


def test_a_reporter_who_wants_no_mail_gets_none_until_they_say_so(desk: Desk, team: list[Person]) -> None:
    first = plain_mail("Reply: no\n\nIt was bad.")
    name = desk.receive(first).codename
    assert len(desk.mail_out()) == 5
    (answer,) = say(desk, team[0], "/reply\nHow are you?", name)
    assert "You can't write to the reporter: they asked not to be contacted." in read(team[0], answer)
    own_id = re.search(rb"Message-ID: (<.+>)", first)
    assert own_id is not None
    desk.receive(plain_mail("Still here.", extra=f"In-Reply-To: {own_id[1].decode()}\n"))
    assert "can't write to the reporter" in read(team[0], say(desk, team[0], "/reply\nHi.", name)[-1])
    desk.receive(plain_mail("Reply: yes\n\nYou may.", extra=f"In-Reply-To: {own_id[1].decode()}\n"))
    desk.mail_out()
    assert [item.recipient for item in say(desk, team[0], "/reply\nHello.", name)].count("sam@reporter.example") == 1


def test_a_member_who_reported_can_add_to_their_report_though_they_may_not_read_the_case(
    desk: Desk, team: list[Person]
) -> None:
    bo = team[1]
    first = plain_mail("Chidi Okafor hit me.", sender=f"Bo <{bo.email}>")
    name = desk.receive(first, sender=bo.email).codename
    own_id = re.search(rb"Message-ID: (<.+>)", first)
    assert own_id is not None
    desk.mail_out()
    more = member_mail(desk.play, bo, "And he did it again.", extra=f"In-Reply-To: {own_id[1].decode()}\n")
    receipt = desk.receive(more, sender=bo.email)
    assert (receipt.outcome, receipt.codename) == ("thread", name)
    sent = desk.mail_out()
    assert bo.email not in {item.recipient for item in sent}
    assert "And he did it again." in to(team[0], sent)[0]


def test_the_same_later_mail_twice_is_one_message(desk: Desk) -> None:
    name, mails = opened(desk)
    address = reply_to(acknowledgement(mails))
    mail = plain_mail("Again.")
    assert [desk.receive(mail, address).outcome for _ in range(2)] == ["thread", "duplicate"]
    assert len(desk.case(name)["messages"]) == 2


def test_a_form_in_a_report_fills_the_record_and_none_is_needed(desk: Desk, team: list[Person]) -> None:
    text = "When: last Friday,\nafter the talk\nWhere:\nthe lobby\n\nWho: Rude Person (@rude)\n\nIt was like this: he shouted."
    name, _ = opened(desk, text)
    assert desk.case(name)["fields"] == {
        "when": "last Friday,\nafter the talk", "where": "the lobby", "reported": "Rude Person (@rude)",
    }  # fmt: skip
    other, _ = opened(desk, "Just words.")
    assert desk.case(other)["fields"] == {}


def test_a_held_case_is_held_no_more_when_its_reporter_writes_so_that_it_opens(
    desk: Desk, team: list[Person], sam: Person, stranger: Person
) -> None:
    held = desk.receive(pgp_mime(text_entity("x"), stranger.public_key, sam.keyring))
    assert held.outcome == "held"
    address = reply_to(acknowledgement(desk.mail_out()))
    assert desk.receive(plain_mail("Once more, in plain."), address).codename == held.codename
    assert desk.case(held.codename)["state"] == "new"
    assert "Once more, in plain." in to(team[0], desk.mail_out())[0]


def test_forged_failures_wake_the_team_a_few_times_a_day_and_no_more(desk: Desk, team: list[Person]) -> None:
    name, _ = opened(desk)
    reply = acknowledgement(say(desk, team[0], "/reply\nThank you.", name))
    told = []
    for number in range(8):
        mail = failed_delivery(str(headers(reply)["Message-ID"]), f"sam{number}@reporter.example")
        desk.receive(mail, sender="")
        told += [item for item in desk.mail_out() if item.recipient == team[1].email]
    assert len(told) == 3
    assert len(desk.case(name)["messages"]) == 2 + 8, "each is kept"
