"""Measures: what was decided about a person, apart from the case, seen by who may, checked against a list, and ended."""

from __future__ import annotations

import json
import subprocess

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from tests.conftest import Desk, DeskMaker
from tests.support.commands import as_text
from tests.support.talk import say, to, words

WHAT = "/measure Morgan Vale, @morval: stays away from our events, appeal until 2027-06-30, until 2028-12-31"


@pytest.fixture
def desk(make_desk: DeskMaker) -> Desk:
    return make_desk()


def decided(desk: Desk, text: str = "It happened.") -> str:
    """A case of which it is decided what follows; its codename."""
    codename = desk.receive(plain_mail(text)).codename
    desk.mail_out()
    desk.clock.forward(minutes=1)
    return codename


def kept(desk: Desk, ada: Person, codename: str, line: str = WHAT) -> str:
    """A measure; its name."""
    say(desk, ada, f"/state decided\n{line}", codename)
    (measure,) = seen(desk)
    return str(measure["measure"])


def ombud(desk: Desk, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    return as_text(desk.play.command(*arguments, stdin=said.encode()))


def seen(desk: Desk, member: str = "") -> list[dict[str, str]]:
    done = ombud(desk, "measures", "list", "--json", *(["--as", member] if member else []))
    assert done.returncode == 0, done.stderr
    found: list[dict[str, str]] = json.loads(done.stdout)
    return found


def test_it_is_kept_listed_and_checked_without_showing_the_list(desk: Desk, team: list[Person]) -> None:
    ada, bo, *_ = team
    name = kept(desk, ada, decided(desk))
    assert seen(desk)[0]["until"] == "2028-12-31"
    assert seen(desk)[0]["appeal"] == "2027-06-30"
    (listed,) = to(bo, say(desk, bo, "/measures"))
    assert name in listed
    assert "stays away from our events" in listed
    table = "first;last;nick\nMorgan;Vale;\nVale;Morgan;x\nMORGÁN VALE;;\nMorgan;Valley;\n;;@morval\nKim;Ode;kim\n"
    done = ombud(desk, "measures", "check", said=table)
    assert done.stdout.splitlines() == [
        *(f"row {n}: {name}" for n in (2, 3, 4, 6)),
        "7 rows, 4 of somebody with a measure.",
    ]
    assert "Vale" not in done.stdout
    assert ombud(desk, "audit", "verify").returncode == 0


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/measure Morgan Vale", "by names or handles"),
        ("/measure : away", "by names or handles"),
        ("/measure Morgan:", "by names or handles"),
        ("/measure Morgan: away until 2001-01-01", "in the past"),
        ("/measure Morgan: away until soon", "is not a date"),
    ],
)
def test_what_is_no_measure_is_said(desk: Desk, team: list[Person], line: str, why: str) -> None:
    ada = team[0]
    codename = decided(desk)
    assert why in words(to(ada, say(desk, ada, f"/state decided\n{line}", codename))[0])
    assert seen(desk) == []


def test_nothing_is_kept_of_what_is_not_decided(desk: Desk, team: list[Person]) -> None:
    ada = team[0]
    assert "Write what was decided first" in words(to(ada, say(desk, ada, WHAT, decided(desk)))[0])


def test_who_is_recused_from_the_case_does_not_see_it_also_when_that_is_gone(desk: Desk, team: list[Person]) -> None:
    ada, bo, chidi, *_ = team
    codename = decided(desk, "Exclude: bo\n\nIt happened.")
    name = kept(desk, ada, codename)
    say(desk, ada, "/state closed warning", codename)

    def nobody_told_bo() -> None:
        assert seen(desk, "bo") == []
        assert name not in to(bo, say(desk, bo, "/measures"))[0]
        refused = to(bo, say(desk, bo, f"/lift {name}"))[0]
        assert words(refused).replace(name, "X") == words(to(bo, say(desk, bo, "/lift no-such"))[0]).replace(
            "no-such", "X"
        )
        assert (
            ombud(desk, "measures", "check", "--as", "bo", said="Morgan Vale\n").stdout
            == "1 rows, none of somebody with a measure.\n"
        )

    nobody_told_bo()
    desk.tick()
    desk.clock.forward(days=701)
    desk.tick()
    desk.mail_out()
    desk.clock.forward(days=31)
    desk.tick()
    desk.mail_out()
    assert ombud(desk, "case", "show", codename).returncode != 0, "the case is gone"
    assert [item["measure"] for item in seen(desk, "ada")] == [name]
    assert seen(desk, "chidi")[0]["person"] == "Morgan Vale, @morval"
    nobody_told_bo()
    assert chidi


def test_whoever_it_names_does_not_see_it_when_they_join_after_the_case(
    make_desk: DeskMaker, team: list[Person]
) -> None:
    desk = make_desk(team[:3])
    codename = decided(desk)
    kept(desk, team[0], codename, "/measure Dana Reyes: stays away until 2099-12-31")
    say(desk, team[0], "/state closed warning", codename)
    ombud(desk, "case", "destroy", codename, "--yes")
    desk.play.set_team(team)
    desk.tick()
    assert seen(desk, "dana") == []
    assert len(seen(desk, "eunji")) + len(seen(desk, "ada")) >= 1


def test_two_who_see_it_end_it_and_nothing_of_it_is_left(desk: Desk, team: list[Person]) -> None:
    ada, bo, *_ = team
    name = kept(desk, ada, decided(desk))
    assert "one vote to end" in words(to(ada, say(desk, ada, f"/lift {name} they apologised"))[0])
    again = to(ada, say(desk, ada, f"/lift {name} they apologised, really"))
    assert "one vote to end" in words(again[0]), "one is one"
    assert "Two who see the measure must want it" in ombud(desk, "measures", "lift", name).stderr
    assert "has ended" in words(to(bo, say(desk, bo, f"/lift {name}"))[0])
    assert seen(desk) == []
    with desk.context.database.read() as session:
        row = session.connection().exec_driver_sql("SELECT wrapped_key, about_sealed FROM measures").one()
        assert tuple(row) == (None, None)
        assert session.connection().exec_driver_sql("SELECT COUNT(*) FROM measure_forms").scalar() == 0


def test_it_is_announced_and_ends_on_its_day(desk: Desk, team: list[Person]) -> None:
    ada = team[0]
    codename = decided(desk)
    day = (desk.clock.now.date().replace(day=1)).replace(year=desk.clock.now.year + 1)
    name = kept(desk, ada, codename, f"/measure Morgan Vale: away until {day.isoformat()}")
    desk.tick()
    desk.mail_out()
    left = (day - desk.clock.now.date()).days
    desk.clock.forward(days=left - 20)
    desk.tick()
    digests = [item for item in to(ada, desk.mail_out()) if "digest" in item.splitlines()[0]]
    assert any(name in item and "Measures that end soon" in item for item in digests)
    desk.clock.forward(days=20)
    desk.tick()
    assert len(seen(desk)) == 1, "its last day is a day of it"
    desk.clock.forward(days=1)
    desk.tick()
    assert seen(desk) == []
    assert ombud(desk, "measures", "check", said="Morgan Vale\n").stdout.startswith("1 rows, none")


def test_a_table_that_is_none_is_said(desk: Desk) -> None:
    done = ombud(desk, "measures", "check", said="")
    assert done.stdout == "0 rows, none of somebody with a measure.\n"
    bad = desk.play.command("measures", "check", stdin=b"\xff\xfea\x00")
    assert b"not UTF-8" in bad.stderr
