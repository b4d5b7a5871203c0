"""The first rule over the whole life of a case: whatever members, the reporter and forgers send, in any order.

A small model says who may know of the case. It is written down apart from the rules of the program.
"""

from __future__ import annotations

import os
import re
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from desk.demo.mails import plain_mail, text_entity
from desk.demo.rehearsal import Delivered, Person, roster_text
from intake import reader_process
from intake.arrival import Opened
from intake.receive import Receiver
from store.cases import content, lookup, threads
from store.tables import audit
from store.tables.records import Facts
from tests.conftest import Desk, DeskMaker
from tests.support.talk import beside, headers, member_mail, read, signed_mail

SAM = "sam@reporter.example"
IDS = ("ada", "bo", "chidi", "dana", "eunji")
ALTERNATES = ("dana", "eunji")
QUORUM = 2
members = st.sampled_from(IDS)
some = st.lists(members, max_size=2, unique=True)
acts = st.sampled_from(
    ["", "/assign me\n", "/state investigating\n", "/state closed warning\n", "/field what: x\n", "/hold\n", "/deadline 2028-01-01\n", "/show\n", "/cases\n", "/reply\n"]
)  # fmt: skip


def _unread(*_: object) -> Opened:
    raise reader_process.TooCostly("time")


class Life(RuleBasedStateMachine):
    """One case on one desk."""

    def __init__(self, make_desk: DeskMaker, team: list[Person], stranger: Person, sam: Person) -> None:
        super().__init__()
        self.desk: Desk = make_desk()
        self.team = {person.id: person for person in team}
        self.by_address = {person.email: person for person in team}
        self.stranger = stranger
        self.sam = sam
        self.signs = False
        self.desk.play.set_team(team, dict.fromkeys(ALTERNATES, "alternate"))
        self.over: set[str] = set()
        self.recused: dict[str, str] = {}
        self.votes: dict[str, set[str]] = {}
        self.withheld_by: list[tuple[str, str]] = []
        self.sent_by_members: list[bytes] = []
        self.count = 0

    # --- the model ---

    def readers(self) -> list[str]:
        """Who may know of the case."""
        free = [member for member in IDS if member not in self.recused and member not in self.over]
        chosen = [member for member in free if member not in ALTERNATES]
        return chosen + [member for member in free if member in ALTERNATES][: max(0, QUORUM - len(chosen))]

    def recuse(self, member: str, source: str, by: str = "") -> None:
        """What a reason to recuse does: a stronger one takes the place of a weaker one."""
        strength = {"named": 0, "reader": 0, "self": 1, "reporter": 2}
        before = self.recused.get(member)
        if before is None:
            self.votes.pop(member, None)
        elif strength[source] <= strength[before]:
            return
        elif before == "reader":
            last = max(number for number, (whom, _) in enumerate(self.withheld_by) if whom == member)
            del self.withheld_by[last]
        self.recused[member] = source
        if source == "reader":
            self.withheld_by.append((member, by))

    def narrows(self, member: str, whom: str) -> bool:
        """Whether it takes another reader to withhold the case from one."""
        others = set(self.readers()) - {member, whom}
        return whom not in self.recused and (len(others) < 2 or any(by == member for _, by in self.withheld_by))

    # --- what is sent, and what is looked at each time ---

    def watch(self, sent: list[Delivered]) -> None:
        """No mail but to those who may know; one that a non-reader gets says nothing of the case."""
        for item in sent:
            openers = [person.id for person in self.team.values() if person.opens(item.mail) is not None]
            person = self.by_address.get(item.recipient)
            if person is None:
                assert openers == []
                self.watch_outside(item)
                continue
            assert openers == [person.id]
            text = read(person, item)
            if person.id not in self.readers():
                assert self.name not in text
                assert self.name not in item.mail.decode()
                allowed = ("new report", "There is no such case.", "You have stepped back", "There are none.", "It is not signed", "welcome", "term has ended")  # fmt: skip
                assert any(said in text for said in allowed)

    def watch_outside(self, item: Delivered) -> None:
        """What leaves the team names nobody."""
        text = item.mail.decode()
        for person in self.team.values():
            assert person.name not in text
            assert person.email not in text
        assert self.name not in text

    def out(self) -> list[Delivered]:
        """What leaves the desk now."""
        sent = self.desk.mail_out(60)
        self.watch(sent)
        return sent

    def word(self, member: str, text: str, *, known: bool) -> list[Delivered]:
        """A member's signed mail; `known` is whether they may know of the case before it."""
        self.count += 1
        mail = member_mail(self.desk.play, self.team[member], f"{text}Words {self.count}.", self.name)
        self.sent_by_members.append(mail)
        events = self.events()
        self.desk.receive(mail, sender=self.team[member].email)
        sent = self.desk.mail_out(60)
        if not known:
            (answer,) = sent
            assert answer.recipient == self.team[member].email
            assert "There is no such case." in read(self.team[member], answer)
            assert self.events() == events
        return sent

    def facts(self) -> Facts:
        """What the desk remembers of the case: where answers go, and what was asked for."""
        with self.desk.context.database.read() as session:
            row = lookup.find_row(session, self.name)
            assert row is not None
            return content.facts(self.desk.context.vault, row)

    @property
    def team_address(self) -> str:
        """The address that leads members to the case."""
        with self.desk.context.database.read() as session:
            row = lookup.find_row(session, self.name)
            assert row is not None
            return threads.reply_address(self.desk.context.vault, row.handle, "team", "conduct@desk.example")

    def events(self) -> int:
        """How many events there are; the chain holds."""
        with self.desk.context.database.read() as session:
            return audit.verify(session, self.desk.context.vault)

    # --- what happens ---

    def reporter_mail(self, text: str) -> bytes:
        """A mail of the reporter, signed where they signed the first."""
        if not self.signs:
            return plain_mail(text)
        self.count += 1
        mail = signed_mail(self.sam, text_entity(text), f"Sam <{SAM}>")
        return mail.replace(b"Message-ID: <", f"Message-ID: <s{self.count}.".encode(), 1)

    @initialize(named=some, excluded=some, signs=st.booleans())
    def report(self, named: list[str], excluded: list[str], signs: bool) -> None:
        """A case begins, signed by a key that the desk knows or in plain."""
        self.signs = signs
        if signs:
            self.desk.context.keyring.add_public(self.sam.public_key)
        lines = "".join(f"Exclude: {self.team[member].name}\n" for member in excluded)
        text = f"{lines}\nIt was {', '.join(self.team[member].name for member in named) or 'somebody'}."
        for member in excluded:
            self.recuse(member, "reporter")
        for member in named:
            self.recuse(member, "named")
        self.name = self.desk.receive(self.reporter_mail(text)).codename
        sent = self.out()
        (note,) = [item for item in sent if item.recipient == "sam@reporter.example"]
        found = re.search(r"<(.+)>", str(headers(note)["Reply-To"]))
        assert found is not None
        self.address = found[1]

    @rule(member=members, act=acts)
    def write(self, member: str, act: str) -> None:
        """A member writes or does something."""
        known = member in self.readers()
        others = [item for item in self.readers() if item != member]
        sent = self.word(member, act, known=known)
        self.watch(sent)
        if known:
            told = {item.recipient for item in sent}
            assert {self.team[item].email for item in others} <= told

    @rule(member=members, whom=members)
    def withhold(self, member: str, whom: str) -> None:
        """A member withholds the case from one, or withdraws."""
        known = member in self.readers()
        if known and member == whom:
            self.recuse(whom, "self")
        elif known and self.narrows(member, whom):
            self.votes.setdefault(whom, set()).add(member)
            if len(self.votes[whom] & set(self.readers())) >= QUORUM:
                self.recuse(whom, "reader", member)
        elif known:
            self.recuse(whom, "reader", member)
        self.watch(self.word(member, f"/recuse {'me' if member == whom else whom} because\n", known=known))

    @rule(member=members, whom=members)
    def bring_back(self, member: str, whom: str) -> None:
        """A member speaks for one who is recused."""
        known = member in self.readers()
        allowed = known and self.recused.get(whom, "reporter") != "reporter" and whom != member
        if allowed:
            self.votes.setdefault(whom, set()).add(member)
            if len(self.votes[whom] & set(self.readers())) >= QUORUM:
                del self.recused[whom]
                del self.votes[whom]
        self.watch(self.word(member, f"/reinstate {whom}\n", known=known))

    @rule(named=some, excluded=some, stranger=st.booleans())
    def more(self, named: list[str], excluded: list[str], stranger: bool) -> None:
        """The reporter, or somebody else, adds something."""
        self.count += 1
        lines = "".join(f"Exclude: {self.team[member].name}\n" for member in excluded)
        text = f"{lines}\nAnd {', '.join(self.team[member].name for member in named)} {self.count}"
        if stranger:
            mail = plain_mail(text, sender="kim@other.example")
            receipt = self.desk.receive(mail, self.address, sender="kim@other.example")
            assert receipt.outcome in ("case", "automatic")
            assert receipt.codename != self.name
            self.out()
            return
        for member in excluded:
            self.recuse(member, "reporter")
        for member in named:
            self.recuse(member, "named")
        receipt = self.desk.receive(self.reporter_mail(text), self.address)
        assert (receipt.outcome, receipt.codename) == ("thread", self.name)
        told = {item.recipient for item in self.out()}
        assert {self.team[member].email for member in self.readers()} <= told

    @rule(excluded=some, way=st.sampled_from(["two authors", "disowned", "to the team", "not signed", "another key"]))
    def doubt(self, excluded: list[str], way: str) -> None:
        """Somebody who may not be the reporter asks for what only the reporter may."""
        self.count += 1
        if way in ("not signed", "another key") and not self.signs:
            way = "to the team"  # where nothing was signed, these are the reporter's
        lines = "".join(f"Exclude: {self.team[member].name}\n" for member in excluded)
        author = f"{SAM}, kim@other.example" if way == "two authors" else SAM
        extra = (
            "Authentication-Results: mx.desk.example; dmarc=fail header.from=reporter.example\n"
            if way == "disowned"
            else ""
        )
        mail = plain_mail(
            f"{lines}Reply: no\n\n{self.count}", sender=author, extra=f"{extra}Reply-To: kim@other.example\n"
        )
        if way == "another key":
            entity = text_entity(f"{lines}Reply: no\n\n{self.count}")
            mail = signed_mail(self.stranger, entity, f"Sam <{SAM}>", "Reply-To: kim@other.example\n")
        before, facts = self.desk.case(self.name), self.facts()
        receipt = self.desk.receive(mail, self.team_address if way == "to the team" else self.address)
        assert receipt.codename != self.name
        self.out()
        assert self.desk.case(self.name) | {"links": before["links"]} == before
        assert self.facts() == facts

    @rule(excluded=some)
    def read_late(self, excluded: list[str]) -> None:
        """The reporter's mail cannot be read when it comes, and is opened later: nothing of it was told before."""
        self.count += 1
        late = self.count
        lines = "".join(f"Exclude: {self.team[member].name}\n" for member in excluded)
        mail = self.reporter_mail(f"{lines}\nThis is late {late}.")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reader_process, "read", _unread)
            held = self.desk.receive(mail, self.address)
        assert held.outcome == "held"
        for item in self.desk.mail_out(60):
            assert f"This is late {late}." not in (read(self.by_address[item.recipient], item) if item.recipient in self.by_address else item.mail.decode())  # fmt: skip
        for member in excluded:
            self.recuse(member, "reporter")
        assert Receiver(self.desk.context).reopen(held.codename)
        told = {item.recipient for item in self.out()}
        assert {self.team[member].email for member in self.readers()} <= told
        assert self.desk.case(self.name)["messages"][-1]["text"].endswith(f"This is late {late}.")

    @rule(member=members, sealed=st.booleans())
    def forge(self, member: str, sealed: bool) -> None:
        """Somebody writes as a member, without their key."""
        self.count += 1
        person = self.team[member]
        forged = Person(person.id, person.name, person.email, self.stranger.keyring, self.stranger.fingerprint)
        mail = member_mail(
            self.desk.play, forged, f"/state closed warning\n{self.count}", self.name, sign=False, sealed=sealed
        ).replace(b"Subject: ...", f"Subject: [conduct] {self.name}".encode())
        if not sealed:
            mail = mail.replace(b"Subject: Re: [Conduct Team]", b"Subject: [conduct]")
        before = self.desk.case(self.name)
        assert self.desk.receive(mail, sender=person.email).outcome in ("refused", "automatic")
        for item in self.desk.mail_out(60):
            assert item.recipient == person.email
            assert "It is not signed." in read(person, item)
        assert self.desk.case(self.name) | {"links": before["links"]} == before

    @precondition(lambda self: self.sent_by_members)
    @rule(data=st.data(), more=st.booleans())
    def replay(self, data: st.DataObject, more: bool) -> None:
        """Somebody sends a member's mail once more, as it was or with a text and a file of their own beside it."""
        self.count += 1
        mail = data.draw(st.sampled_from(self.sent_by_members))
        again = mail.replace(b"Message-ID: <", f"Message-ID: <{self.count}.".encode(), 1)
        if more:
            again = beside(again, "Content-Type: text/plain\n\n/state closed warning", "Content-Type: image/png\n\nx")
        before = self.desk.case(self.name)
        assert self.desk.receive(again).outcome == "refused"
        assert len(self.out()) <= 1
        assert self.desk.case(self.name) == before

    @rule(member=members)
    def term(self, member: str) -> None:
        """A term ends, or begins anew."""
        self.over ^= {member}
        text = roster_text(self.team.values(), dict.fromkeys(ALTERNATES, "alternate"))
        for gone in self.over:
            block = f'id = "{gone}"'
            head, _, tail = text.partition(block)
            text = head + block + tail.replace("until = 2099-12-31", "until = 2021-01-01", 1)
        (self.desk.play.folder / "roster.toml").write_text(text)
        self.desk.tick()
        self.out()

    @invariant()
    def the_desk_agrees(self) -> None:
        """Who reads, and who is recused; and the chain of events holds."""
        if hasattr(self, "name"):
            record = self.desk.case(self.name)
            assert {item["member"]: item["source"] for item in record["recused"]} == self.recused
            assert record["readers"] == self.readers()
            assert self.events() > 0


def test_whatever_happens_to_a_case(make_desk: DeskMaker, team: list[Person], stranger: Person, sam: Person) -> None:
    # Making what failed smaller takes minutes here: it is printed as it came.
    few = settings(
        max_examples=int(os.environ.get("LIVES", "4")), stateful_step_count=14, deadline=None, phases=[Phase.generate]
    )
    life: Any = lambda: Life(make_desk, team, stranger, sam)  # noqa: E731
    run_state_machine_as_test(life, settings=few)
