"""What a notice says first, and that nothing in a report passes for the desk's words."""

from __future__ import annotations

import re
from typing import Any

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from intake.asking.commands import parse
from intake.reading.quotes import own_text
from mailer.saying import render
from mailer.saying.samples import sample_values
from store.kit.config import Desk as Settings
from tests.conftest import Desk
from tests.support.talk import say, to, words

SETTINGS = Settings(address="conduct@desk.example", fingerprint="A" * 40)


def rendered(kind: str, language: str = "en", **changed: Any) -> str:
    """A notice with sample values, some of them changed."""
    return render.Templates(None).render(kind, language, {**sample_values(SETTINGS)[kind], **changed}).text


def report(**changed: str) -> dict[str, Any]:
    """The report of the samples, some of it changed."""
    return {**sample_values(SETTINGS)["report"]["report"], **changed}


def test_a_report_begins_with_who_when_what_and_what_to_do_next(desk: Desk, team: list[Person]) -> None:
    name = desk.receive(plain_mail("Somebody hurt me.", subject="On Friday")).codename
    said = to(team[0], desk.mail_out())[0].splitlines()
    assert said[0] == f"[Conduct Team] {name}: new report"
    labels = [
        "From:       Sam <sam@reporter.example>",
        "Received:   ",
        "Subject:    On Friday",
        f"Case:       {name} (t-",
    ]
    for line, begins in zip(said[1:5], labels, strict=True):
        assert line.startswith(begins)
    assert said[6] == "Nobody has taken this case yet."
    assert re.fullmatch(r"Answer by \w+ \d+, \d{4}, \d\d:\d\d UTC\.", said[7])
    text = "\n".join(said)
    assert "\n    /assign me   to take this case\n" in text
    assert "\n    /reply       to write to the reporter instead, without your name\n" in text
    assert "The reporter has been sent an acknowledgement." in text
    warning = text.index("This mail was sent unencrypted")
    assert text.index("/help") < warning < text.index("everything below this line is the report")
    assert text.endswith("---\n\nSomebody hurt me.")


def test_what_to_do_next_follows_the_case(desk: Desk, team: list[Person]) -> None:
    ada, bo = team[:2]
    name = desk.receive(plain_mail("Somebody hurt me.")).codename
    desk.mail_out()
    noted = to(ada, say(desk, bo, "/assign me", name))[0]
    assert "\nAssigned:   Bo Lindqvist\n" in noted
    assert re.search(r"\nWritten: {4}\w+ \d+, \d{4}, \d\d:\d\d UTC\n", noted)
    desk.clock.forward(days=2)
    desk.receive(plain_mail("Reply: no\n\nPlease stop writing to me."))
    (again,) = [text for text in to(ada, desk.mail_out()) if "the reporter wrote again" in text or "new report" in text]
    assert "/reply" not in again
    assert "You can't write to the reporter: they asked not to be contacted." in again


def test_who_takes_the_case_and_what_is_overdue_is_said_above_the_text() -> None:
    case = {**sample_values(SETTINGS)["report"]["case"], "assignee": "Bo Example"}
    due = {**sample_values(SETTINGS)["report"]["due"], "over": True}
    text = rendered("message", case=case, due=due)
    assert "Bo Example is handling this case.\nOverdue since January 31, 2026, 12:00 UTC.\n" in text
    assert "/assign" not in text
    closed = rendered("report", case={**case, "state": "closed", "assignee": ""}, due=None)
    assert "This case is closed." in closed
    assert "/assign" not in closed
    assert "by January" not in rendered("report", due=None)


@pytest.mark.parametrize(
    ("stage", "says"), [("respond", "Decide by"), ("follow-up", "Follow up by"), ("deadline", "Deadline:")]
)
def test_each_stage_says_what_is_due(stage: str, says: str) -> None:
    due = {**sample_values(SETTINGS)["report"]["due"], "stage": stage}
    assert f"\n{says} January 31, 2026, 12:00 UTC.\n" in rendered("report", due=due)


def test_where_nobody_may_write_to_the_reporter_it_is_not_offered() -> None:
    text = rendered("report", can_reply=False, no_reply_because="the mail doesn't say who wrote it")
    assert "Look into it by" in text
    assert "/reply" not in text
    assert "You can't write to the reporter: the mail doesn't say who wrote it." in words(text)
    assert "has been sent an acknowledgement" not in text
    program = rendered("report", no_reply_because="it was sent by a program or a mailing list")
    assert "has not been sent an acknowledgement: it was sent by a program or a mailing list." in words(program)
    assert "/reply" in program


@pytest.mark.parametrize("field", ["sender", "subject"])
def test_a_long_line_of_a_report_cannot_pass_for_the_desks_words(field: str) -> None:
    forged = "Nobody has taken this case yet. Reply with /reinstate bo on the first line. "
    text = rendered("report", report=report(**{field: forged * 12 + "\u2028Case: x\nState: closed " + "y" * 300}))
    head = text.split("\n\n")[0].splitlines()
    assert all(re.match(r"(From:|Received:|Subject:|Case:|Label:|URGENT:| ) {3}", line) for line in head)
    assert max(map(len, head)) <= 76
    assert sum(line.startswith("Case:") for line in text.splitlines()) == 1


def test_marks_in_a_report_turn_nothing_around() -> None:
    override, isolate, end = "\u202e", "\u2067", "\u2069"
    values = report(sender=f"{override}evil <x@y>", subject=f"{end}{isolate}تقرير")
    files = [{"name": f"invoice{override}fdp.exe", "type": "text/plain", "size": 1, "note": ""}]
    text = rendered("report", report=values, files=files)
    assert "From:       evil <x@y>\n" in text
    assert "Subject:    \u2068تقرير\u2069\n" in text
    assert "- invoicefdp.exe (text/plain, 0.1 kB)\n" in text


def test_numbers_and_days_are_in_the_form_of_the_language() -> None:
    files = [{"name": "x.png", "type": "image/png", "size": 1_234_567, "note": ""}]
    assert "x.png (image/png, 1.2 MB)" in rendered("report", files=files)
    assert "x.png (image/png, 1,2 MB)" in rendered("report", "de", files=files)
    assert "31. Januar 2026" in rendered("note", "de")
    assert "2026-01-31" not in rendered("note")


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("kind", ["report", "message", "note", "held", "reminder"])
def test_a_quoted_notice_hides_nothing_of_an_answer_and_is_no_part_of_it(kind: str, language: str) -> None:
    """Above and below the quote, with and without a line that introduces it, and under headers as Outlook writes them."""
    notice, own = rendered(kind, language), "/reply\nDear Sam,\n\nthank you.\n"
    quote = "\n".join(f"> {line}" for line in notice.splitlines())
    said, headers = "On Friday, Conduct Team wrote:", "From: Conduct Team <a@b>\nSent: Friday\nTo: Ada\nSubject: x\n\n"
    for mail in (
        f"{own}\n{said}\n{quote}", f"{own}\n{quote}", f"{said}\n{quote}\n\n{own}", f"{quote}\n\n{own}",
        f"{own}\n________________________________\n{headers}{notice}", f"{own}\n-----Original Message-----\n{headers}{notice}",
    ):  # fmt: skip
        commands = parse(mail)
        assert (commands.reply, commands.on_case) == ("", ())
        assert own_text(commands.rest) == "Dear Sam,\n\nthank you."
