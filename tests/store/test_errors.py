"""The tree of errors that is printed on top of their file."""

from __future__ import annotations

from store.kit import errors
from store.kit.errors import OmbudError


def tree(kind: type[Exception], depth: int = 0) -> list[tuple[int, str]]:
    below = [item for item in kind.__subclasses__() if item.__module__ == errors.__name__]
    return [(depth, kind.__name__)] + [line for item in below for line in tree(item, depth + 1)]


def test_the_printed_tree_is_the_one_of_the_classes() -> None:
    lines = [line for line in (errors.__doc__ or "").splitlines() if line and line.split()[-1].isidentifier()]
    printed = [(len(line) - len(line.lstrip("\u2502 \u251c\u2514\u2500")), line.split()[-1]) for line in lines]
    assert [(indent // 4, name) for indent, name in printed] == tree(OmbudError)
