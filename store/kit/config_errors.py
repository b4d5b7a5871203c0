"""What is wrong with a configuration, as sentences that name file, field and remedy. Pure."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel


def sentence_of(path: Path, item: dict[str, Any], values: dict[str, Any], model: type[BaseModel]) -> str:
    """One complaint of pydantic about a file, whose values it read into a model, as `file: field: what is wrong. What to do.`"""
    field = _field(item["loc"])
    if item["type"] == "extra_forbidden":
        return f"{path}: {field}: there is no such field.{_did_you_mean(item['loc'], model)}"
    if item["type"] == "missing":
        return f"{path}: {field}: must be set."
    message = str(item["msg"]).removeprefix("Value error, ").rstrip(".")
    value = _value_at(values, item["loc"])
    shown = f" (it is {value!r})" if isinstance(value, str | int | float | bool) else ""
    return f"{path}: {field or 'file'}: {message[0].lower()}{message[1:]}{shown}."


def _field(loc: tuple[int | str, ...]) -> str:
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text


def _value_at(values: Any, loc: tuple[int | str, ...]) -> Any:
    for part in loc:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def _did_you_mean(loc: tuple[int | str, ...], model: type[BaseModel]) -> str:
    for part in loc[:-1]:
        if isinstance(part, str):
            model = _model_of(model.model_fields[part].annotation)
    near = difflib.get_close_matches(str(loc[-1]), list(model.model_fields), n=1)
    return f" Did you mean '{near[0]}'?" if near else " Remove it, or look up its name in docs/operators.md."


def _model_of(annotation: Any) -> type[BaseModel]:
    """The model of a section, or of the blocks of an array of tables."""
    found: type[BaseModel] = next(iter(get_args(annotation)), annotation)
    return found
