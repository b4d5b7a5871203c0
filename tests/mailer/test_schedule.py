"""What leaves the desk because it is time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.rehearsal import Delivered, Person, plain_mail, roster_text
from mailer.padding import stepped_length
from mailer.seal import Sealed, Sealer
from store import chores, rotation, withholding
from store.deadlines import Due, day_off, dues
from store.people import Member, Roster
from store.records import Case
from tests.conftest import Desk
from tests.talk import say, to

MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(desk: Desk, moment: datetime) -> list[Delivered]:
    """What leaves the desk when it is that time."""
    desk.clock.now = moment
    desk.tick()
    return desk.mail_out(60)


def opened(desk: Desk, text: str = "Somebody shouted at me.", **options: str) -> str:
    name = desk.receive(plain_mail(text, **options)).codename
    desk.mail_out()
    return name


def subjects(mails: list[Delivered]) -> set[str]:
    return {str(item.headers["Subject"]) for item in mails}


def test_a_digest_goes_at_its_time_once_and_holds_only_what_one_may_know(desk: Desk, team: list[Person]) -> None:
    desk.play.change_config('# digest = "weekly@09:00" ', 'digest = "weekly@09:00" ')
    at(desk, MONDAY)
    open_case = opened(desk)
    secret = opened(desk, "Exclude: Bo\n\nHe did it.", sender="kim@other.example")
    at(desk, MONDAY + timedelta(days=6, hours=20))
    sent = at(desk, MONDAY + timedelta(days=6, hours=21, minutes=1))
    assert sorted(item.recipient for item in sent) == sorted(person.email for person in team)
    assert subjects(sent) == {"[conduct] digest"}
    assert len({len(item.mail) // 256 for item in sent}) == 1, "nobody sees from outside who has more cases"
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
    seal = Sealer.for_members

    def recuse_first(sealer: Sealer, entity: bytes, members: list[Member], signer: str) -> Sealed:
        if [item.id for item in members] == ["bo"] and not desk.case(name)["recused"]:
            with desk.context.database.write() as session:
                roster = desk.context.roster(desk.context.config.desk[0])
                withholding.recuse_by_hand(session, desk.context.vault, roster, name, "bo", "operator", desk.clock())
        return seal(sealer, entity, members, signer)

    monkeypatch.setattr(Sealer, "for_members", recuse_first)
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
        from store import cases

        row = cases.find_row(session, late)
        assert row is not None
        row.received_at = (now - timedelta(days=3)).isoformat()
    following = (now + timedelta(days=1)).replace(hour=9, minute=0, second=30)
    following = following if following - now < timedelta(hours=24) else following - timedelta(days=1)
    sent = [item for item in at(desk, following) if "digest" in str(item.headers["Subject"])]
    (text,) = to(team[0], sent)
    parts = dict.fromkeys(("Overdue", "New, and not yet answered", "Waiting for us", "Waiting for the reporter"))
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
    assert "No case is open" in to(team[0], empty)[0]
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


def test_what_is_due_when(desk: Desk) -> None:
    settings = desk.context.config.desk[0]
    (due,) = dues(case(), settings)
    assert (due.stage, due.at) == ("acknowledge", datetime(2026, 6, 2, 10, tzinfo=UTC))
    (due,) = dues(case("investigating"), settings)
    assert (due.stage, due.at) == ("respond", datetime(2026, 6, 8, 10, tzinfo=UTC))
    (due,) = dues(case("decided", decided_at=datetime(2026, 6, 3, 10, tzinfo=UTC)), settings)
    assert (due.stage, due.at) == ("follow-up", datetime(2026, 6, 17, 10, tzinfo=UTC))
    assert [due.stage for due in dues(case(deadline="2026-06-01"), settings)] == ["deadline", "acknowledge"]
    assert dues(case("closed", deadline="2026-06-01"), settings) == []
    working = settings.model_copy(update={"working_days": "DE", "respond_days": 5})
    (due,) = dues(case("investigating"), working)
    assert due.at.date() == date(2026, 6, 8), "over a weekend"
    assert day_off("DE")(date(2026, 10, 3))
    never = settings.model_copy(update={"acknowledge_hours": 0})
    assert dues(case(), never) == []


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


# --- who comes and goes ---


def write_roster(desk: Desk, team: list[Person], terms: dict[str, tuple[str, str]]) -> None:
    text = roster_text(team)
    for person, (start, until) in terms.items():
        head, mark, tail = text.partition(f'id = "{person}"')
        tail = tail.replace("from = 2020-01-01", f"from = {start}", 1).replace(
            "until = 2099-12-31", f"until = {until}", 1
        )
        text = head + mark + tail
    (desk.play.folder / "roster.toml").write_text(text)


def test_who_comes_is_welcomed_with_the_open_cases_and_who_goes_is_thanked(desk: Desk, team: list[Person]) -> None:
    desk.play.change_config('# digest = "weekly@09:00" ', 'digest = "off" ')
    write_roster(
        desk,
        team,
        {
            "bo": ("2020-01-01", "2026-11-30"),
            "dana": ("2026-12-01", "2099-12-31"),
            "eunji": ("2026-12-01", "2099-12-31"),
        },
    )
    before = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
    assert at(desk, before) == []
    public = opened(desk)
    about = opened(desk, "It was Eun-ji Park.", sender="kim@other.example")
    sent = at(desk, before + timedelta(minutes=2))
    bos, danas, eunjis = (to(team[number], sent) for number in (1, 3, 4))
    assert len(bos) == 1
    assert "Your term has ended" in bos[0]
    assert any("welcome" in text and public in text and about in text for text in danas)
    assert sum("new report" in text for text in danas) == 2
    welcome = next(text for text in eunjis if "welcome" in text)
    assert public in welcome
    assert not any(about in text for text in eunjis)
    key = next(item for item in sent if item.recipient == team[3].email and "welcome" in str(item.headers["Subject"]))
    assert b"conduct.asc" in (team[3].opens(key.mail) or b"")
    assert at(desk, before + timedelta(hours=3)) == []


def test_who_is_named_in_an_open_case_and_joins_later_is_withheld_and_the_others_are_told(
    desk: Desk, team: list[Person]
) -> None:
    desk.play.set_team(team[:4])
    desk.tick()
    name = opened(desk, "It was Eun-ji Park.")
    desk.play.set_team(team)
    desk.clock.forward(minutes=1)
    desk.tick()
    sent = desk.mail_out(60)
    assert any("withheld from Eun-ji Park from now on" in text for text in to(team[0], sent)), "it may be a namesake"
    assert not any(name in text for text in to(team[4], sent))


def test_a_replaced_key_is_told_to_its_owner_in_plain(desk: Desk, team: list[Person], stranger: Person) -> None:
    desk.tick()
    swapped = Person("bo", "Bo Lindqvist", team[1].email, stranger.keyring, stranger.fingerprint)
    desk.play.set_team([team[0], swapped, *team[2:]])
    desk.clock.forward(minutes=1)
    desk.tick()
    (note,) = [item for item in desk.mail_out() if item.recipient == team[1].email]
    assert str(note.headers["Subject"]) == "Your OpenPGP key was replaced"
    assert stranger.fingerprint.encode() in note.mail


def member(member_id: str, until: date, start: date = date(2020, 1, 1)) -> Member:
    return Member(member_id, member_id, f"{member_id}@x.example", "F" * 40, "responder", start, until)


def test_warnings_of_what_a_roster_runs_into() -> None:
    today = date(2026, 6, 1)
    roster = Roster(
        (
            member("a", date(2026, 6, 20)),
            member("b", date(2026, 7, 10)),
            member("c", date(2027, 1, 1)),
            member("d", date(2027, 1, 1), date(2026, 6, 21)),
        ),
        2,
    )
    found = rotation.warnings(roster, today, {"c": date(2026, 6, 5), "x": today, rotation.DESK: date(2026, 7, 30)})
    assert [(item.trouble, item.who, item.day.isoformat(), item.horizon(today)) for item in found] == [
        ("key", "c", "2026-06-05", 7),
        ("term", "b", "2026-07-11", 60),
        ("desk-key", "desk", "2026-07-30", 60),
    ], "a's term ends as well, but d follows"
    alone = Roster((member("a", date(2026, 6, 20)), member("b", date(2026, 6, 30))), 2)
    assert [(item.trouble, item.day.day) for item in rotation.warnings(alone, today, {})] == [
        ("quorum", 21),
        ("term", 21),
        ("term", 1),
    ]


def test_the_leads_are_warned_once_for_each_horizon(desk: Desk, team: list[Person]) -> None:
    desk.play.change_config('# digest = "weekly@09:00" ', 'digest = "off" ')
    start = datetime(2026, 9, 1, 12, tzinfo=UTC)
    desk.play.set_team(team, {"chidi": "lead"})
    roster = desk.play.folder / "roster.toml"
    roster.write_text(roster.read_text().replace("until = 2099-12-31", "until = 2026-11-30", 1))
    at(desk, start)
    sent = {day: at(desk, start + timedelta(days=day)) for day in range(1, 95)}
    days = {
        day: [item.recipient for item in mails if "roster" in str(item.headers["Subject"])]
        for day, mails in sent.items()
        if mails
    }
    told = {day: to for day, to in days.items() if to}
    assert list(told.values()) == [[team[2].email]] * 3
    gaps = [(date(2026, 12, 1) - (start + timedelta(days=day)).date()).days for day in told]
    assert gaps == [60, 30, 7]
    first = to(team[2], sent[next(iter(told))])[0]
    assert "The term of Ada Quist ends, and nobody follows" in first


# --- what comes to an end ---


def test_a_closed_case_is_announced_then_destroyed_and_no_byte_of_it_is_left(desk: Desk, team: list[Person]) -> None:
    desk.play.change_config('# digest = "weekly@09:00" ', 'digest = "weekly@09:00" ')
    start = MONDAY
    at(desk, start)
    name, kept = opened(desk), opened(desk, sender="kim@other.example")
    sealed = _sealed_of(desk, name)
    for codename, wrote in ((name, "closed"), (kept, "closed")):
        desk.play.command("case", "state", codename, wrote, "warning")
    desk.play.command("case", "hold", kept)
    _close_at(desk, start)
    announced = at(desk, start + timedelta(days=707))
    digest = next(text for text in to(team[0], announced) if "digest" in text)
    assert "Will be destroyed" in digest
    assert name in digest
    assert kept not in digest
    at(desk, start + timedelta(days=728))
    assert any(piece in _files(desk) for piece in sealed)
    at(desk, start + timedelta(days=740))
    left = _files(desk)
    assert not any(piece in left for piece in sealed), "neither in the database nor in its log"
    assert desk.play.command("case", "show", name).returncode == 1
    assert desk.play.command("case", "show", kept).returncode == 0
    assert b"intact" in desk.play.command("audit", "verify").stdout


def _sealed_of(desk: Desk, codename: str) -> list[bytes]:
    import sqlite3

    with sqlite3.connect(str(desk.context.database.file)) as connection:
        (case_id, key, facts) = connection.execute(
            "SELECT id, wrapped_key, facts_sealed FROM cases WHERE codename = ?", (codename,)
        ).fetchone()
        rows = connection.execute(
            "SELECT body_sealed, raw_sealed FROM messages WHERE case_id = ?", (case_id,)
        ).fetchall()
    return [key[:40], facts[:40], *(piece[:40] for row in rows for piece in row)]


def _close_at(desk: Desk, moment: datetime) -> None:
    """Commands run by the real clock: have them been run then."""
    from sqlmodel import select

    from store.clock import to_text
    from store.models import CaseRow

    with desk.context.database.write() as session:
        for row in session.exec(select(CaseRow)):
            row.closed_at = to_text(moment)
            session.add(row)
    desk.mail_out(60)


def _files(desk: Desk) -> bytes:
    folder: Path = desk.play.folder
    return b"".join(path.read_bytes() for path in folder.glob("ombud.sqlite3*"))


def test_a_mail_after_the_close_puts_the_end_off(desk: Desk) -> None:
    from store import cases, retention

    at(desk, MONDAY)
    name = opened(desk)
    desk.play.command("case", "state", name, "closed", "warning")
    _close_at(desk, MONDAY)
    settings = desk.context.config.desk[0]
    with desk.context.database.write() as session:
        row = cases.find_row(session, name)
        assert row is not None
        end = retention.ends_at(session, row, settings)
        assert end == MONDAY + timedelta(days=730)
        shorter = settings.model_copy(update={"retention": {"warning": 90}})
        assert retention.ends_at(session, row, shorter) == MONDAY + timedelta(days=90)
        never = settings.model_copy(update={"retention_days": 0})
        assert retention.ends_at(session, row, never) is None
        desk.clock.now = MONDAY + timedelta(days=10)
    desk.receive(plain_mail("PS", sender="kim@other.example", extra=f"In-Reply-To: {_last_id(desk)}\n"))
    with desk.context.database.write() as session:
        row = cases.find_row(session, name)
        assert row is not None
        assert retention.ends_at(session, row, settings) == MONDAY + timedelta(days=740)


def _last_id(desk: Desk) -> str:
    return next(
        str(item.headers["Message-ID"]) for item in desk.play.sink.mails if item.recipient == "sam@reporter.example"
    )


def test_an_operator_can_destroy_a_closed_case(desk: Desk) -> None:
    name = opened(desk)

    def destroy(*options: str) -> tuple[int, str]:
        done = desk.play.command("case", "destroy", name, *options)
        return done.returncode, (done.stdout + done.stderr).decode()

    assert destroy("--yes") == (1, f"ombud: {name} is not closed. Close it first, with its outcome.\n")
    desk.play.command("case", "state", name, "closed", "withdrawn")
    desk.play.command("case", "hold", name)
    assert "is on hold" in destroy("--yes")[1]
    desk.play.command("case", "release", name)
    assert destroy()[0] == 1, "nothing is destroyed without a yes"
    sealed = _sealed_of(desk, name)
    assert destroy("--yes") == (0, f"{name} is destroyed.\n")
    desk.reopen()
    assert not any(piece in _files(desk) for piece in sealed)
    assert destroy("--yes") == (1, f"ombud: There is no case '{name}'.\n")
