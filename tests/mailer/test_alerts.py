"""What cannot wait: who is alerted, how often, with which words; shorter times; a calendar in the digest."""

from __future__ import annotations

import email
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from icalendar import Calendar

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person, roster_text
from mailer.alerts import is_usable
from store.cases import lookup
from store.cases.deadlines import dues
from store.kit.errors import RosterError
from tests.conftest import Desk
from tests.support.talk import say, to, words


class Hook:
    """A web hook that takes pushes, or refuses them."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str]] = []
        self.status = 200
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                said = self.rfile.read(int(self.headers["Content-Length"])).decode()
                hook.got.append((self.path, said)) if hook.status == 200 else None
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def who(self) -> list[str]:
        return sorted(path.strip("/") for path, _ in self.got)


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def alerted(desk: Desk, team: list[Person], hook: Hook) -> Desk:
    """A desk on which all but Eun-ji have a place for pushes."""
    text = roster_text(desk.play.team)
    for person in team[:4]:
        line = f'id = "{person.id}"\n'
        url = f"json://127.0.0.1:{hook.server.server_port}/{person.id}"
        text = text.replace(line, f'{line}alert = "{url}"\n')
    (desk.play.folder / "roster.toml").write_text(text)
    desk.tick()
    desk.mail_out()
    return desk


ONGOING = "Ongoing: yes\n\nSomebody is waiting outside of my room."


def urgent(desk: Desk, name: str) -> bool:
    with desk.context.database.read() as session:
        row = lookup.find_row(session, name)
        assert row is not None
        return bool(row.urgent)


def test_readers_alone_are_alerted_once_without_a_word_of_content(
    alerted: Desk, team: list[Person], hook: Hook
) -> None:
    name = alerted.receive(plain_mail(f"Exclude: Bo\n{ONGOING}")).codename
    mails = alerted.mail_out()
    assert hook.who == ["ada", "chidi", "dana"]
    for _, said in hook.got:
        assert name not in said
        assert "waiting outside" not in said
        assert "Something cannot wait. Please look at your mail." in json.loads(said)["message"]
    assert "URGENT" in to(team[0], mails)[0]
    say(alerted, team[0], "/urgent", name)
    alerted.reopen()
    alerted.tick()
    alerted.mail_out()
    assert len(hook.got) == 3, "each once"
    assert to(team[1], mails) == [], "nor is who must not know"


def test_the_codename_is_only_for_who_wants_it(alerted: Desk, hook: Hook) -> None:
    file = alerted.play.folder / "roster.toml"
    file.write_text(file.read_text().replace('id = "ada"\n', 'id = "ada"\nalert_codename = true\n'))
    alerted.tick()
    alerted.mail_out()
    name = alerted.receive(plain_mail(ONGOING)).codename
    alerted.mail_out()
    assert {path for path, said in hook.got if name in said} == {"/ada"}


def test_nobody_is_alerted_of_what_can_wait(alerted: Desk, hook: Hook) -> None:
    for text in ("It happened.", "Ongoing: no\n\nIt happened.", "> Ongoing: yes\n\nIt happened."):
        assert not urgent(alerted, alerted.receive(plain_mail(text, sender=f"{len(text)}@reporter.example")).codename)
    alerted.mail_out()
    assert hook.got == []


@pytest.mark.parametrize(
    "line",
    ["Ongoing: yes", "Dauert an: ja", "¿Sigue ocurriendo?: Sí", "En cours : oui", "Ainda acontece: sim", "مستمر: نعم"],
)
def test_that_it_goes_on_can_be_said_in_six_languages(desk: Desk, line: str) -> None:
    assert urgent(desk, desk.receive(plain_mail(f"{line}\n\nx")).codename)


def test_words_of_danger_count_where_the_desk_wants_that(desk: Desk) -> None:
    text = "He has a knife and is in the hallway."
    assert not urgent(desk, desk.receive(plain_mail(text)).codename)
    desk.play.change_config("# danger_words = false ", "danger_words = true ")
    desk.reopen()
    assert urgent(desk, desk.receive(plain_mail(f"{text} Really.", sender="kim@other.example")).codename)


def test_a_reader_says_that_something_cannot_wait_and_that_it_can(
    alerted: Desk, team: list[Person], hook: Hook
) -> None:
    name = alerted.receive(plain_mail("It happened.")).codename
    alerted.mail_out()
    said = words("\n".join(to(team[1], say(alerted, team[0], "/urgent", name))))
    assert "this cannot wait" in said
    assert hook.who == ["ada", "bo", "chidi", "dana"]
    with alerted.context.database.read() as session:
        row = lookup.find_row(session, name)
        assert row is not None
        (due,) = dues(lookup.case_of(session, row), alerted.context.config.desk[0])
    assert due.at - due.since == timedelta(hours=2)
    say(alerted, team[0], "/urgent no", name)
    assert not urgent(alerted, name)


def test_who_cannot_be_pushed_to_is_tried_for_an_hour_and_keeps_nobody(
    alerted: Desk, team: list[Person], hook: Hook
) -> None:
    hook.status = 500
    alerted.receive(plain_mail(ONGOING))
    assert {mail.recipient for mail in alerted.mail_out()} >= {person.email for person in team}
    hook.status = 200
    alerted.clock.forward(minutes=2)
    alerted.mail_out()
    assert hook.who == ["ada", "bo", "chidi", "dana"]
    hook.status = 500
    alerted.receive(plain_mail(ONGOING + " Again.", sender="kim@other.example"))
    for _ in range(12):
        alerted.mail_out()
        alerted.clock.forward(minutes=20)
    assert [row for row in alerted.outbox() if row["kind"] == "alert" and row["state"] != "bounced"] == []


def test_strangers_cannot_ring_a_team_all_day(alerted: Desk, hook: Hook) -> None:
    for number in range(25):
        alerted.receive(plain_mail(f"{ONGOING} {number}", sender=f"s{number}@reporter.example"))
    alerted.mail_out(60)
    assert len(hook.got) == 20 * 4


def test_an_address_that_is_none_is_refused_with_its_line(desk: Desk) -> None:
    file = desk.play.folder / "roster.toml"
    file.write_text(file.read_text().replace('id = "ada"\n', 'id = "ada"\nalert = "my telephone"\n'))
    with pytest.raises(RosterError, match=r"roster\.toml:\d+: alert"):
        desk.context.rosters.check(desk.context.config.desk[0])


def test_services_are_known_by_their_addresses() -> None:
    assert is_usable("ntfy://some-topic")
    assert not is_usable("nosuch://x")


def test_the_deadlines_of_a_member_are_a_calendar_in_the_digest(desk: Desk, team: list[Person]) -> None:
    desk.tick()
    name = desk.receive(plain_mail("Exclude: Bo\n\nIt happened.")).codename
    other = desk.receive(plain_mail("It happened here.", sender="kim@other.example")).codename
    desk.mail_out()
    desk.clock.forward(days=8)
    desk.tick()
    found = {}
    for mail in desk.mail_out():
        person = next((item for item in team if item.email == mail.recipient), None)
        opened = person.opens(mail.mail) if person else None
        if person is None or opened is None or b"deadlines.ics" not in opened:
            continue
        (part,) = [item for item in email.message_from_bytes(opened).walk() if item.get_filename() == "deadlines.ics"]
        calendar = Calendar.from_ical(bytes(part.get_payload(decode=True)))
        found[person.id] = {str(event["summary"]).partition(":")[0] for event in calendar.walk("VEVENT")}
        assert b"happened" not in opened
    assert found["ada"] == {name, other}
    assert found["bo"] == {other}
