"""A member of another desk reads one case, by the word of two readers, until a day; and no other."""

from __future__ import annotations

from datetime import timedelta
from email.utils import parseaddr

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from store.kit.errors import NoSuchCase
from tests.conftest import Desk, DeskMaker
from tests.support.second_desk import open_with_board
from tests.support.talk import say, to, words


@pytest.fixture
def desk(make_desk: DeskMaker, team: list[Person]) -> Desk:
    """A desk of all but the last of the team, who is the board."""
    desk = make_desk(team[:-1])
    desk.play.change_config("# decide = { removal = 3, warning = 2 }", "decide = { removal = 3 } #")
    return open_with_board(desk, team[-1:], quorum=1)


def reported(desk: Desk, text: str, sender: str = "Robin <robin@sander.example>") -> str:
    codename = desk.receive(plain_mail(text, sender=sender)).codename
    desk.mail_out()
    desk.clock.forward(minutes=1)
    return codename


def day(desk: Desk, days: int = 30) -> str:
    return str((desk.clock.now + timedelta(days=days)).date())


def invited(desk: Desk, team: list[Person], codename: str, more: str = "", days: int = 30) -> None:
    order = f"/guest {team[-1].name} of board until {day(desk, days)}{more}"
    say(desk, team[0], order, codename)
    desk.clock.forward(minutes=1)
    say(desk, team[1], order, codename)
    desk.tick()
    desk.tick()


def test_two_let_them_in_and_they_read_that_one(desk: Desk, team: list[Person]) -> None:
    ada, bo, *_, guest = team
    codename, other = reported(desk, "CANARY it happened."), reported(desk, "OTHER thing.", "Kim <kim@ode.example>")
    order = f"/guest {guest.name} until {day(desk)}"
    mails = say(desk, ada, order, codename)
    assert f"'{order}'" in words(to(bo, mails)[0])
    desk.tick()
    assert guest.email not in {item.recipient for item in desk.mail_out()}
    say(desk, bo, order, codename)
    desk.tick()
    sent = desk.mail_out()
    assert any("CANARY" in text for text in to(guest, sent))
    assert not any("OTHER" in text or other in text for text in to(guest, desk.play.sink.mails))
    desk.clock.forward(minutes=1)
    shown = to(guest, say(desk, guest, "/show", codename))
    assert "CANARY" in shown[0]
    refused, nothing = to(guest, say(desk, guest, "/show", other)), to(guest, say(desk, guest, "/show", "no-such-case"))
    assert refused[0].replace(other, "X") == nothing[0].replace("no-such-case", "X")
    said = say(desk, guest, "I know the place.", codename)
    assert "I know the place." in to(ada, said)[0]


ORDERS = (
    "/reply\nhello", "/recuse ada", "/state closed no-action", "/assign me", "/reinstate ada", "/cases", "/measures", "/person Sam", "/export",
    "/write Sam <sam@x.example> as witness\nhello", "/statement\nhello", "/new Sam\ntold me", "/propose removal", "/agree 1", "/key",
    "/guest ada until none", "/redact it happened", "/erase", "/merge other", "/split 2", "/hold", "/field when: now", "/consent reporter to be named",
)  # fmt: skip


def test_they_read_and_do_nothing(desk: Desk, team: list[Person]) -> None:
    codename = reported(desk, "CANARY it happened.")
    invited(desk, team, codename)
    desk.mail_out()
    say(desk, team[0], "/propose removal", codename)
    for order in ORDERS:
        desk.clock.forward(minutes=1)
        before = desk.case(codename)
        sent = say(desk, team[-1], order, codename)
        assert "nothing was done" in to(team[-1], sent)[0], order
        assert desk.case(codename) == before, order


def test_they_vote_only_if_that_was_said(desk: Desk, team: list[Person]) -> None:
    ada, bo, *_, guest = team
    codename = reported(desk, "CANARY it happened.")
    invited(desk, team, codename, " voting")
    desk.mail_out()
    say(desk, ada, "/propose removal", codename)
    say(desk, bo, "/agree 1", codename)
    say(desk, guest, "/agree 1", codename)
    assert desk.case(codename)["proposals"][0]["reached"]
    say(desk, ada, f"/guest {guest.name} until none", codename)
    assert not desk.case(codename)["proposals"][0]["reached"]
    with pytest.raises(NoSuchCase):
        desk.case(codename, f"{guest.id}~board")


def test_it_ends_on_its_day(desk: Desk, team: list[Person]) -> None:
    guest = team[-1]
    codename = reported(desk, "CANARY it happened.")
    invited(desk, team, codename, days=2)
    assert desk.case(codename, f"{guest.id}~board")
    desk.mail_out()
    desk.clock.forward(days=3)
    desk.tick()
    with pytest.raises(NoSuchCase):
        desk.case(codename, f"{guest.id}~board")
    said = to(guest, say(desk, team[0], "a note for us", codename))
    assert not [text for text in said if codename in text or "a note for us" in text]


def test_who_is_excluded_by_the_reporter_is_no_guest(desk: Desk, team: list[Person]) -> None:
    guest = team[-1]
    codename = reported(desk, f"Exclude: {guest.name}\n\nCANARY it happened.")
    invited(desk, team, codename)
    assert not [text for text in to(guest, desk.mail_out()) if codename in text]
    with pytest.raises(NoSuchCase):
        desk.case(codename, f"{guest.id}~board")


def test_who_is_named_later_is_withheld(desk: Desk, team: list[Person]) -> None:
    guest = team[-1]
    codename = reported(desk, "CANARY it happened.")
    invited(desk, team, codename)
    desk.mail_out()
    here = parseaddr(str(desk.play.sink.to("robin@sander.example")[-1].headers["Reply-To"]))[1]
    desk.receive(
        plain_mail(f"It was {guest.name}.", sender="Robin <robin@sander.example>"), here, sender="robin@sander.example"
    )
    desk.tick()
    assert guest.email not in {item.recipient for item in desk.mail_out()}
    with pytest.raises(NoSuchCase):
        desk.case(codename, f"{guest.id}~board")


def test_a_guest_does_not_make_a_quorum(desk: Desk, team: list[Person]) -> None:
    """What takes two readers of the desk's own is not done by one and a guest."""
    ada, bo, chidi, *rest, _ = team
    codename = reported(
        desk,
        "Exclude: " + ", ".join(p.name for p in rest) + "\n\nCANARY it happened." if rest else "CANARY it happened.",
    )
    invited(desk, team, codename, " voting")
    desk.mail_out()
    say(desk, bo, "/recuse me", codename)
    desk.clock.forward(minutes=1)
    say(desk, ada, f"/recuse {chidi.id} because", codename)
    assert chidi.id not in {item["member"] for item in desk.case(codename)["recused"]}


@pytest.mark.parametrize(
    ("order", "why"),
    [
        ("/guest Nobody until {day}", "There is no 'Nobody'"), ("/guest {name} until 2020-01-01", "in the past"), ("/guest {name}", "Write whom"),
        ("/guest ada until {day}", "There is no 'ada'"), ("/guest {name} of conduct until {day}", "There is no"), ("/guest {name} until none", "is not a guest"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(desk: Desk, team: list[Person], order: str, why: str) -> None:
    codename = reported(desk, "CANARY it happened.")
    answer = to(team[0], say(desk, team[0], order.format(name=team[-1].name, day=day(desk)), codename))
    assert why in words(answer[0])
    assert "nothing was done" in answer[0]
