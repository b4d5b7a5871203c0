"""Deciding together: each rule by itself, called as the commands call it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from sqlmodel import col, select

from desk.demo.mails import plain_mail
from store.cases import decisions, recusals
from store.cases.access import readers
from store.cases.decisions import Proposal
from store.kit.errors import NotAllowed
from store.tables.models import CaseRow, ProposalRow, ProposalWordRow
from store.tables.records import Recusal
from store.team.members import Member
from tests.conftest import Desk, DeskMaker
from tests.support.case_files import Open, events, new_case, opener

KEY = "A" * 40
UNTIL = date(2099, 1, 31)


@pytest.fixture(scope="module")
def desk(make_desk_of_module: DeskMaker) -> Desk:
    desk = make_desk_of_module()
    desk.play.change_config("# decide = { removal = 3, warning = 2 }", "decide = { removal = 3, warning = 2 } #")
    return desk


@pytest.fixture
def name(desk: Desk) -> str:
    return new_case(desk)


@pytest.fixture
def by(desk: Desk, name: str) -> Iterator[Open]:
    """The case, opened for a member who signs what they write."""
    yield from opener(desk, name, KEY)


def propose(by: Open, actor: str, outcome: str, until: date | None = None, reason: str = "") -> Proposal:
    return decisions.propose(by(actor), outcome, until, reason)


def rows(by: Open) -> list[ProposalRow]:
    file = by("operator")
    of_case = select(ProposalRow).where(ProposalRow.case_id == file.row.id).order_by(col(ProposalRow.number))
    return list(file.session.exec(of_case))


def test_a_proposal_says_what_it_is_and_who_made_it_agrees(by: Open) -> None:
    made = propose(by, "ada", "removal", UNTIL, "again")
    assert made == Proposal(1, "removal", "ada", UNTIL, frozenset({"ada"}), frozenset(), 3)
    file = by("bo")
    assert events(file, "proposed", "agreed", "reason-given") == [
        ("proposed", {"number": 1, "outcome": "removal", "until": "2099-01-31", "reason": "again"}),
        ("agreed", {"number": 1, "signer": KEY}),
    ]
    propose(by, "bo", "warning")
    assert events(by("bo"), "proposed")[1][1] == {"number": 2, "outcome": "warning", "until": "", "reason": ""}
    (word, _) = (
        by("bo").session.exec(select(ProposalWordRow).order_by(ProposalWordRow.at, ProposalWordRow.member)).all()[-2:]
    )
    assert (word.signer, word.word) == (KEY, "agree")


def test_without_a_signature_it_is_proposed_and_nobody_agrees(by: Open) -> None:
    made = decisions.propose(by("ada", signer=""), "warning", None, "")
    assert (made.number, made.agreed) == (1, frozenset())
    for act in (decisions.agree, lambda file, number: decisions.object_to(file, number, "no")):
        with pytest.raises(NotAllowed, match="only counts in a mail that its author signed"):
            act(by("bo", signer=""), 1)


def test_open_proposals_are_limited(by: Open) -> None:
    for _ in range(decisions._MOST_OPEN):
        propose(by, "ada", "warning")
    with pytest.raises(NotAllowed, match="There are 20 proposals already"):
        propose(by, "ada", "warning")
    decisions.withdraw(by("ada"), 3, "")
    assert propose(by, "ada", "warning").number == decisions._MOST_OPEN + 1, "a number is used once"


def test_each_has_one_word_on_each_proposal_the_last(by: Open) -> None:
    propose(by, "ada", "removal")
    propose(by, "ada", "warning")
    assert decisions.agree(by("bo"), 1).agreed == {"ada", "bo"}
    assert decisions.object_to(by("bo"), 2, "too harsh") == Proposal(
        2, "warning", "ada", None, frozenset({"ada"}), frozenset({"bo"}), 2
    )
    assert decisions.agree(by("chidi"), 1).agreed == {"ada", "bo", "chidi"}, (
        "what was said of the other is no word on this one"
    )
    assert decisions.object_to(by("bo"), 1, "I was wrong").agreed == {"ada", "chidi"}
    assert decisions.agree(by("bo"), 1).objected == frozenset()
    file = by("ada")
    assert [kind for kind, _ in events(file, "agreed", "objected")] == [
        "agreed", "agreed", "agreed", "objected", "agreed", "objected", "agreed",
    ]  # fmt: skip
    assert events(file, "reason-given") == [
        ("reason-given", {"number": 2, "reason": "too harsh"}),
        ("reason-given", {"number": 1, "reason": "I was wrong"}),
    ]
    assert len(file.session.exec(select(ProposalWordRow).where(ProposalWordRow.case_id == file.row.id)).all()) == 5


def test_only_readers_decide_and_only_what_is_open(by: Open) -> None:
    propose(by, "ada", "warning")
    with pytest.raises(NotAllowed, match="Only readers of the case decide"):
        decisions.agree(by("nobody"), 1)
    recusals.recuse(by("operator"), [Recusal("bo", "named")])
    with pytest.raises(NotAllowed, match="Only readers of the case decide"):
        decisions.agree(by("bo"), 1)
    for number in (0, 2):
        with pytest.raises(NotAllowed, match=f"no open proposal {number} on this case"):
            decisions.agree(by("ada"), number)
    with pytest.raises(NotAllowed, match="Say why: '/object 1 REASON'"):
        decisions.object_to(by("chidi"), 1, "  ")
    with pytest.raises(NotAllowed, match="Only who made proposal 1 can withdraw it"):
        decisions.withdraw(by("chidi"), 1, "")
    assert decisions.withdraw(by("ada"), 1, "because").number == 1
    assert events(by("ada"), "proposal-withdrawn") == [("proposal-withdrawn", {"number": 1, "reason": "because"})]
    with pytest.raises(NotAllowed, match="no open proposal 1"):
        decisions.withdraw(by("ada"), 1, "")


def test_closing_takes_as_many_as_the_desk_says_of_who_reads_now(by: Open) -> None:
    decisions.require_decided(by("ada"), "no-action")
    with pytest.raises(NotAllowed, match="To close with 'removal', 3 readers must agree by signed mail; 0 do"):
        decisions.require_decided(by("ada"), "removal")
    propose(by, "ada", "removal")
    propose(by, "ada", "warning")
    propose(by, "ada", "removal")
    for member in ("bo", "chidi"):
        decisions.agree(by(member), 3)
    decisions.agree(by("bo"), 1)
    recusals.recuse(by("operator"), [Recusal("chidi", "named")])
    with pytest.raises(NotAllowed, match=r"3 readers must agree by signed mail; 2 do\. Write '/propose removal'"):
        decisions.require_decided(by("ada"), "removal")
    assert not decisions.is_decided(by("ada"))
    decisions.agree(by("dana"), 3)
    assert decisions.is_decided(by("ada"))
    with pytest.raises(NotAllowed, match="To close with 'warning', 2"):
        decisions.require_decided(by("ada"), "warning")
    decisions.require_decided(by("ada"), "removal")
    assert events(by("ada"), "decided") == [
        ("decided", {"number": 3, "outcome": "removal", "agreed": ["ada", "bo", "dana"]})
    ]
    assert [row.ended for row in rows(by)] == [None, None, "carried out"]
    assert decisions.is_decided(by("ada")), "what was carried out stays decided"
    with pytest.raises(NotAllowed, match="2 do"):
        decisions.require_decided(by("ada"), "removal")


def test_what_was_withdrawn_decides_nothing(by: Open) -> None:
    propose(by, "ada", "warning")
    decisions.agree(by("bo"), 1)
    decisions.withdraw(by("ada"), 1, "")
    assert not decisions.is_decided(by("ada"))
    with pytest.raises(NotAllowed, match="0 do"):
        decisions.require_decided(by("ada"), "warning")


def test_where_the_desk_asks_for_nothing_any_reader_decides(make_desk: DeskMaker) -> None:
    desk = make_desk()
    name = desk.receive(plain_mail("It happened.")).codename
    with desk.open_case(name, "ada") as file:
        assert decisions.is_decided(file)
        decisions.require_decided(file, "removal")
        assert events(file, "decided") == []


def test_late_is_what_is_open_of_open_cases_after_its_day_and_once(desk: Desk, by: Open, name: str) -> None:
    today = desk.clock.now.astimezone(desk.context.config.desk[0].zone).date()
    propose(by, "ada", "warning", today)
    propose(by, "ada", "warning")
    propose(by, "ada", "removal", today)
    decisions.withdraw(by("ada"), 3, "")
    file = by("operator")

    file.session.add(CaseRow(**{**file.row.model_dump(), "id": "other", "codename": "open", "handle": "h"}))

    def late(days: int) -> list[int]:
        desk.clock.forward(days=days)
        found = decisions.late(file.session, file.by.desk, desk.clock.now)
        return [number for case, number in found if case == file.row.id]

    assert late(0) == [], "the day itself is not over"
    assert late(1) == [1]
    assert decisions.late(file.session, file.by.desk.model_copy(update={"id": "other"}), desk.clock.now) == []
    for state in ("closed", "junk", "destroyed"):
        file.row.state = state
        file.session.flush()
        assert late(0) == [], "also while another case is open"
    file.row.state = "new"
    assert decisions.note_late(file, 1)
    file.session.flush()
    assert late(0) == []
    assert not decisions.note_late(file, 1)
    assert not decisions.note_late(file, 3), "withdrawn"
    assert not decisions.note_late(file, 4), "there is none"
    assert [
        item.number for item in decisions.proposals(file.session, file.row, file.by.desk, file.roster, file.at)
    ] == [1, 2]


def test_a_day_ends_where_the_desk_is(by: Open) -> None:
    propose(by, "ada", "warning", date(2026, 5, 3))
    file, noon = by("operator"), datetime(2026, 5, 3, 12, tzinfo=UTC)
    for zone, expected in (("Pacific/Kiritimati", [(file.row.id, 1)]), ("Etc/GMT+12", [])):
        found = decisions.late(file.session, file.by.desk.model_copy(update={"timezone": zone}), noon)
        assert [item for item in found if item[0] == file.row.id] == expected


def test_nothing_is_proposed_on_a_closed_case(by: Open) -> None:
    file = by("ada")
    file.row.state = "closed"
    with pytest.raises(NotAllowed, match="is closed"):
        decisions.propose(file, "warning", None, "")


def test_guests_decide_where_that_was_said(by: Open) -> None:
    file, last = by("ada"), date(2099, 1, 1)
    guests = tuple(
        Member(name, name, f"{name}@other.example", name * 8, "guest", date(2020, 1, 1), last)
        for name in ("asked", "reads")
    )
    roster = replace(file.roster, members=(*file.roster.members, *guests))
    case = replace(
        file.case, guests={"asked": last, "reads": last}, voting_guests=frozenset({"asked"}),
        screened=file.case.screened | {guest.identity for guest in guests},
    )  # fmt: skip
    own = {member.id for member in file.roster.members}
    assert {item.id for item in readers(case, roster, file.at)} == own | {"asked", "reads"}
    assert decisions.who_decides(case, roster, file.at) == own | {"asked"}
