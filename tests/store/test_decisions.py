"""Deciding together: who is counted, what closes a case, and a model that plays joins, recusals, ends of term and objections."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from store.cases import decisions
from store.cases.decisions import counted
from tests.conftest import Desk, DeskMaker
from tests.support.talk import say, to, words

DECIDE = "decide = { removal = 3, warning = 2 }"


@pytest.fixture
def deciding(make_desk: DeskMaker) -> Desk:
    desk = make_desk()
    desk.play.change_config("# decide = { removal = 3, warning = 2 }", DECIDE + " #")
    desk.reopen()
    return desk


def case_of(desk: Desk, text: str = "It happened.") -> str:
    codename = desk.receive(plain_mail(text)).codename
    desk.mail_out()
    return codename


def state_of(desk: Desk, codename: str) -> str:
    return str(desk.case(codename)["state"])


def test_three_agree_and_nobody_closes_it_alone(deciding: Desk, team: list[Person]) -> None:
    ada, bo, chidi = team[:3]
    name = case_of(deciding)
    refused = to(ada, say(deciding, ada, "/state closed removal", name))
    assert "3 readers must agree" in words(refused[0])
    assert state_of(deciding, name) == "new"
    mails = say(deciding, ada, "/propose removal until 2099-12-31: they did it again", name)
    assert "proposal 1: removal 1/3 - they did it again" in words(to(bo, mails)[0])
    say(deciding, bo, "/agree 1", name)
    assert "2 do" in words(to(bo, say(deciding, bo, "/state closed removal", name))[0])
    told = say(deciding, chidi, "/agree 1", name)
    assert "removal 3/3. Enough of you agree now" in words(to(ada, told)[0])
    (item,) = deciding.case(name)["proposals"]
    assert (item["agreed"], item["reached"], item["needed"]) == (["ada", "bo", "chidi"], True, 3)
    say(deciding, chidi, "/state closed removal They did it again.", name)
    assert state_of(deciding, name) == "closed"
    assert deciding.case(name)["proposals"] == []


def test_what_was_carried_out_once_closes_nothing_again(deciding: Desk, team: list[Person]) -> None:
    ada, bo, *_ = team
    name = case_of(deciding)
    say(deciding, ada, "/propose warning", name)
    say(deciding, bo, "/agree 1\n/state closed warning", name)
    assert state_of(deciding, name) == "closed"
    say(deciding, ada, "/state investigating", name)
    say(deciding, ada, "/state closed warning", name)
    assert state_of(deciding, name) == "investigating"


def test_who_is_recused_afterwards_is_counted_no_more(deciding: Desk, team: list[Person]) -> None:
    ada, bo, chidi, *_ = team
    name = case_of(deciding)
    say(deciding, ada, "/propose warning", name)
    say(deciding, bo, "/agree 1", name)
    say(deciding, chidi, "/recuse bo a friend", name)
    (item,) = deciding.case(name)["proposals"]
    assert (item["agreed"], item["reached"]) == (["ada"], False)
    say(deciding, ada, "/state closed warning", name)
    assert state_of(deciding, name) == "new"
    answer = to(bo, say(deciding, bo, "/agree 1", name))
    assert "There is no such case." in answer[0], "and hears nothing of it"


def test_an_objection_takes_the_place_of_a_word_and_is_told(deciding: Desk, team: list[Person]) -> None:
    ada, bo, *_ = team
    name = case_of(deciding)
    say(deciding, ada, "/propose warning", name)
    say(deciding, bo, "/agree 1", name)
    assert "Say why" in words(to(bo, say(deciding, bo, "/object 1", name))[0])
    told = say(deciding, bo, "/object 1 it was not them", name)
    assert "objects to proposal 1: warning 1/2 - it was not them" in words(to(ada, told)[0])
    say(deciding, ada, "/state closed warning", name)
    assert state_of(deciding, name) == "new"
    (shown,) = to(ada, say(deciding, ada, "/show", name))
    assert "Objected: Bo Lindqvist" in words(shown)


def test_only_who_made_it_withdraws_it(deciding: Desk, team: list[Person]) -> None:
    ada, bo, *_ = team
    name = case_of(deciding)
    say(deciding, ada, "/propose warning", name)
    assert "Only who made proposal 1" in words(to(bo, say(deciding, bo, "/withdraw 1", name))[0])
    say(deciding, ada, "/withdraw 1", name)
    assert deciding.case(name)["proposals"] == []
    assert "no open proposal 1" in words(to(bo, say(deciding, bo, "/agree 1", name))[0])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/propose banishment", "There is no outcome 'banishment'. Use one of no-action, "),
        ("/propose", "Which outcome?"),
        ("/propose warning until 2020-01-01", "is in the past"),
        ("/propose warning until tomorrow", "is not a date"),
        ("/agree", "Write the number of the proposal"),
        ("/agree all", "Write the number of the proposal"),
        ("/agree 7", "no open proposal 7"),
        ("/agree 1 gladly", "you can only write the number"),
    ],
)
def test_a_wrong_line_is_answered_and_changes_nothing(deciding: Desk, team: list[Person], line: str, said: str) -> None:
    ada, bo, *_ = team
    name = case_of(deciding)
    say(deciding, ada, "/propose warning", name)
    before = deciding.case(name)["proposals"]
    (answer,) = to(bo, say(deciding, bo, line, name))
    assert said in words(answer)
    assert deciding.case(name)["proposals"] == before


def test_nothing_is_proposed_on_a_closed_case(deciding: Desk, team: list[Person]) -> None:
    name = case_of(deciding)
    say(deciding, team[0], "/state closed no-action", name)
    assert f"{name} is closed" in words(to(team[0], say(deciding, team[0], "/propose warning", name))[0])
    assert deciding.case(name)["proposals"] == []


def test_a_proposal_is_late_once_and_only_while_it_is_open(deciding: Desk, team: list[Person]) -> None:
    name = case_of(deciding)
    for line in ("/propose removal", "/propose warning", "/withdraw 2", "/propose warning"):
        say(deciding, team[0], line, name)
    say(deciding, team[1], "/agree 3", name)
    with deciding.open_case(name) as file:
        late = [decisions.note_late(file, number) for number in (1, 1, 2, 3, 4)]
    assert late == [True, False, False, False, False], "2 was withdrawn, enough agree to 3, and there is no 4"


def test_an_unsigned_word_does_not_count(deciding: Desk, team: list[Person]) -> None:
    """By the command line a member can be spoken for; nobody can agree for them."""
    name = case_of(deciding)
    assert deciding.play.command("case", "propose", name, "warning", "--by", "ada").returncode == 0
    (item,) = deciding.case(name)["proposals"]
    assert item["agreed"] == []
    say(deciding, team[1], "/agree 1", name)
    (item,) = deciding.case(name)["proposals"]
    assert item["agreed"] == ["bo"]
    done = deciding.play.command("case", "state", name, "closed", "warning")
    assert done.returncode == 1
    assert b"2 readers must agree" in done.stderr


def test_a_day_that_passes_asks_others_as_well(deciding: Desk, team: list[Person]) -> None:
    ada, bo, *_ = team
    deciding.play.set_team(team, {"eunji": "escalation"})
    deciding.tick()
    name = case_of(deciding)
    until = (deciding.clock().date() + timedelta(days=2)).isoformat()
    say(deciding, ada, f"/propose removal until {until}", name)
    deciding.tick()
    deciding.clock.forward(days=1)
    deciding.tick()
    assert not [item for item in to(bo, deciding.mail_out()) if "too few agree" in item]
    deciding.clock.forward(days=2)
    deciding.tick()
    mails = deciding.mail_out()
    assert len([item for item in to(bo, mails) if "too few agree" in item]) == 1
    assert any("too few agree" in item or "new report" in item for item in to(team[4], mails)), (
        "who may vote now is told"
    )
    deciding.clock.forward(days=1)
    deciding.tick()
    assert not [item for item in to(bo, deciding.mail_out()) if "too few agree" in item], "it is said once"
    with deciding.open_case(name, "eunji") as file:
        assert "eunji" in {reader.id for reader in file.readers}


def test_proposals_end_with_their_case(deciding: Desk, team: list[Person]) -> None:
    name = case_of(deciding)
    say(deciding, team[0], "/propose warning: SECRET reason", name)
    assert b"SECRET" not in (deciding.play.folder / "ombud.sqlite3").read_bytes()
    say(deciding, team[0], "/state closed no-action", name)
    assert deciding.play.command("case", "destroy", name, "--yes").returncode in (0, 2)


@pytest.mark.parametrize(("value", "said"), [("{ banishment = 3 }", "decide names"), ("{ warning = 1 }", "decide")])
def test_a_number_that_decides_nothing_is_refused(make_desk: DeskMaker, value: str, said: str) -> None:
    desk = make_desk()
    desk.play.change_config("# decide = { removal = 3, warning = 2 }", f"decide = {value} #")
    assert said in desk.play.command("check").stdout.decode() + desk.play.command("check").stderr.decode()


_IDS = ("ada", "bo", "chidi", "dana")
_STEPS = st.lists(
    st.tuples(st.sampled_from(_IDS), st.sampled_from(["agree", "object", "unsigned", "recuse", "return"])), max_size=14
)


@given(_STEPS)
@settings(max_examples=300)
def test_who_counts_is_who_signed_last_and_may_know_now(steps: list[tuple[str, str]]) -> None:
    """Against a model: a member's last signed word counts, exactly while they are a reader."""
    said: dict[str, tuple[str, str]] = {}
    may_know, model = set(_IDS), dict[str, str]()
    for member, what in steps:
        if what == "recuse":
            may_know.discard(member)
        elif what == "return":
            may_know.add(member)
        elif member in may_know and what != "unsigned":
            said[member] = (what, "F" * 40)
            model[member] = what
        elif what == "unsigned":
            said.setdefault(member, ("agree", ""))
        now = frozenset(may_know)
        agreed, objected = counted(
            ((who, "agree" if word == "agree" else "object", key) for who, (word, key) in said.items()), now
        )
        assert agreed == {who for who, word in model.items() if word == "agree" and who in may_know}
        assert objected == {who for who, word in model.items() if word == "object" and who in may_know}
        assert not agreed & objected
        assert agreed <= now
        assert decisions.Proposal(1, "x", "ada", None, agreed, objected, 2).is_reached == (len(agreed) >= 2)
