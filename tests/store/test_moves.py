"""Two cases become one, and one becomes two: kept from everybody from whom either was, and nothing of it lost."""

from __future__ import annotations

from email.utils import parseaddr

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from store.kit.errors import NoSuchCase
from tests.conftest import Desk, DeskMaker
from tests.support.talk import say, to, words


@pytest.fixture
def desk(make_desk: DeskMaker) -> Desk:
    return make_desk()


def reported(desk: Desk, text: str, sender: str = "Robin <robin@sander.example>", subject: str = "") -> str:
    codename = desk.receive(plain_mail(text, subject, sender)).codename
    desk.mail_out()
    desk.clock.forward(minutes=1)
    return codename


def address_of(desk: Desk, recipient: str) -> str:
    """Where somebody outside would answer the last mail that the desk sent them."""
    item = desk.play.sink.to(recipient)[-1]
    return parseaddr(str(item.headers["Reply-To"] or item.headers["From"]))[1]


def texts(desk: Desk, codename: str, member: str | None = None) -> str:
    return "\n".join(f"{item['author']}: {item['text']}" for item in desk.case(codename, member)["messages"])


def test_two_readers_put_one_into_the_other_and_recusals_unite(desk: Desk, team: list[Person]) -> None:
    ada, bo, chidi, dana, *_ = team
    one = reported(desk, "Exclude: Chidi\n\nFIRST it happened.")
    other = reported(desk, "Exclude: Dana\n\nSECOND it happened again.", "Kim <kim@ode.example>")
    mails = say(desk, ada, f"/merge {other}", one)
    assert "one vote to put" in words(to(bo, mails)[0])
    assert dana.email not in {item.recipient for item in mails}, "nobody hears of a case that is not theirs"
    or_dana = to(dana, say(desk, dana, "/show", one))
    assert "SECOND" not in or_dana[0]
    assert "SECOND" not in texts(desk, one)
    done = say(desk, bo, f"/merge {other}", one)
    assert f"{other} is part of this case now" in words(to(ada, done)[0])
    assert {item.recipient for item in done} == {ada.email, bo.email} | {p.email for p in team[4:]}
    said = texts(desk, one)
    assert "FIRST it happened." in said
    assert "SECOND it happened again." in said
    assert {item["member"] for item in desk.case(one)["recused"]} == {chidi.id, dana.id}
    for person in (chidi, dana):
        with pytest.raises(NoSuchCase):
            desk.case(one, person.id)
        with pytest.raises(NoSuchCase):
            desk.case(other, person.id)
    assert desk.case(other)["codename"] == one, "the old name leads there"


def test_what_both_write_later_arrives_as_theirs(desk: Desk, team: list[Person]) -> None:
    ada, bo, *_ = team
    one = reported(desk, "FIRST it happened.")
    other = reported(desk, "SECOND it happened again.", "Kim <kim@ode.example>")
    there, here = address_of(desk, "kim@ode.example"), address_of(desk, "robin@sander.example")
    say(desk, ada, f"/merge {other}", one)
    say(desk, bo, f"/merge {other}", one)
    desk.clock.forward(minutes=1)
    receipt = desk.receive(
        plain_mail("THIRD more of it", "", "Kim <kim@ode.example>").replace(b"conduct@desk.example", there.encode()), there,
        sender="kim@ode.example",
    )  # fmt: skip
    assert receipt.codename == one
    receipt = desk.receive(
        plain_mail("FOURTH mine", "", "Robin <robin@sander.example>"), here, sender="robin@sander.example"
    )
    assert receipt.codename == one
    desk.mail_out()
    messages = {item["text"]: item["author"] for item in desk.case(one)["messages"]}
    assert messages["FIRST it happened."] == "reporter"
    assert messages["FOURTH mine"] == "reporter"
    assert messages["THIRD more of it"] == messages["SECOND it happened again."] != "reporter"
    desk.clock.forward(minutes=1)
    sent = say(desk, ada, "/reply\nWe are on it.", one)
    outside = {item.recipient for item in sent} - {person.email for person in team}
    assert outside == {"robin@sander.example"}, "an answer to one never reaches the other"
    refused = to(ada, say(desk, ada, "/reply\nKim Ode says: SECOND.", one))
    assert "nothing was done" in refused[0] or "Kim" not in refused[0]
    letters = say(desk, ada, "/write Kim\nThank you for writing.", one)
    assert "kim@ode.example" in {item.recipient for item in letters}
    # What the team wrote on the old name, or to its old address, arrives as well.
    say(desk, bo, f"/case {other}\nNOTED here", "")
    assert "NOTED here" in texts(desk, one)


