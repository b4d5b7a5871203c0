"""Looking for members who join in what a case says already: one message at a time, by the rule itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Literal

import pytest

from desk.demo.mails import plain_mail
from intake import reader_process, screening
from intake.asking import recused
from intake.asking.directives import ReporterRequest
from intake.reader_process import TooCostly
from intake.screening import MessageTexts, look
from store.kit.errors import Interrupted
from store.tables.records import Attachment, Body, Change, Recusal
from store.team.members import Member, Roster

FIRST, LAST = date(2026, 1, 1), date(2027, 1, 1)
BO = Member("bo", "Bo Lindqvist", "bo@team.example", "B" * 40, "responder", FIRST, LAST)
DANA = Member("dana", "Dana Reyes", "dana@team.example", "D" * 40, "responder", FIRST, LAST)
TEAM = Roster((BO, DANA), 2)
BOTH = ("bo", "dana")
NAMED = [Recusal("bo", "named")]


def message(text: str = "It was bad.", **values: object) -> MessageTexts:
    """A plain mail from outside, as it was kept."""
    raw = plain_mail(text, sender="Sam <sam@reporter.example>")
    return replace(MessageTexts(raw, Body(sender="Sam <sam@reporter.example>", text=text), ()), **values)  # type: ignore[arg-type]


def note(text: str = "I called.", **values: object) -> MessageTexts:
    """What a member wrote."""
    body = Body(sender="Dana Reyes <dana@team.example>", text=text)
    return replace(MessageTexts(b"", body, (), from_outside=False, author="dana"), **values)  # type: ignore[arg-type]


def test_who_is_named_is_withheld_and_nobody_else() -> None:
    assert look(message(), ReporterRequest(), TEAM, BOTH) == []
    assert look(message("It was Bo Lindqvist."), ReporterRequest(), TEAM, BOTH) == NAMED
    assert look(message("It was Bo Lindqvist."), ReporterRequest(), TEAM, ("dana",)) == [], "bo was looked for before"


def test_a_reporters_wish_is_theirs_and_nobody_elses() -> None:
    wish = ReporterRequest(exclude=("Bo",))
    assert look(message(), wish, TEAM, BOTH) == [Recusal("bo", "reporter")]
    from_other = message("It was Bo Lindqvist.", author="other")
    assert look(from_other, ReporterRequest(), TEAM, BOTH) == NAMED
    assert {item.source for item in look(message(author="other"), wish, TEAM, BOTH)} <= {"named"}


def test_somebody_else_names_nobody_off_a_case_by_saying_who_alone_may_read_it() -> None:
    only = ReporterRequest(only=("Dana",))
    assert look(message(), only, TEAM, BOTH) == [Recusal("bo", "reporter")]
    assert look(message(author="other"), only, TEAM, BOTH) == []


@pytest.mark.parametrize(
    "said",
    [
        message(raw=plain_mail("Hidden in the octets: Bo Lindqvist.")),
        message(body=Body(sender="Sam <sam@reporter.example>", text="It was bad.", subject="About Bo Lindqvist")),
        message(body=Body(sender="Bo Lindqvist <x@home.example>", text="It was bad.")),
        message(files=(Attachment("a.txt", "text/plain", b"It was Bo Lindqvist."),)),
        message(files=(Attachment("a.rtf", "application/rtf", rb"{\rtf1 It was Bo Lindqvist.}"),)),
        message(files=(Attachment("Bo Lindqvist.png", "image/png", b"x"),)),
        note("He is Bo Lindqvist."),
        note(files=(Attachment("a.txt", "text/plain", b"It was Bo Lindqvist."),)),
        note(files=(Attachment("a.rtf", "application/rtf", rb"{\rtf1 It was Bo Lindqvist.}"),)),
        note(body=Body(done=(Change("field", "what", "Bo Lindqvist was there"),))),
    ],
    ids=[
        "octets",
        "subject",
        "author",
        "text file",
        "document",
        "file name",
        "a note",
        "a note's text file",
        "a note's document",
        "a command",
    ],
)
def test_wherever_it_is_said(said: MessageTexts) -> None:
    assert [item.member for item in look(said, ReporterRequest(), TEAM, BOTH)] == ["bo"]


def test_a_member_is_not_withheld_from_what_they_wrote_and_signed() -> None:
    mine = note("I am Dana Reyes, and I called Bo Lindqvist.")
    assert look(mine, ReporterRequest(), TEAM, BOTH) == NAMED
    assert look(note(), ReporterRequest(), TEAM, BOTH) == [], "who wrote it stands in its header"
    assert look(note("I am Dana Reyes.", author="ada"), ReporterRequest(), TEAM, BOTH) == [Recusal("dana", "named")]


def test_what_stands_in_the_header_of_a_note_names_nobody_and_its_files_do() -> None:
    assert (
        look(note(body=Body(sender="Bo Lindqvist <bo@team.example>", text="I called.")), ReporterRequest(), TEAM, BOTH)
        == []
    )
    named = note(files=(Attachment("Bo Lindqvist.png", "image/png", b"x"),))
    assert look(named, ReporterRequest(), TEAM, BOTH) == NAMED


def test_half_a_character_stops_nothing() -> None:
    said = Body(sender="Sam <sam@reporter.example>", text="\ud800 It was Bo Lindqvist.")
    assert look(message(body=said), ReporterRequest(), TEAM, BOTH) == NAMED


@pytest.mark.parametrize("verb", ["guest", "guest-vote"])
def test_who_is_invited_is_not_kept_out_by_that(verb: Literal["guest", "guest-vote"]) -> None:
    invited = note(body=Body(done=(Change(verb, "Bo Lindqvist", "Bo Lindqvist until 2026-12-31"),)))
    assert look(invited, ReporterRequest(), TEAM, BOTH) == []


def test_what_cannot_be_read_whole_is_withheld_from_all_who_are_new(monkeypatch: pytest.MonkeyPatch) -> None:
    real = recused.who_is_recused
    monkeypatch.setattr(screening, "who_is_recused", lambda *given: replace(real(*given), whole=False))
    assert look(message(), ReporterRequest(), TEAM, BOTH) == [Recusal("bo", "named"), Recusal("dana", "named")]
    assert look(message(), ReporterRequest(), TEAM, ("dana",)) == [Recusal("dana", "named")]


def test_fields_are_searched_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_process, "run", lambda work, *given: work(*given))
    assert screening._look_in([], ["Bo Lindqvist", "there"], ReporterRequest(), TEAM, BOTH) == NAMED
    assert screening._look_in([], ["Bo Lindqvist"], ReporterRequest(), TEAM, ("dana",)) == []
    said = [message("It was Bo Lindqvist."), note("Dana Reyes saw it.", author="ada")]
    assert screening._look_in(said, [], ReporterRequest(), TEAM, BOTH) == [*NAMED, Recusal("dana", "named")]
    assert screening._look_in(said, ["Bo Lindqvist"], ReporterRequest(), TEAM, ()) == []


@pytest.mark.parametrize("error", [TooCostly("time"), Interrupted("x")])
def test_a_case_that_cannot_be_searched_is_withheld_from_all_who_are_new(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    given: list[object] = []

    def run(*arguments: object) -> list[Recusal]:
        given.append(arguments)
        if len(given) > 1:
            raise error
        return [Recusal("bo", "reporter")]

    monkeypatch.setattr(reader_process, "run", run)
    found = screening._look_in([message(), message()], [], ReporterRequest(), TEAM, BOTH)
    assert found == [Recusal("bo", "reporter"), Recusal("bo", "named"), Recusal("dana", "named")]
