"""The first rule, for any roster, report and recusals: nothing that leaves is for, opens to, or counts a recused member."""

from __future__ import annotations

import email
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.commands import show
from desk.demo.mails import pgp_mime, plain_mail, text_entity
from desk.demo.rehearsal import Delivered, Person
from store.cases.access import readers
from store.kit.errors import NoSuchCase
from tests.conftest import Desk, DeskMaker
from tests.support.talk import read

IDS = ("ada", "bo", "chidi", "dana", "eunji")
NAMES = {
    "ada": "Ada Quist",
    "bo": "Bo Lindqvist",
    "chidi": "Chidi Okafor",
    "dana": "Dana Reyes",
    "eunji": "Eun-ji Park",
}


@dataclass(frozen=True)
class Situation:
    """A roster, a report, and what is done to the case afterwards."""

    roles: dict[str, str]
    quorum: int
    sealed: bool
    exclude_lines: tuple[str, ...]
    exclude_addresses: tuple[str, ...]
    named: tuple[str, ...]
    author: str | None
    copied: tuple[str, ...]
    later: tuple[str, ...]


people = st.lists(st.sampled_from(IDS), max_size=2, unique=True).map(tuple)
situations = st.builds(
    Situation,
    roles=st.fixed_dictionaries(
        {member: st.sampled_from(["responder", "lead", "alternate", "escalation"]) for member in IDS}
    ),
    quorum=st.integers(1, 4),
    sealed=st.booleans(),
    exclude_lines=people,
    exclude_addresses=people,
    named=people,
    author=st.none() | st.sampled_from(IDS),
    copied=people,
    later=people,
)


def mail_of(desk: Desk, situation: Situation, sam: Person) -> bytes:
    lines = "".join(f"Exclude: {NAMES[member].split()[0]}\n" for member in situation.exclude_lines)
    text = f"{lines}\nIt was {' and '.join(NAMES[member] for member in situation.named) or 'somebody'}. {id(situation)}"
    sender = f"{situation.author}@team.example" if situation.author else "sam@reporter.example"
    extra = "".join(f"Cc: {member}@team.example\n" for member in situation.copied)
    if situation.sealed:
        return pgp_mime(text_entity(text), desk.play.desk_key, sam.keyring, sender=sender, extra=extra)
    return plain_mail(text, sender=sender, extra=extra)


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {}


@settings(max_examples=30)
@given(situation=situations)
def test_nothing_for_a_recused_member(
    shared: dict[str, Any], make_desk: DeskMaker, team: list[Person], sam: Person, situation: Situation
) -> None:
    desk: Desk = shared.setdefault("desk", None) or make_desk()
    shared["desk"] = desk
    play = desk.play
    text = play.config.read_text()
    play.config.write_text(
        "\n".join(f"quorum = {situation.quorum}" if "quorum = " in line else line for line in text.splitlines()) + "\n"
    )
    play.set_team(team, situation.roles)
    desk.reopen()
    desk.tick()
    desk.mail_out(50)
    before = len(play.sink.mails)
    to = [
        play.address,
        *(f"conduct+except-{NAMES[member].split()[-1]}@desk.example" for member in situation.exclude_addresses),
    ]
    receipt = desk.receive(mail_of(desk, situation, sam), *to)
    for member in situation.later:
        play_recuse(desk, receipt.codename, member)
    desk.mail_out(50)
    sent = play.sink.mails[before:]
    recused = {
        *situation.exclude_lines,
        *situation.exclude_addresses,
        *situation.named,
        *situation.copied,
        *situation.later,
    } | ({situation.author} if situation.author else set())
    with desk.open_case(
        receipt.codename
    ) as file:  # else the next mail of the same author takes over what it is kept from
        file.row.state = "closed"
        file.session.add(file.row)
    check_nothing_leaks(desk, team, receipt.codename, sent, recused)
    check_everyone_else_is_told(desk, team, sent, recused)


def play_recuse(desk: Desk, codename: str, member: str) -> None:
    from store.cases import withholding

    with desk.open_case(codename) as file:
        withholding.recuse_by_hand(file, member)


