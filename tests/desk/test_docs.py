"""What the pages say of the code: each file that they name is there, and each room is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGES = [*sorted((ROOT / "docs").glob("**/*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
_FILE = re.compile(r"(?<![\w/.-])((?:store|intake|mailer|desk|tests|deploy|docs)(?:/[\w.-]+)+/?)")
_EXAMPLES = ("LANGUAGE.po",)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_file_that_a_page_names_is_there(page: Path) -> None:
    named = {name.rstrip(".") for name in _FILE.findall(page.read_text())}
    missing = [name for name in named if not (ROOT / name).exists() and not name.endswith(_EXAMPLES)]
    assert not missing


def test_each_room_stands_in_the_page_on_how_it_is_built() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    rooms = [
        item.parent.name for top in ("store", "intake", "mailer", "desk") for item in (ROOT / top).glob("*/__init__.py")
    ]
    assert not [room for room in rooms if f"{room}/" not in page]
