"""Commands, quotes, wrapped text and forms: pure rules."""

from __future__ import annotations

import contextlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.asking.commands import Commands, WrongLine, begins_with_command, named_case, parse
from intake.asking.form import read_form
from intake.reading.flowed import unflowed
from intake.reading.html import html_to_text
from intake.reading.quotes import below_leading_quote, own_text
from store.cases.commands import ON_CASES
from store.cases.fields import FIELDS


def test_commands_stand_on_top_until_the_first_other_line() -> None:
    found = parse("\n/assign me\n\n  /FIELD when: a: b\n/show\nHello\n/hold\n")
    assert [(command.name, command.subject, command.text) for command in found.on_case] == [
        ("assign", "me", ""),
        ("field", "when", "a: b"),
    ]
    assert found.asks == {"show"}
    assert found.rest == "Hello\n/hold\n"
    assert found.reply is None
    assert parse("/reply\n/hold\ntext").on_case[0].name == "hold"
    assert parse("/reply new key\ntext").reply == "new-key"
    assert parse('/recuse "Bo Lindqvist" a friend').on_case[0].subject == "Bo Lindqvist"
    assert parse("/case Amber-Heron\n/show").case == named_case("/case Amber-Heron\n/show") == "amber-heron"
    assert parse("// not a command\n/hold") == Commands(rest="// not a command\n/hold")
    assert parse("") == Commands()


@pytest.mark.parametrize(
    "text", ["/etc/passwd", "/", "/ assign", "/assign", "/unknown", "/reply\n/reply", "/field x", "/case a\n/case b"]
)
def test_wrong_lines_are_named(text: str) -> None:
    with pytest.raises(WrongLine) as caught:
        parse(text)
    assert caught.value.line == text.split("\n")[-1].strip()


quoted_lines = st.text(
    alphabet=string.printable.replace("\n", "").replace("\r", "").replace("\x0b", "").replace("\x0c", "")
)
commands = st.sampled_from([f"/{verb} x" for verb in ON_CASES] + ["/reply", "/show", "/field when: now"])


@given(st.lists(quoted_lines | commands, max_size=8), quoted_lines.filter(str.strip))
def test_a_quoted_line_is_never_executed(quoted: list[str], text: str) -> None:
    quote = "".join(f"> {line}\n" for line in quoted)
    own = text.lstrip("/> \t")
    for mail in (
        f"{quote}{own}",
        f"{own}\n{quote}",
        f"On Friday, X wrote:\n{quote}\n{own}",
        f"{own}\n\nOn Friday, X wrote:\n{quote}",
    ):
        try:
            found = parse(mail)
        except WrongLine:
            pytest.fail("a quoted line was read as a command")
        assert not found.any


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    own_text(text)
    below_leading_quote(text)
    begins_with_command(text)
    read_form(text)
    unflowed(text, delsp=True)
    with contextlib.suppress(WrongLine):
        parse(text)


def test_the_members_signature_and_the_quote_are_not_their_text() -> None:
    assert own_text("Mine.\n-- \nAda\n+1") == "Mine."
    assert own_text("Mine.\n\nOn Fri, X wrote:\n> theirs\n\nMine too.\n--\nAda") == "Mine.\n\nMine too."
    assert own_text("Mine.\n\nFrom: X <x@y>\nSent: Friday\nTo: me\nSubject: z\n\ntheirs") == "Mine."
    assert own_text("Oui.\n\nLe 20 nov. 2026 à 10:00, X <x@y> a écrit :\n\n> a\n> b\n") == "Oui."
    assert own_text("no quote -- here") == "no quote -- here"


@pytest.mark.parametrize(
    ("wrapped", "whole"),
    [
        ("one \ntwo", "one two"),
        ("one\ntwo", "one\ntwo"),
        ("> a \n> b\nc", "> a b\nc"),
        ("> a \nb", "> a \nb"),
        (">> deep \n>> er", ">> deep er"),
        (" >stuffed\n From here", ">stuffed\nFrom here"),
        ("text \n-- \nAda", "text \n-- \nAda"),
        ("", ""),
    ],
)
def test_flowed_text_is_made_whole(wrapped: str, whole: str) -> None:
    assert unflowed(wrapped, delsp=False) == whole


def test_deleted_spaces() -> None:
    assert unflowed("こん \nにちは", delsp=True) == "こんにちは"


def test_what_is_quoted_in_html_looks_quoted() -> None:
    page = "<p>/show</p><blockquote>/hold<br>x<blockquote>deep</blockquote></blockquote>tail<BLOCKQUOTE>y</BLOCKQUOTE>"
    text = html_to_text(page)
    assert text is not None
    lines = [line for line in text.split("\n") if line.strip() and line.strip() != ">"]
    assert lines == ["/show", "> /hold", "> x", "> deep", "tail", "> y"]


@given(
    st.lists(st.sampled_from(["<blockquote>", "</blockquote>", "<p>", "text", "<br>", "<!-- ", " -->", "<table><tr>"]))
)
def test_any_page_is_read_or_left_as_a_file(pieces: list[str]) -> None:
    html_to_text("".join(pieces))


def test_a_form_is_read_by_its_labels_wherever_they_stand() -> None:
    text = (
        "Hello,\n\n**When:** Friday\n- Where: lobby,\nfirst floor\n\nWhat happened:\n\nHe shouted.\nAnd left.\n\n"
        "Who: Rude\nWho: Second\nTime: now\nWitness: Kim\n> Wishes: quoted\n"
    )
    assert read_form(text) == {
        "when": "Friday", "where": "lobby,\nfirst floor", "what": "He shouted.\nAnd left.", "reported": "Rude",
        "witnesses": "Kim",
    }  # fmt: skip
    assert set(read_form(text)) <= set(FIELDS)


@pytest.mark.parametrize(
    "text",
    [
        "Wann: A\nWo: B\nWer war es: C\nZeugen: D\nVertraulich: E\nWas würde helfen: F\nKontakt: G",
        "¿Cuándo?: A\n¿Dónde?: B\n¿Quién lo hizo?: C\nTestigos: D\nConfidencial: E\nDeseos: F\nContacto: G",
        "Quand : A\nOù : B\nQui l’a fait ? : C\nTémoins : D\nConfidentiel : E\nSouhaits : F\nMe joindre : G",
        "Quando: A\nOnde: B\nQuem: C\nTestemunhas: D\nEm segredo: E\nDesejos: F\nContato: G",
        "متى؟: A\nأين: B\nمن فعل ذلك؟: C\nالشهود: D\nسري: E\nما أريده: F\nللتواصل: G",
    ],
)
def test_the_lines_of_a_report_are_read_in_each_language(text: str) -> None:
    names = ("when", "where", "reported", "witnesses", "confidentiality", "wishes", "contact")
    assert read_form(text) == dict(zip(names, "ABCDEFG", strict=True))
