"""What an attacker found in cases that are merged and split."""

from __future__ import annotations

import json
from email.utils import parseaddr

import pytest

from desk.demo.mails import pgp_mime, plain_mail, text_entity
from desk.demo.rehearsal import Person
from store.cases import content, lookup
from store.kit.errors import NoSuchCase
from tests.conftest import Desk, DeskMaker
from tests.store.test_moves import reported, texts
from tests.stories.test_export import archive_in, unpacked
from tests.support.talk import say, signed_mail, to, words

KIM = "Kim Ode <kim@ode.example>"


@pytest.fixture
def desk(make_desk: DeskMaker) -> Desk:
    return make_desk()


def merge(desk: Desk, team: list[Person], one: str, other: str) -> str:
    """What the second reader is answered."""
    desk.clock.forward(minutes=1)
    say(desk, team[0], f"/merge {other}", one)
    return words(to(team[1], say(desk, team[1], f"/merge {other}", one))[0])


def add(desk: Desk, sender: str, text: str) -> None:
    address = parseaddr(sender)[1]
    here = parseaddr(str(desk.play.sink.to(address)[-1].headers["Reply-To"]))[1]
    desk.receive(plain_mail(text, "", sender), here, sender=address)
    desk.mail_out()
    desk.clock.forward(minutes=1)


def test_who_asked_for_silence_is_not_brought_into_another_case(desk: Desk, team: list[Person]) -> None:
    one, quiet = reported(desk, "FIRST."), reported(desk, "Reply: no\n\nSECOND.", KIM)
    assert "asked for silence" in merge(desk, team, one, quiet)
    assert "FIRST" not in texts(desk, quiet)
    assert desk.case(quiet)["codename"] == quiet


def test_two_lists_of_who_alone_may_read_are_not_one(desk: Desk, team: list[Person]) -> None:
    one = reported(desk, "Only: Ada, Bo\n\nFIRST.")
    other = reported(desk, "Only: Ada, Bo, Eun-ji Park\n\nSECOND.", KIM)
    assert "Link the two" in merge(desk, team, one, other)
    with pytest.raises(NoSuchCase):
        desk.case(one, "eunji")


def test_mails_of_several_authors_are_not_split_off_together(desk: Desk, team: list[Person]) -> None:
    one, other = reported(desk, "FIRST."), reported(desk, "SECOND.", KIM)
    add(desk, "Robin <robin@sander.example>", "THIRD.")
    assert "is part of this case now" in merge(desk, team, one, other)
    numbers = [item["number"] for item in desk.case(one)["messages"] if item["number"] > 1]
    assert "nothing was done" in to(team[0], say(desk, team[0], f"/split {' '.join(map(str, numbers))}", one))[0]


def test_a_split_case_keeps_label_hold_and_wishes(desk: Desk, team: list[Person]) -> None:
    desk.play.change_config('# labels = ["green", "amber", "red"]', 'labels = ["red"]\nstays = ["red"]\n#')
    desk.reopen()
    one = reported(desk, "Exclude: Zelda Zimmer\n\nFIRST.")
    add(desk, "Robin <robin@sander.example>", "SECOND.")
    say(desk, team[0], "/classify red\n/hold", one)
    say(desk, team[0], "/split 2", one)
    (new,) = desk.case(one)["links"]
    assert desk.case(new)["fields"]["label"] == "red"
    assert desk.case(new)["on_hold"]
    with desk.context.database.read() as session:
        row = lookup.find_row(session, new)
        assert row is not None
        assert content.facts(desk.context.vault, row).wishes.excluded == ("Zelda Zimmer",)


def test_a_merge_loses_no_label_hold_field_or_day(desk: Desk, team: list[Person]) -> None:
    desk.play.change_config('# labels = ["green", "amber", "red"]', 'labels = ["red"]\nstays = ["red"]\n#')
    desk.reopen()
    one, other = reported(desk, "FIRST."), reported(desk, "SECOND.", KIM)
    long = ("a long word " * 330).strip()
    say(desk, team[0], f"/field what: {long}", one)
    day = str(desk.clock.now.date().replace(year=desk.clock.now.year + 1))
    say(desk, team[0], f"/classify red\n/hold\n/deadline {day}\n/field what: OTHER {long}", other)
    merge(desk, team, one, other)
    case = desk.case(one)
    assert (case["fields"]["label"], case["on_hold"], case["deadline"]) == ("red", True, day)
    assert "what: OTHER" in texts(desk, one)
    assert "does not leave" in words(to(team[0], say(desk, team[0], "/export", one))[0])
    assert "nothing was done" in to(team[0], say(desk, team[0], f"/reply\nThis is about {other}.", one))[0]


