"""The outbox by itself: a notice is one worker's at a time, each recipient has it once, and none is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, SQLModel, create_engine, select

from store.kit.clock import to_text
from store.outbox import claims
from store.outbox.claims import Claim
from store.outbox.outcomes import Bounced, Delivery, Sent, Unsettled
from store.tables.models import CaseRow, DeliveryRow, NoticeRow, RecusalRow
from store.tables.records import Recusal

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


def moment(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def session() -> Iterator[Session]:
    """An outbox with nothing in it."""
    engine = create_engine("sqlite://")
    SQLModel.metadata.create_all(engine)
    with Session(engine) as session:
        yield session
    engine.dispose()


def add(session: Session, name: str, due: float = 0, case: str | None = None, **values: Any) -> str:
    """A notice that is due so many seconds from now."""
    session.add(
        NoticeRow(id=name, case_id=case, desk="conduct", kind="report", created=to_text(moment(-100)), due=to_text(moment(due)), **values)
    )  # fmt: skip
    session.flush()
    return name


def take(session: Session, owner: str = "w", at: float = 0, seconds: float = 60, limit: int = 9) -> list[Claim]:
    return claims.claim(session, owner, moment(at), seconds, limit)


def notice(session: Session, name: str) -> NoticeRow:
    session.flush()
    session.expire_all()
    return session.exec(select(NoticeRow).where(NoticeRow.id == name)).one()


def states(session: Session) -> dict[str, str]:
    session.flush()
    session.expire_all()
    return {row.recipient: row.state for row in session.exec(select(DeliveryRow))}


def move(session: Session, recipient: str, **values: object) -> None:
    """As attempts leave a delivery."""
    row = session.exec(select(DeliveryRow).where(DeliveryRow.recipient == recipient)).one()
    for field, value in values.items():
        setattr(row, field, value)
    session.add(row)
    session.flush()


def test_what_is_due_first_is_taken_first_by_one_worker_until_its_time_is_over(session: Session) -> None:
    for name, due in (("late", -1), ("the first", -9), ("now", 0), ("later", 1)):
        add(session, name, due)
    add(session, "over", -50, done=1)
    first = take(session, "one", limit=2)
    assert [item.id for item in first] == ["the first", "late"]
    assert {item.owner for item in first} == {"one"}
    assert [item.id for item in take(session, "two")] == ["now"]
    assert take(session, "three") == []
    assert [item.id for item in take(session, "three", at=60)] == ["later"], "their time is not over"
    assert {item.id for item in take(session, "three", at=61, seconds=5)} == {"the first", "late", "now"}
    assert [item.id for item in take(session, "four", at=66.1)] == ["the first", "late", "now"]


def test_a_claim_says_what_it_is_about(session: Session) -> None:
    session.add(
        NoticeRow(
            id="n", desk="conduct", kind="note", subject_id="s", created=to_text(NOW), due=to_text(NOW), reopened=3
        )
    )
    session.flush()
    assert take(session) == [Claim("n", None, "conduct", "note", "s", "w", 3)]


def test_a_claim_is_owned_until_its_time_is_over_and_names_who_is_recused_now(session: Session) -> None:
    session.add(
        CaseRow(
            id="c",
            codename="c",
            desk="conduct",
            state="new",
            received_at=to_text(NOW),
            wrapped_key=b"",
            facts_sealed=b"",
        )
    )
    session.flush()
    for member, since, ended in (("chidi", 2, None), ("bo", 1, None), ("dana", 0, to_text(NOW))):
        session.add(RecusalRow(case_id="c", member=member, source="named", since=to_text(moment(since)), ended=ended))
    add(session, "with", case="c")
    add(session, "without")
    claimed = {item.id: item for item in take(session)}
    connection = session.connection()
    assert claimed["with"].case_id == "c"
    assert claims.still_owned(connection, claimed["with"], moment(60)) == (
        Recusal("bo", "named"),
        Recusal("chidi", "named"),
    )
    assert claims.still_owned(connection, claimed["without"], moment(60)) == ()
    assert claims.still_owned(connection, claimed["without"], moment(61)) is None
    take(session, "another", at=61)
    assert claims.still_owned(connection, claimed["with"], moment(61)) is None


def test_each_who_should_have_it_has_it_once(session: Session) -> None:
    add(session, "n")
    (claim,) = take(session)
    wanted = {"bo": "<b@x>", "ada": "<a@x>"}
    made = claims.expand(session, claim, wanted, NOW)
    assert [(item.recipient, item.message_id, item.state) for item in made] == [
        ("bo", "<b@x>", "waiting"),
        ("ada", "<a@x>", "waiting"),
    ]
    assert states(session) == {"bo": "waiting", "ada": "waiting"}
    assert [item.id for item in claims.expand(session, claim, wanted, NOW)] == [item.id for item in made], (
        "nobody twice"
    )
    move(session, "ada", state="sent")
    move(session, "bo", due=to_text(moment(5)))
    assert claims.expand(session, claim, wanted, NOW) == []
    (again,) = claims.expand(session, claim, wanted, moment(5))
    assert (again.id, again.message_id) == (made[0].id, "<b@x>"), "the same mail, whenever it is tried"


@pytest.mark.parametrize("state", ["waiting", "away", "held"])
def test_one_that_waits_says_since_when_it_was_tried(session: Session, state: str) -> None:
    add(session, "n")
    (claim,) = take(session)
    claims.expand(session, claim, {"bo": "<b@x>"}, NOW)
    move(session, "bo", state=state, first_try=to_text(moment(-7)))
    (item,) = claims.expand(session, claim, {"bo": "<b@x>"}, NOW)
    assert (item.state, item.first_try) == (state, moment(-7))


def test_who_should_no_longer_have_it_does_not_and_has_it_again_if_they_should(session: Session) -> None:
    add(session, "n")
    (claim,) = take(session)
    claims.expand(session, claim, {"ada": "<a@x>", "bo": "<b@x>", "chidi": "<c@x>"}, NOW)
    move(session, "ada", state="sent")
    move(session, "bo", tries=3, reason="x", first_try=to_text(NOW))
    move(session, "chidi", state="bounced")
    assert claims.expand(session, claim, {}, NOW) == []
    assert states(session) == {"ada": "sent", "bo": "withdrawn", "chidi": "bounced"}, "what is over stays as it is"
    (back,) = claims.expand(session, claim, {"ada": "<a@x>", "bo": "<new@x>"}, moment(9))
    assert (back.recipient, back.message_id, back.first_try) == ("bo", "<b@x>", None)
    row = session.exec(select(DeliveryRow).where(DeliveryRow.recipient == "bo")).one()
    assert (row.state, row.tries, row.reason, row.due) == ("waiting", 0, "", to_text(moment(9)))


def test_a_delivery_belongs_to_its_notice_and_case(session: Session) -> None:
    session.add(
        CaseRow(id="c", codename="c", desk="conduct", state="new", received_at="", wrapped_key=b"", facts_sealed=b"")
    )
    session.flush()
    add(session, "n", case="c")
    (claim,) = take(session)
    claims.expand(session, claim, {"ada": "<a@x>"}, NOW)
    row = session.exec(select(DeliveryRow)).one()
    assert (row.notice_id, row.case_id, row.due, row.message_id) == ("n", "c", to_text(NOW), "<a@x>")


def test_it_is_done_when_nobody_is_left_and_otherwise_due_with_the_first(session: Session) -> None:
    add(session, "n")
    (claim,) = take(session)
    made = claims.expand(session, claim, {"ada": "<a@x>", "bo": "<b@x>", "chidi": "<c@x>"}, NOW)
    move(session, "ada", state="sent")
    move(session, "bo", due=to_text(moment(30)))
    move(session, "chidi", state="held", due=to_text(moment(20)))
    claims.settle(session, claim, made, dict.fromkeys((item.id for item in made), Sent()))
    row = notice(session, "n")
    assert (row.done, row.due, row.owner, row.owned_until) == (0, to_text(moment(20)), None, None)
    (claim,) = take(session, at=20)
    for recipient, state in (("bo", "bounced"), ("chidi", "withdrawn")):
        move(session, recipient, state=state)
    claims.settle(session, claim)
    assert notice(session, "n").done == 1


def test_it_is_not_due_before_it_was_made(session: Session) -> None:
    add(session, "n")
    (claim,) = take(session)
    claims.expand(session, claim, {"ada": "<a@x>"}, NOW)
    move(session, "ada", due=to_text(moment(-1000)))
    claims.settle(session, claim)
    assert notice(session, "n").due == to_text(moment(-100))


def test_each_delivery_has_an_outcome(session: Session) -> None:
    add(session, "n")
    (claim,) = take(session)
    made = [Delivery("1", "ada", "<a@x>"), Delivery("2", "bo", "<b@x>")]
    with pytest.raises(Unsettled):
        claims.settle(session, claim, made, {"1": Sent()})
    with pytest.raises(Unsettled):
        claims.settle(session, claim, made)
    claims.settle(session, claim, made, {"1": Sent(), "2": Bounced("x")})


@pytest.mark.parametrize("lost", [True, False])
def test_one_that_was_lost_or_whose_readers_changed_meanwhile_is_not_done(session: Session, lost: bool) -> None:
    add(session, "n")
    (claim,) = take(session)
    row = notice(session, "n")
    if lost:
        row.owner = "another"
    else:
        row.reopened += 1
    session.add(row)
    session.flush()
    claims.settle(session, claim)
    row = notice(session, "n")
    assert (row.done, row.owner, row.due) == (0, "another" if lost else None, to_text(NOW))


def test_what_was_not_begun_is_given_back_as_it_was(session: Session) -> None:
    for name in ("a", "b", "c"):
        add(session, name)
    a, b, c = take(session)
    claims.give_back(session, [a, b])
    claims.give_back(session, [Claim(c.id, None, "conduct", "report", None, "another")])
    assert [(notice(session, name).owner, notice(session, name).due) for name in "abc"] == [
        (None, to_text(NOW)), (None, to_text(NOW)), ("w", to_text(NOW)),
    ]  # fmt: skip


def test_what_a_dead_process_had_is_free_and_nobody_elses(session: Session) -> None:
    for owner in ("p1", "p1 second", "p10", "P2"):
        add(session, owner, owner=owner, owned_until=to_text(moment(60)))
    claims.release(session, "p1 ")
    assert [notice(session, name).owner for name in ("p1", "p1 second", "p10", "P2")] == ["p1", None, "p10", "P2"]


def test_one_that_is_put_off_is_due_then_if_it_is_ours(session: Session) -> None:
    add(session, "a")
    (claim,) = take(session)
    claims.postpone(session, Claim("a", None, "conduct", "report", None, "another"), NOW, 9)
    assert notice(session, "a").owner == "w"
    claims.postpone(session, claim, NOW, 30)
    row = notice(session, "a")
    assert (row.owner, row.owned_until, row.due) == (None, None, to_text(moment(30)))


def test_when_there_is_something_to_do_next(session: Session) -> None:
    assert claims.next_due(session, NOW) is None
    add(session, "over", -9, done=1)
    assert claims.next_due(session, NOW) is None
    add(session, "a", 30)
    assert claims.next_due(session, NOW) == moment(30)
    add(session, "b", 5)
    take(session, at=5, seconds=10)
    assert claims.next_due(session, NOW) == moment(15), "another worker is at it until then"
    assert claims.next_due(session, moment(16)) == moment(5), "its time with it is over: at once"
