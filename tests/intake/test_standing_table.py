"""The table of standing, row by row: what a mail that points at a case may do there, by how sure its author is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from desk.demo.mails import plain_mail, text_entity
from desk.demo.rehearsal import Delivered, Person, command
from store.cases import content, lookup, threads
from store.tables.records import Facts
from tests.conftest import Desk
from tests.support.talk import headers, say, signed_mail

SAM = "sam@reporter.example"
ELSEWHERE = "elsewhere@other.example"
MOVES = f"Reply-To: {ELSEWHERE}\n"
ASKS = "Exclude: Bo\nReply: no\nReply-To is mine now.\n\nThere is more."


@dataclass
class Setting:
    """A case that was closed, what its reporter was sent, who that is, and who else has a key that is known."""

    desk: Desk
    name: str
    answer: Delivered
    sam: Person
    other: Person
    text: str = ASKS
    extra: str = MOVES

    @property
    def token(self) -> str:
        """The address that leads to the case."""
        return str(headers(self.answer)["Reply-To"]).rpartition("<")[2].rstrip(">")

    @property
    def team_token(self) -> str:
        """The address that leads members to the case."""
        with self.desk.context.database.read() as session:
            row = lookup.find_row(session, self.name)
            assert row is not None
            return threads.reply_address(self.desk.context.vault, row.handle, "team", "conduct@desk.example")

    @property
    def message_id(self) -> str:
        return str(headers(self.answer)["Message-ID"])

    def facts(self) -> Facts:
        with self.desk.context.database.read() as session:
            row = lookup.find_row(session, self.name)
            assert row is not None
            return content.facts(self.desk.context.vault, row)


def begun(desk: Desk, sam: Person, others: list[Person], *, signed: bool) -> Setting:
    """A report, signed by a key that the desk knows or in plain, whose case was closed since."""
    desk.context.keyring.add_public(sam.public_key)
    first = signed_mail(sam, text_entity("Somebody shouted."), f"Sam <{SAM}>") if signed else plain_mail("x")
    name = desk.receive(first).codename
    answer = next(item for item in desk.mail_out() if item.recipient == SAM)
    assert command(desk.play.config, "case", "state", name, "closed", "warning").returncode == 0
    desk.mail_out()
    return Setting(desk, name, answer, sam, others[2])


def plain(setting: Setting, author: str, extra: str = "") -> bytes:
    return plain_mail(setting.text, sender=author, extra=f"{extra}{setting.extra}")


def answering(setting: Setting, author: str, extra: str = "") -> bytes:
    return plain(setting, author, f"In-Reply-To: {setting.message_id}\n{extra}")


def signed(setting: Setting, person: Person) -> bytes:
    extra = f"In-Reply-To: {setting.message_id}\n{setting.extra}"
    return signed_mail(person, text_entity(setting.text), f"{person.name} <{person.email}>", extra)


def key_header(person: Person) -> str:
    """A key as Autocrypt sends it."""
    lines = person.public_key.decode().split("\n\n", 1)[1].splitlines()
    material = "".join(line for line in lines if not line.startswith(("=", "-----")))
    return f"Autocrypt: addr={SAM}; keydata={material}\n"


Mail = Callable[[Setting], tuple[bytes, str]]
DISOWNED = "Authentication-Results: mx.desk.example; dmarc=fail header.from=reporter.example\n"

PROVEN: dict[str, Mail] = {
    "the same key": lambda at: (signed(at, at.sam), ""),
    "the same key, to the token": lambda at: (signed(at, at.sam), at.token),
}
LIKELY: dict[str, Mail] = {
    "to the token": lambda at: (plain(at, SAM), at.token),
    "answers a mail of ours": lambda at: (answering(at, SAM), ""),
}
DOUBTFUL: dict[str, Mail] = {
    "another address, to the token": lambda at: (plain(at, "kim@other.example"), at.token),
    "another address answers": lambda at: (answering(at, "kim@other.example"), ""),
    "two authors": lambda at: (answering(at, f"{SAM}, kim@other.example"), ""),
    "its domain disowns it": lambda at: (answering(at, SAM, DISOWNED), ""),
    "to the team's token": lambda at: (plain(at, SAM), at.team_token),
}
UNSIGNED: dict[str, Mail] = {
    "unsigned, to the token": lambda at: (plain(at, SAM), at.token),
    "unsigned, answers": lambda at: (answering(at, SAM), ""),
    "signed by somebody else": lambda at: (signed(at, at.other), at.token),
}


def received(setting: Setting, mail: Mail) -> str:
    octets, address = mail(setting)
    return setting.desk.receive(octets, *([address] if address else []), sender=SAM).codename


@pytest.mark.parametrize(
    ("kind", "way"), [*((True, way) for way in PROVEN.values()), *((False, way) for way in LIKELY.values())],
    ids=[*(f"proven: {name}" for name in PROVEN), *(f"likely: {name}" for name in LIKELY)],
)  # fmt: skip
def test_who_is_sure_enough_adds_to_the_case_and_moves_no_address(
    desk: Desk, sam: Person, team: list[Person], kind: bool, way: Mail
) -> None:
    at = begun(desk, sam, team, signed=kind)
    assert received(at, way) == at.name
    record = desk.case(at.name)
    assert record["messages"][-1]["text"].endswith("There is more.")
    assert {"member": "bo", "source": "reporter"} in record["recused"]
    assert record["state"] == "acknowledged", "it opens the case again"
    facts = at.facts()
    assert (facts.asks_quiet, facts.reply_to, facts.answer_to) == (True, "", "")
    assert facts.address == SAM, "where answers would go is what it was"
    assert not [item for item in desk.mail_out() if item.recipient in (SAM, "elsewhere@other.example")]


@pytest.mark.parametrize(
    ("kind", "way"), [*((False, way) for way in DOUBTFUL.values()), *((True, way) for way in UNSIGNED.values())],
    ids=[*DOUBTFUL, *UNSIGNED],
)  # fmt: skip
def test_who_is_not_changes_nothing_of_the_case(
    desk: Desk, sam: Person, team: list[Person], kind: bool, way: Mail
) -> None:
    at = begun(desk, sam, team, signed=kind)
    before, facts = desk.case(at.name), at.facts()
    name = received(at, way)
    assert name != at.name
    now = desk.case(at.name)
    assert (now["state"], now["recused"], len(now["messages"])) == (
        "closed",
        before["recused"],
        len(before["messages"]),
    )
    assert at.facts() == facts
    sent = desk.mail_out()
    assert not [item for item in sent if at.token.partition("+")[2].partition("@")[0] in item.mail.decode()]
    if name:  # a case of its own, in which what is asked for is provisional
        assert {item["source"] for item in desk.case(name)["recused"] if item["member"] == "bo"} == {"doubtful"}


WHO = pytest.mark.parametrize(
    ("kind", "way", "joins"),
    [
        *(pytest.param(True, way, True, id=f"proven: {name}") for name, way in PROVEN.items()),
        *(pytest.param(False, way, True, id=f"likely: {name}") for name, way in LIKELY.items()),
        *(pytest.param(False, way, False, id=f"doubtful: {name}") for name, way in [*DOUBTFUL.items()][:2]),
    ],
)


@WHO
def test_a_new_key_is_remembered_from_who_is_sure_enough_and_used_for_nobody(
    desk: Desk, sam: Person, team: list[Person], stranger: Person, kind: bool, way: Mail, joins: bool
) -> None:
    at = begun(desk, sam, team, signed=kind)
    other = Person("sam", "Sam", SAM, stranger.keyring, stranger.keyring.create("Sam", SAM))
    at.text, at.extra = "There is more.", key_header(other)
    before = at.facts()
    received(at, way)
    now = at.facts()
    assert now.new_fingerprint == (other.fingerprint if joins else "")
    assert (now.reporter_key, now.reporter_fingerprint) == (before.reporter_key, before.reporter_fingerprint)


@pytest.mark.parametrize("way", LIKELY.values(), ids=LIKELY)
def test_a_yes_leads_back_to_the_address_on_record(desk: Desk, sam: Person, team: list[Person], way: Mail) -> None:
    at = begun(desk, sam, team, signed=False)
    at.text = "Reply: no\n\nNothing, please."
    assert received(at, way) == at.name
    assert at.facts().answer_to == ""
    at.text = "Reply: yes\n\nWrite to me again."
    assert received(at, way) == at.name
    assert (at.facts().answer_to, at.facts().address) == (SAM, SAM)
    desk.mail_out()
    outside = {item.recipient for item in say(desk, team[0], "/reply\nThank you.", at.name)} & {SAM, ELSEWHERE}
    assert outside == {SAM}


ONLY_WAYS = [
    *(pytest.param(way, True, id=f"likely: {name}") for name, way in LIKELY.items()),
    *(pytest.param(way, False, id=f"doubtful: {name}") for name, way in [*DOUBTFUL.items()][:2]),
]


@pytest.mark.parametrize(("way", "joins"), ONLY_WAYS)
def test_only_withholds_from_all_others_and_in_no_case_but_its_own(
    desk: Desk, sam: Person, team: list[Person], way: Mail, joins: bool
) -> None:
    at = begun(desk, sam, team, signed=False)
    before = desk.case(at.name)["recused"]
    at.text = "Only: Ada, Chidi\n\nThere is more."
    name = received(at, way)
    if joins:
        assert name == at.name
        assert {item["member"] for item in desk.case(name)["recused"]} == {"bo", "dana", "eunji"}
        assert desk.case(name)["readers"] == ["ada", "chidi"]
    else:
        assert desk.case(at.name)["recused"] == before