def test_an_answer_without_a_token_leads_to_the_merged_case(desk: Desk, team: list[Person]) -> None:
    one, other = reported(desk, "FIRST."), reported(desk, "SECOND.", KIM)
    sent = desk.play.sink.to("kim@ode.example")[-1].headers["Message-ID"]
    merge(desk, team, one, other)
    raw = plain_mail("THIRD.", "Re: your mail", KIM, extra=f"In-Reply-To: {sent}\n")
    assert desk.receive(raw, sender="kim@ode.example").codename == one
    authors = {item["text"]: item["author"] for item in desk.case(one)["messages"]}
    assert authors["THIRD."] == authors["SECOND."] != authors["FIRST."]


def test_who_names_the_case_that_stays_has_to_agree_on_it(desk: Desk, team: list[Person]) -> None:
    one, other = reported(desk, "FIRST."), reported(desk, "SECOND.", KIM)
    say(desk, team[0], f"/merge {other}", one)
    say(desk, team[1], f"/merge {one}", other)
    assert (desk.case(one)["codename"], desk.case(other)["codename"]) == (one, other)


def test_an_old_word_erases_nothing_later(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk, "FIRST.")
    say(desk, team[0], "/state closed no-action", codename)
    say(desk, team[0], "/erase one", codename)
    add(desk, "Robin <robin@sander.example>", "It goes on.")
    say(desk, team[0], "/state closed no-action again", codename)
    assert "one vote to destroy" in words(to(team[1], say(desk, team[1], "/erase two", codename))[0])
    say(desk, team[0], "/erase three", codename)
    assert "already" in words(to(team[2], say(desk, team[2], "/erase four", codename))[0])
    say(desk, team[3], "/hold no", codename)
    say(desk, team[0], "/release", codename)
    assert "one vote to destroy" in words(to(team[0], say(desk, team[0], "/erase five", codename))[0])


def test_an_archive_shows_no_gap_where_something_is_hidden(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk, "FIRST.")
    reported(desk, "Exclude: Dana\n\nHIDDEN.", KIM)
    say(desk, team[0], "a note", codename)
    (item,) = [item for item in say(desk, team[3], "/export", codename) if item.recipient == team[3].email]
    events = json.loads(unpacked(archive_in(team[3], item), team[3])["events.json"])
    assert events
    assert not any(name in event for event in events for name in ("seq", "link", "detail_digest"))


def test_the_old_name_destroys_nothing_else(desk: Desk, team: list[Person]) -> None:
    one, other = reported(desk, "FIRST."), reported(desk, "SECOND.", KIM)
    merge(desk, team, one, other)
    say(desk, team[0], "/state closed no-action", one)
    done = desk.play.command("case", "destroy", other, "--yes")
    assert (done.returncode, b"is part of" in done.stderr) == (1, True)
    assert desk.case(one)["state"] == "closed"


def test_a_header_alone_makes_nobody_the_reporter_of_another_case(desk: Desk, team: list[Person]) -> None:
    """Anybody can write the reporter's address into From, and have answers sent elsewhere."""
    one = reported(desk, "FIRST.")
    forged = plain_mail("SECOND.", "", "Robin <robin@sander.example>", extra="Reply-To: <other@mallory.example>\n")
    other = desk.receive(forged, sender="other@mallory.example").codename
    desk.mail_out()
    assert "is part of this case now" in merge(desk, team, one, other)
    authors = {item["text"]: item["author"] for item in desk.case(one)["messages"]}
    assert authors["FIRST."] == "reporter" != authors["SECOND."]
    desk.clock.forward(minutes=1)
    sent = {item.recipient for item in say(desk, team[0], "/reply\nWe are on it.", one)}
    assert "robin@sander.example" in sent
    assert "other@mallory.example" not in sent


