"""A whole procedure by mail alone: a report, a conflict, three who are heard, a decision by several, what holds on, and the close.

Everything that leaves to somebody outside is searched for what every other person in the case is called and wrote.
"""

from __future__ import annotations

import email

import pytest

from desk.demo.mails import plain_mail, text_of
from desk.demo.rehearsal import Delivered, Person
from tests.conftest import Desk, DeskMaker
from tests.support.talk import headers, say, to, words

ROBIN, MORGAN, KIM, VENUE = "robin@sander.example", "morgan@vale.example", "kim@ode.example", "door@venue.example"
WORDS = {
    ROBIN: "ROBINCANARY Morgan Vale cornered me near the coats after the last talk and would not let me pass",
    MORGAN: "MORGANCANARY I only wanted to say goodbye and I am sorry that it was taken like this by anybody",
    KIM: "KIMCANARY I stood right beside the coats that evening and heard somebody say no several times in a row",
}
NAMES = {ROBIN: ("Robin", "Sander"), MORGAN: ("Morgan", "Vale"), KIM: ("Kim", "Ode")}


@pytest.fixture
def desk(make_desk: DeskMaker) -> Desk:
    desk = make_desk()
    desk.play.change_config("# decide = { removal = 3, warning = 2 }", "decide = { removal = 3, warning = 2 } #")
    desk.reopen()
    file = desk.play.folder / "roster.toml"
    file.write_text(file.read_text().replace('role = "responder"', 'role = "lead"', 1))
    desk.tick()
    return desk


class Procedure:
    """One case, and all that left the desk because of it."""

    def __init__(self, desk: Desk, team: list[Person]) -> None:
        self.desk, self.team, self.left = desk, team, list[Delivered]()
        self.codename = ""

    def minute(self, mails: list[Delivered]) -> list[Delivered]:
        self.left += mails
        self.desk.clock.forward(minutes=1)
        return mails

    def member(self, person: Person, text: str) -> list[Delivered]:
        return self.minute(say(self.desk, person, text, self.codename))

    def outside(self, sender: str, text: str, answers: str = "") -> list[Delivered]:
        """Somebody outside writes, or answers the last mail that they got."""
        raw, address = (
            plain_mail(text, sender=f"{NAMES[sender][0]} {NAMES[sender][1]} <{sender}>"),
            "conduct@desk.example",
        )
        if answers:
            last = [item for item in self.left if item.recipient == sender][-1]
            address = email.utils.parseaddr(headers(last)["Reply-To"])[1]
            raw = raw.replace(b"To: conduct@desk.example", f"To: {address}".encode(), 1)
        self.desk.receive(raw, address, sender=sender)
        return self.minute(self.desk.mail_out())

    def to(self, address: str) -> list[Delivered]:
        return [item for item in self.left if item.recipient == address]


def test_hear_decide_keep_and_close(desk: Desk, team: list[Person]) -> None:
    ada, bo, chidi, dana, eunji = team
    case = Procedure(desk, team)
    first = case.outside(ROBIN, WORDS[ROBIN])
    case.codename = str(headers(next(item for item in first if item.recipient == ada.email))["Subject"]).split()[-1]
    case.member(ada, "/assign me\n/state investigating\n/field reported: Morgan Vale\n/field kind: harassment")
    case.member(eunji, "/recuse me tell ada: EUNJICANARY Morgan is my cousin")
    case.member(bo, "/reply\nThank you for writing. We look into it, and ask others as well.")
    case.member(
        ada,
        f"/write Morgan Vale <{MORGAN}> as reported using hearing until 2099-12-31\n\nWhat happened after the last talk?",
    )
    case.outside(MORGAN, WORDS[MORGAN], "answers")
    case.member(bo, f"/write Kim Ode <{KIM}> as witness draft\n\nDid you see or hear anything at the coats?")
    case.member(chidi, "/send 1")
    case.outside(KIM, WORDS[KIM], "answers")
    (page,) = [item for item in to(ada, case.member(ada, "/show")) if "The record of" in item]
    assert [line for line in page.splitlines() if line.startswith("===")] == [
        "=== Morgan Vale (the reported person) ===", "=== Kim Ode (a witness) ===",
    ]  # fmt: skip
    case.member(ada, "/propose removal until 2099-12-31: heard all three")
    assert (
        "2 do" in words(to(bo, case.member(bo, "/agree 1\n/state closed removal"))[0])
        or state(desk, case) == "investigating"
    )
    case.member(bo, "/agree 1")
    case.member(chidi, "/agree 1")
    case.member(
        ada,
        "/state decided\n/measure Morgan Vale: stays away from our events, appeal until 2098-12-31, until 2099-12-31",
    )
    case.member(
        ada,
        "/write Morgan Vale using outcome until 2098-12-31\n\nYou may not come to our events until the end of 2099.",
    )
    case.member(bo, "/reply\nWe decided that they stay away until the end of 2099. Tell us if anything happens.")
    refused = case.member(
        ada, f"/write Venue <{VENUE}> as other using warning\n\nRobin Sander must not meet Morgan Vale."
    )
    assert not [item for item in refused if item.recipient == VENUE]
    case.member(ada, f"/write Venue <{VENUE}> as other using warning\n\nPlease do not let Morgan Vale in.")
    case.member(chidi, "/state closed removal")
    assert state(desk, case) == "closed"

    check(case)
    for address in (ROBIN, MORGAN, KIM, VENUE):
        assert case.to(address), "everybody was written to"
    found = desk.play.command("measures", "check", stdin=b"Vale, Morgan\nOde, Kim\n")
    assert found.stdout.startswith(b"row 1: ")
    assert b"2 rows, 1 of" in found.stdout
    assert dana


def state(desk: Desk, case: Procedure) -> str:
    return str(desk.case(case.codename)["state"])


def check(case: Procedure) -> None:
    """What left to somebody outside tells nothing of anybody else, nor of the team; and who stepped back got nothing since."""
    eunji = case.team[4]
    for item in case.left:
        text = text_of(item.mail) if "example" in item.recipient and not item.recipient.endswith("team.example") else ""
        for address, names in NAMES.items():
            if item.recipient.endswith("team.example") or item.recipient == address:
                continue
            # Whom the reporter named themself, and whom a warning is about, is told.
            may_be_named = address == MORGAN and item.recipient in (ROBIN, VENUE)
            assert f"{names[0].upper()}CANARY" not in text, (item.recipient, address)
            assert may_be_named or not any(name in text for name in names), (item.recipient, address)
            assert address.encode() not in item.mail
        if not item.recipient.endswith("team.example"):
            assert case.codename.encode() not in item.mail
            for person in case.team:
                assert person.name.encode() not in item.mail
                assert person.email.encode() not in item.mail
    stepped_back = next(
        number
        for number, item in enumerate(case.left)
        if item.recipient == eunji.email and "stepped back" in words(to(eunji, [item])[0])
    )
    assert not [item for item in case.left[stepped_back + 1 :] if item.recipient == eunji.email]
    told = [
        item
        for item in case.left
        if item.recipient != eunji.email and any("EUNJICANARY" in text for p in case.team for text in to(p, [item]))
    ]
    assert {item.recipient for item in told} == {case.team[0].email}
