"""What the pages say of the code: each file that they name is there, and each room is named."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGES = [*sorted((ROOT / "docs").glob("**/*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
_FILE = re.compile(r"(?<![\w/.-])((?:store|intake|mailer|desk|tests|deploy|docs)(?:/[\w.-]+)+/?)")
_NAME = re.compile(r"`(?:([\w/]+\.py): ?)?((?:[A-Za-z_]\w*\.)?[A-Za-z_]\w*)(?:\(\))?`")
_SETTINGS = ("outbox", "desk", "gnupg", "web")  # sections of the configuration, which stand in backticks as well
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


def defined(file: Path) -> set[str]:
    """The names that a module defines, with those of its classes as `Class.name`."""
    found: set[str] = set()
    for item in ast.parse(file.read_text()).body:
        for name in _names(item):
            found |= {name, f"{file.stem}.{name}"}
        if isinstance(item, ast.ClassDef):
            found |= {f"{item.name}.{name}" for part in item.body for name in _names(part)}
    return found


def _names(item: ast.stmt) -> list[str]:
    if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [item.name]
    if isinstance(item, ast.Assign):
        return [target.id for target in item.targets if isinstance(target, ast.Name)]
    if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
        return [item.target.id]
    return []


DEFINED = {file: defined(file) for top in ("store", "intake", "mailer", "desk") for file in (ROOT / top).rglob("*.py")}
ALL = set().union(*DEFINED.values())
_ENDINGS = (".dat", ".msg", ".toml", ".asc", ".txt", ".py", ".com", ".md", ".svg")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_name_of_the_code_that_a_page_names_is_there(page: Path) -> None:
    missing = []
    for file, name in _NAME.findall(page.read_text()):
        if file:
            known = name in DEFINED[ROOT / file]
        elif "." in name:
            known = name in ALL or name.partition(".")[0] in _SETTINGS or name.endswith(_ENDINGS)
        else:
            continue
        if not known:
            missing.append(name)
    assert not missing


def test_every_test_that_a_page_names_is_there() -> None:
    named = {found for page in PAGES for found in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text())}
    assert len(named) > 15
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(), (file, test)
