"""Fields of a commented TOML file set in their place: where the file shows a field's default as a comment, it takes its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import tomlkit
from tomlkit.items import Comment, Item, Table

Value = str | int | bool | list[str]

_DEFAULT = re.compile(r"# ([a-z_]+) = ")


def set_fields(document: tomlkit.TOMLDocument, section: str, values: Mapping[str, Value]) -> None:
    """Set fields of a section; of its first block where it is an array of tables."""
    found: Any = document[section]
    if isinstance(found, Table):
        document[section] = _with_values(found, values)
    else:
        found[0] = _with_values(found[0], values)


def add_block(document: tomlkit.TOMLDocument, section: str, name: str, values: Mapping[str, Value]) -> None:
    """Add a block `[[section.name]]` to the first block of a section."""
    block = tomlkit.table()
    for field, value in values.items():
        block.add(field, value)
    blocks = tomlkit.aot()
    blocks.append(block)
    first: Any = document[section]
    first[0].add(tomlkit.nl())
    first[0].add(name, blocks)


def _with_values(table: Table, values: Mapping[str, Value]) -> Table:
    left = dict(values)
    made = tomlkit.table()
    for key, item in table.value.body:
        shown = _DEFAULT.match(item.trivia.comment) if isinstance(item, Comment) else None
        name = key.key if key is not None else shown[1] if shown else ""
        if name in left:
            made.add(name, _in_place(name, left.pop(name), item))
        elif key is not None:
            made.add(key, item)
        else:
            made.add(item)  # type: ignore[call-overload]  # a comment or white space
    for name, value in left.items():
        made.add(name, value)
    return made


def _in_place(name: str, value: Value, before: Item) -> Item:
    """A value with the note that stands behind the one before it, in the same column where there is room."""
    line = before.as_string().rstrip() if isinstance(before, Comment) else f"{name} = {_whole(before)}"
    _, mark, note = line.removeprefix("# ").partition("# ")
    fresh = tomlkit.item(value)
    if mark:
        fresh.comment(note)
        fresh.trivia.comment_ws = " " * max(1, len(line) - len(note) - 2 - len(f"{name} = {fresh.as_string()}"))
    return fresh


def _whole(item: Item) -> str:
    """A value as it stands in its file, with what is behind it."""
    return f"{item.as_string()}{item.trivia.comment_ws}{item.trivia.comment}"
