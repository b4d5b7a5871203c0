"""The texts of notices, from templates.

A desk may put templates of its own into a folder: `KIND.LANGUAGE.txt` or `KIND.txt`; what is missing there
comes from here, in the languages of `mailer.saying.translation`. Templates run in Jinja2's sandbox and may only use the values they
are given. The first line of a template is `Subject: …`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateNotFound,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mailer.saying.direction import without_marks
from mailer.saying.notices import AUDIENCE
from mailer.saying.translation import label, speech
from store.kit.config import Config, Desk
from store.kit.errors import ConfigError
from store.kit.kinds import LANGUAGES

KINDS = tuple(AUDIENCE)
_BUILT_IN = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Rendered:
    """A notice in words."""

    subject: str
    text: str


class Templates:
    """The templates of one desk."""

    def __init__(self, own: Path | None, zone: tzinfo = UTC) -> None:
        """`own` is the desk's folder of templates, if it has one; times are shown in `zone`."""
        self._own = own
        self._zone = zone
        self._environments: dict[str, Environment] = {}
        self._found: dict[tuple[str, str], Template] = {}

    def languages(self) -> set[str]:
        """The languages that there are templates in."""
        own = self._own.glob("*.*.txt") if self._own else ()
        return {*LANGUAGES, *(parts[1] for path in own if len(parts := path.name.split(".")) == 3)}

    def render(self, kind: str, language: str, values: Mapping[str, Any]) -> Rendered:
        """The notice of a kind in a language; in English where there is none in that.

        Raises ConfigError when the template cannot be used.
        """
        try:
            text = self._template(kind, language).render(values)
        except TemplateNotFound:
            raise ConfigError(f"There is no template for '{kind}'.") from None
        except (
            TemplateError,
            TypeError,
            ValueError,
            ArithmeticError,
            AttributeError,
            LookupError,
            RecursionError,
        ) as error:
            # The error's own text may quote a report.
            raise ConfigError(self._complaint(kind, error)) from None
        head, _, body = text.partition("\n")
        if not head.lower().startswith("subject:") or not head[8:].strip():
            raise ConfigError(self._complaint(kind, None))
        return Rendered(" ".join(without_marks(head[8:]).split()), body.strip("\n") + "\n")

    def fragment(self, name: str, language: str, values: Mapping[str, Any]) -> str:
        """A piece of text that is no notice of its own, of the templates that come with this program."""
        return self._environment(language).get_template(name).render(values).strip()

    def _template(self, kind: str, language: str) -> Template:
        """Looked for once: jinja2 remembers what it found, but not what it looked for in vain."""
        if (kind, language) not in self._found:
            names = [f"{kind}.{language}.txt", f"{kind}.txt"]
            self._found[kind, language] = self._environment(language).select_template(names)
        return self._found[kind, language]

    def _environment(self, language: str) -> Environment:
        if language not in self._environments:
            self._environments[language] = self._made(language)
        return self._environments[language]

    def _made(self, language: str) -> Environment:
        folders = [FileSystemLoader(folder) for folder in (self._own, _BUILT_IN) if folder is not None]
        made = ImmutableSandboxedEnvironment(
            loader=ChoiceLoader(folders),
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            extensions=["jinja2.ext.i18n"],
        )
        spoken = speech(language)

        def time(at: datetime) -> str:
            return spoken.time(at, self._zone)

        made.policies["ext.i18n.trimmed"] = True
        # Values are put into a sentence where it is said: that makes them arguments, as in `newstyle` gettext.
        made.newstyle_gettext = True  # type: ignore[attr-defined]  # the extension adds it
        made.globals.update(gettext=spoken.say, _=spoken.say, row=spoken.row)
        made.filters.update(
            said=spoken.said, day=spoken.day, time=time, age=spoken.age, left=spoken.left, label=label,
            fold=spoken.fold, isolated=spoken.isolated, number=spoken.number, size=spoken.size,
        )  # fmt: skip
        return made

    def _complaint(self, kind: str, error: Exception | None) -> str:
        where = self._own or _BUILT_IN
        number = getattr(error, "lineno", None)
        line = f", line {number}" if number else ""
        why = f"it fails with {type(error).__name__}{line}" if error else "its first line must be 'Subject: …'"
        return (
            f"{where}: the template '{kind}' cannot be used: {why}. Correct it, or remove it to use the built-in one."
        )


def templates_of(config: Config, desk: Desk) -> Templates:
    """The templates of a desk."""
    return Templates(config.path(desk.templates) if desk.templates else None, desk.zone)


def check(config: Config, desk: Desk, samples: Mapping[str, Mapping[str, Any]]) -> None:
    """Render every template of a desk with sample values. Raises ConfigError naming the first that fails.

    A desk without templates of its own has only those that the tests rendered: trying all of them in every
    language took two thirds of a second of each start.
    """
    if not desk.templates:
        return
    if not config.path(desk.templates).is_dir():
        raise ConfigError(
            f"desk.templates: {config.path(desk.templates)} is not a folder. Create it, or remove the field."
        )
    templates = templates_of(config, desk)
    for language in sorted(templates.languages()):
        for kind in KINDS:
            templates.render(kind, language, samples[kind])
