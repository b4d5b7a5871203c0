"""Looking for a member who joins: in which cases, for whom in each, in what of it, and what becomes of a case that changes meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlmodel import col, select, update

from desk.demo.mails import plain_mail
from intake import reader_process, screening
from store.cases import content, correspondence, redaction
from store.cases.case_file import Actor, CaseFile
from store.cases.correspondence import Thread
from store.cases.redaction import Passage
from store.context import Context
from store.kit.errors import NoSuchCase
from store.tables.models import CaseRow, GuestRow
from store.tables.records import Arrival, Body, Facts, Recusal, guest_id
from store.team.members import Member
from tests.conftest import Desk, DeskMaker
from tests.support.case_files import new_case

FIRST, LAST = date(2020, 1, 1), date(2099, 1, 1)
ZOE = Member("zoe", "Zoe Kowalczyk", "zoe@team.example", "E" * 40, "responder", FIRST, LAST, identity="zoe, as she is")
GUEST = Member(
    guest_id("kim", "other"), "Kim Saarinen", "kim@other.example", "F" * 40, "guest", FIRST, LAST, identity="kim"
)


@pytest.fixture(scope="module")
def desk(make_desk_of_module: DeskMaker) -> Desk:
    return make_desk_of_module()


@pytest.fixture(autouse=True)
def no_earlier_cases(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mark the cases of earlier tests as destroyed; and have readers work in this process."""
    with desk.context.database.write() as session:
        session.connection().execute(update(CaseRow).values(wrapped_key=None, state="destroyed"))
    monkeypatch.setattr(reader_process, "run", lambda work, *given: work(*given))


Screen = Callable[..., int]


