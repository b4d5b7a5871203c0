"""A relay that refuses: everybody, or one mailbox. The first loses nothing; the second is told to the others."""

from __future__ import annotations

import json
import subprocess
from collections import Counter

import pytest
from sqlmodel import select

from desk.care import status
from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from mailer.relay.refusals import wants_login, witnesses
from store.kit.sections import OutboxSettings
from store.outbox import claims, outcomes, queue
from store.outbox.outcomes import Bounced, Delivery, Held, Later, Unsettled, Withdrawn
from store.tables.models import DeliveryRow, NoticeRow
from tests.conftest import Desk, DeskMaker
from tests.support.talk import to

DENIED = "554 5.7.1 <who@ever>: Relay access denied"


class Everybody(dict[str, str]):
    """Refuses all but some."""

    def __init__(self, answer: str, *but: str) -> None:
        super().__init__()
        self.answer, self.but = answer, but

    def __contains__(self, address: object) -> bool:
        return address not in self.but

    def __getitem__(self, address: str) -> str:
        return self.answer


def states(desk: Desk) -> set[str]:
    return {row["state"] for row in desk.outbox()}


def checked(desk: Desk) -> dict[str, tuple[str, str]]:
    found = json.loads(desk.play.command("check", "--json").stdout)
    return {item["check"]: (item["level"], item["detail"]) for item in found}


def is_well(desk: Desk) -> bool:
    return status.is_well(desk.context, status.health_of(desk.context))


LOGIN = "530 5.7.0 Must issue a STARTTLS command first"


@pytest.mark.parametrize(
    ("stage", "answer"),
    [
        *(("address", answer) for answer in (DENIED, LOGIN, "550 no", "550 5.1.1 who?")),
        *(("mail", answer) for answer in (DENIED, LOGIN, "550 no", "550 5.4.5 Daily sending limit exceeded")),
    ],
)
def test_a_relay_that_refuses_everybody_loses_nothing(desk: Desk, team: list[Person], stage: str, answer: str) -> None:
    sink = desk.play.sink
    if stage == "address":
        sink.refuse_recipient = Everybody(answer)
    else:
        sink.refuse_mail = Everybody(answer)
    desk.receive(plain_mail("x", extra="List-Id: x\n"))
    for _ in range(8):
        desk.mail_out()
        desk.clock.forward(days=1)
    assert states(desk) == {"waiting"}, "also after more than retry_days"
    assert not is_well(desk)
    found = checked(desk)
    assert found["deliveries"][0] == "failure"
    assert answer[:3] in found["deliveries"][1]
    assert found["relay"][0] == ("failure" if stage == "address" else "ok")
    sink.refuse_recipient, sink.refuse_mail = {}, {}
    assert Counter(item.recipient for item in desk.mail_out()) == Counter(person.email for person in team)
    assert desk.outbox() == []
    assert is_well(desk)


def test_a_relay_that_puts_everybody_off_for_days_loses_nothing(desk: Desk, team: list[Person]) -> None:
    desk.play.sink.refuse_recipient = Everybody("454 4.7.1 Relay access denied")
    desk.receive(plain_mail("x", extra="List-Id: x\n"))
    for _ in range(8):
        desk.mail_out()
        desk.clock.forward(days=1)
    assert states(desk) == {"waiting"}
    desk.play.sink.refuse_recipient = {}
    assert len(desk.mail_out()) == len(team)


def test_what_waited_for_the_relay_goes_as_soon_as_it_takes_mail(desk: Desk, team: list[Person]) -> None:
    desk.play.sink.refuse_recipient = Everybody(DENIED)
    desk.receive(plain_mail("x", extra="List-Id: x\n"))
    for _ in range(3):
        desk.mail_out()
        desk.clock.forward(hours=1)
    desk.mail_out()
    desk.play.sink.refuse_recipient = {}
    desk.receive(plain_mail("y", extra="List-Id: x\n"))
    assert Counter(item.recipient for item in desk.mail_out()) == Counter(person.email for person in team * 2)


def test_a_relay_that_takes_mail_for_its_own_domain_alone_is_away(desk: Desk) -> None:
    """As Postfix is to whom it does not know: for the desk's own domain it takes mail from everybody."""
    desk.play.sink.refuse_recipient = Everybody(DENIED, "operator@desk.example", "conduct@desk.example")
    desk.receive(plain_mail("x"))
    desk.mail_out()
    assert states(desk) == {"waiting"}
    level, detail = checked(desk)["relay"]
    assert level == "failure"
    assert "554 5.7.1" in detail
    assert "relay.user" in detail


