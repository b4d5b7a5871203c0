"""Extreme dates, and errors of one case: neither ends the reminders, digests and retention of all the others."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from desk.demo.rehearsal import Person, roster_text
from mailer import schedule
from store.cases import retention
from store.cases.deadlines import Due, dues
from store.kit.clock import day_of, from_text, to_text
from store.kit.config import Desk as DeskConfig
from store.kit.config import load
from store.tables.models import CaseRow
from store.tables.promise import Promise
from store.tables.records import Case
from store.team import rotation
from store.team.members import Member, Roster
from tests.conftest import Desk
from tests.support.talk import say, to
from tests.support.timing import MONDAY, at, opened, subjects

FAR = ("9999-12-31", "9999-01-01", "0001-01-01", "1000-02-29", "2026-13-45", "soon")


def stored(desk: Desk, codename: str, deadline: str) -> None:
    """As an earlier version took it."""
    with desk.context.database.write() as session:
        change = text("UPDATE cases SET deadline = :deadline WHERE codename = :codename")
        session.connection().execute(change, {"deadline": deadline, "codename": codename})


@pytest.mark.parametrize("deadline", FAR)
@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Pacific/Kiritimati"])
def test_a_stored_day_out_of_reach_stops_nothing(desk: Desk, team: list[Person], zone: str, deadline: str) -> None:
    desk.play.change_config('# digest = "weekly@09:00" ', 'digest = "daily@09:00" ')
    desk.play.change_config("# timezone = ", f'timezone = "{zone}" # ')
    at(desk, MONDAY)
    far, other = opened(desk), opened(desk, sender="kim@other.example")
    stored(desk, far, deadline)
    sent = at(desk, MONDAY + timedelta(days=2))
    assert f"[conduct] {other}" in subjects(sent), "its reminder"
    assert any(other in text and "digest" in text for text in to(team[0], sent))


def test_a_day_that_must_be_a_slip_is_refused(desk: Desk, team: list[Person]) -> None:
    name = opened(desk)
    for line in ("/deadline 9999-12-31", "/deadline 2999-01-01", "/field decided: 0001-01-01"):
        said = " ".join(to(team[0], say(desk, team[0], line, name)))
        assert "is too far away. Give a day within" in " ".join(said.split())
    assert desk.case(name)["deadline"] is None or desk.case(name)["deadline"] == ""


@given(st.datetimes(), st.sampled_from(["UTC", "America/Los_Angeles", "Pacific/Kiritimati"]))
def test_every_moment_and_day_can_be_reckoned_with(moment: datetime, zone: str) -> None:
    desk = DeskConfig(address="a@b.example", fingerprint="A" * 40, timezone=zone)
    read = from_text(to_text(moment.replace(tzinfo=UTC)))
    for state in ("new", "investigating", "decided"):
        owed = tuple(Promise(kind, read) for kind in ("acknowledge", "status", "respond", "follow-up"))
        case = Case("1", "x", "d", state, read, deadline=moment.date().isoformat(), decided_at=read, promises=owed)
        for due in dues(case, desk):
            due.level(datetime.now(UTC))
    day = day_of(moment.date().isoformat())
    assert day is not None
    if 1000 <= moment.year <= 9000:
        assert day == moment.date()
        assert read == moment.replace(tzinfo=UTC)


def test_a_term_to_the_end_of_time_is_one() -> None:
    member = Member("a", "A", "a@b.example", "A" * 40, "responder", date.min, date.max)
    roster = Roster((member,), 1, ZoneInfo("America/Los_Angeles"))
    assert rotation.warnings(roster, date(2026, 1, 1), {}) == []
    assert roster.on_duty(datetime(2026, 1, 1, tzinfo=UTC)) == (member,)


def test_more_than_a_century_is_as_good_as_one(tmp_path: Path) -> None:
    file = tmp_path / "ombud.toml"
    file.write_text(
        "[outbox]\nretry_days = inf\nlongest_retry_seconds = 1e300\n"
        f'[[desk]]\naddress = "a@b.example"\nfingerprint = "{"A" * 40}"\n'
        "acknowledge_hours = 99999999999\nrespond_days = 99999999999\nretention_days = 99999999999\n"
    )
    config = load(file)
    now = datetime.now(UTC)
    assert (
        dues(Case("1", "x", "d", "investigating", now, promises=(Promise("respond", now),)), config.desk[0])[0].at > now
    )
    assert now + timedelta(days=config.outbox.retry_days, seconds=config.outbox.longest_retry_seconds) > now
    assert now + timedelta(days=config.desk[0].retention_days) > now


def test_an_error_with_one_case_keeps_no_other_and_is_noted(
    desk: Desk, team: list[Person], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at(desk, MONDAY)
    bad, good = opened(desk), opened(desk, sender="kim@other.example")

    def of(case: Case, config: DeskConfig) -> list[Due]:
        if case.codename == bad:
            raise RuntimeError("the content of the case")
        return dues(case, config)

    monkeypatch.setattr(schedule, "dues", of)
    sent = at(desk, MONDAY + timedelta(days=1, hours=1))
    assert subjects(sent) == {f"[conduct] {good}"}
    assert desk.tick() == ["reminders of conduct"]
    assert "the content" not in capsys.readouterr().err
    monkeypatch.undo()
    sent = at(desk, MONDAY + timedelta(days=1, hours=2))
    assert subjects(sent) == {f"[conduct] {bad}"}
    assert desk.tick() == []


def test_an_error_with_one_case_keeps_no_other_from_its_end(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    at(desk, MONDAY)
    bad, good = opened(desk), opened(desk, sender="kim@other.example")
    for name in (bad, good):
        desk.play.command("case", "state", name, "closed", "warning")
    original = retention.ends_at

    def of(session: object, row: CaseRow, config: DeskConfig) -> datetime | None:
        if row.codename == bad:
            raise RuntimeError("the content of the case")
        return original(session, row, config)  # type: ignore[arg-type]

    monkeypatch.setattr(retention, "ends_at", of)
    for days in (1000, 1040):
        at(desk, MONDAY + timedelta(days=days))
        assert desk.tick() == ["daily care of conduct"], "also when it is tried again"
    monkeypatch.undo()
    left = {item["codename"]: item["state"] for item in json.loads(desk.play.command("case", "list", "--json").stdout)}
    assert set(left) == {bad}
    desk.clock.forward(minutes=6)
    assert desk.tick() == []


@pytest.mark.parametrize("broken", ["_digest", "_remind", "_look_at_outbox", "_retain", "_look_at_keys", "_warn"])
def test_an_error_of_one_desk_keeps_no_other(
    desk: Desk, team: list[Person], monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    play = desk.play
    second = f'\n[[desk]]\naddress = "aloha@desk.example"\nfingerprint = "{play.made.fingerprint}"\n'
    play.config.write_text(play.config.read_text() + second + 'digest = "daily@09:00"\nroster = "other.toml"\n')
    (play.folder / "other.toml").write_text(roster_text(team[:2]))
    at(desk, MONDAY)
    opened(desk)
    original = getattr(schedule.Schedule, broken)

    def fail(self: schedule.Schedule, *arguments: object, **named: object) -> object:
        if any(getattr(item, "id", "") == "conduct" for item in (*arguments, *named.values())):
            raise RuntimeError
        return original(self, *arguments, **named)

    monkeypatch.setattr(schedule.Schedule, broken, fail)
    sent = at(desk, MONDAY + timedelta(days=2))
    assert {item.recipient for item in sent if item.headers["Subject"] == "[aloha] digest"} == {
        person.email for person in team[:2]
    }
    assert len(desk.tick()) == 1


def test_what_was_counted_is_forgotten_when_its_day_is_over(desk: Desk) -> None:
    at(desk, MONDAY)
    opened(desk)
    at(desk, MONDAY + timedelta(days=3))

    def count() -> int:
        with desk.context.database.read() as session:
            return int(session.connection().execute(text("SELECT count(*) FROM reply_counts")).scalar_one())

    assert count() == 0
