"""What must not be told of one person in a case to another: names however they are written, and what somebody wrote."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.cases.correspondence import Thread
from store.cases.disclosure import RUN, Recipient, Secrets, require_discreet
from store.cases.letter_order import Order, read_order
from store.cases.persons import Person, display_name, named_in, protected
from store.kit.errors import NotAllowed
from store.tables.records import Facts
from store.team.folding import fold

ROBIN = Person("p", "Robin Sander", "robin.sander@mail.example", ("rs-on-mastodon",), "reporter", ("robin", "sander"))
WRITTEN = "one two three four five six seven eight nine ten eleven twelve"


def is_told(text: str, *, person: Person = ROBIN, to: str = "Morgan Vale", written: tuple[str, ...] = ()) -> bool:
    try:
        require_discreet([text], Secrets([person], [(said, False) for said in written]), Recipient(to))
    except NotAllowed:
        return True
    return False


@pytest.mark.parametrize(
    "text",
    [
        "Robin said so.", "ROBIN SANDER said so.", "We asked robin sander.", "Ask Sander.", "Mr. Sander wrote.", "R. Sander wrote.",
        "Sander, Robin", "robin.sander@mail.example", "Robin.Sander+x@Mail.Example", "See @rs-on-mastodon.", "Ro\u00adbin Sander", "Robin\u200b Sander",
        "Róbin Sänder", "Робин Сандер", "\uff32\uff4f\uff42\uff49\uff4e \uff33\uff41\uff4e\uff44\uff45\uff52", "robin\nsander", "Dear Robin,\n\nHello.", "Robins Brief",
        "RobinSander", "Robin M. Sander", "ask sander about it", "What Robin's friend saw", "*Robin*", "_Robin Sander_", "robin_sander", "ROBIN",
    ],
)  # fmt: skip
def test_a_name_is_seen_however_it_is_written(text: str) -> None:
    assert is_told(text)


@pytest.mark.parametrize("text", ["We were told of it.", "The robin sings.", "A sandier beach.", "", "Morgan, hello."])
def test_what_names_nobody_goes(text: str) -> None:
    assert not is_told(text)


def test_a_first_name_alone_is_seen_in_small_letters_where_it_is_no_word() -> None:
    assert is_told("we asked morgana", person=Person("p", "Morgana Li"))
    assert not is_told("the robin sings", person=Person("p", "Robin Li"))
    assert not is_told("please contact us", person=Person("p", "", "contact@x.example", calls=("contact",)))


def test_who_bears_the_same_name_can_be_greeted() -> None:
    assert not is_told("Hello Robin,\n\nhow are you?", to="Robin Vale")
    assert is_told("Hello Robin Sander,", to="Robin Vale")


@given(st.lists(st.sampled_from([*WRITTEN.split(), "x", "y"]), max_size=40))
@settings(max_examples=300)
def test_eight_words_in_a_row_are_found_and_seven_are_not(said: list[str]) -> None:
    """Against a plain model: whether any run of that length stands in what was written."""
    runs = {tuple(said[at : at + RUN]) for at in range(len(said) - RUN + 1)}
    written = WRITTEN.split()
    expected = any(tuple(written[at : at + RUN]) in runs for at in range(len(written) - RUN + 1))
    assert is_told(" ".join(said), written=(WRITTEN,)) == expected


@pytest.mark.parametrize("between", [" ", "\n> ", ", ", " - ", "\u00a0", "... ", "*", "\u200b "])
def test_marks_between_the_words_hide_nothing(between: str) -> None:
    assert is_told(between.join(WRITTEN.split()[:RUN]).upper(), written=(WRITTEN,))


def test_what_they_wrote_or_got_before_may_be_said_back() -> None:
    require_discreet([WRITTEN], Secrets([], [(WRITTEN, False)]), Recipient("Morgan", [WRITTEN]))


def test_a_very_long_text_takes_linear_time() -> None:
    long = "word " * 400_000
    assert not is_told("A short letter of more than eight words in a row.", written=(long,))


def test_fields_name_persons() -> None:
    found = list(named_in("Kim Ode, @lee and somebody who knows Max from the Harbour, jo@x.example", ":witnesses"))
    assert [item.forms + item.calls for item in found] == [
        ("Kim Ode",), ("lee",), ("Max", "Harbour"), ("jo@x.example",),
    ]  # fmt: skip


def test_everybody_but_the_reported_person_is_protected() -> None:
    threads = (
        Thread("1", "h", "Morgan Vale", "m@x.example", "reported"),
        Thread("2", "h", "Kim Ode", "k@x.example", "witness"),
    )
    facts = Facts(reporters=("robin@x.example",), may_be_named=("Lee Harm",))
    found = protected(facts, {"harmed": "Lee Harm, Jo Hurt", "witnesses": "Max", "reported": "Morgan"}, threads, ())
    assert [item.name or item.email for item in found] == ["robin@x.example", "Jo Hurt", "Max", "Kim Ode"]


@pytest.mark.parametrize(
    ("written", "order"),
    [
        ("Sam Doe <sam@x.example>", Order("Sam Doe", "sam@x.example")),
        ('"Sam Doe" <sam+ask@x.example> as witness', Order("Sam Doe", "sam+ask@x.example", "witness")),
        ("Sam", Order("Sam")),
        ("Sam draft", Order("Sam", draft=True)),
        (
            "Sam <s@x.example> draft in es until 2026-12-31 using hearing as reported plain",
            Order("Sam", "s@x.example", "reported", "es", "hearing", "2026-12-31", "plain", True),
        ),
        ("Sam as Witness New-Key", Order("Sam", role="witness", how="new-key")),
        ("Jo As-Told draft", Order("Jo As-Told", draft=True)),
    ],
)
def test_an_order_is_read(written: str, order: Order) -> None:
    assert read_order(written) == order


@given(st.text(max_size=200))
@settings(max_examples=300)
def test_any_order_is_read_or_refused_with_a_sentence(written: str) -> None:
    try:
        order = read_order(written)
    except NotAllowed:
        return
    assert order.name
    assert "\n" not in order.address
    assert order.address.count("@") <= 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Samira Holt", "Samira told us."), ("Jörg Ode", "We asked Jo\u0308rg."), ("Robin Sander", "We asked Ro\u00adbin."), ("Robin Sander", "We asked Ro\u200bbin."),
        ("محمد علي", "سألنا محمد عن ذلك"), ("محمد علي", "قلنا لمحمد ذلك"), ("דוד כהן", "שאלנו את דוד"), ("王小明", "我们问了小明这件事"), ("김민준", "저희는 민준이에게 물었습니다"),
        ("Jo Wu", "Then Jo left."), ("Li Wei", "We saw Li there."),
    ],
)  # fmt: skip
def test_a_name_is_seen_in_any_script_and_however_it_is_built(name: str, text: str) -> None:
    assert is_told(text, person=Person("p", name), to="Sam Rob")


def test_whom_it_is_for_hides_nobody_whose_name_begins_alike() -> None:
    assert is_told("Robin told us about you.", to="Rob")
    assert is_told("Samira told us about you.", person=Person("p", "Samira Holt"), to="Sam")
    assert is_told("Robin told us about you.", to="o")


@pytest.mark.parametrize(
    "said",
    [
        "他在星期五晚上在舞台后面对我大喊大叫让我很害怕",
        "เขาตะโกนใส่ฉันหลังเวทีในคืนวันศุกร์ต่อหน้าทุกคน",
        "金曜日の夜に舞台の裏で大声で怒鳴られました",
    ],
)
def test_words_of_scripts_without_spaces_are_not_repeated(said: str) -> None:
    assert is_told(f"We heard: {said}!", written=(said,))
    assert not is_told(f"We heard: {said[:8]}", written=(said,))


def test_the_teams_own_words_are_its_own_also_when_they_come_back() -> None:
    ours = Secrets([], [(WRITTEN, True), (f"> {WRITTEN}", False)])
    require_discreet([WRITTEN], ours, Recipient("Kim"))
    theirs = Secrets([], [(WRITTEN, False), (WRITTEN, True)])
    with pytest.raises(NotAllowed):
        require_discreet([WRITTEN], theirs, Recipient("Kim"))


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("Lee from the sound crew", "Lee"), ("Lee Harm from the sound crew", "Lee"), ("Maria da Silva dos Santos Oliveira", "Maria"),
        ("kim who works at the bar on Fridays", "Kim"), ("محمد علي، سارة حسن", "سارة"), ("Ann Bell / Kim Ode", "Ode"), ("Ann Bell or Kim Ode", "Ode"),
    ],
)  # fmt: skip
def test_who_stands_in_a_field_is_found_however_it_is_written(value: str, named: str) -> None:
    persons = list(named_in(value, ":x"))
    with pytest.raises(NotAllowed):
        require_discreet([f"We asked {named} too."], Secrets(persons, []), Recipient("Morgan Vale"))


def test_a_description_refuses_no_ordinary_sentence() -> None:
    persons = [*named_in("The person at the door of the club", ":x"), *named_in("jemand von der Bar am Freitag", ":y")]
    require_discreet(
        ["The meeting was on Friday. Jemand war da."],
        Secrets([item for item in persons if "Friday" not in item.calls], []),
        Recipient(""),
    )


@pytest.mark.parametrize(
    ("sender", "name"),
    [
        ("Robin Sander", "Robin Sander"), ('"Robin Sander (@rsa)" <r2d2@mail.example>', "Robin Sander"), ("Robin <robin@x.example>", "Robin"),
        ("robin@x.example", ""), ("<robin@x.example>", ""), ('"robin@x.example" <robin@x.example>', ""),
    ],
)  # fmt: skip
def test_the_name_of_an_author(sender: str, name: str) -> None:
    assert display_name(sender) == name


@pytest.mark.parametrize("marks", ["\u0301\u0316", "\u0316\u0301", "\u0301"])
def test_ever_more_marks_on_one_letter_are_read_at_once(marks: str) -> None:
    assert len(fold("a" + marks * 300_000)) < 100
    assert fold("e\u0301") == "e"
