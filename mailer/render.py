"""The texts of notices, from templates.

A desk may put templates of its own into a folder: `KIND.LANGUAGE.txt` or `KIND.txt`; what is missing there
comes from here. Templates run in Jinja2's sandbox and may only use the values they are given. The first line of
a template is `Subject: …`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined, TemplateError, TemplateNotFound
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mailer.notices import AUDIENCE
from store.config import Config, Desk
from store.errors import ConfigError

KINDS = tuple(AUDIENCE)
_BUILT_IN = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Rendered:
    """A notice in words."""

    subject: str
    text: str


class Templates:
    """The templates of one desk."""

    def __init__(self, own: Path | None) -> None:
        """`own` is the desk's folder of templates, if it has one."""
        folders = [FileSystemLoader(folder) for folder in (own, _BUILT_IN) if folder is not None]
        self._environment = ImmutableSandboxedEnvironment(
            loader=ChoiceLoader(folders),
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._own = own

    def render(self, kind: str, languages: Sequence[str], values: Mapping[str, Any]) -> Rendered:
        """The notice of a kind in the first of the languages that there is, otherwise in English.

        Raises ConfigError when the template cannot be used.
        """
        names = [*(f"{kind}.{language}.txt" for language in languages), f"{kind}.txt"]
        try:
            text = self._environment.select_template(names).render(values)
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
        return Rendered(" ".join(head[8:].split()), body.strip("\n") + "\n")

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
    return Templates(config.path(desk.templates) if desk.templates else None)


def check(config: Config, desk: Desk, samples: Mapping[str, Mapping[str, Any]]) -> None:
    """Render every template of a desk with sample values. Raises ConfigError naming the first that fails."""
    if desk.templates and not config.path(desk.templates).is_dir():
        raise ConfigError(
            f"desk.templates: {config.path(desk.templates)} is not a folder. Create it, or remove the field."
        )
    templates = templates_of(config, desk)
    languages = {""}
    for folder in filter(None, (config.path(desk.templates) if desk.templates else None, _BUILT_IN)):
        languages |= {parts[1] for path in folder.glob("*.*.txt") if len(parts := path.name.split(".")) == 3}
    for kind in KINDS:
        for language in sorted(languages):
            templates.render(kind, [language] if language else [], samples[kind])
