"""A case from report to close by mail alone, with the running service, real keys, and names in several scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Delivered, Person, make_person
from tests.conftest import Desk, DeskMaker
from tests.support.talk import headers, member_mail, read, to, words

NAMES = (
    ("zoe", "Zoë Ångström"),
    ("li", "李小龍"),
    ("maria", "Мария Иванова"),
    ("ada", "Ada Quist"),
)


@pytest.fixture(scope="module")
def people(short_tmp: Path) -> Iterator[list[Person]]:
    """A team whose names are in several scripts."""
    made = [make_person(short_tmp / "people", person, name) for person, name in NAMES]
    yield made
    for person in made:
        person.keyring.close()


class Talk:
    """A running desk, and a case on it."""

    def __init__(self, desk: Desk, people: list[Person]) -> None:
        self.play, self.people = desk.play, people
        (self.case,) = self.after(lambda: self.play.send(plain_mail("Somebody shouted at me.")), 5)[:1]
        self.name = str(headers(self.case)["Subject"]).rpartition(" ")[2]

    def after(self, action: object, count: int) -> list[Delivered]:
        """What is sent because of something."""
        before = len(self.play.sink.mails)
        action()  # type: ignore[operator]
        self.play.sink.wait_for(before + count)
        return self.play.sink.mails[before:]

    def say(self, member: Person, text: str, count: int, **options: object) -> list[Delivered]:
        """Have a member write; that many mails must leave."""
        mail = member_mail(self.play, member, text, options.pop("codename", self.name), **options)  # type: ignore[arg-type]
        return self.after(lambda: self.play.send(mail, sender=member.email), count)

    def record(self) -> dict[str, object]:
        """The case as the operator's command shows it."""
        found: dict[str, object] = json.loads(self.play.command("case", "show", self.name, "--json").stdout)
        return found


@pytest.fixture
def talk(make_desk: DeskMaker, people: list[Person]) -> Talk:
    """A running desk with that team."""
    desk = make_desk(people)
    desk.play.start()
    return Talk(desk, people)


def test_a_case_from_report_to_close_by_mail(talk: Talk) -> None:
    zoe, li, maria, ada = talk.people
    sent = talk.say(zoe, "/assign li\n/state investigating\n/deadline 2099-01-31\n\nIch übernehme.", 4)
    for reader in (li, maria, ada):
        (text,) = to(reader, sent)
        assert (
            "Zoë Ångström did this:\n- assigned to 李小龍\n- state is now: investigating\n- deadline: January 31, 2099\n"
            in text
        )
        assert "Ich übernehme." in text
    (answer,) = to(zoe, sent)
    assert "Sent to: 李小龍, Мария Иванова, Ada Quist" in answer
    assert (talk.record()["assignee"], talk.record()["state"]) == ("li", "investigating")

    sent = talk.say(
        li, "/assign Zoë\n/field when: Freitag, nach dem Vortrag\n/field reported: Böser Mensch\n/hold court", 4
    )
    assert "- when: Freitag, nach dem Vortrag" in to(ada, sent)[0]
    assert talk.record()["on_hold"] is True

    sent = talk.say(maria, "/reply\nДорогая Sam,\n\nспасибо. We will look at it.", 5)
    (reply,) = [item for item in sent if item.recipient == "sam@reporter.example"]
    assert "спасибо" in read(ada, reply)
    for person in talk.people:
        for trace in (person.name, person.email, person.name.split()[0]):
            assert trace not in read(ada, reply)
            assert trace.encode() not in reply.mail
    found = re.search(r"<(.+)>", str(headers(reply)["Reply-To"]))
    assert found is not None
    sent = talk.after(lambda: talk.play.send(plain_mail("Thank you, that helps."), found[1]), 4)
    assert all("Thank you, that helps." in to(person, sent)[0] for person in talk.people)

    (shown,) = talk.say(zoe, "/show\n/cases", 1)
    record = read(zoe, shown)
    for piece in (
        "Böser Mensch",
        "спасибо",
        "Thank you, that helps.",
        "Assigned:   Zoë Ångström",
        "Ich übernehme.",
        "--- Cases ---",
    ):
        assert piece in record, piece

    talk.say(ada, "/release\n/field follow-up: 2099-02-01\n/field actions: talked to them", 4)
    sent = talk.say(ada, "/state closed warning They were warned, and said sorry.", 4)
    assert "state is now: closed - warning They were warned" in to(zoe, sent)[0]
    final = talk.record()
    assert (final["state"], final["outcome"]) == ("closed", "warning")
    assert set(final["fields"]) == {"when", "reported", "actions", "reason", "acknowledged", "decided", "follow-up"}  # type: ignore[call-overload]
    events = json.loads(talk.play.command("audit", "verify", "--json").stdout)
    assert events["intact"]


def test_two_cases_are_linked_and_help_is_at_hand(talk: Talk) -> None:
    zoe, li = talk.people[:2]
    second = talk.after(lambda: talk.play.send(plain_mail("And again.", sender="kim@other.example")), 5)
    other = str(headers(second[0])["Subject"]).rpartition(" ")[2]
    sent = talk.say(zoe, f"/case {talk.name}\n/link {other}\n\nThe same evening.", 4, codename="")
    assert f"linked with {other}" in to(li, sent)[0]
    assert f"Linked:     {talk.name}" in to(li, talk.say(li, "/show", 1, codename=other))[0]
    (answer,) = talk.say(li, "/help\n/cases", 1, codename="")
    text = read(li, answer)
    assert "--- What you can do ---" in text
    assert talk.name in text
    assert other in text
    sent = talk.say(zoe, "/state acknowledged", 4)
    assert "state is now: acknowledged" in to(li, sent)[0]
    sent = talk.say(zoe, "/state decided", 4)
    assert "state is now: decided" in to(li, sent)[0]


