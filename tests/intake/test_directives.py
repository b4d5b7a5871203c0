"""`Exclude:` and `Reply:` count wherever they are the author's own words, and never where they are quoted."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.demo.mails import plain_mail, text_of
from desk.demo.rehearsal import Person
from intake.asking.directives import ReporterRequest, from_text, wishes
from mailer.saying.render import templates_of
from mailer.saying.samples import sample_values
from tests.conftest import Desk
from tests.intake.test_follow_up import reply_to
from tests.support.talk import say, to
from tests.support.talk import words as unfolded

ACK = "> Thank you for writing to us.\n>\n> Reply: yes\n> Exclude: Ada\n>\n> Conduct Team\n"
ON = "On 25/11/2026 23:01, Conduct Team wrote:\n"
HEADERS = "From: Conduct Team <conduct@desk.example>\nSent: Friday, 20 November 2026 10:00\nTo: Kim\nSubject: Re: x\n\n"
BANNER = f"-----Original Message-----\n{HEADERS}"
OTHERS = "Hello,\n\nExclude: Ada\nReply: no\n\nHe did it.\n"
WISH = "Reply: no\nExclude: Dana\n"


@pytest.mark.parametrize(
    "text",
    [
        f"{ON}{ACK}\n{WISH}Please do not write to me any more, somebody reads my mail.\n",
        f"{ON}{ACK}{WISH}",
        f"{ON}{ACK}\n-- \nKim\n\n{WISH}",
        f"{ON}> How are you?\n\nNot well.\n{WISH}\n> Whom shall we tell?\n\nNobody.\n",
        f"It was awful, and it went on for days.\n{WISH}I cannot sleep.\n\n{ON}{ACK}",
        f"It was awful.\n\n{WISH}",
        f"Hello,\n\nI hope you are well.\n\nThis happened on 24.11.2026 at 23:01:\n\nHe hit me.\n\n{WISH}",
        f"My own words.\n\n{WISH}\n{BANNER}{OTHERS}",
        f"From: Kim\nDate: today\n\nHello,\n\n{ON}{ACK}\n{WISH}".partition("\n\n")[2],
        '"Reply: no"\n\u201cExclude: Dana\u201d\n',
    ],
)
def test_an_own_line_counts_wherever_it_stands(text: str) -> None:
    assert (from_text(text).exclude, from_text(text).quiet, from_text(text).perhaps_exclude) == (("Dana",), True, ())


@pytest.mark.parametrize(
    "text",
    [
        f"Thank you.\n\n{ON}{ACK}",
        f"{ON}{ACK}",
        "> > Exclude: Ada\n>> Reply: no\n\u200f> Reply: no\n",
        f"Look what she wrote.\n\n{BANNER}{OTHERS}",
        f"Look.\n\n________________________________\n{HEADERS}{OTHERS}",
        f"See below.\n\n---------- Forwarded message ---------\n{HEADERS}{OTHERS}",
        f"See below.\n\nBegin forwarded message:\n\n{HEADERS}{OTHERS}",
        f"Bitte.\n\n-----Ursprüngliche Nachricht-----\nVon: Kim\nGesendet: Freitag\nAn: x\nBetreff: y\n\n{OTHERS}",
        f"Thanks.\n\nSam <sam@reporter.example> wrote on 24 Nov 2026 at 10:11:\n\n{OTHERS}",
        f"Thanks.\n\nOn Fri, 20 Nov 2026 at 10:00, Somebody With A Long Name\n<sam@reporter.example> wrote:\n\n{OTHERS}",
    ],
)
def test_a_quoted_line_never_counts(text: str) -> None:
    assert from_text(text) == ReporterRequest()


@pytest.mark.parametrize(
    "text",
    [
        f"{BANNER}Thank you for writing to us.\n\nWe will read it.\n\nConduct Team\n\n{WISH}",
        f"I was on duty.\n\n{BANNER}Thank you for writing to us.\n\n{WISH}\nPlease, be careful.\n\nKim\n",
        f"Conduct Team <conduct@desk.example> kirjoitti:\n\nKiitos.\n\n{WISH}",
        f"He sent me this:\n\nFrom: Bo\nTo: me\nSubject: hi\n\nyou will pay\n\n{WISH}\nPlease help me.\n",
        f"From: Kim\nTo: Conduct Team\nSubject: harassment\n\n{WISH}\nHe hit me.\n",
        f"To: Conduct Team\nFrom: Kim\nDate: today\nSubject: harassment\n\nHello,\n\n{WISH}\nHe hit me.\n",
        "It was bad. Exclude: Dana\nI mean it. Reply: no\n",
        f"> {'long quoted words that a mail program wraps ' * 2}"[:78]
        + "\nExclude: Dana\n> .\nmy words. (Reply: no)\n",
    ],
)
def test_where_nobody_can_tell_whose_a_line_is_it_withholds_provisionally_and_silences(text: str) -> None:
    asked = from_text(text)
    assert (asked.exclude, asked.perhaps_exclude, asked.quiet) == ((), ("Dana",), True) or (
        asked.perhaps_exclude == ("Dana)",) and asked.quiet
    )
    assert not from_text(text.replace("Reply: no", "Reply: yes")).reply


def test_an_own_wish_above_a_header_block_is_all_that_counts() -> None:
    assert from_text(f"Exclude: Dana\n{HEADERS}{OTHERS}") == ReporterRequest(exclude=("Dana",))


def test_a_clear_yes_outranks_what_may_be_ones_own_older_no() -> None:
    assert from_text(f"Reply: yes\n\n{BANNER}Please.\n\nReply: no\n") == ReporterRequest(reply=True)
    assert from_text(f"Reply: yes\n\nReply: no\n\n{BANNER}") == ReporterRequest(quiet=True)


@pytest.mark.parametrize(
    "said",
    "no|No.|don't|please no|not safe|nope|keine|aucune|ninguna|nenhuma|nein|non|não|لا|never|do not|not by mail|by phone only|yes, but not "
    "to this address|yes / no|~~yes~~ no|if you must|sí, pero no aquí|oui mais pas ici|maybe|?|si no hay otro remedio|nicht|bitte nicht|"
    "por favor no|s'il vous plaît non|de preferência não|رجاء لا|nada|rien|nichts|nee|yes unless he reads it|later".split("|"),
)  # fmt: skip
def test_anything_but_a_clear_yes_is_silence(said: str) -> None:
    for text in (
        f"Reply: {said}",
        f"Reply: {said}\n\nI was hit.",
        f"I was hit.\n\nReply: {said}\n",
        f"Reply:\n{said}\n",
    ):
        assert (from_text(text).quiet, from_text(text).reply) == (True, False), text


@pytest.mark.parametrize(
    "line",
    "Reply: yes|Reply: Yes!|Reply: yes please|Reply: yes, thank you|Reply:\nyes|Reply: *yes*|Antwort: ja|Antwort: Ja, bitte|Réponse : oui|"
    "Réponse : Oui, merci.|Respuesta: sí|Respuesta: sí, por favor|Resposta: sim|Resposta: sim, obrigada|الرد: نعم|الرد: نعم من فضلك".split("|"),
)  # fmt: skip
def test_a_clear_yes_in_six_languages(line: str) -> None:
    assert from_text(f"It is better now.\n\n{line}\n\nKim") == ReporterRequest(reply=True)


def test_an_empty_reply_line_is_silence() -> None:
    for text in ("Reply:", "Reply:\n\n\n\nI was hit.", "Reply:\nExclude: Bo"):
        assert from_text(text) == ReporterRequest(exclude=("Bo",) if "Bo" in text else (), quiet=True)


@pytest.mark.parametrize(
    ("text", "sure", "perhaps"),
    [
        ("Exclude: Jane Roe, Somebody Else, Another One and\nBo\n\nhello", {"Bo"}, set()),
        ("Exclude: Jane Roe, Somebody Else, Another One,\nBo,\nDana\n\nhello", {"Bo", "Dana"}, set()),
        ("Exclude: Jane Roe, Somebody Else\nand Bo\n\nhello", {"Bo"}, set()),
        ("Exclude: Jane Roe, Maximilian Mustermann, Somebody Else, Another, Bo\nLindqvist\n\nx", {"Bo Lindqvist"}, set()),
        ("Exclude:\n- Bo\n- Dana\n\nhello", {"Bo", "Dana"}, set()),
        ("Exclude:\n\n* Bo\n\n* Dana\n\nhello", {"Bo", "Dana"}, set()),
        ("Exclude:\n1. Bo\n2) Dana\n(3) Ada\n\nhello", {"Bo", "Dana", "Ada"}, set()),
        ("Exclude:\nBo\nDana Reyes\n\nhello", {"Bo", "Dana Reyes"}, set()),
        ("Exclude: Jane\n- Bo\n- Dana\n", {"Bo", "Dana"}, set()),
        ("Exclude:\na) Jane Roe and\n   Bo\nb) Dana\n", {"Bo", "Dana"}, set()),
        ("Exclude: Jane\nBo\nDana\n\nhello", {"Jane"}, {"Bo", "Dana"}),
        ("Exclude:\n\nBo\n\nDana\n\nIt went on for many long days.", set(), {"Bo", "Dana"}),
        ("Exclude:\nI was with Bo when it happened to me\n", set(), {"I was with Bo when it happened to me"}),
        ("Exclude: Jane\n\nBo\n", {"Jane"}, set()),
        ("Exclude: Jane\nIt happened on the way home, where Bo lives too.\n", {"Jane"}, set()),
        ("Exclude: Jane\nHello Ada,\nBo\n", {"Jane"}, set()),
        ("> Exclude:\nBo\n", set(), set()),
        ("Exclude:\n> Bo\n", set(), set()),
    ],
)  # fmt: skip
def test_a_value_may_be_wrapped_or_stand_below_its_word(text: str, sure: set[str], perhaps: set[str]) -> None:
    asked = from_text(text)
    assert sure <= set(wishes(asked).excluded)
    assert not perhaps & set(wishes(asked).excluded)
    assert set(asked.perhaps_exclude) == perhaps


words = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)
lines = st.one_of(
    st.just(""), st.builds(" ".join, st.lists(words, min_size=1, max_size=12)),
    st.sampled_from(["Exclude: Ada", "Reply: yes", "Reply: no", "Exclude:", "- Ada", "Hello,", ON.strip(), "From: x", "To: y", "--", "-- "]),
)  # fmt: skip


@given(st.lists(lines, max_size=12), st.lists(lines, max_size=6))
def test_nothing_that_is_marked_as_quoted_ever_counts(quoted: list[str], own: list[str]) -> None:
    """Whatever somebody quotes above what they write themselves, they ask for the same as without it, or for less noise."""
    marked = "\n".join(f"> {line}" for line in quoted)
    alone, answered = from_text("\n".join(own)), from_text(f"{marked}\n\n" + "\n".join(own))
    assert answered == alone


@given(
    st.lists(lines.filter(lambda line: not line.startswith(("From", "On"))), max_size=8), st.lists(lines, max_size=8)
)
def test_an_own_wish_on_top_is_never_lost(above: list[str], below: list[str]) -> None:
    """No words around it make an `Exclude:` line vanish: it counts for good, or provisionally."""
    text = "\n".join(["Reply: no", "", *above, "", "Exclude: Dana", "", *below])
    asked = from_text(text)
    assert "Dana" in (*wishes(asked).excluded, *asked.perhaps_exclude)
    assert not asked.reply


def test_a_wish_below_a_quoted_acknowledgement_is_carried_out(desk: Desk, team: list[Person]) -> None:
    """As Thunderbird writes it, with its cursor below the quote; the acknowledgement is quoted whole, in any style."""
    name = desk.receive(plain_mail("He shouts at me.")).codename
    (ack,) = [item for item in desk.mail_out() if item.recipient == "sam@reporter.example"]
    lines = text_of(ack.mail).splitlines()
    for quoted in (f"Thanks.\n\n{BANNER}", f"Thanks.\n\n{ON}\n", f"{BANNER}", f"{ON}\n"):
        asked = from_text(f"{quoted}{text_of(ack.mail)}\n")
        assert (asked.quiet, asked.exclude, asked.perhaps_exclude) == (False, (), ())
    address = reply_to(ack)
    desk.receive(
        plain_mail(f"{ON}" + "".join(f"> {line}\n" for line in lines) + f"\n{WISH}Somebody reads my mail.\n"), address
    )
    assert desk.case(name)["recused"] == [{"member": "dana", "source": "reporter"}]
    sent = desk.mail_out()
    assert {item.recipient for item in sent} == {person.email for person in team} - {"dana@team.example"}
    notice = unfolded(to(team[0], sent)[0])
    assert "You can't write to the reporter: they asked not to be contacted." in notice.partition("--- ")[0]
    (refusal,) = to(team[0], say(desk, team[0], "/reply\n\nWe are here for you.", name))
    assert "can't write to the reporter" in unfolded(refusal)


@pytest.mark.parametrize("language", ["en", "es", "fr", "pt", "de", "ar"])
def test_an_acknowledgement_that_is_quoted_without_marks_asks_for_nothing(desk: Desk, language: str) -> None:
    """It says how to ask for silence; who quotes it whole, as Outlook does, has not asked."""
    config = desk.context.config
    values = sample_values(config.desk[0])["acknowledge"]
    said = templates_of(config, config.desk[0]).render("acknowledge", language, values).text
    for introduction in (BANNER, HEADERS, ON, f"Thanks.\n\n{BANNER}", f"Thanks.\n\n{HEADERS}", f"Thanks.\n\n{ON}\n"):
        assert from_text(f"{introduction}{said}") == ReporterRequest()
        for width in range(30, 80, 7):
            folded = "\n".join("\n".join(textwrap.wrap(line, width)) for line in said.split("\n"))
            assert from_text(f"{introduction}{folded}") == ReporterRequest(), folded


@pytest.mark.parametrize("names", [100, 60_000])
def test_whoever_is_excluded_among_very_many_is_withheld(desk: Desk, names: int) -> None:
    """Beyond some number names are only looked for as a whole, and withhold provisionally."""
    many = "".join(f"Exclude: Somebody{number} Else{number}\n" for number in range(names))
    receipt = desk.receive(plain_mail(f"{many}Exclude: Bo\n\nhello"))
    source = "reporter" if names == 100 else "named"
    assert desk.case(receipt.codename)["recused"] == [{"member": "bo", "source": source}]


def test_a_very_long_line_is_read_to_its_end(desk: Desk) -> None:
    for text in (
        f"Exclude: {'Jane Roe, ' * 200_000}Bo\n",
        f"{'Some words.  ' * 200_000}\nExclude: Bo\n",
        "\nx" * 600_000 + "\nExclude: Bo\n",
    ):
        asked = from_text(text)
        assert any(line.endswith("Bo") for line in (*asked.exclude, *asked.perhaps_exclude))


@pytest.mark.parametrize(
    ("text", "only", "perhaps"),
    [
        ("Only: Ada Quist, Dana", ("Ada Quist, Dana",), ()),
        ("It was bad.\n\nNur an: Ada und Dana\n", ("Ada und Dana",), ()),
        ("Only:\n- Ada\n- Dana\n", ("Ada", "Dana"), ()),
        ("Exclude: everyone except Ada", ("Ada",), ()),
        ("Exclude: everybody but Ada Quist", ("Ada Quist",), ()),
        ("Excluir: todos menos Ada", ("Ada",), ()),
        (f"{BANNER}Thank you.\n\nWe will read it.\n\nOnly: Ada\n", (), ("Ada",)),
        ("> Only: Ada\n", (), ()),
        ("Nur: see you later\n\nIt was bad.", (), ("see you later",)),
    ],
)
def test_a_line_may_say_who_alone_may_know(text: str, only: tuple[str, ...], perhaps: tuple[str, ...]) -> None:
    assert from_text(text) == ReporterRequest(only=only, perhaps_only=perhaps)


@pytest.mark.parametrize(
    ("text", "excluded"),
    [
        ("Only: not Bo", ("not Bo",)),
        ("Only: everyone except Bo", ("Bo",)),
        ("Nur an: nicht Bo", ("nicht Bo",)),
        ("Solo: todos menos Bo", ("Bo",)),
    ],
)
def test_who_is_meant_not_to_know_is_never_the_only_one(text: str, excluded: tuple[str, ...]) -> None:
    assert from_text(text) == ReporterRequest(exclude=excluded)
