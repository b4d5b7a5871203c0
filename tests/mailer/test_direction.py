"""Notices in Arabic: every line runs from right to left, and Latin words in it stay as they are."""

from __future__ import annotations

import re

import pytest

from intake.asking.commands import parse
from intake.reading.message import without_marks
from mailer.saying import direction, render
from mailer.saying.direction import FSI, PDI, RLI, RLM
from mailer.saying.notices import AUDIENCE
from mailer.saying.samples import sample_values
from mailer.saying.translation import speech
from store.cases.threads import team_tokens
from store.kit.config import Desk as Settings

SETTINGS = Settings(address="conduct@desk.example", fingerprint="A" * 40)
ARABIC = render.Templates(None)


def is_balanced(line: str) -> bool:
    depth = 0
    for mark in re.findall("[\u2066-\u2069]", line):
        depth += -1 if mark == PDI else 1
        if depth < 0:
            return False
    return depth == 0


def outside_isolates(line: str) -> str:
    """What of a line is in no isolate, without the mark in front."""
    depth, found = 0, ""
    for letter in line.replace(RLM, ""):
        depth += (letter in (RLI, FSI)) - (letter == PDI)
        found += letter if depth == 0 else ""
    return found


@pytest.mark.parametrize("kind", sorted(set(AUDIENCE) - {"reply"}))
def test_every_line_closes_what_it_opens(kind: str) -> None:
    made = ARABIC.render(kind, "ar", sample_values(SETTINGS)[kind])
    assert not re.search("[\u200f\u2066-\u2069]", made.subject)
    for line in made.text.splitlines():
        assert is_balanced(line), line
        assert not direction.runs_right_to_left(outside_isolates(line)), line


def test_a_row_and_a_sentence_run_from_right_to_left() -> None:
    said = speech("ar")
    assert said.row("من:", "Sam <sam@example.org>") == f"{RLM}{RLI}من:         {FSI}Sam <sam@example.org>{PDI}{PDI}"
    assert said.say("Who is on this case: %(names)s", names="Ada") == (
        f"{RLM}{RLI}المطّلعون على هذه الحالة: {FSI}Ada{PDI}{PDI}"
    )
    assert speech("en").row("From:", "Sam <sam@example.org>") == "From:       Sam <sam@example.org>"
    assert speech("en").say("Who is on this case: %(names)s", names="منى") == f"Who is on this case: {FSI}منى{PDI}"


def test_a_value_that_is_folded_is_isolated_on_each_of_its_lines() -> None:
    said = speech("ar").say("Who is on this case: %(names)s", names=", ".join(["Zoë Example"] * 20))
    lines = said.splitlines()
    assert len(lines) > 2
    for line in lines:
        assert is_balanced(line)
        assert line.startswith(RLM + RLI)
        assert FSI in line


def test_names_that_run_the_other_way_are_isolated_on_each_line_of_a_sentence() -> None:
    said = speech("en").say("Who is on this case: %(names)s", names=", ".join(["منى حسن"] * 20))
    lines = said.splitlines()
    assert len(lines) > 1
    assert all(is_balanced(line) and FSI in line for line in lines)


def test_commands_in_a_sentence_stay_whole_and_work_when_they_are_typed_back() -> None:
    turned = direction.latin_isolated("اكتب '/state closed OUTCOME' أو %(name)s ثم Reply: no.")
    assert turned == f"اكتب '{FSI}/state closed OUTCOME{PDI}' أو %(name)s ثم {FSI}Reply: no{PDI}."
    copied = re.findall(f"{FSI}[^{PDI}]*{PDI}", turned)[0].replace("OUTCOME", "warning")
    assert parse(f"{copied}\n").on_case[0].subject == "closed"


def test_tokens_are_found_in_an_arabic_notice_that_comes_back() -> None:
    text = ARABIC.render("report", "ar", sample_values(SETTINGS)["report"]).text
    quoted = "\n".join(f"> {line}" for line in text.splitlines())
    assert [token.text for token in team_tokens(quoted)] == ["a" * 24]
    assert "amber-heron (t-aaaaaaaaaaaaaaaaaaaaaaaa)" in text
    assert "amber-heron" in without_marks(text)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("abc", "abc"),
        ("منى", f"{FSI}منى{PDI}"),
        ("a\u202egnp.exe", "agnp.exe"),
        (f"{PDI}منى{RLI}", f"{FSI}منى{PDI}"),
        (f"{RLI}منى{PDI}", f"{FSI}{RLI}منى{PDI}{PDI}"),
        ("", ""),
    ],
)
def test_a_value_cannot_leave_its_isolate(value: str, shown: str) -> None:
    assert direction.isolated(value, always=False) == shown
