"""What an attacker found in cases that are merged, split, read by guests, and in what is taken out of them."""

from __future__ import annotations

import base64
import json
from email.utils import parseaddr

import pytest
from sqlmodel import select

from desk.demo.mails import pgp_mime, plain_mail, text_entity
from desk.demo.rehearsal import Person, roster_text
from store.cases import content, lookup
from store.cases.consistency import verify_recusals
from store.cases.redaction import Passage
from store.kit.errors import NoSuchCase
from store.tables import audit
from store.tables.models import AnswerRow, EventRow
from tests.conftest import Desk, DeskMaker
from tests.store.test_moves import reported, texts
from tests.stories.test_export import archive_in, unpacked
from tests.support.second_desk import open_with_board
from tests.support.talk import member_mail, say, signed_mail, to, words

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


@pytest.mark.parametrize("marks", ["| " * 60, "> " * 60, "|" * 200 + " ", ">|" * 100])
def test_marks_of_tables_and_quotes_cost_nothing(marks: str) -> None:
    assert Passage(f"see {marks} end").taken_out("see " + "| " * 2000) == "see " + "| " * 2000
    assert Passage(f"see {marks} end").taken_out("a see | > end b").startswith("a [")


def test_a_quote_below_a_members_mail_keeps_nothing(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk, "It happened.\nMy number is 0171 CANARY.\nPlease help.")
    quoted = "I know her.\n\n> It happened.\n> My number is 0171 CANARY.\n> Please help.\n"
    say(desk, team[1], quoted, codename)
    say(desk, team[1], "/field nosuchfield: 0171 CANARY", codename)
    say(desk, team[0], "/state decided\n/measure Morgan Vale: may not call 0171 CANARY", codename)
    say(desk, team[0], "/recuse dana because of 0171 CANARY", codename)
    say(desk, team[0], "/redact 0171 CANARY", codename)
    say(desk, team[1], "/redact 1", codename)
    vault = desk.context.vault
    with desk.context.database.read() as session:
        row = lookup.find_row(session, codename)
        assert row is not None
        for message in content.messages(session, vault, row.id):
            raw = content.raw_message(session, vault, row, message.id)
            opened = (
                desk.context.keyring.decrypt(raw[raw.find(b"-----BEGIN PGP") :]).plain
                if b"BEGIN PGP MESSAGE" in raw
                else b""
            )
            assert b"CANARY" not in raw + (opened or b"")
            assert "CANARY" not in str(message.body.to_json())
        for answer in session.exec(select(AnswerRow)):
            box = content.box_of(vault, row) if answer.case_id else vault
            assert "CANARY" not in str(box.open_json(answer.content_sealed, "answers", "content", answer.id))
        for event in session.exec(select(EventRow).where(EventRow.case_id == row.id)):
            if event.detail_sealed:
                assert b"CANARY" not in content.box_of(vault, row).open(
                    event.detail_sealed, "events", "detail", str(event.seq)
                )
        audit.verify(session, vault)
        verify_recusals(session, vault)
    assert "CANARY" not in desk.play.command("measures", "list").stdout.decode()


def test_other_texts_are_left_as_they_are(desk: Desk, team: list[Person]) -> None:
    latin, wide = "M\u00fcller CANARY Gr\u00f6\u00dfe".encode("latin-1"), "Yes CANARY no".encode("utf-16")
    parts = b"".join(
        b'--m\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename="%s"\n\n%s\n'
        % (name, data)
        for name, data in ((b"latin.txt", base64.b64encode(latin)), (b"wide.txt", base64.b64encode(wide)))
    )
    raw = (
        b"From: robin@sander.example\nTo: conduct@desk.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=m\n\n--m\n\nSee CANARY.\n"
        + parts
        + b"--m--\n"
    )
    codename = desk.receive(raw).codename
    desk.mail_out()
    say(desk, team[0], "/redact CANARY", codename)
    said = words(to(team[0], say(desk, team[1], "/redact 1", codename))[0])
    assert "Files that were not searched: 1" in said
    with desk.context.database.read() as session:
        row = lookup.find_row(session, codename)
        assert row is not None
        first = content.message(session, desk.context.vault, row.id)
        assert first is not None
        files = [item.data for item in content.attachment_contents(session, desk.context.vault, row, first)]
    assert files[0] == latin
    assert files[1].decode("utf-16") == "Yes [\u2026] no"


