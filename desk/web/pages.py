"""The pages of the form as HTML, in each language. They show what everybody may know, and whatever was just filled in."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from babel import Locale
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from desk.web import assets, people
from desk.web.reports import LABELS, FilledForm
from desk.web.words import count_of
from mailer.saying.notices import grouped
from mailer.saying.translation import speech
from store.context import Context
from store.kit.config import Desk
from store.kit.kinds import LANGUAGES
from store.kit.sentences import marked
from store.openpgp.receipts import SALT_LENGTH

_KEY_SECONDS = 60.0
_TEMPLATES = Path(__file__).parent / "templates"

_QUESTIONS = {
    "who": marked("Who did it?"),
    "when": marked("When?"),
    "where": marked("Where?"),
    "witnesses": marked("Who saw it?"),
    "private": marked("What should stay private?"),
    "wishes": marked("What would help you?"),
    "contact": marked("How can the team reach you, other than here?"),
}
_SAY = {
    "sealing": marked("Sealing what you wrote …"),
    "sending": marked("Sending …"),
    "opening": marked("Opening …"),
    "added": marked("Thank you. What you wrote has arrived."),
    "new": marked("new"),
    "unsigned": marked("This is not signed by the team: don't trust it."),
}
# What can be wrong, by the words that the desk and the scripts have for it.
PROBLEMS = {
    "empty": marked("There is nothing in it yet. Write something, or choose a file."),
    "words": marked("Please write the words of your receipt."),
    "nothing": marked("Nothing opens with these words. Please look whether each of them is right."),
    "size": marked("The files are too large."),
    "address": marked("This is not one plain mail address. Nothing was sent: please correct it."),
    "busy": marked("Very much is being sent just now. Nothing was kept: please try again in an hour, or write a mail."),
    "later": marked("It cannot be kept just now. Please try again in a few minutes."),
    "network": marked("The desk cannot be reached. Nothing is lost: please try again."),
    "work": marked("Your browser could not do the work that keeps floods away. Please try again."),
    "wrong": marked("Something went wrong. Nothing was sent: please try again, or write a mail."),
}
_PLAIN = marked(
    "Your browser runs no scripts for this page, or cannot do what they need. What you send is sealed when it arrives, and for that moment the "
    "machine of the team could read it. That is so with mail, too."
)
_NEEDS_SCRIPTS = marked(
    "This page needs scripts to seal what you write. Without them, please write a mail to %(address)s."
)


@dataclass(frozen=True)
class Place:
    """Where a page stands: its language, what leads from it to the root, and to the desk's form; `api` is where it sends to."""

    language: str
    root: str = "../../"
    home: str = "./"
    here: str = ""
    api: str = "../"
    as_of: str = ""


@dataclass(frozen=True)
class ShownLetter:
    """An answer of the team as a page without scripts shows it."""

    day: str
    text: str = field(repr=False)
    files: Sequence[Mapping[str, str]] = field(default=(), repr=False)
    signed: bool = True
    is_new: bool = False


class Pages:
    """The pages of all desks of a context."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._keys: dict[str, tuple[float, bytes]] = {}

    def form(
        self, desk: Desk, place: Place, receipt: str = "", filled: FilledForm | None = None, problem: str = ""
    ) -> str:
        """The form; `receipt` are the words that a browser without scripts sends along, `problem` a word of `PROBLEMS`."""
        roster, now = self._context.roster(desk), self._context.clock()
        shown = people.shown(desk, roster, now, place.language)
        say = speech(place.language).on_page
        values = {
            "problem": say(PROBLEMS[problem]) if problem else "",
            "people": shown,
            "more_people": people.hidden(roster, now),
            "named": [person.name for person in shown if person.name],
            "hours": desk.acknowledge_hours,
            "questions": [(name, say(question)) for name, question in _QUESTIONS.items()],
            "labels": LABELS,
            "filled": _Refilled(filled or FilledForm()),
            "receipt": receipt,
            "receipt_words": "",
            "size": speech(place.language).size(int(int(self._context.config.web.size_limit) * 0.7)),
            "as_of": place.as_of,
        }
        return self._rendered("form.html", desk, place, values)

    def done(self, desk: Desk, place: Place, words: str) -> str:
        """What follows a report that was sent without scripts."""
        return self._rendered("done.html", desk, place, {"receipt_words": words})

    def receipt(self, desk: Desk, place: Place, problem: str = "") -> str:
        """The page that asks for the words of a receipt."""
        shown = speech(place.language).on_page(PROBLEMS[problem]) if problem else ""
        values = {"problem": shown, "opened": False, "letters": (), "added": False, "words": ""}
        return self._rendered("receipt.html", desk, place, values)

    def letters(self, desk: Desk, place: Place, words: str, letters: Sequence[ShownLetter], result: str = "") -> str:
        """What a receipt opens, for a browser without scripts; `words` go along with what is written next. `result` is what became of
        what was written last: `added`, or a word of `PROBLEMS`.
        """
        shown = speech(place.language).on_page(PROBLEMS[result]) if result in PROBLEMS else ""
        values = {
            "problem": shown, "opened": True, "letters": letters, "added": result == "added", "words": words,
            "once": secrets.token_hex(16),
        }  # fmt: skip
        return self._rendered("receipt.html", desk, place, values)

    def desks(self, desks: Sequence[Desk], place: Place) -> str:
        """The choice of a desk."""
        values = {"desks": [(desk.id, desk.title) for desk in desks]}
        return self._rendered("desks.html", desks[0], place, values)

    def problem(self, desk: Desk, place: Place, problem: str) -> str:
        """A page that says why something was not sent."""
        say = speech(place.language).on_page
        return self._rendered("problem.html", desk, place, {"problem": say(PROBLEMS[problem])})

    def day(self, at: datetime, desk: Desk, language: str) -> str:
        """A day, in the time zone of a desk."""
        return speech(language).day(at.astimezone(desk.zone).date())

    def key(self, desk: Desk) -> bytes:
        """The key of a desk in armor, asked of GnuPG once in a minute: each page holds it."""
        asked, known = self._keys.get(desk.fingerprint, (0.0, b""))
        if not known or time.monotonic() - asked > _KEY_SECONDS:
            known = self._context.keyring.export(desk.fingerprint, armored=True)
            self._keys[desk.fingerprint] = time.monotonic(), known
        return known

    def salt(self, desk: Desk) -> bytes:
        """What the receipts of a desk are mixed with: its own, and the same for ever."""
        return bytes.fromhex(self._context.vault.digest("salt of receipts", desk.id.encode()))[:SALT_LENGTH]

    def _rendered(self, name: str, desk: Desk, place: Place, values: Mapping[str, Any]) -> str:
        spoken = speech(place.language)
        plain = spoken.on_page(_PLAIN) if place.api else spoken.on_page(_NEEDS_SCRIPTS, address=desk.address)
        common = {
            "language": place.language,
            "direction": "rtl" if spoken.runs_right_to_left else "ltr",
            "languages": _languages(),
            "root": place.root,
            "home": place.home,
            "here": place.here,
            "key_url": f"{place.home}../key.asc",
            "action": f"{place.api}{place.language}/{place.here}" if place.api.startswith("http") else "",
            "api": place.api,
            "title": desk.title,
            "address": desk.address,
            "fingerprint": grouped(desk.fingerprint),
            "count": count_of(place.language),
            "plain_notice": plain,
            "settings": self._settings(desk, place),
            "said": spoken.on_page,
        }
        return _environment(place.language).get_template(name).render({**common, **values})

    def _settings(self, desk: Desk, place: Place) -> dict[str, Any]:
        """What the scripts of a page need to know."""
        say: Callable[[str], str] = speech(place.language).on_page
        return {
            "key": self.key(desk).decode(),
            "api": place.api,
            "salt": self.salt(desk).hex(),
            "words": f"{place.root}words/{place.language}.json",
            "count": count_of(place.language),
            "worker": f"{place.root}static/vendor/altcha-pbkdf2.js",
            "size_limit": int(self._context.config.web.size_limit),
            "say": {name: say(sentence) for name, sentence in {**_SAY, **PROBLEMS}.items()},
        }


class _Refilled:
    """A form as a template asks for it: a field that was not filled is empty."""

    def __init__(self, form: FilledForm) -> None:
        self.what, self.exclude, self.exclude_others = form.what, form.exclude, form.exclude_others
        self.only, self.no_reply = form.only, form.no_reply
        self.fields = {name: form.fields.get(name, "") for name in LABELS}


@cache
def _languages() -> list[tuple[str, str]]:
    """The languages by their own names."""
    return [(code, (Locale.parse(code).display_name or code).capitalize()) for code in LANGUAGES]


@cache
def _environment(language: str) -> Environment:
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip
    made.globals.update(_=speech(language).on_page, integrity=assets.integrity)
    return made