@pytest.mark.parametrize("answer", [DENIED, "530 5.7.0 log in", "550 5.1.1 unknown", "550 no", "553 5.1.8 bad sender"])
def test_one_mailbox_that_refuses_is_that_one_alone(desk: Desk, team: list[Person], answer: str) -> None:
    """Whoever reports may run the server of their address: it says nothing of the relay, whatever it answers."""
    for refused in ("bo@team.example", "sam@reporter.example"):
        desk.play.sink.refuse_recipient = {refused: answer}
        desk.receive(plain_mail("x"))
        mails = desk.mail_out(60)
        assert {row["recipient"] for row in desk.outbox()} >= {"bo"}
        assert any("could not be delivered" in text for text in to(team[0], mails))
        assert status.health_of(desk.context).away_since is None
    assert states(desk) == {"bounced"}


def test_a_mail_that_is_refused_while_others_are_taken_is_given_up(desk: Desk, team: list[Person]) -> None:
    desk.play.sink.refuse_mail = {"bo@team.example": "554 5.7.1 content rejected"}
    desk.receive(plain_mail("x"))
    mails = desk.mail_out()
    desk.clock.forward(minutes=2)
    mails += desk.mail_out()
    assert any("could not be delivered" in text and "Bo Lindqvist" in text for text in to(team[0], mails))
    assert status.health_of(desk.context).away_since is None


def test_what_was_given_up_is_seen_and_taken_up_again(desk: Desk, team: list[Person]) -> None:
    refuse = {"bo@team.example": "550 5.1.1 unknown", "sam@reporter.example": "550 5.1.1 unknown"}
    desk.play.sink.refuse_recipient = dict(refuse)
    desk.receive(plain_mail("x"))
    desk.mail_out()
    assert not is_well(desk)
    level, detail = checked(desk)["given up"]
    assert level == "warning"
    assert "ombud outbox retry" in detail
    desk.play.sink.refuse_recipient = {}
    retried = json.loads(desk.play.command("outbox", "retry", "--json").stdout)["retried"]
    assert retried == 2, "the report and the word that the reporter cannot be reached"
    desk.clock.forward(minutes=1)
    assert Counter(item.recipient for item in desk.mail_out()) == Counter({team[1].email: 2})
    assert is_well(desk)
    assert [row["recipient"] for row in desk.outbox()] == ["reporter"]
    assert json.loads(desk.play.command("outbox", "retry", "--bounced", "--json").stdout)["retried"] == 1
    desk.clock.forward(minutes=1)
    assert [item.recipient for item in desk.mail_out()] == ["sam@reporter.example"]


