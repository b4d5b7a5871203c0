"""How mail programs shape replies: what is quoted is never a command, and what is a member's own is all that is kept."""

from __future__ import annotations

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from tests.conftest import Desk
from tests.support.talk import say


@pytest.fixture
def name(desk: Desk) -> str:
    """A case that everybody reads."""
    codename = desk.receive(plain_mail("Somebody shouted at me.")).codename
    desk.mail_out()
    return codename


QUOTE = "> Somebody wrote\n> /state closed warning\n> /recuse bo\n"
OUTLOOK = (
    "________________________________\nFrom: Conduct Team <conduct@desk.example>\nSent: Friday\nTo: Ada\n"
    "Subject: [conduct] x\n\n/state closed warning\n"
)


@pytest.mark.parametrize(
    ("shape", "note", "state"),
    [
        (f"/state decided\n\nMy words.\n\nOn Fri, Nov 20, 2026, Conduct Team wrote:\n{QUOTE}", "My words.", "decided"),
        (f"My words.\n\nAm 20.11.26 um 10:00 schrieb Conduct Team:\n{QUOTE}", "My words.", "new"),
        (f"On Fri, Nov 20, 2026, Conduct Team wrote:\n{QUOTE}\n/state decided\n\nMy words.\n", "My words.", "decided"),
        (f"My words.\nOn Fri, Nov 20, 2026, Conduct Team wrote:\n{QUOTE}", "My words.", "new"),
        (f"/state decided\nOn Fri, Nov 20, 2026, Conduct Team wrote:\n{QUOTE}\nMy words.\n", "My words.", "decided"),
        (f"On Fri, Nov 20, 2026 at 6:22 AM UTC,\nConduct Team <c@desk.example> wrote:\n{QUOTE}\n/state decided\nMy words.\n", "My words.", "decided"),
        (f"{QUOTE}\nMy words.\n", "My words.", "new"),
        (f"My words.\n\n{OUTLOOK}", "My words.", "new"),
        (f"/state decided\nMy words.\n\n-----Original Message-----\n{OUTLOOK[33:]}", "My words.", "decided"),
        ("My words.\n\n-- \nAda\n/state closed warning\n", "My words.", "new"),
        ("My words.\n/state closed warning\n", "My words.\n/state closed warning", "new"),
        (f"First.\n\n{QUOTE}\nSecond.\n", "First.\n\nSecond.", "new"),
    ],
    ids=["top", "top, German", "bottom", "glued", "glued, and below", "bottom, wrapped", "bottom, bare", "Outlook", "Outlook, old", "signature", "below text", "between"],
)  # fmt: skip
def test_shapes_of_replies_in_plain_text(
    desk: Desk, team: list[Person], name: str, shape: str, note: str, state: str
) -> None:
    say(desk, team[0], shape, name)
    record = desk.case(name)
    assert (record["messages"][-1]["text"], record["state"]) == (note, state)
    assert record["recused"] == []


HTML = (
    "<html><body>{}<p>My words.</p><div>On Fri, Nov 20, 2026, Conduct Team wrote:</div><blockquote><p>/state closed "
    "warning</p><blockquote>/recuse bo</blockquote></blockquote></body></html>"
)


@pytest.mark.parametrize(
    ("html", "state"),
    [
        (HTML.format("<p>/state decided</p>"), "decided"),
        (HTML.format(""), "new"),
        ("<blockquote>/state closed warning<br>/recuse bo</blockquote><p>My words.</p>", "new"),
    ],
)
def test_shapes_of_replies_in_html(desk: Desk, team: list[Person], name: str, html: str, state: str) -> None:
    subject = f"Subject: Re: [Conduct Team] {name}: new report\n"
    entity = f"Content-Type: text/html; charset=utf-8\n{subject}\n{html}\n".encode()
    say(desk, team[0], "", name, entity=entity)
    record = desk.case(name)
    assert (record["messages"][-1]["text"], record["state"]) == ("My words.", state)
    assert record["recused"] == []


def test_a_flowed_command_is_one_line(desk: Desk, team: list[Person], name: str) -> None:
    entity = (
        "Content-Type: text/plain; charset=utf-8; format=flowed; delsp=no\n"
        f"Subject: Re: [Conduct Team] {name}: new report\n\n"
        "/field what: a long story that was wrapped \nin the middle of it\n\nMy words \nflow.\n\n> quoted \n> text\n-- \nAda\n"
    ).encode()
    say(desk, team[0], "", name, entity=entity)
    record = desk.case(name)
    assert record["fields"]["what"] == "a long story that was wrapped in the middle of it"
    assert record["messages"][-1]["text"] == "My words flow."
