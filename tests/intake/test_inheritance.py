"""A new mail of somebody whose case is open takes over, provisionally, from whom that is withheld, and the wish for silence."""

from __future__ import annotations

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import command
from tests.conftest import Desk
from tests.support.talk import headers

SAM = "sam@reporter.example"


def withheld(desk: Desk, name: str) -> dict[str, str]:
    return {item["member"]: item["source"] for item in desk.case(name)["recused"]}


def test_a_mail_that_refers_to_nothing_is_kept_from_whom_its_author_excluded_before(desk: Desk) -> None:
    first = desk.receive(plain_mail("Exclude: Bo\n\nIt was loud."))
    desk.mail_out()
    second = desk.receive(plain_mail("One more thing happened."))
    assert second.codename != first.codename
    assert withheld(desk, second.codename) == {"bo": "linked"}
    assert not [mail for mail in desk.mail_out() if mail.recipient == "bo@team.example"]


def test_silence_holds_for_the_next_mail_as_well(desk: Desk) -> None:
    desk.receive(plain_mail("Reply: no\n\nIt was loud."))
    desk.receive(plain_mail("One more thing happened."))
    assert not [mail for mail in desk.mail_out() if mail.recipient == SAM]


def test_nobody_is_kept_out_of_what_others_write_or_of_a_case_that_ended(desk: Desk) -> None:
    first = desk.receive(plain_mail("Exclude: Bo\n\nIt was loud.")).codename
    other = desk.receive(plain_mail("Mine.", sender="kim@reporter.example"), sender="kim@reporter.example").codename
    assert withheld(desk, other) == {}
    done = command(desk.play.config, "case", "state", first, "closed", "warning")
    assert done.returncode == 0, done.stderr
    assert withheld(desk, desk.receive(plain_mail("Something else.")).codename) == {}


def test_who_writes_with_another_extension_is_the_same(desk: Desk) -> None:
    desk.receive(plain_mail("Exclude: Bo\n\nIt was loud."))
    again = desk.receive(plain_mail("Again.", sender="Sam <SAM+list@reporter.example>"))
    assert withheld(desk, again.codename) == {"bo": "linked"}


def test_what_is_taken_over_is_undone_by_two_readers_and_names_no_other_case(desk: Desk) -> None:
    first = desk.receive(plain_mail("Exclude: Bo\n\nIt was loud.")).codename
    second = desk.receive(plain_mail("One more thing happened.")).codename
    for by in ("ada", "chidi"):
        assert command(desk.play.config, "case", "reinstate", second, "bo", "--by", by).returncode == 0
    assert withheld(desk, second) == {}
    shown = command(desk.play.config, "case", "show", second, "--as", "bo", "--json").stdout
    assert first.encode() not in shown
    assert all(first not in str(headers(mail)) for mail in desk.mail_out() if mail.recipient == "bo@team.example")