def test_of_one_reporter_it_is_one_conversation(desk: Desk, team: list[Person]) -> None:
    ada, bo, *_ = team
    one = reported(desk, "FIRST it happened.")
    other = reported(desk, "SECOND I forgot something.")
    assert one != other
    say(desk, ada, f"/merge {other}", one)
    say(desk, bo, f"/merge {other}", one)
    assert {item["author"] for item in desk.case(one)["messages"] if item["text"].startswith(("FIRST", "SECOND"))} == {
        "reporter"
    }
    assert desk.case(one)["correspondents"] == []


def test_who_cannot_read_both_cannot_do_it_and_learns_nothing(desk: Desk, team: list[Person]) -> None:
    ada, bo, chidi, *_ = team
    one = reported(desk, "FIRST it happened.")
    other = reported(desk, "Exclude: Ada\n\nSECOND it happened again.", "Kim <kim@ode.example>")
    answer = to(ada, say(desk, ada, f"/merge {other}", one))
    nothing = to(ada, say(desk, ada, "/merge no-such-case", one))
    assert answer[0].replace(other, "X") == nothing[0].replace("no-such-case", "X")
    say(desk, bo, f"/merge {other}", one)
    desk.clock.forward(minutes=1)
    say(desk, bo, f"/merge {other}", one)
    assert "SECOND" not in texts(desk, one)
    assert ada.email not in {item.recipient for item in say(desk, chidi, f"/merge {other}", one)}
    with pytest.raises(NoSuchCase):
        desk.case(one, ada.id)


def test_it_cannot_be_put_into_itself_or_a_closed_one(desk: Desk, team: list[Person]) -> None:
    one, other = reported(desk, "FIRST it happened."), reported(desk, "SECOND.", "Kim <kim@ode.example>")
    assert "into itself" in words(to(team[0], say(desk, team[0], f"/merge {one}", one))[0])
    say(desk, team[0], "/state closed no-action", one)
    assert "is closed" in words(to(team[0], say(desk, team[0], f"/merge {other}", one))[0])


def test_the_chain_holds_and_tells_what_was_done_there(desk: Desk, team: list[Person]) -> None:
    from store.cases.consistency import verify_recusals
    from store.tables import audit

    one, other = reported(desk, "FIRST it happened."), reported(desk, "SECOND.", "Kim <kim@ode.example>")
    say(desk, team[0], "/field when: last Friday", other)
    say(desk, team[0], f"/merge {other}", one)
    say(desk, team[1], f"/merge {other}", one)
    assert desk.case(one)["fields"]["when"] == "last Friday"
    say(desk, team[0], "/redact FIRST it happened", one)
    say(desk, team[0], "/recuse chidi because", one)
    with desk.context.database.read() as session:
        audit.verify(session, desk.context.vault)
        verify_recusals(session, desk.context.vault)


def test_a_mail_goes_into_a_case_of_its_own(desk: Desk, team: list[Person]) -> None:
    ada, bo, chidi, *_ = team
    one = reported(desk, "Exclude: Chidi\n\nFIRST it happened.")
    here = address_of(desk, "robin@sander.example")
    mail = plain_mail("SECOND another matter", "", "Robin <robin@sander.example>")
    desk.receive(mail, here, sender="robin@sander.example")
    desk.mail_out()
    assert "mail 2" in to(ada, say(desk, ada, "/show", one))[0]
    for wrong in ("/split 1", "/split 3", "/split x", "/split"):
        assert "nothing was done" in to(ada, say(desk, ada, wrong, one))[0]
    mails = say(desk, ada, "/split 2", one)
    new = next(item["codename"] for item in [desk.case(name) for name in desk.case(one)["links"]])
    assert chidi.email not in {item.recipient for item in mails}
    assert "SECOND" not in texts(desk, one)
    assert "SECOND another matter" in texts(desk, new)
    assert {item["member"] for item in desk.case(new)["recused"]} == {chidi.id}
    with pytest.raises(NoSuchCase):
        desk.case(new, chidi.id)
    sent = say(desk, bo, "/reply\nThis is about the other matter.", new)
    assert "robin@sander.example" in {item.recipient for item in sent}
    again = desk.receive(mail, here, sender="robin@sander.example")
    assert again.outcome == "duplicate"
