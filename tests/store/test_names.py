"""Whom a reporter means, and who is named."""

from __future__ import annotations

from datetime import date

import pytest

from store.team.meant import who_is_meant
from store.team.members import Member
from store.team.names import who_is_named, who_may_be_named


def member(member_id: str, name: str, *aliases: str, email: str = "") -> Member:
    return Member(
        member_id,
        name,
        email or f"{member_id}@team.example",
        "F" * 40,
        "responder",
        date(2020, 1, 1),
        date(2099, 1, 1),
        aliases,
    )


JANE = member("jroe", "Jane Roe", "janie_r", "Starlight")
JANE2 = member("jm", "Jane Miller")
BJORN = member("bjorn", "Björn Ångström", email="b.angstrom@team.example")
ZHANG = member("wei", "张伟", "Wei Zhang")
JOSE = member("jose", "José María de la Cruz")
BO = member("bo", "Bo Li")
ALL = [JANE, JANE2, BJORN, ZHANG, JOSE, BO]


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ("Jane Roe", {"jroe"}),
        ("jane roe", {"jroe"}),
        ("JANE  ROE.", {"jroe"}),
        ("Roe, Jane", {"jroe"}),
        ("Jane", {"jroe", "jm"}),
        ("Jane R.", {"jroe"}),
        ("Dr. Jane Roe from the team", {"jroe"}),
        ("Jnae Roe", {"jroe"}),
        ("starligt", {"jroe"}),
        ("@janie_r", {"jroe"}),
        ("jroe@team.example", {"jroe"}),
        ("Jane <jroe+lists@team.example>", {"jroe", "jm"}),
        ("bjorn angstrom", {"bjorn"}),
        ("BJÖRN", {"bjorn"}),
        ("b.angstrom@team.example", {"bjorn"}),
        ("[b.angstrom@team.example](mailto:b.angstrom@team.example)", {"bjorn"}),
        ("Angstrom", {"bjorn"}),
        ("张伟", {"wei"}),
        ("zhang wei", {"wei"}),
        ("José", {"jose"}),
        ("jose de la cruz", {"jose"}),
        ("Bo", {"bo"}),
        ("Ja\u200bne Ro\u00ade", {"jroe"}),
        ("\uff2a\uff41\uff4e\uff45 Roe", {"jroe"}),
        ("Nobody Known", set()),
        ("", set()),
        ("...", set()),
        ("x@other.example", set()),
    ],
)
def test_exclude_is_generous(asked: str, ids: set[str]) -> None:
    assert {found.id for found in who_is_meant(asked, ALL)} == ids


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("It was Jane Roe who did it.", {"jroe"}),
        ("It was jane\nroe's idea", {"jroe"}),
        ("Roe, Jane: that one", {"jroe"}),
        ("it was Jane Reo", set()),
        ("it was Björn Angstrom", {"bjorn"}),
        ("it was bjoern", set()),
        ("ask @bjorn about it", {"bjorn"}),
        ("mail to b.angstrom@team.example was sent", {"bjorn"}),
        ("mail to xb.angstrom@team.example.org was sent", set()),
        ("Starlight was there", {"jroe"}),
        ("昨天张伟说了不好的话", {"wei"}),
        ("José Cruz shouted", {"jose"}),
        ("Jane came by", set()),
        ("Bo Li came by", {"bo"}),
        ("Hi Jane Roe,\n\nsomebody hurt me.", set()),
        ("Dear Jane Roe and Björn Ångström!\n\nsomebody hurt me.", set()),
        ("Hi Jane Roe, and yes, Bo Li hurt me", {"jroe", "bo"}),
        ("Hi Jane Roe,\n\nJane Roe hurt me", {"jroe"}),
        ("\n\nHello team,\nBo Li", {"bo"}),
    ],
)
def test_who_is_named(text: str, ids: set[str]) -> None:
    assert {found.id for found in who_is_named([text], ALL, ALL)} == ids


LINDQVIST = member("bo", "Bo Lindqvist")
PARK = member("eunji", "Eun-ji Park")
ONEIL = member("sean", "Seán O'Neil")
SAYED = member("amira", "Amira Al-Sayed")
GARCIA = member("ana", "Ana García Ruiz")
OTHERS = [LINDQVIST, PARK, ONEIL, SAYED, GARCIA]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("Lindqvist shouted at me.", {"bo"}),
        ("it was Mr Lindqvist", {"bo"}),
        ("It was Dr. Park, I think", {"eunji"}),
        ("B. Lindqvist did it", {"bo"}),
        ("Lindqvist, B.", {"bo"}),
        ("Bo L. did it", {"bo"}),
        ('Bo "Q" Lindqvist did it', {"bo"}),
        ("Bo Erik Lindqvist did it", {"bo"}),
        ("Eunji Park did it", {"eunji"}),
        ("E. Park did it", {"eunji"}),
        ("ONeil did it", {"sean"}),
        ("Seán O\u2019Neil did it", {"sean"}),
        ("Amira Alsayed did it", {"amira"}),
        ("Ana García did it", {"ana"}),
        ("I told Lindqvista about it", {"bo"}),
        ("he writes from bo+list@team.example", {"bo"}),
        ("We met in the park, bo.", set()),
        ("Ana and Bo were there", set()),
        ("Dear Mr Lindqvist,\n\nsomebody hurt me.", set()),
        ("The ruins were beautiful", set()),
    ],
)
def test_who_may_be_named(text: str, ids: set[str]) -> None:
    assert {found.id for found in who_may_be_named([text], OTHERS, OTHERS)} == ids


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("I saw that Green did it.", True),
        ("Yesterday Mr Green came.", True),
        ("The door was green. Green is my colour.", False),
        ("It was GREEN!", False),
        ("In May it was green.", False),
    ],
)
def test_a_surname_that_is_a_word_counts_where_it_is_written_as_a_name(text: str, named: bool) -> None:
    green, may = member("gg", "Gloria Green"), member("tm", "Theresa May")
    assert [found.id for found in who_may_be_named([text], [green, may], [green, may])] == (["gg"] if named else [])