@pytest.fixture
def screen(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Screen:
    """Looks for members who join the roster, as the service does; in how many cases."""
    own = desk.context.roster(desk.context.config.desk[0])

    def run(*more: Member, first_names: str = "withhold") -> int:
        roster = replace(own, members=(*own.members, *more))
        monkeypatch.setattr(Context, "team", lambda context, desk: roster)
        here = desk.context.config.desk[0].model_copy(update={"first_names": first_names})
        return screening.screen_desk(desk.context, here)

    return run


def recused(desk: Desk, name: str) -> set[str]:
    with desk.open_case(name) as file:
        return set(file.case.recused)


def add_note(file: CaseFile, author: str) -> None:
    body = Body(text="Something else.")
    file.add_message(
        Arrival(
            file.row.desk, "new", file.at, b"as it was written", "", "", body, Facts(), author=author, direction="note"
        )
    )


def searched_for(desk: Desk, name: str) -> set[str]:
    with desk.open_case(name) as file:
        return set(file.case.screened)


def test_each_case_is_searched_once_for_who_joins(desk: Desk, screen: Screen) -> None:
    named, other = new_case(desk, "It was Zoe Kowalczyk."), new_case(desk)
    assert screen() == 0
    assert screen(ZOE) == 2
    assert (recused(desk, named), recused(desk, other)) == ({"zoe"}, set())
    assert ZOE.identity in searched_for(desk, named) & searched_for(desk, other)
    with desk.open_case(named) as file:
        by = [row.actor for row, detail in content.events(file.session, file.box, file.row.id) if row.kind == "recused"]
    assert by == ["desk"]
    assert screen(ZOE) == 0
    assert screen() == 2, "who left is not looked for any more"
    assert screen(replace(ZOE, aliases=("Z",), identity="zoe, and Z")) == 2, "who gains a name is looked for again"


def test_what_was_destroyed_or_belongs_to_another_desk_is_left_alone(desk: Desk, screen: Screen) -> None:
    gone, elsewhere, here = new_case(desk), new_case(desk), new_case(desk)
    with desk.context.database.write() as session:
        session.connection().execute(update(CaseRow).where(col(CaseRow.codename) == gone).values(wrapped_key=None))
        session.connection().execute(update(CaseRow).where(col(CaseRow.codename) == elsewhere).values(desk="other"))
    assert screen(ZOE) == 1
    assert ZOE.identity in searched_for(desk, here)


def test_junk_comes_last(desk: Desk, screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = {}
    for state in ("junk", "new", "junk", "closed"):
        with desk.open_case(new_case(desk)) as file:
            file.row.state = state
            ids[file.row.id] = state
    seen: list[str] = []

    def record(context: Context, by: Actor, case_id: str) -> bool:
        seen.append(ids[case_id])
        return False

    monkeypatch.setattr(screening, "_screen_case", record)
    assert screen(ZOE) == 0
    assert seen[2:] == ["junk", "junk"]


def test_a_guest_is_looked_for_in_the_cases_that_they_are_a_guest_of(desk: Desk, screen: Screen) -> None:
    theirs, other = (
        new_case(desk, "Kim Saarinen was there, with Zoe Kowalczyk."),
        new_case(desk, "It was Kim Saarinen."),
    )
    with desk.open_case(theirs) as file:
        file.session.add(
            GuestRow(
                case_id=file.row.id,
                desk="other",
                member="kim",
                fingerprint="F" * 40,
                until=LAST.isoformat(),
                since="2026",
            )
        )
    assert screen(GUEST) == 1
    assert (recused(desk, theirs), recused(desk, other)) == ({GUEST.id}, set())
    assert screen(GUEST) == 0, "once"
    assert screen(GUEST, ZOE) == 2
    assert recused(desk, theirs) == {GUEST.id, "zoe"}
    assert GUEST.identity not in searched_for(desk, other)
    assert recused(desk, other) == set()


def _in_a_field(file: CaseFile) -> None:
    file.fill({"where": "at the home of Zoe Kowalczyk"})


def _heard(file: CaseFile) -> None:
    correspondence.begin(file, Thread("", "h", "Zoe Kowalczyk", "x@home.example"))


def _in_a_field_while_somebody_is_heard(file: CaseFile) -> None:
    _in_a_field(file)
    correspondence.begin(file, Thread("", "h", "Somebody", "x@home.example"))


def _heard_at(file: CaseFile) -> None:
    correspondence.begin(file, Thread("", "h", "Somebody", "zoe@team.example"))


def _taken_out(file: CaseFile) -> None:
    redaction.take_out(file, Passage("the one whom they call Kowalczyk"))


@pytest.mark.parametrize("done", [_in_a_field, _in_a_field_while_somebody_is_heard, _heard, _heard_at, _taken_out])
def test_what_is_no_message_is_searched_as_well(desk: Desk, screen: Screen, done: Callable[[CaseFile], None]) -> None:
    name = new_case(desk, "I saw the one whom they call Kowalczyk." if done is _taken_out else "It rained.")
    other = new_case(desk)
    with desk.open_case(name) as file:
        done(file)
    assert screen(ZOE) == 2
    assert (recused(desk, name), recused(desk, other)) == ({"zoe"}, set())


def test_who_was_there_already_is_not_looked_for_again(desk: Desk, screen: Screen) -> None:
    name = new_case(desk)
    with desk.open_case(name) as file:
        file.fill({"where": "Bo Lindqvist was there"})
    assert screen(ZOE) == 1
    assert recused(desk, name) == set()


def test_who_wrote_it_down_is_named_by_their_own_mail(desk: Desk, screen: Screen) -> None:
    name = new_case(desk, "Told to Zoe Kowalczyk.")
    with desk.open_case(name) as file:
        file.remember(replace(file.facts, told_by="zoe"))
    assert screen(ZOE) == 1
    assert recused(desk, name) == set()


@pytest.mark.parametrize(("first_names", "expected"), [("note", {"ada"}), ("withhold", {"ada", "zoe"})])
def test_first_names_withhold_where_the_desk_says_so(
    desk: Desk, screen: Screen, monkeypatch: pytest.MonkeyPatch, first_names: str, expected: set[str]
) -> None:
    found = [Recusal("zoe", "first-name"), Recusal("ada", "named")]
    monkeypatch.setattr(screening, "_look_in", lambda *given: list(found))
    name = new_case(desk)
    assert screen(ZOE, first_names=first_names) == 1
    assert recused(desk, name) == expected


def test_a_case_that_changes_meanwhile_is_looked_at_again(
    desk: Desk, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, real = new_case(desk, "It was Zoe Kowalczyk."), screening._look_in

    def meanwhile(*given: Any) -> list[Recusal]:
        with desk.open_case(name) as file:
            add_note(file, "desk")
        return real(*given)

    monkeypatch.setattr(screening, "_look_in", meanwhile)
    assert screen(ZOE) == 0
    assert recused(desk, name) == set()
    assert ZOE.identity not in searched_for(desk, name)


def test_a_case_that_is_gone_meanwhile_is_not_counted(
    desk: Desk, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = new_case(desk)

    def gone(*given: Any) -> CaseFile:
        raise NoSuchCase("gone")

    monkeypatch.setattr(screening, "open_case", gone)
    assert screen(ZOE) == 0
    monkeypatch.undo()
    with desk.open_case(name) as file:
        by, case_id = file.by, file.row.id
    with desk.context.database.write() as session:
        session.connection().execute(update(CaseRow).where(col(CaseRow.id) == case_id).values(wrapped_key=None))
    assert not screening._screen_case(desk.context, by, case_id)


def test_what_is_searched_of_a_message_is_all_that_came_and_nothing_that_servers_added(desk: Desk) -> None:
    mail = b"Received: from Zoe Kowalczyk's laptop\n" + plain_mail("It rained.", sender="rain@reporter.example")
    desk.clock.forward(days=1)
    name = desk.receive(mail, sender="rain@reporter.example").codename
    with desk.open_case(name) as file:
        for author in ("machine", "desk"):
            add_note(file, author)
    with desk.context.database.read() as session:
        row = session.exec(select(CaseRow).where(col(CaseRow.codename) == name)).one()
        said = screening._said(session, desk.context, row)
    assert [(item.author, item.from_outside, item.raw.strip() != b"") for item in said] == [
        ("reporter", True, True),
        ("desk", False, False),
    ]
    assert list(filter(None, said[0].raw.splitlines())) == list(filter(None, mail.splitlines()))[1:]


def test_a_file_is_searched(desk: Desk, screen: Screen) -> None:
    mail = (
        b"From: f@reporter.example\nTo: conduct@desk.example\nSubject: x\nMessage-ID: <file@reporter.example>\nMIME-Version: 1.0\n"
        b'Content-Type: multipart/mixed; boundary="b"\n\n--b\n\nSee below.\n--b\nContent-Type: application/rtf\n'
        b'Content-Disposition: attachment; filename="a.rtf"\n\n{\\rtf1 It was Zoe \\b Kowalczyk.}\n--b--\n'
    )
    desk.clock.forward(days=1)
    name = desk.receive(mail, sender="f@reporter.example").codename
    assert screen(ZOE) == 1
    assert recused(desk, name) == {"zoe"}