@pytest.mark.parametrize("named", ["Kim Ode", "Ms Ode"])
def test_the_other_reporter_is_named_to_nobody_though_they_cannot_be_written_to(
    desk: Desk, team: list[Person], named: str
) -> None:
    one = reported(desk, "FIRST.")
    say(desk, team[0], "/new Kim Ode\n\nThey told me: write nowhere, not to kim@ode.example. SECOND.")
    (other,) = {item["codename"] for item in json.loads(desk.play.command("case", "list", "--json").stdout)} - {one}
    assert "is part of this case now" in merge(desk, team, one, other)
    assert desk.case(one)["correspondents"] == []
    desk.clock.forward(minutes=1)
    answer = to(team[0], say(desk, team[0], f"/reply\n{named} says the same.", one))[0]
    assert "nothing was done" in answer
    assert "robin@sander.example" not in {item.recipient for item in desk.play.sink.mails[-3:]}


def test_a_full_record_does_not_leave_the_other_reporter_unprotected(desk: Desk, team: list[Person]) -> None:
    one, other = reported(desk, "FIRST."), reported(desk, "SECOND.", KIM)
    say(desk, team[0], f"/field witnesses: {('somebody ' * 444)[:3995]}", one)
    assert "would be too long" in merge(desk, team, one, other)
    assert desk.case(other)["codename"] == other


def test_who_signed_and_who_did_not_are_two(desk: Desk, team: list[Person], sam: Person) -> None:
    desk.context.keyring.add_public(sam.public_key)
    one = desk.receive(signed_mail(sam, text_entity("FIRST."), f"Sam <{sam.email}>")).codename
    desk.mail_out()
    other = reported(desk, "SECOND.", f"Sam <{sam.email}>")
    assert "is part of this case now" in merge(desk, team, one, other)
    authors = {item["text"].strip(): item["author"] for item in desk.case(one)["messages"]}
    assert authors["FIRST."] == "reporter" != authors["SECOND."]


def test_the_operator_alone_merges_no_case_that_two_readers_have(desk: Desk, team: list[Person]) -> None:
    few = reported(desk, f"Only: {team[0].name}\n\nFIRST.")
    other = reported(desk, "SECOND.", KIM)
    for into, gone in ((few, other), (other, few)):
        done = desk.play.command("case", "merge", into, gone)
        assert (done.returncode, b"Two readers" in done.stderr) == (1, True)
    assert (desk.case(few)["codename"], desk.case(other)["codename"]) == (few, other)


def test_a_case_is_not_found_by_guessing_its_name(desk: Desk, team: list[Person]) -> None:
    """Who is withheld from a case could write in another name, and see which guesses are kept from them."""
    codename = reported(desk, f"Exclude: {team[1].name}\n\nFIRST.")
    desk.receive(plain_mail(f"Is it {codename}?", "", KIM), sender="kim@ode.example")
    desk.receive(plain_mail("Is it vermilion-tapir?", "", "Zed <z@z.example>"), sender="z@z.example")
    assert len(to(team[1], desk.mail_out())) == 2, "a right guess is told as a wrong one is"


def test_a_forged_report_with_another_key_does_not_become_the_reporters(
    desk: Desk, team: list[Person], sam: Person, stranger: Person
) -> None:
    """Otherwise answers to the reporter would be sealed to whoever forged it."""
    one, forged = (reported_with_key(desk, person) for person in (sam, stranger))
    assert "is part of this case now" in merge(desk, team, forged, one)
    authors = {item["text"].strip(): item["author"] for item in desk.case(forged)["messages"]}
    assert authors["By Stranger."] == "reporter" != authors["By Sam."]


def reported_with_key(desk: Desk, person: Person) -> str:
    """A report in Sam's name, sealed and signed, with the key of whoever writes it."""
    key = person.keyring.export(person.fingerprint, armored=True).decode()
    entity = (
        f"Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: text/plain\n\nBy {person.name}.\n"
        f"--m\nContent-Type: application/pgp-keys; name=k.asc\n\n{key}\n--m--\n"
    ).encode()
    mail = pgp_mime(entity, desk.play.desk_key, person.keyring, person.fingerprint, sender="sam@reporter.example")
    codename = desk.receive(mail, sender="sam@reporter.example").codename
    desk.mail_out()
    desk.clock.forward(minutes=1)
    return codename


def test_chains_of_merges_keep_every_name(desk: Desk, team: list[Person]) -> None:
    one, two, three = (
        reported(desk, "FIRST."),
        reported(desk, "SECOND.", KIM),
        reported(desk, "THIRD.", "Zed <z@z.example>"),
    )
    merge(desk, team, two, three)
    merge(desk, team, one, two)
    assert desk.case(three)["codename"] == one
    assert "nothing was done" in to(team[0], say(desk, team[0], f"/reply\nThis is about {three}.", one))[0]
