"""Who comes and who goes, and what a roster runs into."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from desk.demo.rehearsal import Person, roster_text
from store.team import rotation
from store.team.members import Member, Roster
from tests.conftest import Desk
from tests.support.talk import to
from tests.support.timing import at, opened


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
    assert b"conduct-key.asc" in (team[3].opens(key.mail) or b"")
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
    assert "The term of Ada Quist ends and nobody takes over" in first
