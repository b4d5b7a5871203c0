"""The manual page, made of what the commands say of themselves, so that it cannot be out of date. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer

_FILES = (
    (
        "./ombud.toml, /etc/ombud/ombud.toml, /var/lib/ombud/ombud.toml",
        "the configuration; every field with its default is in it, commented",
    ),
    ("roster.toml, keys/", "who serves, and their public keys"),
    ("gnupg/, vault.asc", "the desk's keys: without them no case can be opened; keep a copy offline"),
)


def manual_page(app: typer.Typer, name: str, version: str) -> str:
    """A page in man(7) of all commands that an application has."""
    command = typer.main.get_command(app)
    lines = [
        f'.TH {name.upper()} 1 "" "{name} {version}"', ".SH NAME", f"{name} \\- {_plain(_first(command.help))}",
        ".SH SYNOPSIS", f".B {name}", "COMMAND [OPTIONS] [ARGUMENTS]", ".SH COMMANDS",
        *_commands(typer.Context(command, info_name=name), command),
        ".SH FILES",
    ]  # fmt: skip
    for files, what in _FILES:
        lines += [".TP", f".I {_plain(files)}", _plain(what)]
    lines += [".SH ENVIRONMENT", ".TP", ".B OMBUD_CONFIG", "where the configuration is, unless \\-\\-config says it"]
    return "\n".join(lines) + "\n"


def _commands(context: typer.Context, command: Any) -> Iterator[str]:
    """Each command that is no group, with what may follow it."""
    children = getattr(command, "commands", None)
    if children is not None:
        for name, child in children.items():
            if not child.hidden:
                yield from _commands(typer.Context(child, info_name=name, parent=context), child)
        return
    usage = " ".join(command.collect_usage_pieces(context))
    yield from (f".SS {_plain(context.command_path)} {_plain(usage)}", *map(_plain, _paragraphs(command.help)))
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None:
            yield from (".TP", f".B {_plain(record[0])}", _plain(" ".join(record[1].split())))


def _first(text: str | None) -> str:
    return (text or "").split("\n\n")[0].rstrip(".")


def _paragraphs(text: str | None) -> Iterator[str]:
    for number, paragraph in enumerate((text or "").split("\n\n")):
        if number:
            yield ".PP"
        yield " ".join(paragraph.split())


def _plain(text: str) -> str:
    """Text in which nothing is a request of roff; what begins a request (`.PP` of our own) is left."""
    if text == ".PP":
        return text
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    escaped = re.sub(r"[^\x00-\x7f]", lambda found: f"\\[u{ord(found[0]):04X}]", escaped)
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped
