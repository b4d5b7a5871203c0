"""Members read in their language, reporters in theirs as far as that is certain."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from desk.demo.mails import pgp_mime, plain_mail, text_entity
from desk.demo.rehearsal import Person
from intake.asking.commands import parse
from intake.asking.directives import from_text
from mailer.saying import render
from mailer.saying.language import language_of
from mailer.saying.notices import AUDIENCE
from mailer.saying.samples import sample_values
from mailer.saying.translation import speech
from store.kit.config import Desk as Settings
from store.kit.kinds import LANGUAGES
from store.kit.sentences import Sentence
from tests.conftest import Desk
from tests.support.catalogs import TRANSLATED, catalog, sentences
from tests.support.talk import read, say, to

SETTINGS = Settings(address="conduct@desk.example", fingerprint="A" * 40)

REPORTS = {
    "en": "Hello, yesterday at the dinner somebody followed me to my room.",
    "es": "Hola, ayer en la cena alguien me siguió hasta mi habitación.",
    "fr": "Bonjour, hier au dîner quelqu'un m'a suivie jusqu'à ma chambre.",
    "pt": "Olá, ontem no jantar alguém me seguiu até o meu quarto.",
    "de": "Guten Tag, gestern beim Abendessen ist mir jemand bis zu meinem Zimmer gefolgt.",
    "ar": "مرحبا، أمس بعد العشاء تبعني شخص إلى غرفتي.",
}
THANKS = {
    "en": "Thank you for writing to us.",
    "es": "Gracias por escribirnos.",
    "fr": "Merci de nous avoir écrit.",
    "pt": "Obrigado por nos escrever.",
    "de": "Danke, dass Sie uns geschrieben haben.",
    "ar": "شكرًا لكتابتك إلينا.",
}


@pytest.mark.parametrize("language", TRANSLATED)
def test_each_language_says_every_sentence_with_the_same_values(language: str) -> None:
    said, wanted = catalog(language), sentences()
    assert {item.id for item in said} == {item.id for item in wanted}, "run 'make words', and translate what is new"
    for item in said:
        if not item.id:
            continue
        assert isinstance(item.string, str)
        assert isinstance(item.id, str)
        assert item.string, f"{language}: not translated: {item.id}"
        assert not item.fuzzy
        for kind in (r"%\(\w+\)s|%", r"\{\w+\}", r"/[a-z]{3,}\b|OUTCOME|\bgpg\b"):
            assert set(re.findall(kind, item.string)) == set(re.findall(kind, item.id)), f"{language}: {item.id}"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", AUDIENCE)
def test_each_notice_is_there_in_each_language(kind: str, language: str) -> None:
    templates, values = render.Templates(None), sample_values(SETTINGS)[kind]
    made, english = templates.render(kind, language, values), templates.render(kind, "en", values)
    assert made.subject
    assert "\n\n\n" not in made.text
    assert max(map(len, made.text.splitlines())) < 100
    if language != "en" and kind not in (
        "reply",
        "write",
        "canary",
    ):  # the one is a reader's, the other nobody's to read
        assert made.text != english.text
    for stays in ("amber-heron", "conduct@desk.example", "0000", "Ada Example", "A sample text.", "AAAA AAAA", "/hold"):
        assert (stays in made.text) == (stays in english.text)


def test_days_and_times_are_said_in_each_language() -> None:
    noon = datetime(2026, 3, 1, 11, tzinfo=UTC)
    assert speech("de").time(noon, ZoneInfo("Europe/Berlin")) == "1. März 2026, 12:00 MEZ"
    assert speech("fr").day(date(2026, 3, 1)) == "1 mars 2026"
    assert speech("es").left(1) == "dentro de 1 día"
    assert speech("ar").left(2) == "خلال يومين"
    assert speech("en").left(400) == "in 400 days"
    assert speech("xx").day(date(2026, 3, 1)) == "March 1, 2026"


def test_a_sentence_with_values_is_said_in_each_language() -> None:
    why = Sentence("You can't write to the reporter: {why}.", {"why": "the mail doesn't say who wrote it"})
    assert str(why) == "You can't write to the reporter: the mail doesn't say who wrote it."
    assert (
        speech("de").said(why) == "Der meldenden Person kann nicht geschrieben werden: die Mail nennt keinen Absender."
    )
    assert speech("de").said("Somebody's {own} words") == "Somebody's {own} words"
    assert str(Sentence("a brace { is a brace")) == "a brace { is a brace"
    assert Sentence.from_json("what an older desk kept {x}") == Sentence("what an older desk kept {x}")


def test_long_sentences_are_folded_and_never_changed_otherwise() -> None:
    said = speech("en").say("Who is on this case: %(names)s", names=", ".join(["Zoë Example"] * 20))
    assert max(map(len, said.splitlines())) <= 76
    assert " ".join(said.split()) == "Who is on this case: " + ", ".join(["Zoë Example"] * 20)
    assert speech("en").say("Note: %(note)s.", note="100 % {sure}") == "Note: 100 % {sure}."


@pytest.mark.parametrize(("language", "text"), REPORTS.items())
def test_the_language_of_a_report_is_found(language: str, text: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize(
    "text",
    ["", "Hi", "https://example.org/x?y=1", "sos", "12345 67890 12345", "Вчера за мной кто-то шёл до моей комнаты.",
     "> Hello, this is only what somebody else wrote, quoted\n> once and again\nok"],
)  # fmt: skip
def test_where_it_is_not_certain_nothing_is_guessed(text: str) -> None:
    assert language_of(text) == ""


def test_italian_is_not_taken_for_spanish() -> None:
    assert language_of("Ieri sera a cena qualcuno mi ha seguita fino alla mia camera.") not in LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reporter_is_answered_in_the_language_of_the_report(desk: Desk, language: str) -> None:
    desk.receive(plain_mail(REPORTS[language], subject="x"))
    (answer,) = [item for item in desk.mail_out() if item.recipient == "sam@reporter.example"]
    text = read(desk_reader(desk), answer)
    assert [item for item in LANGUAGES if THANKS[item] in text] == [language]


def desk_reader(desk: Desk) -> Person:
    """Somebody through whose eyes plain mail is read."""
    return desk.play.team[0]


def test_unsure_is_english_and_the_desks_language(desk: Desk) -> None:
    desk.play.change_config('# language = "en"', 'language = "de"')
    desk.receive(plain_mail("help", subject="x"))
    (answer,) = [item for item in desk.mail_out() if item.recipient == "sam@reporter.example"]
    text = read(desk_reader(desk), answer)
    assert [item for item in LANGUAGES if THANKS[item] in text] == ["en", "de"]
    assert text.startswith("Your message / Ihre Nachricht\n")


def test_plain_answers_do_not_tell_the_language_of_a_sealed_report(desk: Desk, stranger: Person) -> None:
    desk.receive(pgp_mime(text_entity(REPORTS["es"]), desk.play.desk_key, stranger.keyring))
    (answer,) = [item for item in desk.mail_out() if item.recipient == "sam@reporter.example"]
    text = read(desk_reader(desk), answer)
    assert THANKS["en"] in text
    assert THANKS["es"] not in text


def test_a_member_reads_in_their_language_and_is_refused_in_it(desk: Desk, team: list[Person]) -> None:
    ada, bo = team[:2]
    roster = desk.play.folder / "roster.toml"
    roster.write_text(roster.read_text().replace('id = "ada"', 'id = "ada"\nlanguage = "fr"'))
    codename = desk.receive(plain_mail("Somebody hurt me.")).codename
    sent = desk.mail_out()
    assert "nouveau signalement" in to(ada, sent)[0]
    assert "Qui est dans ce dossier :" in to(ada, sent)[0]
    assert "new report" in to(bo, sent)[0]
    (refused,) = to(ada, say(desk, ada, "/assign Nobody Known", codename))
    assert "Il n'y a pas de membre « Nobody Known » sur la liste de cette équipe." in refused
    assert "    /assign Nobody Known\n" in refused


def test_a_desks_own_template_may_be_in_any_language(desk: Desk) -> None:
    own = desk.play.folder / "own"
    own.mkdir()
    (own / "acknowledge.it.txt").write_text("Subject: Grazie\nGrazie di averci scritto. {{ desk.title }}\n")
    desk.play.change_config('# templates = "templates"', 'templates = "own"')
    desk.receive(plain_mail("Ieri sera a cena qualcuno mi ha seguita fino alla mia camera."))
    (answer,) = [item for item in desk.mail_out() if item.recipient == "sam@reporter.example"]
    assert "Grazie di averci scritto." in read(desk_reader(desk), answer)


@pytest.mark.parametrize(
    "lines",
    ["Exclude: Bo\nReply: no", "Excluir: Bo\nRespuesta: no", "Exclure : Bo\nRéponse : non", "Excluir: Bo\nResposta: não",
     "Ausschließen: Bo\nAntwort: nein", "استثناء: Bo\nالرد: لا"],
)  # fmt: skip
def test_a_reporter_may_ask_in_their_language(lines: str) -> None:
    asked = from_text(f"{lines}\n\nIt was ...")
    assert (asked.exclude, asked.quiet) == (("Bo",), True)


def test_marks_of_writing_direction_do_not_hide_a_command() -> None:
    assert parse("\u200e/show\nx").asks == {"show"}
    assert parse("\u2067/assign\u2069 me").on_case[0].subject == "me"
    assert from_text("مرحبا\n\u200fExclude: Bo\n\u200fReply: no").exclude == ("Bo",)
