"""A case given to another desk: looked through there first, withheld there from the same people, and readable here as before."""

from __future__ import annotations

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from tests.conftest import Desk
from tests.support.talk import read, say, to, words


def reported(desk: Desk, text: str) -> str:
    codename = desk.receive(plain_mail(text)).codename
    desk.mail_out()
    desk.clock.forward(minutes=1)
    return codename


def test_it_is_read_there_after_a_look_and_here_as_before(desks: Desk, team: list[Person]) -> None:
    ada, bo, chidi, *_ = team
    codename = reported(desks, "Exclude: Bo\n\nCANARY it happened.")
    mails = say(desks, ada, "/handover board we are not enough", codename)
    (told,) = to(chidi, mails)
    assert "given to Board as well. These can still read it here: Ada Quist, Chidi Okafor" in words(told)
    assert not any("CANARY" in read(chidi, item) for item in mails if item.recipient == chidi.email), (
        "nobody reads it before the look"
    )
    desks.tick()
    there = [item for item in desks.mail_out() if "[board]" in item.headers["Subject"]]
    assert {item.recipient for item in there} == {person.email for person in team if person.id not in ("ada", "bo")}
    assert all(
        "CANARY it happened." in read(next(p for p in team if p.email == item.recipient), item) for item in there
    )
    assert bo.email not in {item.recipient for item in mails}
    say(desks, ada, "/state investigating", codename)
    assert desks.case(codename)["state"] == "investigating"


def test_who_stepped_back_here_does_not_read_it_there(desks: Desk, team: list[Person]) -> None:
    ada, bo, chidi, dana, *_ = team
    codename = reported(desks, "It happened.")
    say(desks, chidi, "/recuse me", codename)
    say(desks, ada, "/recuse dana a friend", codename)
    say(desks, ada, "/handover board", codename)
    desks.tick()
    there = {item.recipient for item in desks.mail_out() if "[board]" in item.headers["Subject"]}
    assert not there & {chidi.email, dana.email}
    assert bo.email in there


def test_there_is_no_such_desk(desks: Desk, team: list[Person]) -> None:
    codename = reported(desks, "It happened.")
    for name in ("nobody", "conduct"):
        answer = to(team[0], say(desks, team[0], f"/handover {name}", codename))
        assert "There is no other desk" in words(answer[0])
        assert "The desks are: board." in words(answer[0])


def test_it_is_given_once_and_what_is_owed_there_counts_from_then(desks: Desk, team: list[Person]) -> None:
    ada = team[0]
    codename = reported(desks, "It happened.")
    desks.clock.forward(hours=60)
    say(desks, ada, "/handover board", codename)
    desks.tick()
    sent = desks.mail_out()
    assert not [item for item in sent if "[board]" in item.headers["Subject"] and "Overdue" in read(team[1], item)]
    desks.clock.forward(minutes=1)
    again = to(ada, say(desks, ada, f"/case {codename}\n/handover board"))
    assert "Board has this case already" in words(again[0])


def test_a_talk_is_kept_from_whom_its_teller_excluded_before(desks: Desk, team: list[Person]) -> None:
    ada, bo, *_ = team
    desks.receive(
        plain_mail("Exclude: Bo\n\nIt happened.", sender="robin@sander.example"), sender="robin@sander.example"
    )
    desks.mail_out()
    mails = say(desks, ada, "/new Robin <robin@sander.example>\n\nThey told me more.")
    assert bo.email not in {item.recipient for item in mails}
    assert len(mails) > 1


def test_a_label_is_shown_and_what_it_says_of_leaving_is_obeyed(
    desks: Desk, team: list[Person], stranger: Person
) -> None:
    ada, bo, *_ = team
    desks.play.change_config('# labels = ["green", "amber", "red"]', 'labels = ["green", "red"] #')
    desks.play.change_config('# stays = ["red"]', 'stays = ["red"] #')
    desks.reopen()
    codename = reported(desks, "It happened.")
    assert "This desk has: green, red." in words(to(ada, say(desks, ada, "/classify blue", codename))[0])
    assert "with '/classify'" in words(to(ada, say(desks, ada, "/field label: green", codename))[0])
    say(desks, ada, "/classify red", codename)
    (note,) = to(bo, say(desks, ada, "A note.", codename))
    assert "Label: red" in words(note)
    assert "it does not leave this desk" in words(to(ada, say(desks, ada, "/handover board", codename))[0])
    (desks.play.folder / "key.asc").write_bytes(stranger.public_key)
    out = desks.play.folder / "case.pgp"
    done = desks.play.command("case", "export", codename, str(out), "--to", str(desks.play.folder / "key.asc"))
    assert b"does not leave" in done.stderr
    assert not out.exists()
    say(desks, ada, "/classify none", codename)
    assert "given to Board" in words(to(ada, say(desks, ada, f"/case {codename}\n/handover board", codename))[0])
