"""Who may know of a case: the rule, for any roster and any recusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from hypothesis import example, given
from hypothesis import strategies as st

from store.cases.access import may_know, readers
from store.team.members import Member, Role, Roster

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    recused: frozenset[str]
    escalated: bool = False
    screened: frozenset[str] = frozenset({""})
    guests: Mapping[str, date] = field(default_factory=dict)


def member(
    member_id: str, role: Role = "responder", start: date = date(2026, 1, 1), until: date = date(2026, 12, 31)
) -> Member:
    return Member(member_id, member_id, f"{member_id}@x.example", "F" * 40, role, start, until)


days = st.dates(date(2026, 6, 10), date(2026, 6, 20))
members = st.builds(
    lambda number, role, one, other: member(f"m{number}", role, min(one, other), max(one, other)),
    st.integers(0, 30), st.sampled_from(["responder", "lead", "alternate", "escalation"]), days, days,
)  # fmt: skip
rosters = st.builds(
    lambda people, quorum: Roster(tuple({person.id: person for person in people}.values()), quorum),
    st.lists(members, max_size=9),
    st.integers(1, 5),
)
recused = st.frozensets(st.integers(0, 30).map(lambda number: f"m{number}"), max_size=12)


@given(rosters, recused)
def test_the_rule(roster: Roster, out: frozenset[str]) -> None:
    found = readers(Case(out), roster, NOW)
    ids = [person.id for person in found]
    assert not set(ids) & out
    assert len(ids) == len(set(ids))
    assert all(person.serves(NOW.date()) for person in found)
    free = [person for person in roster.members if person.id not in out and person.serves(NOW.date())]
    primary = [person for person in free if person.role in ("responder", "lead")]
    assert [person for person in found if person.role in ("responder", "lead")] == primary
    assert len(found) >= min(roster.quorum, len(free))
    if len(primary) >= roster.quorum:
        assert list(found) == primary
    alternates = [person for person in free if person.role == "alternate"]
    assert [person for person in found if person.role == "alternate"] == alternates[
        : max(0, roster.quorum - len(primary))
    ]
    if any(person.role == "escalation" for person in found):
        assert all(person in found for person in alternates)
    assert all(may_know(Case(out), roster, person.id, NOW) == (person in found) for person in roster.members)


@given(rosters, recused, st.frozensets(st.integers(0, 30).map(lambda number: f"m{number}")), st.booleans())
def test_who_was_not_looked_for_is_no_reader_and_nobody_steps_in_for_them(
    roster: Roster, out: frozenset[str], screened: frozenset[str], escalated: bool
) -> None:
    known = replace(roster, members=tuple(replace(person, identity=person.id) for person in roster.members))
    found = readers(Case(out, escalated, screened), known, NOW)
    everybody = readers(Case(out, escalated, frozenset(person.id for person in known.members)), known, NOW)
    assert found == tuple(person for person in everybody if person.id in screened)


@given(rosters, recused)
def test_an_escalated_case_is_read_by_all_on_duty_who_are_not_recused(roster: Roster, out: frozenset[str]) -> None:
    found = readers(Case(out, escalated=True), roster, NOW)
    assert set(found) == {person for person in roster.on_duty(NOW) if person.id not in out}


def test_terms_begin_and_end_at_midnight_of_the_desk() -> None:
    roster = Roster((member("ada", start=date(2026, 7, 1), until=date(2026, 7, 31)),), 1, ZoneInfo("America/New_York"))
    nobody = Case(frozenset())
    assert readers(nobody, roster, datetime(2026, 7, 1, 3, 59, tzinfo=UTC)) == ()
    assert readers(nobody, roster, datetime(2026, 7, 1, 4, 0, tzinfo=UTC)) == roster.members
    assert readers(nobody, roster, datetime(2026, 8, 1, 3, 59, tzinfo=UTC)) == roster.members
    assert readers(nobody, roster, datetime(2026, 8, 1, 4, 0, tzinfo=UTC)) == ()


@given(days, days, st.booleans(), st.booleans(), st.booleans(), st.booleans())
@example(NOW.date(), NOW.date(), True, False, True, False)
def test_a_guest_reads_the_case_that_they_are_a_guest_of_until_their_day(
    last: date, until: date, invited: bool, recused: bool, looked_for: bool, alone: bool
) -> None:
    guest = replace(member("g~board", "guest", date(2026, 1, 1), until), identity="g")
    own = () if alone else (replace(member("a"), identity="a"),)
    case = Case(
        frozenset({"g~board"}) if recused else frozenset(),
        False,
        frozenset({"a", "g"} if looked_for else {"a"}),
        {"g~board": last} if invited else {},
    )
    roster = Roster((*own, guest), 1)
    expected = invited and not recused and looked_for and not alone and NOW.date() <= last and NOW.date() <= until
    assert may_know(case, roster, "g~board", NOW) is expected
    assert guest not in roster.on_duty(NOW)
    assert roster.of_case(()).get("g~board") is None
