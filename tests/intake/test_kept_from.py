"""Wishes to keep a report from somebody, as people say them in a sentence."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.asking.kept_from import kept_from
from store.team.members import Member


def member(member_id: str, name: str) -> Member:
    return Member(
        member_id, name, f"{member_id}@team.example", "F" * 40, "responder", date(2020, 1, 1), date(2099, 1, 1)
    )


TEAM = [member("ada", "Ada Quist"), member("bo", "Bo Lindqvist"), member("dana", "Dana Reyes")]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("Please exclude Bo.", {"bo"}),
        ("Exclude Bo", {"bo"}),
        ("Please do not show this to Bo or Dana.", {"bo", "dana"}),
        ("please don't tell Bo", {"bo"}),
        ("Please don\u2019t share it with Lindqvist!", {"bo"}),
        ("I don't want Bo to know about this.", {"bo"}),
        ("Keep this from Bo please", {"bo"}),
        ("Keep private: not to Bo", {"bo"}),
        ("Please leave Bo out of this.", {"bo"}),
        ("You can tell everyone except Bo.", {"bo"}),
        ("Bitte zeigt das Bo nicht.", {"bo"}),
        ("Bitte nicht an Bo weiterleiten", {"bo"}),
        ("Bo soll davon nichts erfahren, bitte schlie\u00dft Bo aus; leitet das nicht weiter", {"bo"}),
        ("Por favor, no se lo muestren a Bo.", {"bo"}),
        ("Excluyan a Bo", {"bo"}),
        ("Ne montrez pas cela \u00e0 Bo, s'il vous pla\u00eet", {"bo"}),
        ("Tout le monde sauf Bo", {"bo"}),
        ("N\u00e3o mostrem isto ao Bo.", {"bo"}),
        ("Todos exceto Bo", {"bo"}),
        ("\u0644\u0627 \u062a\u062e\u0628\u0631\u0648\u0627 Bo", {"bo"}),
        ("Bo shouted at me. I could not sleep.", set()),
        ("Bo was there and Dana as well.", set()),
        ("It was not nice.\nBo came later.", set()),
    ],
)
def test_a_wish_in_a_sentence_is_heard(text: str, ids: set[str]) -> None:
    assert {found.id for found in kept_from(text, TEAM)} == ids


@given(st.text(max_size=2000))
def test_any_text_is_read(text: str) -> None:
    kept_from(text, TEAM)


def test_no_text_takes_long() -> None:
    assert not kept_from("not " * 60_000 + "\n" + "keep " * 60_000 + re.sub("x", "nicht ", "x" * 60_000), TEAM)


ALL = {"ada", "bo", "dana"}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Please tell nobody but Ada.", {"ada"}),
        ("Please don't show this to anyone except Ada.", {"ada"}),
        ("Do not tell anyone else than Ada, except Dana please.", {"dana"}),
        ("Only Ada may read this.", {"ada"}),
        ("Only Ada and Dana should see it", {"ada", "dana"}),
        ("Please show this only to Ada Quist.", {"ada"}),
        ("Bitte zeigt das nur Ada.", {"ada"}),
        ("Por favor, no se lo digan a nadie excepto Ada", {"ada"}),
        ("Ne le dites \u00e0 personne sauf Ada.", {"ada"}),
        ("I can't tell anyone but Bo hit me", {"ada", "dana"}),  # and not: only Bo
        ("Only Bo could have told them that he would hit me", {"ada", "bo", "dana"}),
    ],
)
def test_a_sentence_may_say_who_alone_may_know(text: str, left: set[str]) -> None:
    assert ALL - {found.id for found in kept_from(text, TEAM)} == left