def check_nothing_leaks(
    desk: Desk, team: list[Person], codename: str, sent: list[Delivered], recused: set[str]
) -> None:
    record = desk.case(codename)
    assert {item["member"] for item in record["recused"]} == recused
    for person in team:
        if person.id not in recused:
            continue
        assert person.email not in {item.recipient for item in sent}
        assert all(person.opens(item.mail) is None for item in sent)
        for item in desk.play.sink.to(person.email):
            assert codename.encode() not in item.mail
            assert codename.encode() not in (person.opens(item.mail) or b"")
        assert person.id not in record["readers"]
        with desk.context.database.write() as session:
            assert codename not in {case.codename for case in show.visible_cases(desk.context, session, person.id)}
            for asked in (codename, "no-such-case"):
                with pytest.raises(NoSuchCase, match=f"There is no case '{asked}'"):
                    show.case_record(desk.context, session, asked, person.id)


def check_everyone_else_is_told(desk: Desk, team: list[Person], sent: list[Delivered], recused: set[str]) -> None:
    @dataclass(frozen=True)
    class Known:
        recused: frozenset[str]
        screened: frozenset[str]
        escalated: bool = False
        guests: Mapping[str, date] = field(default_factory=dict)

    config = desk.context.config.desk[0]
    roster = desk.context.roster(config)
    known = Known(frozenset(recused), frozenset(member.identity for member in roster.members))
    expected = {member.email for member in readers(known, roster, desk.clock())}
    assert {item.recipient for item in sent if item.recipient.endswith("team.example")} == expected
    by_address = {person.email: person for person in team}
    for item in sent:
        if item.recipient in by_address:
            assert [person.email for person in team if person.opens(item.mail) is not None] == [item.recipient]
            inside = email.message_from_bytes(by_address[item.recipient].opens(item.mail) or b"")
            assert inside["To"] == f"{by_address[item.recipient].name} <{item.recipient}>"


def test_two_readers_may_bring_a_named_member_back_but_never_one_the_reporter_excluded(
    desk: Desk, team: list[Person]
) -> None:
    receipt = desk.receive(plain_mail("Exclude: Chidi\n\nIt was Bo Lindqvist."))
    desk.mail_out()
    name = receipt.codename

    def reinstate(member: str, *by: str) -> tuple[int, str]:
        answer = desk.play.command("case", "reinstate", name, member, *by)
        return answer.returncode, (answer.stdout + answer.stderr).decode()

    assert reinstate("bo")[0] == 1
    assert reinstate("bo", "--by", "bo") == (1, f"ombud: There is no case '{name}'.\n")
    assert reinstate("bo", "--by", "chidi") == (1, f"ombud: There is no case '{name}'.\n")
    assert "one more" in reinstate("bo", "--by", "ada")[1]
    assert "one more" in reinstate("bo", "--by", "ada")[1], "the same reader twice is one voice"
    desk.clock.forward(hours=1)
    assert {item.recipient for item in desk.mail_out()} == {team[3].email, team[4].email}, "the others hear of it"
    assert "is back" in reinstate("bo", "--by", "dana")[1]
    desk.clock.forward(hours=1)
    told = [read(team[1], item).split("\n")[0] for item in desk.mail_out() if item.recipient == team[1].email]
    assert len(told) == 4, "the report, and what was said since"
    assert sum("new report" in subject for subject in told) == 1
    for by in ((), ("--by", "ada"), ("--by", "dana")):
        code, said = reinstate("chidi", *by)
        assert code == 1
        assert "The reporter asked" in said
    assert desk.case(name)["recused"] == [{"member": "chidi", "source": "reporter"}]


def test_recusing_by_hand_and_answers_that_tell_nothing(desk: Desk) -> None:
    receipt = desk.receive(plain_mail("x"))
    name = receipt.codename
    play = desk.play
    assert play.command("case", "recuse", name, "ada", "--by", "ada").returncode == 0
    assert play.command("case", "recuse", name, "bo", "--by", "dana").returncode == 0
    assert [item["source"] for item in desk.case(name)["recused"]] == ["self", "reader"]
    for command in (
        ("case", "show", "{}", "--as", "ada"),
        ("case", "recuse", "{}", "dana", "--by", "ada"),
        ("case", "reinstate", "{}", "bo", "--by", "ada"),
    ):
        real = play.command(*(part.format(name) for part in command))
        none = play.command(*(part.format("no-such-case") for part in command))
        assert real.returncode == none.returncode == 1
        assert real.stderr.decode().replace(name, "X") == none.stderr.decode().replace("no-such-case", "X")
        assert real.stdout == none.stdout == b""
    assert play.command("case", "list", "--as", "ada", "--json").stdout.strip() == b"[]"
    assert play.command("case", "list", "--as", "nobody").returncode == 1
    assert "There is no member" in play.command("case", "recuse", name, "nobody").stderr.decode()