def test_who_may_not_know_is_not_even_asked_about(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question to the server of somebody's address can be seen there."""
    from desk.demo.rehearsal import Sink

    asked: list[str] = []
    original = Sink.handle_RCPT

    async def handle(
        self: Sink, server: object, session: object, envelope: object, address: str, options: list[str]
    ) -> str:
        asked.append(address)
        return await original(self, server, session, envelope, address, options)

    monkeypatch.setattr(Sink, "handle_RCPT", handle)
    desk.play.sink.refuse_recipient = Everybody(DENIED)
    desk.play.sink.stop()
    desk.play.sink.start()
    desk.receive(plain_mail("Exclude: Ada\n\nhello"))
    desk.mail_out()
    assert "bo@team.example" in asked
    assert "ada@team.example" not in asked


def test_whom_a_relay_is_asked_about() -> None:
    own = ["conduct@desk.example", "aloha@desk.example"]
    team = ["op@desk.example", "a@one.example", "b@one.example", "c@two.example"]
    assert witnesses("x@y.example", team, own) == ["a@one.example", "c@two.example", "b@one.example"]
    assert witnesses("A@one.example", team, own) == ["b@one.example", "c@two.example"]
    assert witnesses("a@one.example", ["op@desk.example", "a@one.example"], own) == ["op@desk.example"]
    assert witnesses("a@one.example", ["", "a@one.example"], own) == own
    assert wants_login(530, b"x")
    assert wants_login(554, b"5.7.1 x")
    assert not wants_login(550, b"5.1.1 x")


def undelivered(desk: Desk) -> list[DeliveryRow]:
    with desk.context.database.read() as session:
        return list(session.exec(select(DeliveryRow).where(DeliveryRow.state != "sent")))


@pytest.mark.parametrize("kind", ["key-check", "key-replaced", "digest", "test", "welcome", "goodbye", "desk-key"])
def test_a_notice_for_somebody_who_left_the_roster_comes_to_an_end(desk: Desk, team: list[Person], kind: str) -> None:
    desk.tick()
    with desk.context.database.write() as session:
        queue.enqueue(session, queue.Notice(kind, "conduct", desk.clock(), subject_id="eunji"))
        queue.enqueue(session, queue.Notice(kind, "conduct", desk.clock(), subject_id="nobody"))
    desk.play.set_team(team[:4])
    desk.tick()
    desk.mail_out()
    assert desk.mail_out(rounds=1) == []
    with desk.context.database.read() as session:
        assert session.exec(select(NoticeRow).where(NoticeRow.kind == kind, NoticeRow.done == 0)).all() == []


def test_a_waiting_key_notice_for_somebody_who_left_is_withdrawn(desk: Desk, team: list[Person]) -> None:
    desk.tick()
    home = str(desk.play.folder / "gnupg")
    delete = ["gpg", "--homedir", home, "--batch", "--yes", "--delete-keys", team[4].fingerprint]
    subprocess.run(delete, check=True, capture_output=True)
    desk.play.sink.refuse_mail = {team[4].email: "451 later"}
    desk.receive(plain_mail("x"))
    desk.mail_out()
    desk.play.set_team(team[:4])
    desk.tick()
    desk.clock.forward(hours=2)
    desk.mail_out(20)
    assert desk.mail_out(rounds=1) == []
    assert undelivered(desk) == [] or {row.state for row in undelivered(desk)} == {"withdrawn"}


def test_a_claim_cannot_be_settled_with_a_delivery_left_over(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Unsettled):
        outcomes.require_all([Delivery("1", "ada", "<x>"), Delivery("2", "bo", "<y>")], {"1": Withdrawn()})
    from mailer.mails import MailMaker

    monkeypatch.setattr(MailMaker, "mails_of", lambda *_: iter(()))
    desk.receive(plain_mail("x", extra="List-Id: x\n"))
    assert desk.mail_out() == [], "it is not claimed again and again"
    monkeypatch.undo()
    desk.clock.forward(minutes=2)
    assert len(desk.mail_out()) == 5


@pytest.fixture
def late(desk: Desk) -> tuple[Desk, str]:
    """A desk with a delivery to Bo that was first tried six days ago."""
    desk.play.sink.refuse_mail = {"bo@team.example": "451 later"}
    desk.receive(plain_mail("x", extra="List-Id: x\n"))
    desk.mail_out()
    desk.clock.forward(days=6)
    (row,) = undelivered(desk)
    return desk, row.id


@pytest.mark.parametrize("between", [Held("no key"), Later("the relay is away", away=True), Withdrawn()])
def test_what_was_held_away_or_withdrawn_begins_a_new_try(late: tuple[Desk, str], between: outcomes.Outcome) -> None:
    desk, row_id = late
    with desk.context.database.write() as session:
        outcomes.conclude(session, row_id, between, desk.clock(), OutboxSettings())
    if isinstance(between, Withdrawn):  # brought back
        with desk.context.database.write() as session:
            queue.reopen(session, at=desk.clock(), desk="conduct")
    desk.clock.forward(hours=2)
    desk.mail_out()
    (row,) = undelivered(desk)
    assert (row.state, row.tries) == ("waiting", 1)


def test_what_was_tried_for_days_is_given_up(late: tuple[Desk, str]) -> None:
    desk, row_id = late
    desk.mail_out()
    assert [row.id for row in undelivered(desk) if row.state == "bounced"] == [row_id]
    with desk.context.database.write() as session:
        assert not outcomes.conclude(session, row_id, Bounced("again"), desk.clock(), OutboxSettings())


def test_a_worker_waits_while_another_is_at_what_is_due(desk: Desk) -> None:
    desk.receive(plain_mail("x", extra="List-Id: x\n"))
    now = desk.clock()
    with desk.context.database.write() as session:
        assert claims.next_due(session, now) == now
        (claim,) = claims.claim(session, "another", now, 300, 4)
        due = claims.next_due(session, now)
        assert due is not None
        assert (due - now).total_seconds() == 300
        claims.give_back(session, [claim])
        assert claims.next_due(session, now) == now


def test_what_a_worker_did_not_come_to_is_free_at_once(make_desk: DeskMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    from mailer.delivery import Mailer

    desk = make_desk()
    for number in range(3):
        desk.receive(plain_mail(f"{number}", extra="List-Id: x\n"))

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Mailer, "_deliver", fail)
    with pytest.raises(MemoryError):
        desk.mail_out()
    monkeypatch.undo()
    assert len(desk.mail_out()) == 10, "all but the one that it failed at"