def test_withdrawing_withholding_and_coming_back_by_mail(talk: Talk) -> None:
    zoe, li, maria, ada = talk.people
    sent = talk.say(zoe, "/recuse me\n\nI know the person.", 4)
    assert "You have stepped back from this case." in to(zoe, sent)[0]
    assert talk.name not in to(zoe, sent)[0]
    assert "withheld from Zoë Ångström from now on" in to(ada, sent)[0]
    (refused,) = talk.say(zoe, "/reinstate me", 1)
    assert "There is no such case." in read(zoe, refused)
    # Only one other reader would be left: that one has to agree. Who it is about does not hear of it.
    sent = talk.say(li, '/recuse "Мария Иванова" is the partner of the person', 3)
    assert to(maria, sent) == []
    assert "one vote to withhold the case from Мария Иванова" in words(to(ada, sent)[0])
    sent = talk.say(ada, '/recuse "Мария Иванова" I agree', 2)
    assert to(maria, sent) == []
    assert "withheld from Мария Иванова from now on: I agree" in words(to(li, sent)[0])
    sent = talk.say(li, "/reinstate Zoe", 2)
    assert "one vote to let Zoë Ångström back in; one more reader has to agree" in to(li, sent)[0]
    before = len(talk.play.sink.mails)
    sent = talk.say(ada, "/reinstate Zoë", 3)
    talk.play.sink.wait_for(before + 5)  # the answer, the others, and to Zoë what was said meanwhile
    hers = to(zoe, talk.play.sink.mails[before:])
    assert any("Somebody shouted at me." in text for text in to(zoe, talk.play.sink.mails[:6]))
    assert any("is back on the case" in text for text in hers)
    assert not any(item.recipient == maria.email for item in talk.play.sink.mails[before:])


def test_one_wrong_line_and_nothing_is_done(talk: Talk) -> None:
    zoe = talk.people[0]
    for wrong, why in (
        ("/asign me", "There is no command '/asign'. Did you mean '/assign'?"),
        ("/assign Nobody", "There is no member 'Nobody' on the roster of this desk."),
        ("/state finished", "There is no state 'finished'. Use one of acknowledged, investigating, decided, closed."),
        ("/state closed", "To close a case, give its outcome: one of no-action,"),
        ("/state closed perhaps", "To close a case, give its outcome"),
        ("/deadline soon", "'soon' is not a date. Write it like this: 2026-01-31."),
        ("/deadline 2001-01-01", "2001-01-01 is in the past."),
        ("/field wen: x", "There is no field 'wen'. Did you mean 'when'?"),
        ("/field when", "Write the field and its value, such as '/field when: last Friday'."),
        ("/link no-such-case", "There is no case 'no-such-case'."),
        ("/release", "The case is not on hold."),
        ("/reinstate ada", "'ada' is not recused from"),
        ("/reply now", "After '/reply' you can only write 'plain', 'new-key' or 'status'"),
        ("/reply new-key", "No new key of the reporter is known."),
        ("/", "This is not a command."),
    ):
        (answer,) = talk.say(zoe, f"/state decided\n{wrong}\n\nA text.", 1)
        text = words(read(zoe, answer))
        assert "We did nothing with your mail" in text
        assert why in text, wrong
        assert wrong.split()[0] in text
    record = talk.record()
    assert record["state"] == "new"
    assert len(record["messages"]) == 1  # type: ignore[arg-type]


def test_every_command_works_for_scripts_with_the_same_rules(talk: Talk) -> None:
    name, play = talk.name, talk.play

    def run(*arguments: str, text: str = "") -> tuple[int, str]:
        done = play.command("case", *arguments, stdin=text.encode())
        return done.returncode, (done.stdout + done.stderr).decode()

    assert run("assign", name, "Zoë", "--by", "li") == (0, f"{name}: assigned to zoe.\n")
    assert run("state", name, "investigating") == (0, f"{name}: is now investigating.\n")
    assert run("deadline", name, "2099-01-01", "--by", "zoe")[0] == 0
    assert run("field", name, "reported", "--by", "zoe", text="Böser Mensch")[0] == 0
    assert run("hold", name, "--why", text="court")[0] == 0
    assert run("release", name) == (0, f"{name}: no longer on hold.\n")
    play.sink.wait_for(5 + 21)  # each of them is told to the other readers
    sent = talk.after(lambda: run("note", name, "--by", "ada", text="A note.\n"), 3)
    assert "A note." in "".join(text for item in sent for text in to(talk.people[0], [item]))
    sent = talk.after(lambda: run("reply", name, "--by", "ada", text="Dear Sam, thank you.\n"), 4)
    assert "sam@reporter.example" in {item.recipient for item in play.sink.mails}
    assert run("reply", name, "--by", "ada", text="Yours,\nAda\n") == (
        1,
        "ombud: Your reply contains a team member's name (Ada Quist). Replies go out in the team's name, so please remove it.\n",
    )
    assert run("note", name, "--by", "ada") == (
        1,
        "ombud: There is no text on standard input: nothing was noted.\n",
    )
    assert run("link", name, "no-such") == (1, "ombud: There is no case 'no-such'.\n")
    assert run("recuse", name, "maria", "--by", "ada") == (0, f"{name}: withheld from maria.\n")
    assert run("state", name, "closed", "warning", "--why", "--by", "maria", text="x") == (
        1,
        f"ombud: There is no case '{name}'.\n",
    )
    assert run("state", name, "closed", "warning", "--why", text="Was warned.")[0] == 0
    record = talk.record()
    assert (record["state"], record["outcome"], record["assignee"]) == ("closed", "warning", "zoe")
    assert record["fields"]["reason"] == "Was warned."  # type: ignore[index]
