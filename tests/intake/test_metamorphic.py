"""One report in any form: whom it names or excludes is never a reader; and without that it reaches everybody, with its text."""

from __future__ import annotations

import os
import random

import pytest

from desk.demo.rehearsal import Person
from intake.arrival import Envelope, Job
from intake.asking import dragnet
from intake.asking import recused as recused_rules
from intake.asking.directives import ReporterRequest
from intake.asking.dragnet import Caught
from intake.open_job import Tools, open_job
from store.openpgp.armor import armor
from tests.bench.prove import figure
from tests.conftest import Desk, DeskMaker
from tests.support.forms import Chain, Wrapping, chain, sealed_forms

CHAINS = int(os.environ.get("CHAINS", "500"))
BLOCKS = 8

NAMING = """It was Bo Lindqvist.|Lindqvist did it.|I mean Mr Lindqvist.|That was B. Lindqvist.|Lindqvist, Bo|It was Bo L. who did it|It was Bo "Q" Lindqvist.|Bo-Lindqvist
Write to bo@team.example, he did it.|bo+x@team.example|BO LINDQVIST|I saw bo lindqvist.|Lindqvists dog|Lindqvist's dog|Bo van Lindqvist|Dr. Lindqvist|Señor Lindqvist|Herr Lindqvist
Bo, I mean Bo Lindqvist|It was Bo Lindkvist.|the Lindqvist man|Bo M. Lindqvist|Prof. Lindqvist was there|with Lindqvist and others|Who: Bo Lindqvist|BoLindqvist|@bo did it|(Lindqvist)"""
EXCLUDING = """Exclude: Bo|Exclude: Bo Lindqvist|exclude : bo|Excluir: Bo|Ausschließen: Bo|Exclure : Bo|استثناء: Bo|- Exclude: Bo|*Exclude:* Bo|Exclude:\nBo|Exclude:\n- Somebody\n- Bo
Please exclude Bo.|Please don't tell Bo.|Please don’t tell Bo about it.|Do not show this to Bo.|Keep it from Bo, please.|Everyone except Bo may read it.|Keep private: not to Bo
Bitte zeigt das Bo nicht.|No se lo digan a Bo.|Ne le dites pas à Bo.|Não mostrem isto ao Bo.|Only: Ada, Chidi, Dana, Eun-ji|Only Ada may read this.|Please show this only to Ada.|Nur an: Ada
Leave Bo out of this.|Exclude: bo@team.example|Exclude: Bo (my ex)|Exclude: Somebody, Bo; Another|Tell nobody but Ada.|Bo must not see this. Do not tell Bo.|Exclude: everyone but Ada"""
WISHES = [wish for line in (NAMING, EXCLUDING) for wish in line.replace("\n- ", "\0- ").replace(":\nBo", ":\0Bo").replace("\n", "|").replace("\0", "\n").split("|")]  # fmt: skip
STORY = "Something happened at the meeting on Monday, and I could not sleep. Zebrafinch."


@pytest.fixture(scope="module")
def desk_and_forms(team: list[Person], make_desk_of_module: DeskMaker) -> tuple[Desk, dict[str, Wrapping]]:
    desk = make_desk_of_module()
    keyring, key = team[0].keyring, desk.play.desk_key
    return desk, sealed_forms(lambda octets: armor(keyring.seal_to_key(octets, key, None)))


def recused(desk: Desk, made: Chain) -> tuple[set[str], str, bool]:
    """Who is kept from the case of a mail, what is shown or listed of it, and whether it is held."""
    context = desk.context
    own = context.config.desk[0]
    job = Job(
        own, ReporterRequest(), Envelope(made.mail, "kim@reporter.example", (own.address,)), "", context.roster(own)
    )
    opened = open_job(job, Tools(context.keyring, context.config.is_own))
    content = opened.content
    said = "\n".join((content.body.text, content.body.outside_text, *(item.name for item in content.attachments)))
    return {item.member for item in opened.found.recusals}, said, bool(content.body.failure)


@pytest.fixture
def caught(monkeypatch: pytest.MonkeyPatch) -> list[Caught]:
    """What the dragnet found besides the structured reading, mail by mail."""
    found: list[Caught] = []

    def noting(*arguments: object) -> Caught:
        found.append(dragnet.dragnet(*arguments))  # type: ignore[arg-type]
        return found[-1]

    monkeypatch.setattr(recused_rules, "dragnet", noting)
    return found


@pytest.mark.parametrize("block", range(BLOCKS))
def test_who_is_named_or_excluded_is_no_reader_in_any_form(
    desk_and_forms: tuple[Desk, dict[str, Wrapping]], caught: list[Caught], block: int
) -> None:
    desk, forms = desk_and_forms
    chance = random.Random(f"{os.environ.get('SEED', '')} {block}")
    told, for_nothing = [], []
    for number in range(CHAINS // BLOCKS):
        wish, seed = WISHES[(number + block) % len(WISHES)], chance.random()
        named = chain(f"{STORY}\n\n{wish}\n", random.Random(seed), forms)
        if "bo" not in recused(desk, named)[0]:
            told.append((wish, named.steps))
        other = chain(f"{STORY}\n", random.Random(seed), forms)
        withheld, said, held = recused(desk, other)
        if withheld or held or not ("Zebrafinch" in said or "." in said):
            for_nothing.append((other.steps, withheld, held))
    alone = sum("bo" in {member.id for member in one.members} for one in caught)
    figure(
        f"forms of a report, block {block}: told although named; withheld for nothing",
        f"{len(told)}; {len(for_nothing)} of {CHAINS // BLOCKS}",
    )
    figure(f"forms of a report, block {block}: seen by the dragnet alone", f"{alone} of {CHAINS // BLOCKS}")
    assert not told, told[:10]
    assert not for_nothing, for_nothing[:10]


@pytest.mark.parametrize("seed", range(6))
def test_not_an_octet_leaves_for_who_is_named(make_desk: DeskMaker, team: list[Person], seed: int) -> None:
    desk, chance = make_desk(), random.Random(seed)
    keyring, key = team[0].keyring, desk.play.desk_key
    forms = sealed_forms(lambda octets: armor(keyring.seal_to_key(octets, key, None)))
    text = f"{STORY}\n\n{chance.choice(WISHES[:28])}\n"
    desk.receive(chain(text, chance, forms).mail, sender="kim@reporter.example")
    desk.tick()
    assert {item.recipient for item in desk.mail_out()} - {"kim@reporter.example"} == {
        f"{member.id}@team.example" for member in team if member.id != "bo"
    }
