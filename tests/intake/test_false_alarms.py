"""How often somebody is withheld for nothing: a thousand everyday mails about other people, against rosters of common names."""

from __future__ import annotations

import random

import pytest
from faker import Faker

from intake.asking.dragnet import dragnet
from intake.asking.kept_from import kept_from
from store.team.first_names import who_may_be_called
from store.team.members import Member
from store.team.names import who_may_be_named
from tests.bench.prove import figure
from tests.intake.test_kept_from import member

# Faker draws English names as often as people bear them; of the others, each from a few hundred that are equally frequent.
LOCALES = {"en_US": 600, "de_DE": 100, "es_ES": 100, "fr_FR": 100, "pt_PT": 100}
STORIES = (
    "On Saturday I was at the social event with {other}. A man from another group kept touching my arm although I told him to stop. "
    "I don't want to make a big thing of it, but I did not feel safe. {first} saw it and can tell you more.",
    "Hello,\n\nsomebody keeps writing to me on the chat after I blocked him. He uses a new account each time. I have screenshots. "
    "I have not told anybody but my sister. Could you please look into it?\n\nBest regards,\n{author}",
    "Dear {member} and team,\n\nthank you for the talk on Monday. I left the room when {other} made the joke about refugees. "
    "It was not the first time. I will not come again if nothing changes.\n\nThank you,\n{author}",
    "The person who runs the stall next to ours took a photo of my child and put it on the internet. I asked for it to be removed. "
    "He said no. {other}, who works for the venue, was very kind, and showed me where to find you.",
    "I want to report that the recording of the meeting in May was changed. {other} said that it was like that from the start, and "
    "that only the chair may keep a copy. I never agreed to be recorded; I asked them not to share it with anyone outside.",
    "hi, i dont know if this is the right place. at the hackathon there was no ramp and i could not get to the toilet. the staff "
    "did not help. {first} carried me, which was nice but humiliating. please tell the organisers. thanks",
    "To whom it may concern,\n\nI was called a word that I don't wish to repeat during the panel. {other} moderated and did nothing. I expect "
    "an apology, and I expect that the video is taken down by June.\n\nSincerely,\n{author}",
    "Good evening! We met at the north entrance. You asked me to write down what happened: around nine, three people in black "
    "jackets shouted at us. One threw a bottle of white wine. The police came late. Only one of us was hurt. Will you keep me posted?",
)


def mail(chance: random.Random, fake: Faker, team: list[Member]) -> tuple[str, set[str]]:
    """A text, and the folded words of its author's name. It speaks of nobody on the team, but may greet one."""
    author, other = fake.name(), fake.name()
    return chance.choice(STORIES).format(
        other=other, first=fake.first_name(), author=author, member=chance.choice(team).name
    ), {word.casefold() for word in author.split()}


@pytest.mark.parametrize("locale", LOCALES)
def test_hardly_anybody_is_withheld_for_nothing(locale: str) -> None:
    fake, chance, count = Faker(locale), random.Random(locale), LOCALES[locale]
    fake.seed_instance(7)
    named = called = 0
    for number in range(count):
        if number % 20 == 0:
            team = [member(f"m{n}", f"{fake.first_name()} {fake.last_name()}") for n in range(5)]
        text, author = mail(chance, fake, team)
        withheld = {
            *who_may_be_named([text], team, team),
            *kept_from(text, team),
            *dragnet([text.encode()], team).members,
        }
        named += bool(withheld)
        called += bool(withheld or who_may_be_called(text, team, author))
    figure(
        f"mails that withhold somebody for nothing, {locale}",
        f"{100 * named / count:.1f} %; with first names {100 * called / count:.1f} %",
    )
    assert named / count < (0.02 if locale == "en_US" else 0.1)
    assert called / count < 0.15
