"""What leaves the desk because it is time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from mailer.sealing.padding import stepped_length
from mailer.sealing.seal import Sealer
from store.cases import lookup, withholding
from store.cases.deadlines import Due, day_off, dues
from store.kit.clock import to_text
from store.outbox import chores
from store.tables.models import PromiseRow
from store.tables.promise import Promise, PromiseKind
from store.tables.records import Case, State
from store.team.members import Member
from tests.conftest import Desk
from tests.support.talk import say, to
from tests.support.timing import MONDAY, at, opened, subjects


def test_a_digest_goes_at_its_time_once_and_holds_only_what_one_may_know(desk: Desk, team: list[Person]) -> None:
    desk.play.change_config('# digest = "weekly@09:00" ', 'digest = "weekly@09:00" ')
    at(desk, MONDAY)
    open_case = opened(desk)
    secret = opened(desk, "Exclude: Bo\n\nHe did it.", sender="kim@other.example")
    at(desk, MONDAY + timedelta(days=6, hours=20))
    sent = at(desk, MONDAY + timedelta(days=6, hours=21, minutes=1))
    assert sorted(item.recipient for item in sent) == sorted(person.email for person in team)
    assert subjects(sent) == {"[conduct] digest"}
    lengths = [len(item.mail) for item in sent]
    assert max(lengths) - min(lengths) < 64, "nobody sees from outside who has more cases"
    for person in team:
        (text,) = to(person, sent)
        assert text.startswith("[Conduct Team] digest")
        assert open_case in text
        assert (secret in text) is (person.id != "bo")
    assert at(desk, MONDAY + timedelta(days=6, hours=22)) == []


def test_who_is_recused_while_their_digest_is_sealed_gets_another_one(
    desk: Desk, team: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.play.change_config('# digest = "weekly@09:00" ', 'digest = "weekly@09:00" ')
    at(desk, MONDAY)
    name = opened(desk)
    seal = Sealer.for_member

    def recuse_first(sealer: Sealer, entity: bytes, member: Member, signer: str) -> bytes | None:
        if member.id == "bo" and not desk.case(name)["recused"]:
            with desk.open_case(name) as file:
                withholding.recuse_by_hand(file, "bo")
        return seal(sealer, entity, member, signer)

    monkeypatch.setattr(Sealer, "for_member", recuse_first)
    sent = at(desk, MONDAY + timedelta(days=7))
    digests = [text for text in to(team[1], sent) if "digest" in text]
    assert len(digests) == 1
    assert name not in digests[0]
    assert all(name in text for person in (team[0], team[2]) for text in to(person, sent) if "digest" in text)


def test_a_digest_says_what_is_to_be_done(desk: Desk, team: list[Person]) -> None:
    desk.play.change_config('# digest = "weekly@09:00" ', 'digest = "daily@09:00" ')
    now = desk.clock.now
    desk.tick()
    late, fresh = opened(desk), opened(desk, sender="kim@other.example")
    waiting, ours = opened(desk, sender="lou@other.example"), opened(desk, sender="max@other.example")
    say(desk, team[0], "/reply\nHow are you?", waiting)
    say(desk, team[0], "/assign me\n/state investigating", ours)
    closed = opened(desk, sender="ned@other.example")
    say(desk, team[0], "/state closed withdrawn", closed)
    with desk.context.database.write() as session:
        row = lookup.find_row(session, late)
        assert row is not None
        row.received_at = to_text(now - timedelta(days=3))
        for promise in session.exec(select(PromiseRow).where(PromiseRow.case_id == row.id)):
            promise.since = row.received_at
            session.add(promise)
    following = (now + timedelta(days=1)).replace(hour=9, minute=0, second=30)
    following = following if following - now < timedelta(hours=24) else following - timedelta(days=1)
    sent = [item for item in at(desk, following) if "digest" in str(item.headers["Subject"])]
    (text,) = to(team[0], sent)
    parts = dict.fromkeys(("Overdue", "New, and not answered yet", "Waiting for us", "Waiting for the reporter"))
    places = {title: text.index(title) for title in parts}
    for title, name in zip(parts, (late, fresh, ours, waiting), strict=True):
        after = [place for place in places.values() if place > places[title]]
        assert name in text[places[title] : min(after, default=len(text))], title
    assert "Ada Quist" in text
    assert closed not in text


def test_an_empty_digest_is_as_long_as_a_full_one_and_can_be_left_out(desk: Desk, team: list[Person]) -> None:
    desk.play.change_config('# digest = "weekly@09:00" ', 'digest = "weekly@09:00" ')
    at(desk, MONDAY)
    empty = at(desk, MONDAY + timedelta(days=7))
    assert "There is no open case" in to(team[0], empty)[0]
    for number in range(12):
        opened(desk, sender=f"r{number}@other.example")
    full = [item for item in at(desk, MONDAY + timedelta(days=14)) if "digest" in str(item.headers["Subject"])]
    assert abs(len(full[0].mail) - len(empty[0].mail)) < 128
    desk.play.change_config("# digest_when_empty = true ", "digest_when_empty = false ")
    desk.reopen()
    for name in [case["codename"] for case in _cases(desk)]:
        desk.play.command("case", "state", name, "closed", "no-action")
    sent = at(desk, MONDAY + timedelta(days=21))
    assert "[conduct] digest" not in subjects(sent)


def _cases(desk: Desk) -> list[dict[str, str]]:
    import json

    found: list[dict[str, str]] = json.loads(desk.play.command("case", "list", "--json").stdout)
    return found


@given(st.integers(0, 400_000))
def test_lengths_of_digests_are_few(length: int) -> None:
    assert stepped_length(length) in (16384, 65536, 262144, 1048576)
    assert stepped_length(length) >= length


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("schedule", "now", "due"),
    [
        ("daily@09:00", datetime(2026, 6, 1, 8, 59, tzinfo=BERLIN), datetime(2026, 5, 31, 9, tzinfo=BERLIN)),
        ("daily@09:00", datetime(2026, 6, 1, 9, 0, tzinfo=BERLIN), datetime(2026, 6, 1, 9, tzinfo=BERLIN)),
        ("weekly@09:00", datetime(2026, 6, 3, 9, tzinfo=BERLIN), datetime(2026, 6, 1, 9, tzinfo=BERLIN)),
        ("daily@09:00 UTC", datetime(2026, 6, 1, 12, tzinfo=BERLIN), datetime(2026, 6, 1, 9, tzinfo=UTC)),
        # Clocks go from 2:00 to 3:00 on March 29, and from 3:00 to 2:00 on October 25, 2026.
        ("daily@02:30", datetime(2026, 3, 29, 12, tzinfo=BERLIN), datetime(2026, 3, 29, 3, 0, tzinfo=BERLIN)),
        ("daily@02:30", datetime(2026, 10, 25, 12, tzinfo=BERLIN), datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN)),
        ("daily@09:00", datetime(2026, 3, 29, 12, tzinfo=BERLIN), datetime(2026, 3, 29, 9, tzinfo=BERLIN)),
    ],
)
def test_when_a_schedule_was_due(schedule: str, now: datetime, due: datetime) -> None:
    found = chores.last_due(schedule, BERLIN, now.astimezone(UTC))
    assert found <= now
    assert abs(found - due) < timedelta(hours=1)


@given(st.integers(0, 2 * 365 * 24 * 60).map(lambda minutes: MONDAY + timedelta(minutes=minutes)))
def test_a_daily_schedule_is_due_once_a_day_all_year(now: datetime) -> None:
    for hour in (2, 3, 9):
        found = {chores.last_due(f"daily@0{hour}:30", BERLIN, now + timedelta(hours=step)) for step in range(0, 48, 1)}
        days = {item.astimezone(BERLIN).date() for item in found}
        assert len(found) == len(days), "never twice on one day"
        first, last = min(days), max(days)
        assert len(days) == (last - first).days + 1, "and on every day"


def case(state: str = "new", **values: object) -> Case:
    received = datetime(2026, 6, 1, 10, tzinfo=UTC)  # a Monday
    return Case("id", "amber-heron", "conduct", state, received, **values)  # type: ignore[arg-type]


def owed(*kinds: PromiseKind, day: int = 1) -> tuple[Promise, ...]:
    return tuple(Promise(kind, datetime(2026, 6, day, 10, tzinfo=UTC)) for kind in kinds)


def test_what_is_due_when(desk: Desk) -> None:
    settings = desk.context.config.desk[0]
    both = owed("acknowledge", "respond")
    (due,) = dues(case(promises=both), settings)
    assert (due.stage, due.at) == ("acknowledge", datetime(2026, 6, 2, 10, tzinfo=UTC))
    (due,) = dues(case("investigating", promises=owed("respond")), settings)
    assert (due.stage, due.at) == ("respond", datetime(2026, 6, 8, 10, tzinfo=UTC))
    assert [due.stage for due in dues(case("investigating", promises=both), settings)] == ["acknowledge", "respond"]
    (due,) = dues(case("investigating", promises=both, writable=False), settings)
    assert due.stage == "respond", "nobody can be written to"
    (due,) = dues(case("investigating", promises=owed("status")), settings)
    assert (due.stage, due.at) == ("status", datetime(2026, 6, 15, 10, tzinfo=UTC))
    (due,) = dues(case("decided", promises=owed("follow-up", day=3)), settings)
    assert (due.stage, due.at) == ("follow-up", datetime(2026, 6, 17, 10, tzinfo=UTC))
    assert [due.stage for due in dues(case(deadline="2026-06-01", promises=both), settings)] == [
        "deadline",
        "acknowledge",
    ]
    assert dues(case("closed", deadline="2026-06-01"), settings) == []
    working = settings.model_copy(update={"working_days": "DE", "respond_days": 5})
    (due,) = dues(case("investigating", promises=owed("respond")), working)
    assert due.at.date() == date(2026, 6, 8), "over a weekend"
    assert day_off("DE")(date(2026, 10, 3))
    never = settings.model_copy(update={"acknowledge_hours": 0})
    assert dues(case(promises=both), never) == []
    (due,) = dues(case(promises=both, urgent=True), settings)
    assert due.at == datetime(2026, 6, 1, 12, tzinfo=UTC), "two hours"
    (due,) = dues(case("investigating", promises=owed("respond"), urgent=True), working)
    assert due.at == datetime(2026, 6, 3, 10, tzinfo=UTC), "a third"


def test_what_comes_in_at_an_event_is_to_be_decided_by_its_end(desk: Desk) -> None:
    desk.play.change_config(
        "# [[desk.event]]", '[[desk.event]]\nname = "Summit"\nstart = 2026-06-01\nend = 2026-06-05\n#'
    )
    desk.reopen()
    settings = desk.context.config.desk[0]

    def due(received: datetime, state: State = "investigating") -> list[datetime]:
        case = Case("id", "amber-heron", "conduct", state, received)
        return [item.at for item in dues(case, settings) if item.stage == "event"]

    end = datetime(2026, 6, 5, 23, 59, 59, tzinfo=UTC)
    assert due(datetime(2026, 6, 1, 0, 0, tzinfo=UTC)) == [end]
    assert due(datetime(2026, 6, 5, 23, 0, tzinfo=UTC)) == [end]
    assert due(datetime(2026, 5, 31, 23, 0, tzinfo=UTC)) == due(datetime(2026, 6, 6, tzinfo=UTC)) == []
    assert due(datetime(2026, 6, 1, tzinfo=UTC), "decided") == due(datetime(2026, 6, 1, tzinfo=UTC), "closed") == []


def test_an_event_that_ends_before_it_begins_is_refused(desk: Desk) -> None:
    desk.play.change_config("# [[desk.event]]", "[[desk.event]]\nstart = 2026-06-05\nend = 2026-06-01\n#")
    done = desk.play.command("check")
    assert done.returncode == 1
    assert b"before it starts" in done.stdout + done.stderr


def test_levels_of_reminders() -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    due = Due("respond", start, start + timedelta(days=10))
    days = {day: due.level(start + timedelta(days=day)) for day in (4, 5, 8, 10, 12, 13, 19, 20, 27)}
    assert days == {
        4: None, 5: ("half", 0), 8: ("late", 0), 10: ("past", 0), 12: ("past", 0), 13: ("escalate", 0), 19: ("escalate", 0),
        20: ("again", 1), 27: ("again", 2),
    }  # fmt: skip


def test_a_case_that_nobody_touches_is_not_forgotten(desk: Desk, team: list[Person]) -> None:
    desk.play.change_config('# digest = "weekly@09:00" ', 'digest = "off" ')
    desk.play.set_team(team, {"dana": "alternate", "eunji": "escalation"})
    desk.tick()
    start = desk.clock.now
    name = opened(desk)
    told: dict[int, list[str]] = {}
    for hour in range(0, 24 * 24, 1):
        for item in at(desk, start + timedelta(hours=hour)):
            person = next(person for person in team if person.email == item.recipient)
            told.setdefault(hour, []).append(person.id)
            assert name in to(person, [item])[0]
    three = ["ada", "bo", "chidi"]
    assert {hour: sorted(ids) for hour, ids in told.items()} == {
        12: three,
        20: three,
        24: three,
        # The alternates and escalation contacts get the report, and all of them the reminder.
        30: sorted([*three, "dana", "dana", "eunji", "eunji"]),
        30 + 7 * 24: sorted([*three, "dana", "eunji"]),
        30 + 14 * 24: sorted([*three, "dana", "eunji"]),
        30 + 21 * 24: sorted([*three, "dana", "eunji"]),
    }
    assert desk.case(name)["readers"] == [person.id for person in team]


def test_a_reminder_reaches_nobody_who_is_recused(desk: Desk, team: list[Person]) -> None:
    desk.play.change_config('# digest = "weekly@09:00" ', 'digest = "off" ')
    desk.play.set_team(team, {"eunji": "escalation"})
    desk.tick()
    start = desk.clock.now
    opened(desk, "Exclude: Eun-ji, Bo\n\nx")
    sent = [item for hour in range(0, 24 * 10, 6) for item in at(desk, start + timedelta(hours=hour))]
    assert {item.recipient for item in sent} == {"ada@team.example", "chidi@team.example", "dana@team.example"}


def test_after_a_pause_there_is_one_reminder_and_not_all_that_were_missed(desk: Desk, team: list[Person]) -> None:
    desk.tick()
    start = desk.clock.now
    opened(desk)
    sent = at(desk, start + timedelta(hours=25))
    reminders = [item for item in sent if "digest" not in str(item.headers["Subject"])]
    assert sorted(item.recipient for item in reminders) == sorted(person.email for person in team)
    assert "overdue" in to(team[0], reminders)[0]


def test_who_answers_in_time_is_not_reminded(desk: Desk, team: list[Person]) -> None:
    desk.play.change_config('# digest = "weekly@09:00" ', 'digest = "off" ')
    desk.tick()
    start = desk.clock.now
    name = opened(desk)
    say(desk, team[0], "/reply\nThank you, we have read it.", name)
    assert [item for hour in range(0, 48, 4) for item in at(desk, start + timedelta(hours=hour))] == []
    assert desk.case(name)["state"] == "acknowledged"


def test_looking_for_what_is_due_asks_no_more_of_the_store_when_there_are_more_cases(desk: Desk) -> None:
    """A desk with thousands of open cases starts at once, and ticks at once."""
    from sqlalchemy import event

    asked: list[str] = []
    event.listen(
        desk.context.database.engine,
        "before_cursor_execute",
        lambda *args: asked.append(args[2]),  # the statement
    )
    counts = []
    for number in range(12):
        desk.receive(plain_mail(f"number {number}"))
        if number in (2, 11):
            desk.clock.forward(minutes=6)
            desk.tick()
            desk.clock.forward(minutes=6)
            asked.clear()
            desk.tick()
            counts.append(len(asked))
    assert counts[0] == counts[1]
