"""The catalogs of the notices, brought up to date with what templates and code say: `make words`.

What is new stands in each `mailer/catalogs/LANGUAGE.po` without a translation, what is gone is dropped. A test finds
both, and a translation that lost a value.
"""

from __future__ import annotations

import io
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from mailer.saying.translation import CATALOGS
from store.kit.kinds import LANGUAGES

ROOT = Path(__file__).parent.parent.parent
ROOMS = ("store", "intake", "mailer", "desk/web")
_METHODS = [
    ("**/templates/*.txt", "jinja2.ext:babel_extract"),
    ("**/templates/*.html", "jinja2.ext:babel_extract"),
    ("**.py", "python"),
]
_JINJA = {
    "trimmed": "true",
    "trim_blocks": "true",
    "lstrip_blocks": "true",
    "newstyle_gettext": "true",
    "silent": "false",
}
_OPTIONS = {"**/templates/*.txt": _JINJA, "**/templates/*.html": _JINJA}
_KEYWORDS = {"_": None, "gettext": None, "marked": None}
TRANSLATED = tuple(language for language in LANGUAGES if language != "en")


def sentences() -> Catalog:
    """Every sentence that a notice can say, and the files that it stands in."""
    found = Catalog(charset="utf-8")
    for room in ROOMS:
        for name, _, message, comments, _ in extract_from_dir(
            ROOT / room, _METHODS, _OPTIONS, keywords=_KEYWORDS, comment_tags=()
        ):
            found.add(message, locations=[(f"{room}/{name}", 0)], auto_comments=comments)
    return found


def catalog(language: str) -> Catalog:
    """The catalog of a language, as it is; an empty one when there is none."""
    path = CATALOGS / f"{language}.po"
    if not path.exists():
        return Catalog(locale=language, charset="utf-8", header_comment=f"# {language}", project="ombud")
    with path.open("rb") as file:
        return read_po(file, locale=language)


def main() -> None:
    """Write all catalogs."""
    template = sentences()
    for language in TRANSLATED:
        known = catalog(language)
        known.update(template, no_fuzzy_matching=True, update_creation_date=False)
        known.obsolete.clear()
        made = io.BytesIO()
        write_po(made, known, width=0, omit_header=True, sort_output=True, include_lineno=False)
        (CATALOGS / f"{language}.po").write_bytes(made.getvalue())


if __name__ == "__main__":
    main()
