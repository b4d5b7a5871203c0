"""A year of a desk: terms, deadlines, a key that expires, two changes of the clock, three weeks of downtime, retention.

What lies in everybody's mailbox at the end is compared with what a small oracle says, which knows the promises and
nothing of the program.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Delivered, Person, make_person, roster_text
from store.cases import lookup, notes
from store.cases.case_commands import State
from store.cases.replies import Reply, as_reply
from store.tables.records import Arrival, Body, Facts
from tests.conftest import Desk, DeskMaker
from tests.support.talk import read

BERLIN = ZoneInfo("Europe/Berlin")
START, END = datetime(2027, 1, 4, 0, tzinfo=UTC), datetime(2028, 1, 3, tzinfo=UTC)
STEP = timedelta(hours=3)
DOWN = (datetime(2027, 8, 2, tzinfo=UTC), datetime(2027, 8, 23, 12, tzinfo=UTC))
KEY_ENDS = date(2027, 10, 15)
LEAD, ESCALATION = "ada", "eunji"
TERMS = {
    "ada": (date(2020, 1, 1), date(2099, 12, 31)),
    "bo": (date(2020, 1, 1), date(2027, 6, 30)),
    "chidi": (date(2027, 3, 29), date(2099, 12, 31)),
    "dana": (date(2027, 7, 1), date(2099, 12, 31)),
    "eunji": (date(2020, 1, 1), date(2099, 12, 31)),
}


def moment(month: int, day: int) -> datetime:
    return datetime(2027, month, day, 9, tzinfo=UTC)


@dataclass
class Report:
    """A case of the year: when it came in, whom it excludes, and what was done when."""

    received: datetime
    steps: list[tuple[datetime, str]]
    excluded: str = ""
    codename: str = field(default="", init=False)


STORIES = [
    Report(moment(1, 11), [(moment(1, 11) + timedelta(hours=3), "acknowledged"), (moment(1, 13), "decided"), (moment(1, 20), "closed")]),
    Report(moment(2, 8), [(moment(2, 11), "acknowledged"), (moment(2, 26), "closed")], "bo"),
    Report(moment(3, 24), [(moment(3, 24) + timedelta(hours=3), "investigating"), (moment(4, 20), "decided"), (moment(5, 10), "closed")]),
    Report(moment(6, 28), [(moment(6, 28) + timedelta(hours=6), "acknowledged"), (moment(7, 3), "decided"), (moment(7, 5), "closed")], "dana"),
    Report(moment(7, 30), [(moment(7, 30) + timedelta(hours=3), "acknowledged"), (moment(9, 6), "closed")]),
    Report(moment(10, 25), [(moment(10, 25) + timedelta(hours=9), "acknowledged"), (moment(10, 28), "decided")], "ada"),
]  # fmt: skip


# --- the oracle ---


def on_duty(person: str, at: datetime) -> bool:
    first, last = TERMS[person]
    return first <= at.astimezone(BERLIN).date() <= last


def is_up(at: datetime) -> bool:
    return not DOWN[0] <= at < DOWN[1]


def ticks() -> list[datetime]:
    found, at = [], START
    while at < END:
        if is_up(at):
            found.append(at)
        at += STEP
    return found


@dataclass(frozen=True)
class Owed:
    """Something that is owed: from when reminders count, by when, and until when it is."""

    what: str
    since: datetime
    length: timedelta
    begins: datetime
    ends: datetime


def owed(report: Report) -> list[Owed]:
    """With each step the reporter is written to, and hears of it."""
    times = [when for when, _ in report.steps]
    first, last = times[0], END + timedelta(days=1)
    decided = next((when for when, name in report.steps if name in ("decided", "closed")), last)
    found = [
        Owed("acknowledge", report.received, timedelta(days=1), report.received, first),
        Owed("respond", report.received, days_later(report.received, 7), first, decided),
    ]
    for (when, name), following in zip(report.steps, [*times[1:], last], strict=True):
        if name in ("acknowledged", "investigating"):
            found.append(Owed("status", when, days_later(when, 14), when, following))
        elif when == decided:
            found.append(Owed("follow-up", when, days_later(when, 14), when, following))
    return found


def closed_at(report: Report) -> datetime:
    return next((when for when, name in report.steps if name == "closed"), END + timedelta(days=1))


def days_later(since: datetime, days: int) -> timedelta:
    """How long it is until the same hour by the clock in Berlin, some days later."""
    wall = since.astimezone(BERLIN).replace(tzinfo=None) + timedelta(days=days)
    return wall.replace(tzinfo=BERLIN).astimezone(UTC) - since


def expected() -> Counter[tuple[str, str, date]]:
    """Who should have got what on which day."""
    found: Counter[tuple[str, str, date]] = Counter()

    def give(people: list[str], kind: str, at: datetime) -> None:
        found.update((person, kind, at.date()) for person in people)

    all_ticks = ticks()
    for before, at in pairwise(all_ticks):
        # A Monday, nine o'clock in Berlin, between this tick and the last one, or several: one digest.
        day = before.astimezone(BERLIN)
        monday = datetime(day.year, day.month, day.day, 9, tzinfo=BERLIN)
        passed = [monday + timedelta(days=step) for step in range(30)]
        if any(item.weekday() == 0 and before < item.astimezone(UTC) <= at for item in passed):
            give([person for person in TERMS if on_duty(person, at)], "digest", at)
        for person in TERMS:
            if on_duty(person, at) and not on_duty(person, before):
                give([person], "welcome", at)
            if on_duty(person, before) and not on_duty(person, at):
                give([person], "goodbye", at)
    told_warnings = set()
    for at in all_ticks:
        left = (KEY_ENDS - at.astimezone(BERLIN).date()).days
        horizon = next((days for days in (7, 30, 60) if left <= days), None)
        # Looked at once a day, at three in the night.
        if horizon and left >= 0 and horizon not in told_warnings and at.astimezone(BERLIN).hour >= 3:
            told_warnings.add(horizon)
            give([LEAD], "roster", at)
    for report in STORIES:
        has_report: set[str] = set()
        escalated = False
        sent: set[tuple[Owed, str]] = set()
        for at in [report.received, *[item for item in all_ticks if item > report.received]]:
            over = closed_at(report) < at
            reminders = 0
            for item in owed(report):
                if not item.begins < at <= item.ends and not (at == item.begins == report.received):
                    continue
                shares = [(0.5, "half"), (0.8, "late"), (1.0, "past"), (1.25, "escalate")]
                shares += [(1.25 + timedelta(days=7 * week) / item.length, f"again {week}") for week in range(1, 60)]
                reached = [level for share, level in shares if at >= item.since + item.length * share]
                if not reached or (item, reached[-1]) in sent or (over and reached[-1][:5] in ("escal", "again")):
                    continue
                sent.add((item, reached[-1]))
                reminders += 1
                escalated |= reached[-1][:5] in ("escal", "again")
            escalated &= not over
            team = [person for person in TERMS if person != report.excluded and on_duty(person, at)]
            readers = [person for person in team if person != ESCALATION]
            if escalated or len(readers) < 2:  # the quorum
                readers = team
            if not over:
                give([person for person in readers if person not in has_report], "report", at)
                has_report |= set(readers)
            for _ in range(reminders):
                give(readers, "reminder", at)
    return found


# --- the play ---


@pytest.fixture(scope="module")
def chidi(short_tmp: Path) -> Person:
    """A member whose key expires in the year."""
    person = make_person(short_tmp / "year", "chidi", "Chidi Okafor")
    person.keyring.extend(person.fingerprint, KEY_ENDS)
    return person


def do(desk: Desk, report: Report, state: str) -> None:
    """A reader says how far the case has come, and tells the reporter."""
    by = next(person for person in ("ada", "chidi") if person != report.excluded)
    with desk.open_case(report.codename, by) as file:
        note = Arrival("conduct", "new", desk.clock(), b"", "", "", Body(), Facts(), author=by, direction="note")
        told = as_reply(file, note, Reply(f"It is {state} now."), desk.context.keyring)
        notes.act(file, [State(state, "warning" if state == "closed" else "")], told)


def kind_of(text: str) -> str:
    subject = text.split("\n")[0]
    for mark, kind in (
        ("digest", "digest"), (": new report", "report"), ("reminder", "reminder"), ("overdue", "reminder"), (": a note by", "note"),
        (": a reply to", "note"),
        ("welcome", "welcome"), ("your term has ended", "goodbye"), ("the roster needs", "roster"),
    ):  # fmt: skip
        if mark in subject:
            return kind
    return subject


def test_a_year(make_desk: DeskMaker, team: list[Person], chidi: Person) -> None:
    people = [team[0], team[1], chidi, team[3], team[4]]
    desk = make_desk(people)
    desk.play.change_config('# timezone = "UTC" ', 'timezone = "Europe/Berlin" ')
    desk.play.change_config("# retention_days = 730 ", "retention_days = 60 ")
    text = roster_text(people, {LEAD: "lead", ESCALATION: "escalation"})
    for person, (first, last) in TERMS.items():
        head, mark, tail = text.partition(f'id = "{person}"')
        tail = tail.replace("2020-01-01", first.isoformat(), 1).replace("2099-12-31", last.isoformat(), 1)
        text = head + mark + tail
    (desk.play.folder / "roster.toml").write_text(text)
    by_address = {person.email: person for person in people}
    got: list[tuple[str, date, Delivered]] = []

    def pass_time(at: datetime) -> None:
        desk.clock.now = at
        desk.tick()
        got.extend((item.recipient, at.date(), item) for item in desk.mail_out(60))

    for at in ticks():
        pass_time(at)
        for number, report in enumerate(STORIES):
            if report.received == at:
                mail = plain_mail(
                    f"Exclude: {report.excluded}\n\nx" if report.excluded else "x", sender=f"r{number}@other.example"
                )
                report.codename = desk.receive(mail).codename
                pass_time(at)
            for when, state in report.steps:
                if when == at:
                    do(desk, report, state)
                    got.extend((item.recipient, at.date(), item) for item in desk.mail_out(60))
    found: Counter[tuple[str, str, date]] = Counter()
    for recipient, day, item in got:
        if recipient in by_address:
            reader = by_address[recipient]
            said = read(reader, item)
            kind = kind_of(said)
            hidden = [report.codename for report in STORIES if report.excluded == reader.id]
            assert not any(name in said for name in hidden)
            if kind != "note":
                found[(reader.id, kind, day)] += 1
    wanted = expected()
    assert sorted((found - wanted).items()) == [], "too much"
    assert sorted((wanted - found).items()) == [], "too little"
    states = [_state(desk, report.codename) for report in STORIES]
    assert states == ["destroyed", "destroyed", "destroyed", "destroyed", "destroyed", "decided"]


def _state(desk: Desk, codename: str) -> str:
    with desk.context.database.read() as session:
        row = lookup.find_row(session, codename)
        assert row is not None
        return row.state
