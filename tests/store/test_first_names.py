"""A first name alone names somebody, except where somebody is greeted with it, signs with it, or it is a word."""

from __future__ import annotations

import pytest

from store.team.first_names import who_may_be_called
from tests.intake.test_kept_from import member

TEAM = [member("ada", "Ada Quist"), member("bo", "Bo Lindqvist"), member("grace", "Grace Okafor"), member("will", "Will Reyes")]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("Bo hit me.", "bo"),
        ("it was bo who did it", "bo"),
        ("The person who did it is:\n\nBo", "bo"),
        ("Bo\u2019s friends laughed.", "bo"),
        ("Hi Ada,\n\nBo hit me.\n\nThanks,\nKim", "bo"),
        ("Hi Ada, Bo hit me.", "bo"),
        ("Dear team,\n\nDear Ada,\n\nI need help.\n\nBest regards,\nBo", ""),
        ("Hello Ada and Bo!\nI need help.\n\nThanks, Bo", ""),
        ("I need help.\n\n-- \nBo", ""),
        ("He said thanks.\nBo hit me.", "bo"),
        ("Thanks for your work.\n\nBo hit me twice, and nobody came.", "bo"),
        ("I will not come. Will you help? With good grace.", ""),
        ("I saw that Will did it.", "will"),
        ("Ms Grace did it.", "grace"),
        ("\u0411\u043e ударил меня.", "bo"),
        ("About the bonus: no.", ""),
        ("", ""),
    ],
)
def test_who_is_meant_by_a_first_name(text: str, who: str) -> None:
    assert [found.id for found in who_may_be_called(text, TEAM, ())] == ([who] if who else [])


def test_the_author_s_own_name_means_the_author() -> None:
    assert not who_may_be_called("I am Bo, and I need help.", TEAM, {"bo", "smith"})