def test_an_archive_shows_no_gap_where_something_is_hidden(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk, "FIRST.")
    reported(desk, "Exclude: Dana\n\nHIDDEN.", KIM)
    say(desk, team[0], "a note", codename)
    (item,) = [item for item in say(desk, team[3], "/export", codename) if item.recipient == team[3].email]
    events = json.loads(unpacked(archive_in(team[3], item), team[3])["events.json"])
    assert events
    assert not any(name in event for event in events for name in ("seq", "link", "detail_digest"))


def two_desks(make_desk: DeskMaker, team: list[Person]) -> Desk:
    """A desk of all but the last of the team, who is the board."""
    return open_with_board(make_desk(team[:-1]), team[-1:], quorum=1)


def invite(desk: Desk, team: list[Person], codename: str) -> None:
    year = desk.clock.now.year + 1
    for member in team[:2]:
        desk.clock.forward(minutes=1)
        say(desk, member, f"/guest {team[-1].name} until {year}-06-01", codename)
    desk.tick()
    desk.tick()
    desk.mail_out()
    desk.clock.forward(minutes=1)


def test_a_guest_takes_the_case_from_nobody(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = two_desks(make_desk, team)
    codename = reported(desk, "FIRST.")
    invite(desk, team, codename)
    names = ", ".join(person.name for person in team[:-1])
    assert "too few would be left" in words(to(team[-1], say(desk, team[-1], f"Ask {names} about it.", codename))[0])
    assert desk.case(codename)["recused"] == []


def test_what_a_guest_was_kept_from_follows_them_onto_the_team(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = two_desks(make_desk, team)
    codename = reported(desk, "FIRST.")
    invite(desk, team, codename)
    say(desk, team[-1], "/recuse me", codename)
    file = desk.play.folder / "roster.toml"
    file.write_text(file.read_text() + "\n" + roster_text([team[-1]]))
    desk.tick()
    desk.tick()
    assert not [text for text in to(team[-1], desk.mail_out()) if "FIRST" in text]
    with pytest.raises(NoSuchCase):
        desk.case(codename, team[-1].id)


def test_measures_of_a_case_that_is_gone_stay_kept_from_who_was_kept_from_it_as_a_guest(
    make_desk: DeskMaker, team: list[Person]
) -> None:
    desk, guest = two_desks(make_desk, team), team[-1]
    codename = reported(desk, "FIRST.")
    invite(desk, team, codename)
    say(desk, guest, "/recuse me", codename)
    say(desk, team[0], "/state decided\n/measure Morgan Vale: warned", codename)
    say(desk, team[0], "/state closed warning", codename)
    assert desk.play.command("case", "destroy", codename, "--yes").returncode == 0
    file = desk.play.folder / "roster.toml"
    file.write_text(file.read_text() + "\n" + roster_text([guest]))
    desk.tick()
    desk.tick()
    assert "Morgan" in desk.play.command("measures", "list", "--desk", "conduct", "--as", team[0].id).stdout.decode()
    assert "Morgan" not in desk.play.command("measures", "list", "--desk", "conduct", "--as", guest.id).stdout.decode()


def test_somebody_elses_place_at_another_desk_is_no_invitation(
    make_desk: DeskMaker, team: list[Person], stranger: Person
) -> None:
    desk = two_desks(make_desk, team)
    codename = reported(desk, "FIRST.")
    invite(desk, team, codename)
    folder, guest = desk.play.folder, team[-1]
    (folder / "keys" / f"{guest.id}.asc").write_bytes(stranger.public_key)
    (folder / "board.toml").write_text(roster_text([stranger]).replace(f'id = "{stranger.id}"', f'id = "{guest.id}"'))
    desk.tick()
    desk.tick()
    sent = say(desk, team[0], "a note for us", codename)
    assert stranger.email not in {item.recipient for item in sent if "note for us" in "".join(to(stranger, [item]))}
    with pytest.raises(NoSuchCase):
        desk.case(codename, f"{guest.id}~board")


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


def test_votes_for_a_guest_end_with_the_label_too(make_desk: DeskMaker, team: list[Person]) -> None:
    desk, guest = make_desk(team[:-1]), team[-1]
    desk.play.change_config('# labels = ["green", "amber", "red"]', 'labels = ["red"]\nstays = ["red"]\n#')
    open_with_board(desk, [guest], quorum=1)
    codename = reported(desk, "FIRST.")
    line = f"/guest {guest.name} until {desk.clock.now.year + 1}-06-01"
    say(desk, team[0], line, codename)
    say(desk, team[0], "/classify red\n/classify none", codename)
    say(desk, team[1], line, codename)
    with pytest.raises(NoSuchCase):
        desk.case(codename, f"{guest.id}~board")


def test_the_operator_alone_merges_no_case_that_two_readers_have(desk: Desk, team: list[Person]) -> None:
    few = reported(desk, f"Only: {team[0].name}\n\nFIRST.")
    other = reported(desk, "SECOND.", KIM)
    for into, gone in ((few, other), (other, few)):
        done = desk.play.command("case", "merge", into, gone)
        assert (done.returncode, b"Two readers" in done.stderr) == (1, True)
    assert (desk.case(few)["codename"], desk.case(other)["codename"]) == (few, other)


def as_nobody(desk: Desk, person: Person, text: str) -> list[str]:
    """What a person of another desk is answered who writes to this one."""
    desk.clock.forward(minutes=1)
    return to(person, say(desk, person, text))


def test_who_was_invited_and_may_not_read_is_answered_as_before(make_desk: DeskMaker, team: list[Person]) -> None:
    """An invitation is not to be noticed by somebody from whom the case is kept, however they ask."""
    desk, guest = two_desks(make_desk, team), team[-1]
    desk.clock.now = desk.clock.now.replace(hour=12)
    kept, other = reported(desk, f"It was {guest.name}."), reported(desk, "SECOND.", KIM)
    before = as_nobody(desk, guest, "/help")
    invite(desk, team, kept)
    assert f"{guest.id}~board" in {item["member"] for item in desk.case(kept)["recused"]}
    assert as_nobody(desk, guest, "/help") == before
    invite(desk, team, other)
    assert as_nobody(desk, guest, "/help") == before, "nor by somebody who reads another one"


def on(codename: str) -> str:
    return f"Re: [Conduct Team] {codename}: new report"


def test_what_a_guest_writes_is_never_a_report_to_others(make_desk: DeskMaker, team: list[Person]) -> None:
    """Not while what came is searched for them yet, nor when they were recused, nor after their day."""
    desk, guest = two_desks(make_desk, team), team[-1]
    codename = reported(desk, f"Exclude: {team[1].name}\n\nFIRST.")
    year = desk.clock.now.year + 1
    for member in (team[0], team[2]):
        desk.clock.forward(minutes=1)
        say(desk, member, f"/guest {guest.name} until {year}-06-01", codename)
    desk.tick()
    desk.mail_out()
    add(desk, "Robin <robin@sander.example>", "THIRD.")
    sent = say(desk, guest, "CANARY one.", subject=on(codename))
    desk.tick()
    assert not to(team[1], [*sent, *desk.mail_out()])
    add(desk, "Robin <robin@sander.example>", f"It was {guest.name}.")
    desk.tick()
    desk.mail_out()
    for text, days in (("CANARY two.", 0), ("/recuse me", 0), ("CANARY three.", 900)):
        desk.clock.forward(days=days, minutes=1)
        assert not to(team[1], say(desk, guest, text, subject=on(codename)))
    for member in (team[0], team[1]):
        assert len(json.loads(desk.play.command("case", "list", "--as", member.id, "--json").stdout)) == (
            member is team[0]
        )


@pytest.mark.parametrize("end", ["destroyed", "no guest any more", "merged"])
def test_nor_after_the_case_or_their_time_is_over(make_desk: DeskMaker, team: list[Person], end: str) -> None:
    desk, guest = two_desks(make_desk, team), team[-1]
    codename, other = reported(desk, "FIRST."), reported(desk, "SECOND.", KIM)
    invite(desk, team, codename)
    if end == "destroyed":
        say(desk, team[0], "/state closed no-action", codename)
        assert desk.play.command("case", "destroy", codename, "--yes").returncode == 0
    elif end == "merged":
        merge(desk, team, other, codename)
    else:
        say(desk, team[0], f"/guest {guest.name} until none", codename)
    desk.tick()
    desk.mail_out()
    desk.clock.forward(minutes=1)
    sent = say(desk, guest, "CANARY", subject=on(codename))
    assert {item.recipient for item in sent} == {guest.email}, "refused, and told to nobody"


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


def three_desks(make_desk: DeskMaker, team: list[Person]) -> Desk:
    desk = two_desks(make_desk, team)
    desk.play.config.write_text(desk.play.config.read_text() + desk.play.config.read_text().rpartition("[[desk]]")[1] + (
        desk.play.config.read_text().rpartition("[[desk]]")[2].replace('"board"', '"events"').replace("board@", "events@").replace("Board", "Events").replace("board.toml", "events.toml")
    ))  # fmt: skip
    (desk.play.folder / "events.toml").write_text(roster_text(team[:2]))
    desk.reopen()
    desk.tick()
    desk.mail_out()
    return desk


def test_a_guest_at_one_desk_is_nobody_at_another(make_desk: DeskMaker, team: list[Person]) -> None:
    desk, guest = three_desks(make_desk, team), team[-1]
    desk.clock.now = desk.clock.now.replace(hour=12)
    before = as_nobody(desk, guest, "/help")
    there = desk.receive(plain_mail("SECOND.", "", KIM), "events@desk.example", sender="kim@ode.example").codename
    desk.mail_out()
    year = desk.clock.now.year + 1
    for member in team[:2]:
        desk.clock.forward(minutes=1)
        desk.receive(
            member_mail(desk.play, member, f"/guest {guest.name} of board until {year}-06-01", there, subject=f"Re: [Events] {there}: x"),
            "events@desk.example", sender=member.email,
        )  # fmt: skip
    desk.tick()
    desk.tick()
    assert [text for text in to(guest, desk.mail_out()) if there in text], "is a guest there"
    assert as_nobody(desk, guest, "/help") == before


def test_a_recusal_follows_a_guest_who_left_their_desk_first(make_desk: DeskMaker, team: list[Person]) -> None:
    desk, guest = two_desks(make_desk, team), team[-1]
    codename = reported(desk, "FIRST.")
    invite(desk, team, codename)
    say(desk, guest, "/recuse me", codename)
    (desk.play.folder / "board.toml").write_text(roster_text(team[:2]))
    desk.tick()
    file = desk.play.folder / "roster.toml"
    file.write_text(file.read_text() + "\n" + roster_text([guest]))
    desk.tick()
    desk.tick()
    assert not [text for text in to(guest, desk.mail_out()) if "FIRST" in text]
    with pytest.raises(NoSuchCase):
        desk.case(codename, guest.id)


@pytest.mark.parametrize("wish", ["Exclude: {name}", "Exclude: {first}", "Only: Ada, Bo"])
def test_who_a_reporter_keeps_it_from_is_not_invited(make_desk: DeskMaker, team: list[Person], wish: str) -> None:
    desk, guest = two_desks(make_desk, team), team[-1]
    asked = wish.format(name=guest.name, first=guest.name.split()[0])
    codename = reported(desk, f"{asked}\n\nFIRST.")
    year = desk.clock.now.year + 1
    assert "nothing was done" in to(team[0], say(desk, team[0], f"/guest {guest.name} until {year}-06-01", codename))[0]


def test_a_member_who_left_while_recused_is_not_invited_elsewhere(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    guest = team[-1]
    codename = reported(desk, f"It was {guest.name}.")
    assert guest.id in {item["member"] for item in desk.case(codename)["recused"]}
    (desk.play.folder / "roster.toml").write_text(roster_text(team[:-1]))
    desk.tick()
    open_with_board(desk, [guest], quorum=1)
    year = desk.clock.now.year + 1
    assert "nothing was done" in to(team[0], say(desk, team[0], f"/guest {guest.name} until {year}-06-01", codename))[0]


@pytest.mark.parametrize("way", ["classify", "merge"])
def test_a_label_that_stays_ends_what_guests_read(make_desk: DeskMaker, team: list[Person], way: str) -> None:
    desk, guest = make_desk(team[:-1]), team[-1]
    desk.play.change_config('# labels = ["green", "amber", "red"]', 'labels = ["red"]\nstays = ["red"]\n#')
    open_with_board(desk, [guest], quorum=1)
    codename = reported(desk, "FIRST.")
    invite(desk, team, codename)
    assert desk.case(codename, f"{guest.id}~board")
    if way == "classify":
        say(desk, team[0], "/classify red", codename)
    else:
        other = reported(desk, "SECOND.", KIM)
        say(desk, team[0], "/classify red", other)
        merge(desk, team, codename, other)
    with pytest.raises(NoSuchCase):
        desk.case(codename, f"{guest.id}~board")


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


@pytest.mark.parametrize(
    ("name", "text", "passage"),
    [
        ("Wu Lin", "It was Wu CANARY who did it.", "Wu CANARY"),
        ("Jo Li", "It was Li CANARY who did it.", "Li CANARY"),
        (
            "\u738b\u5c0f\u660e",
            "\u662f\u738b\u5c0f\u660e\u5e72\u7684 CANARY.",
            "\u662f\u738b\u5c0f\u660e\u5e72\u7684 CANARY",
        ),
        ("Jan Kowalski", "Widzia\u0142em Kowalskiego CANARY.", "Kowalskiego CANARY"),
        (
            "\uae40\ubbfc\uc218",
            "\uae40\ubbfc\uc218\uc5d0\uac8c\uc11c CANARY.",
            "\uae40\ubbfc\uc218\uc5d0\uac8c\uc11c CANARY",
        ),
        ("Dana Reyes", "See CANARY.", "CANARY"),
    ],
)
def test_who_joins_is_looked_for_under_short_names_too(
    desk: Desk, team: list[Person], name: str, text: str, passage: str
) -> None:
    """Also in the headers of a mail that is kept no more as it came."""
    joining = team[3]
    roster = roster_text(team).replace(f'name = "{joining.name}"', f'name = "{name}"')
    (desk.play.folder / "roster.toml").write_text(
        "[[member]]".join(part for part in roster.split("[[member]]") if f'id = "{joining.id}"' not in part)
    )
    desk.tick()
    desk.mail_out()
    raw = plain_mail(text, "", "Robin <robin@sander.example>", extra="Cc: Dana R. <reyes@friends.example>\n")
    codename = desk.receive(raw).codename
    desk.mail_out()
    say(desk, team[0], f"/redact {passage}", codename)
    say(desk, team[1], "/redact 1", codename)
    assert passage not in texts(desk, codename)
    (desk.play.folder / "roster.toml").write_text(roster)
    desk.tick()
    desk.tick()
    assert not [item for item in to(joining, desk.mail_out()) if codename in item]
    assert joining.id in {item["member"] for item in desk.case(codename)["recused"]}


def test_what_is_to_be_taken_out_is_bounded(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk, "a b " * 500)
    assert "too long to be looked for" in words(to(team[0], say(desk, team[0], f"/redact {'a b ' * 20}", codename))[0])
    two = to(team[0], say(desk, team[0], "/redact a b a b\n/redact b a b a", codename))[0]
    assert "one '/redact' in a mail" in words(two)


def attached(*files: str) -> bytes:
    parts = "".join(
        f"--m\nContent-Type: text/plain\nContent-Disposition: attachment; filename={name}.txt\n\n{name}\n"
        for name in files
    )
    return (
        "From: Robin <robin@sander.example>\nTo: conduct@desk.example\nMIME-Version: 1.0\n"
        f"Content-Type: multipart/mixed; boundary=m\n\n--m\n\nSee the files.\n{parts}--m--\n"
    ).encode()


def test_a_word_on_a_file_counts_for_that_file_whatever_its_number_is_then(desk: Desk, team: list[Person]) -> None:
    codename = desk.receive(attached("KEPT")).codename
    desk.mail_out()
    here = parseaddr(str(desk.play.sink.to("robin@sander.example")[-1].headers["Reply-To"]))[1]
    for name in ("MOVED", "OTHER"):
        desk.clock.forward(minutes=1)
        desk.receive(attached(name), here, sender="robin@sander.example")
    desk.mail_out()
    say(desk, team[0], "/redact file 2", codename)
    desk.clock.forward(minutes=1)
    say(desk, team[0], "/split 2", codename)
    say(desk, team[1], "/redact 1", codename)
    with desk.context.database.read() as session:
        row = lookup.find_row(session, codename)
        assert row is not None
        files = [
            item.data
            for message in content.messages(session, desk.context.vault, row.id)
            for item in content.attachment_contents(session, desk.context.vault, row, message)
        ]
    assert [item.strip() for item in files] == [b"KEPT", b"OTHER"]
