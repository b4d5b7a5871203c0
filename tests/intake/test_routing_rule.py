"""Where a mail goes, by the rule alone: what each question answers is given, and what the rule makes of it is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from intake import canary, follow_up, heard, junk, member_word, outgoing_files, routing, speaker
from store.team.members import Member, Roster

FIRST, LAST = date(2026, 1, 1), date(2027, 1, 1)
BO, DANA, GUEST = (
    Member(name, name, f"{name}@team.example", name * 8, "responder", FIRST, LAST) for name in ("bo", "dana", "guest")
)
ON_DUTY, TEAM, SPEAKERS = Roster((BO,), 2), Roster((BO, DANA), 2), Roster((BO, DANA, GUEST), 2)
DESK, FILES, ELSEWHERE = "conduct", ("a file",), ("another desk",)


@dataclass(frozen=True)
class Job:
    desk: str = DESK
    roster: Roster = ON_DUTY


@dataclass(frozen=True)
class Read:
    """A mail as it was read."""

    found: Any
    job: Job = Job()


class FakeAnswers:
    """What the rule asks of others, with the answers for one mail; `keys` records the calls to `look_at_keys`."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.is_canary, self.member, self.is_junk = (answers.get(name) for name in ("canary", "member", "junk"))
        self.context: Any = SimpleNamespace(
            speakers=lambda desk: {DESK: SPEAKERS}[desk], team=lambda desk: {DESK: TEAM}[desk]
        )
        kind, side = answers.get("kind", "report"), answers.get("side", "reporter")
        self.opened: Any = Read(SimpleNamespace(kind=kind))
        self.place: Any = SimpleNamespace(side=side, row=answers.get("row"))
        self.own_case: Any = SimpleNamespace(
            arrival="an arrival", as_junk=lambda: "as junk", silent=lambda: "its own case, silent"
        )
        self.keys: list[Any] = []

    def answer_with(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let these answers be those that the rule gets, each for just what it has to be asked about."""
        asked = (self.context, self.opened, self.place)

        def answers_only_to(*known: Any, answer: Any) -> Any:
            def function(*arguments: Any) -> Any:
                assert arguments == known
                return answer

            return function

        def word(context: Any, opened: Any, *more: Any) -> Any:
            assert context is self.context
            return SimpleNamespace(prepared=lambda: ("a word", opened.job.roster, *more))

        def files(opened: Any) -> Any:
            assert opened.found is self.opened.found
            return FILES

        def elsewhere(context: Any, opened: Any) -> Any:
            assert (context, opened.found) == (self.context, self.opened.found)
            return ELSEWHERE

        arrival = self.own_case.arrival
        for module, name, function in (
            (canary, "is_canary", answers_only_to(self.context, self.opened, answer=self.is_canary)),
            (speaker, "speaker", answers_only_to(*asked, SPEAKERS, answer=self.member)),
            (speaker, "look_at_keys", lambda *arguments: self.keys.append(arguments)),
            (outgoing_files, "clean_files", files),
            (member_word, "elsewhere", elsewhere),
            (member_word, "MemberWord", word),
            (junk, "is_junk", answers_only_to(*asked, arrival, answer=self.is_junk)),
            (follow_up, "MachineAnswer", answers_only_to(*asked, self.own_case, answer="a program's answer")),
            (follow_up, "FollowUp", answers_only_to(*asked, self.own_case, answer="more on a case")),
            (heard, "FromCorrespondent", answers_only_to(*asked, self.own_case, answer="from a correspondent")),
        ):
            monkeypatch.setattr(module, name, function)

    def route(self) -> Any:
        """Where the mail goes."""
        return routing.route(self.context, self.opened, self.place, self.own_case)


OWN_CASE = "its own case"


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({}, OWN_CASE),
        ({"junk": True}, "as junk"),
        ({"row": "a case"}, "more on a case"),
        ({"row": "a case", "junk": True}, "more on a case"),
        ({"row": "a case", "side": "correspondent"}, "from a correspondent"),
        ({"side": "correspondent"}, OWN_CASE),
        ({"kind": "machine"}, OWN_CASE),
        ({"kind": "machine", "row": "a case"}, "more on a case"),
        ({"kind": "machine", "row": "a case", "side": "correspondent"}, "from a correspondent"),
        ({"kind": "machine", "side": "team"}, "a program's answer"),
        ({"kind": "reply-by-machine", "row": "a case", "side": "team"}, "a program's answer"),
        ({"side": "team"}, OWN_CASE),
        ({"row": "a case", "side": "team"}, "more on a case"),
    ],
)
def test_where_a_mail_from_outside_goes(
    monkeypatch: pytest.MonkeyPatch, answers: Mapping[str, Any], expected: str
) -> None:
    ask = FakeAnswers(answers)
    ask.answer_with(monkeypatch)
    assert ask.route() == (ask.own_case if expected == OWN_CASE else expected)
    assert ask.keys == []


@pytest.mark.parametrize("more", [{}, {"row": "a case", "side": "team"}, {"kind": "machine", "junk": True}])
@pytest.mark.parametrize(
    ("member", "known"),
    [(BO, TEAM), (DANA, TEAM), (GUEST, replace(TEAM, members=(BO, DANA, GUEST)))],
    ids=["on duty", "on the roster", "of another desk"],
)
def test_a_members_word_is_judged_with_the_whole_roster_and_themself(
    monkeypatch: pytest.MonkeyPatch, more: Mapping[str, Any], member: Member, known: Roster
) -> None:
    ask = FakeAnswers({**more, "member": member})
    ask.answer_with(monkeypatch)
    assert ask.route() == ("a word", known, ask.place, member, "its own case, silent", FILES, ELSEWHERE)
    [(context, opened, place)] = ask.keys
    assert (context, opened.job.roster, place) == (ask.context, known, ask.place)


def test_the_desks_own_mail_that_comes_back_is_nobodys_word(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = FakeAnswers({"canary": True, "member": BO, "row": "a case"})
    ask.answer_with(monkeypatch)
    assert ask.route() == canary.CanaryBack(ask.context, DESK)  # type: ignore[arg-type]
