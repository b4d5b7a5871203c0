"""Junk: kept without a word to anybody, listed to who asks, brought back by one reader, put there by two."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from desk.care.figures import figures
from desk.demo.mails import pgp_mime, plain_mail, text_entity
from desk.demo.rehearsal import Person
from intake.filters.headers import filtered
from intake.filters.rspamd import FilterAway
from intake.learning import teach_filter
from intake.reading.message import read_mail
from store.cases import junk
from store.kit.errors import NoSuchCase
from tests.conftest import Desk, DeskMaker
from tests.support.rspamd import GTUBE, Rspamd, rspamd
from tests.support.talk import say, to

OURS = "mx.desk.example"
HOP = f"Received: from out.example by {OURS} (Postfix)\n"
SPAM = HOP + "X-Spam-Flag: YES\n"
SAM = "sam@reporter.example"


def verdict(head: str, trusted: str = OURS) -> str:
    return filtered(read_mail(plain_mail("x", extra=head)), (trusted,))


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("X-Spam-Flag: YES", "junk"),
        ("X-Spam-Flag: NO", ""),
        ("X-Spam-Status: Yes, score=8.1 required=5.0 tests=BAYES_99", "junk"),
        ("X-Spam-Status: No, score=3.4 required=5.0 tests=X\n\tautolearn=no", "doubtful"),
        ("X-Spam-Status: No, score=-1.9 required=5.0", "clean"),
        ("X-Spamd-Result: default: True [15.20 / 15.00];\n\tGTUBE(0.00)[]", "junk"),
        ("X-Spamd-Result: default: False [9.20 / 15.00]", "doubtful"),
        ("X-Spamd-Result: default: False [-0.10 / 15.00]", "clean"),
        ("X-Rspamd-Action: add header", "junk"),
        ("X-Rspamd-Action: no action", "clean"),
        ("X-Spam: Yes", "junk"),
        ("X-Forefront-Antispam-Report: CIP:1.2.3.4;CTRY:US;LANG:en;SCL:5;SRV:;IPV:NLI;SFV:SPM;H:x;CAT:SPM;", "junk"),
        ("X-Forefront-Antispam-Report: CIP:1.2.3.4;SCL:1;SFV:NSPM;CAT:NONE;", "clean"),
        ("X-Forefront-Antispam-Report: CIP:1.2.3.4;SCL:-1;SFV:SKN;CAT:HPHISH;", "junk"),
        ("X-MS-Exchange-Organization-SCL: 9", "junk"),
        ("X-Gm-Spam: 1", "junk"),
        ("X-Gm-Spam: 0", ""),
        ("X-Gm-Phishy: 1", "junk"),
        ("X-Spam-Flag: YES\nX-Rspamd-Action: no action", "junk"),
    ],
)  # fmt: skip
def test_what_a_filter_of_the_desks_server_wrote_counts(field: str, expected: str) -> None:
    assert verdict(f"{HOP}{field}\n") == expected
    assert verdict(f"{field}\n{HOP}") == expected
    assert verdict(f"Received: from a.example by elsewhere.example\n{field}\n") == "", "somebody else's filter"
    assert verdict(f"{HOP}Received: from b.example by a.example\n{field}\n") == "", "a filter before our server"


def test_what_exchange_online_wrote_counts_wherever_it_stands() -> None:
    head = "Received: from A by B.outlook.com\nX-Forefront-Antispam-Report: SFV:SPM;CAT:SPM;SCL:5\n"
    assert verdict(head, "mx.microsoft.com") == "junk"
    assert verdict(head) == ""


def spam(subject: str = "Win big", sender: str = "Lucky <win@casino.example>", text: str = "Click here.") -> bytes:
    return plain_mail(text, subject=subject, sender=sender, extra=SPAM)


def says(desk: Desk, member: Person, text: str) -> str:
    """What a member is answered to a signed mail."""
    return "\n".join(to(member, say(desk, member, text)))


def test_junk_is_kept_and_nobody_hears_of_it(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    desk.tick()
    receipt = desk.receive(spam(), sender="win@casino.example")
    assert receipt.outcome == "junk"
    desk.clock.forward(days=9)
    desk.tick()
    mails = desk.mail_out()
    assert {str(mail.headers["Subject"]) for mail in mails} <= {"[conduct] digest"}, "no notice, answer or reminder"
    digest = "\n".join(to(team[0], mails))
    assert digest.count("Junk: 1.") == 1
    assert receipt.codename not in digest
    record = desk.case(receipt.codename)
    assert record["state"] == "junk"
    assert record["messages"][0]["text"].strip() == "Click here."
    assert says(desk, team[0], "/cases").find(receipt.codename) < 0


def test_counting_stops_at_the_limit(make_desk: DeskMaker, team: list[Person], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(junk, "_COUNT_AT_MOST", 3)
    desk = make_desk()
    desk.tick()
    for number in range(5):
        desk.receive(spam(f"Win {number}"), sender="win@casino.example")
    desk.receive(spam("For Bo Lindqvist"), sender="win@casino.example")
    desk.clock.forward(days=9)
    desk.tick()
    mails = desk.mail_out()
    assert "Junk: more than 3." in "".join(to(team[0], mails))
    assert "Junk: more than 3." in "".join(to(team[1], mails)), "one names him: it counts for nothing"


def counted(desk: Desk) -> list[object]:
    """All that stands in the public figures."""
    with desk.context.database.read() as session:
        return list(figures(session, desk.context.config.desk[0], date(2020, 1, 1), date(2099, 1, 1)))


def test_junk_is_destroyed_in_time_and_counts_nowhere_after_that(make_desk: DeskMaker) -> None:
    desk = make_desk()
    for number in range(20):
        desk.receive(plain_mail(f"Report {number}.", sender=f"r{number}@reporter.example"), sender="")
    before = counted(desk)
    name = [desk.receive(spam(f"Win {n}"), sender="win@casino.example").codename for n in range(20)].pop()
    assert counted(desk) == before
    desk.clock.forward(days=29)
    desk.tick()
    assert desk.case(name)["state"] == "junk"
    desk.clock.forward(days=2)
    desk.tick()
    with pytest.raises(NoSuchCase):
        desk.case(name)
    assert counted(desk) == before


@pytest.mark.parametrize(
    "what", ["sealed", "member", "token", "known", "exclusion", "subject", "address", "only", "to a member's alias"]
)
def test_what_may_be_a_report_for_certain_is_never_junk(
    make_desk: DeskMaker, team: list[Person], sam: Person, what: str
) -> None:
    desk = make_desk()
    address, sender, mail = "conduct@desk.example", SAM, plain_mail("x", extra=SPAM)
    if what == "sealed":
        mail = pgp_mime(text_entity("It happened."), desk.play.desk_key, sam.keyring, extra=SPAM)
    elif what == "member":
        mail, sender = plain_mail("x", sender=f"Ada <{team[0].email}>", extra=SPAM), team[0].email
    elif what == "to a member's alias":
        mail = plain_mail("x", extra=f"Reply-To: {team[1].email}\n{SPAM}")
    elif what in ("token", "known"):
        desk.receive(plain_mail("It happened."))
        (answer,) = [item for item in desk.mail_out() if item.recipient == SAM]
        token = re.search(r"<(.+)>", str(answer.headers["Reply-To"]))
        assert token is not None
        if what == "token":
            address, mail, sender = token[1], spam(), "win@casino.example"
    elif what == "exclusion":
        mail = plain_mail("Exclude: Bo\n\nx", extra=SPAM)
    elif what == "subject":
        mail = plain_mail("x", subject="Please keep this from Bo", extra=SPAM)
    elif what == "address":
        address = "conduct+except-bo@desk.example"
    elif what == "only":
        mail = plain_mail("Only: Ada\n\nx", extra=SPAM)
    assert desk.receive(mail, address, sender=sender).outcome in ("case", "thread")
    assert desk.mail_out() != []


def test_a_member_lists_junk_and_makes_reports_of_it(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    desk.receive(spam(), sender="win@casino.example")
    desk.clock.forward(minutes=1)
    lost = desk.receive(plain_mail("It happened.", subject="Please help", extra=SPAM)).codename
    desk.clock.forward(minutes=1)
    desk.receive(spam("Also lucky"), sender="win@casino.example")
    assert desk.mail_out() == []
    listed = says(desk, team[0], "/junk")
    lines = [line.split() for line in listed.splitlines() if re.match(r"\s+\d+\s\s", line)]
    assert [line[0] for line in lines] == ["1", "2", "3"]
    assert "casino.example" in lines[0]
    assert "reporter.example" in lines[1]
    assert "Please help" in listed
    assert "It happened" not in listed
    answered = says(desk, team[0], "/notjunk 2")
    assert lost in answered
    told = desk.play.sink.mails
    assert SAM in {mail.recipient for mail in told}, "its author hears now"
    assert {person.email for person in team} <= {mail.recipient for mail in told}
    assert desk.case(lost)["state"] == "new"
    # Numbers stay what they were.
    again = says(desk, team[0], "/junk\n\nOnce more.")
    assert [line.split()[0] for line in again.splitlines() if re.match(r"\s+\d+\s\s", line)] == ["1", "3"]
    refused = says(desk, team[0], "/notjunk #2")
    assert "no number 2" in " ".join(refused.split())


def test_who_is_named_in_junk_does_not_see_that_it_is_there(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    desk.tick()
    desk.receive(spam(), sender="win@casino.example")
    desk.clock.forward(minutes=1)
    named = desk.receive(plain_mail("Bo Lindqvist hit me.", subject="Please help", extra=SPAM)).codename
    desk.clock.forward(minutes=1)
    desk.receive(spam("Also lucky"), sender="win@casino.example")
    bo = next(person for person in team if person.id == "bo")
    ada = next(person for person in team if person.id == "ada")
    assert "Please help" in says(desk, ada, "/junk")
    listed = says(desk, bo, "/junk")
    assert "Please help" not in listed
    assert [line.split()[0] for line in listed.splitlines() if re.match(r"\s+\d+\s\s", line)] == ["1", "2"], "no gap"
    assert "no number 3" in " ".join(says(desk, bo, "/notjunk 3").split())
    before = len(desk.play.sink.mails)
    assert "There is no such case" in " ".join(says(desk, bo, f"/case {named}\n/notjunk").split())
    assert len(desk.play.sink.mails) == before + 1
    desk.clock.forward(days=9)
    desk.tick()
    mails = desk.mail_out()
    assert "Junk: 2." in "\n".join(to(bo, mails))
    assert "Junk: 3." in "\n".join(to(ada, mails))


def test_two_readers_put_a_case_to_the_junk_and_one_brings_it_back(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    name = desk.receive(plain_mail("Buy my watches.", sender="w@watches.example"), sender="w@watches.example").codename
    desk.mail_out()
    assert "one more reader has to agree" in " ".join(says(desk, team[0], f"/case {name}\n/junk").split())
    assert desk.case(name)["state"] == "new"
    once_more = says(desk, team[0], f"/case {name}\n/junk\nI mean it.")
    assert "one more reader" in " ".join(once_more.split()), "twice by the same reader is one"
    assert "put aside as junk" in " ".join(says(desk, team[1], f"/case {name}\n/junk").split())
    assert desk.case(name)["state"] == "junk"
    assert "among the junk" in " ".join(says(desk, team[0], f"/case {name}\n/reply\nHello").split())
    desk.clock.forward(hours=50)
    desk.tick()
    assert not any("reminder" in said for said in to(team[2], desk.mail_out()))
    says(desk, team[2], f"/case {name}\n/notjunk")
    assert desk.case(name)["state"] == "new"


def test_one_reader_is_enough_where_the_filter_had_doubts(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    doubt = plain_mail("Buy.", extra=HOP + "X-Spam-Status: No, score=4.1 required=5.0\n")
    name = desk.receive(doubt).codename
    desk.mail_out()
    assert "put aside as junk" in " ".join(says(desk, team[0], f"/case {name}\n/junk").split())


@pytest.mark.parametrize("text", ["Exclude: Bo\n\nIt happened.", "Keep this from Bo Lindqvist, please."])
def test_readers_cannot_put_a_report_to_the_junk_that_is_kept_from_somebody(
    make_desk: DeskMaker, team: list[Person], text: str
) -> None:
    desk = make_desk()
    name = desk.receive(plain_mail(text)).codename
    desk.mail_out()
    ada = next(person for person in team if person.id == "ada")
    assert "never junk" in " ".join(says(desk, ada, f"/case {name}\n/junk").split())


def test_a_whole_wave_goes_with_the_second_word_on_one(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    names = [
        desk.receive(
            plain_mail(f"Dear friend, buy our watches now, only today! Order number {n}.", sender=f"s{n}@w{n}.example"),
            sender=f"s{n}@w{n}.example",
        ).codename
        for n in range(6)
    ]
    real = desk.receive(plain_mail("Somebody followed me home yesterday. Order me what to do.")).codename
    desk.mail_out()
    assert "one more reader" in " ".join(says(desk, team[0], f"/case {names[0]}\n/junk all-like-this").split())
    before = len(desk.play.sink.mails)
    assert "put aside" in " ".join(says(desk, team[1], f"/case {names[0]}\n/junk all-like-this").split())
    assert {desk.case(name)["state"] for name in names} == {"junk"}
    assert desk.case(real)["state"] == "new"
    assert len(desk.play.sink.mails) - before <= len(team), "one note, however large the wave is"


def test_a_reporter_who_writes_again_is_heard(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    first = plain_mail("It happened.", extra=SPAM)
    name = desk.receive(first).codename
    own = re.search(rb"Message-ID: (<.+?>)", first)
    assert own is not None
    again = plain_mail("Did you get my mail?", extra=f"References: {own[1].decode()}\n")
    assert desk.receive(again).codename == name
    assert {person.email for person in team} <= {mail.recipient for mail in desk.mail_out()}
    assert desk.case(name)["state"] == "new"


@pytest.fixture(scope="module")
def filter_server(short_tmp: Path) -> Iterator[Rspamd]:
    with rspamd(short_tmp / "rspamd") as server:
        yield server


def taught_in_the_end(desk: Desk, server: Rspamd) -> None:
    """As the service does it: on a busy machine a real rspamd now and then declines to learn, and is told again."""
    for attempt in range(60):
        try:
            teach_filter(desk.context)
        except FilterAway:
            if attempt % 20 == 10:
                server.reload()
            time.sleep(0.5)
        else:
            return
    raise TimeoutError


def test_a_real_rspamd_is_asked_and_taught(make_desk: DeskMaker, filter_server: Rspamd, team: list[Person]) -> None:
    desk = make_desk()
    filter_server.serve(desk.play)
    assert (
        desk.receive(
            plain_mail(
                "Welcome to our friendly casino, where everybody wins something today.",
                subject="casino",
                sender="a@c.example",
            )
        ).outcome
        == "junk"
    )
    desk.clock.forward(minutes=1)
    assert desk.receive(plain_mail(GTUBE, sender="b@c.example"), sender="b@c.example").outcome == "junk"
    assert desk.receive(plain_mail("Exclude: Bo\n\nx", subject="casino", sender="d@c.example")).outcome == "case"
    doubtful = desk.receive(
        plain_mail("Please buy our many fine watches today.", subject="an offer", sender="c@c.example")
    )
    assert doubtful.outcome == "case"
    desk.mail_out()
    says(desk, team[0], f"/case {doubtful.codename}\n/junk")
    says(desk, team[0], "/junk")
    says(desk, team[0], "/notjunk 1")
    taught_in_the_end(desk, filter_server)
    assert filter_server.learnt() > 0, "it counts from nothing when its workers were started anew"
    assert teach_filter(desk.context) == 0


def test_a_filter_that_is_away_makes_nothing_junk_and_keeps_nothing(make_desk: DeskMaker) -> None:
    desk = make_desk()
    away = 'rspamd = "http://127.0.0.1:9"\ncontroller = "http://127.0.0.1:9"\nseconds = 1'
    desk.play.change_config("[junk]\n", f"[junk]\n{away}\n")
    assert desk.receive(plain_mail("x", subject="casino")).outcome == "case"


@pytest.mark.parametrize("url", ["http://filter.example:11333", "filter", "ftp://127.0.0.1"])
def test_a_filter_that_reports_would_travel_to_in_clear_is_refused(make_desk: DeskMaker, url: str) -> None:
    desk = make_desk()
    desk.play.change_config("[junk]\n", f'[junk]\nrspamd = "{url}"\n')
    with pytest.raises(Exception, match="rspamd"):
        desk.context  # noqa: B018


def test_the_command_line_lists_puts_and_releases(make_desk: DeskMaker) -> None:
    desk = make_desk()
    name = desk.receive(spam(), sender="win@casino.example").codename
    (line,) = json.loads(desk.play.command("junk", "list", "--json").stdout)
    assert (line["codename"], line["domain"], line["subject"]) == (name, "casino.example", "Win big")
    assert b"is a report now" in desk.play.command("junk", "release", name).stdout
    assert desk.play.command("junk", "put", name).returncode == 1
    assert b"put aside" in desk.play.command("junk", "put", name, "--by", "ada").stdout, "the filter had called it junk"
    assert b"intact" in desk.play.command("audit", "verify").stdout
