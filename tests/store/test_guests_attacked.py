"""What an attacker found in who reads a case as a guest."""

from __future__ import annotations

import json

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person, roster_text
from store.kit.errors import NoSuchCase
from tests.conftest import Desk, DeskMaker
from tests.store.test_moves import reported
from tests.store.test_moves_attacked import KIM, add, merge
from tests.support.second_desk import open_with_board
from tests.support.talk import member_mail, say, to, words


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
