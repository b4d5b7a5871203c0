"""Cases side by side for a lead: a compilation without names, and a debrief of some days, of what the lead may know."""

from __future__ import annotations

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from tests.conftest import Desk, DeskMaker
from tests.support.talk import say, to, words


@pytest.fixture
def desk(make_desk: DeskMaker) -> Desk:
    desk = make_desk()
    file = desk.play.folder / "roster.toml"
    file.write_text(file.read_text().replace('role = "responder"', 'role = "lead"', 2))  # ada and bo
    desk.tick()
    return desk


def case(desk: Desk, text: str) -> str:
    codename = desk.receive(plain_mail(text, sender=f"{text.split()[-1]}@reporter.example")).codename
    desk.mail_out()
    desk.clock.forward(minutes=1)
    return codename


def test_a_compilation_tells_dates_kinds_and_outcomes_and_no_words(desk: Desk, team: list[Person]) -> None:
    ada, bo, chidi, *_ = team
    one, other, linked, kept = (case(desk, f"CANARY {n} it was Morgan robin{n}") for n in range(4))
    apart = case(desk, "Exclude: ada\n\nCANARY apart robin9")
    for name in (one, other, apart):
        say(desk, bo, f"/field reported: Morgan Vale\n/field kind: harassment {name}", name)
    say(desk, ada, f"/link {linked}", one)
    say(desk, ada, "/field kind: harassment\n/state closed warning", one)
    (answer,) = to(ada, say(desk, ada, "/compile", one))
    table = answer.partition("Compilation")[2]
    assert "CANARY" not in table
    assert "Morgan" not in table
    for name in (one, other, linked, kept, apart):
        assert name not in table.replace(f"harassment {name}", "") or name == other
    assert [line.split()[0] for line in table.splitlines() if line.strip()[:1].isdigit()] == ["1.", "2.", "3."]
    assert f"harassment {apart}" not in table, "nobody is told of what is kept from them"
    assert "closed, warning, harassment closed" in words(table)
    assert "Only a lead" in words(to(chidi, say(desk, chidi, "/compile", one))[0])


def test_a_debrief_says_what_was_kept_and_what_is_open(desk: Desk, team: list[Person]) -> None:
    ada, bo, chidi, *_ = team
    in_time, late, open_one = (case(desk, f"It happened robin{n}") for n in range(3))
    hidden = case(desk, "Exclude: ada\n\nIt happened robin9")
    say(desk, bo, "/reply\nThank you.", in_time)
    desk.clock.forward(hours=60)
    say(desk, bo, "/reply\nThank you, late.", late)
    today = desk.clock.now.date().isoformat()
    mail = say(desk, ada, f"/debrief 2020-01-01 {today}")
    (answer,) = to(ada, mail)
    table = words(answer.partition("Cases from")[2])
    assert hidden not in table
    parts = {name: table.partition(name)[2][:160] for name in (in_time, late, open_one)}
    assert "answer to the reporter: in time" in parts[in_time]
    assert "answer to the reporter: late" in parts[late]
    assert "answer to the reporter: overdue" in parts[open_one]
    assert hidden in to(bo, say(desk, bo, f"/debrief {today} 2020-01-01"))[0]
    assert "Only a lead" in words(to(chidi, say(desk, chidi, f"/debrief 2020-01-01 {today}"))[0])
    for wrong in ("/debrief 2020-01-01", "/debrief soon later", "/debrief 2020-01-01 2021-01-01 2022-01-01"):
        assert "nothing was done" in to(ada, say(desk, ada, wrong))[0]


def test_a_conflict_is_told_to_two_leads_and_nobody_else(desk: Desk, team: list[Person]) -> None:
    ada, bo, chidi, dana, *_ = team
    codename = case(desk, "It happened robin")
    mails = say(desk, chidi, "/recuse me tell Ada Quist, bo: CANARY we share a flat", codename)
    for lead in (ada, bo):
        told = [item for item in to(lead, mails) if "CANARY" in item]
        assert len(told) == 1
        assert f"Chidi Okafor steps back from {codename}, and wants you to know why" in words(told[0])
    assert not any("CANARY" in item for item in to(dana, mails))
    assert "You have stepped back" in words(to(chidi, mails)[0])
    assert [item["member"] for item in desk.case(codename)["recused"]] == ["chidi"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("tell ada: ", "what they are to be told"),
        ("tell dana: we are friends", "one or two other leads"),
        ("tell bo, ada, dana: we are friends", "one or two other leads"),
        ("tell nobody: we are friends", "no member"),
    ],
)
def test_whom_a_conflict_is_told_must_be_leads(desk: Desk, team: list[Person], line: str, why: str) -> None:
    codename = case(desk, "It happened robin")
    answer = to(team[2], say(desk, team[2], f"/recuse me {line}", codename))
    assert why in words(answer[0])
    assert desk.case(codename)["recused"] == []


def test_a_lead_who_must_not_know_of_the_case_is_not_told_of_the_conflict(desk: Desk, team: list[Person]) -> None:
    ada, bo, chidi, *_ = team
    codename = case(desk, "Exclude: ada\n\nIt happened robin")
    mails = say(desk, chidi, "/recuse me tell ada: we are friends", codename)
    assert to(ada, mails) == []
    assert "cannot be told of this" in words(to(chidi, mails)[0])
    assert to(bo, mails) == []


def test_whose_data_is_asked_for_is_found_in_what_one_may_know(desk: Desk, team: list[Person]) -> None:
    ada, bo, *_ = team
    said = case(desk, "It was Morgan Vale robin0")
    field = case(desk, "It was somebody robin1")
    heard = case(desk, "It was somebody else robin2")
    other = case(desk, "It was nobody robin3")
    apart = case(desk, "Exclude: ada\n\nMorgan Vale again robin9")
    say(desk, bo, "/field witnesses: morgan vale", field)
    say(desk, bo, "/write Morgan Vale <mv@x.example> as witness\n\nWere you there?", heard)
    (answer,) = to(ada, say(desk, ada, "/person Morgan Vale"))
    table = answer.partition("Cases that name")[2]
    assert said in table
    assert field in table
    assert heard in table
    assert other not in table
    assert apart not in answer
    assert apart in to(bo, say(desk, bo, "/person Morgan Vale"))[0]
