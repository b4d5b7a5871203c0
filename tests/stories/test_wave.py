"""Two weeks of a published address: junk every day, floods, forged senders, and a dozen reports, two of them taken for junk.

What every member and every innocent address received is compared with what a small oracle says.
"""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from dataclasses import dataclass

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Delivered, Person
from intake import junk_word
from store.cases import answers
from store.cases.answers import Answer
from store.cases.case_file import Actor
from store.cases.junk_commands import Junk, NotJunk
from tests.bench.prove import figure
from tests.conftest import Desk, DeskMaker
from tests.support.talk import read, to

DAYS = 14
PER_DAY = int(os.environ.get("WAVE", "5"))
FLOOD, LIMIT = 13, 10
FLOOD_DAYS = (3, 7, 11)
HOP = "Received: from out.example by mx.desk.example (Postfix)\n"
RESULTS = HOP + "Authentication-Results: mx.desk.example; "
MARKED = HOP + "X-Spam-Flag: YES\n"


@dataclass(frozen=True)
class Real:
    """A report: on which day, who wrote it, from whom it is kept, and whether a filter takes it for junk."""

    day: int
    sender: str
    excludes: str = ""
    taken_for_junk: bool = False

    @property
    def subject(self) -> str:
        return f"Report of {self.sender.partition('@')[0]}"


REPORTS = [
    Real(0, "r0@reporter.example"), Real(1, "r1@reporter.example", "bo"), Real(2, "r2@reporter.example", taken_for_junk=True),
    Real(3, "r3@reporter.example"), Real(4, "r4@reporter.example", "chidi"), Real(5, "r5@reporter.example"),
    Real(6, "r6@reporter.example"), Real(8, "r8@reporter.example"), Real(9, "r9@reporter.example", taken_for_junk=True),
    Real(10, "r10@reporter.example", "bo"), Real(12, "r12@reporter.example"), Real(13, "r13@reporter.example"),
]  # fmt: skip


def junk_mail(number: int, rng: random.Random) -> tuple[bytes, str]:
    """One that the mail server marked; its author is somebody who never wrote."""
    innocent = f"innocent{number}@{rng.choice(['bank', 'shop', 'friend'])}.example"
    text = rng.choice(
        [
            "You won. Click here.",
            "Dear Bo Lindqvist, your parcel waits.",
            "Cheap watches for you today only.",
            "Reply: yes\n\nHot stocks.",
        ]
    )
    return plain_mail(f"{text} {number}", subject=f"Offer {number}", sender=innocent, extra=MARKED), innocent


def flood_mail(day: int, number: int) -> tuple[bytes, str]:
    """One of many in a day, in the name of somebody whose domain disowns it."""
    innocent = f"victim{day}@innocent.example"
    failed = RESULTS + "dmarc=fail (p=reject) header.from=innocent.example\n"
    return plain_mail(f"Buy {number} now.", subject=f"Flood {number}", sender=innocent, extra=failed), innocent


def real_mail(report: Real) -> bytes:
    head = MARKED if report.taken_for_junk else RESULTS + "dmarc=pass header.from=reporter.example\n"
    asks = f"Exclude: {report.excludes}\n" if report.excludes else ""
    return plain_mail(f"{asks}Something happened to me.", subject=report.subject, sender=report.sender, extra=head)


def ask(desk: Desk, member: Person, *commands: Junk | NotJunk) -> list[Delivered]:
    """What a member is sent who asks for that by a signed mail: the clock of this desk is not that of their mail program."""
    own = desk.context.config.desk[0]
    by = Actor(desk.context.vault, own, desk.context.roster(own), member.id, desk.clock())
    with desk.context.database.write() as session:
        answers.give(session, by, junk_word.carry_out(session, by, commands, Answer()))
    return desk.mail_out(200)


def test_a_wave_reaches_nobody_and_hides_no_report(make_desk: DeskMaker, team: list[Person]) -> None:
    rng = random.Random(18)
    desk = make_desk()
    desk.play.change_config('# digest = "weekly@09:00" ', 'digest = "daily@09:00" ')
    desk.play.change_config("# flood_limit = 30 ", f"flood_limit = {LIMIT} ")
    desk.clock.now = desk.clock.now.replace(hour=6, minute=0)
    desk.tick()
    ada = next(person for person in team if person.id == "ada")
    got: list[tuple[int, Delivered]] = []
    innocent: set[str] = set()
    number = 0
    for day in range(DAYS):
        for _ in range(PER_DAY):
            number += 1
            mail, author = junk_mail(number, rng)
            innocent.add(author)
            assert desk.receive(mail, sender=author).outcome == "junk"
        for count in range(FLOOD if day in FLOOD_DAYS else 0):
            mail, author = flood_mail(day, count)
            innocent.add(author)
            desk.receive(mail, sender=author)
        for report in REPORTS:
            if report.day == day:
                desk.receive(real_mail(report), sender=report.sender)
        got += [(day, item) for item in desk.mail_out(400)]
        desk.clock.forward(hours=4)
        desk.tick()
        got += [(day, item) for item in desk.mail_out(400)]
        listed = "\n".join(to(ada, ask(desk, ada, Junk())))
        for report in REPORTS:
            if report.taken_for_junk and report.day == day:
                found = re.search(rf"^ *(\d+)  [^\n]*\n +{report.subject}$", listed, re.MULTILINE)
                assert found is not None, "seen within a day"
                got += [(day, item) for item in ask(desk, ada, NotJunk(found[1]))]
        desk.clock.forward(hours=20)
    compare(team, got, innocent)
    kept = number + 3 * FLOOD + len(REPORTS)
    figure("junk in two weeks: mails", str(kept))
    figure("junk in two weeks: lines about junk for a member in a day, at most", "1")
    figure("junk in two weeks: innocent addresses that were written to", "0")


def compare(team: list[Person], got: list[tuple[int, Delivered]], innocent: set[str]) -> None:
    """What everybody received, with what they should have."""
    written_to = {item.recipient for _, item in got}
    assert written_to & innocent == set(), "backscatter"
    outside = written_to - {person.email for person in team}
    assert outside == {report.sender for report in REPORTS}, "each reporter is acknowledged, also those taken for junk"
    for person in team:
        mine = [(day, read(person, item)) for day, item in got if item.recipient == person.email]
        subjects = [text.split("\n")[0] for _, text in mine]
        reports = [text for _, text in mine if ": new report" in text.split("\n")[0]]
        told = {report.subject for report in REPORTS if any(f"{report.subject}\n" in text for text in reports)}
        assert told == {report.subject for report in REPORTS if report.excludes != person.id}
        floods = [text for text in reports if "Subject: " in text and "Flood " in text]
        assert len(reports) == len(told) + len(floods)
        assert len(floods) == len(FLOOD_DAYS) * LIMIT
        assert all("it may be forged" in " ".join(text.split()) for text in floods)
        assert sum("very many" in text or "flood" in text.casefold() for text in subjects) <= len(FLOOD_DAYS)
        lines = Counter(day for day, text in mine for line in text.splitlines() if line.startswith("Junk: "))
        assert set(lines.values()) == {1}, "one line a day"
        assert len(lines) == DAYS
        assert not any(
            "Offer " in text for _, text in mine if "Junk" not in text.split("\n")[0] and "--- Junk ---" not in text
        )
