"""Options that commands share, and how a command reaches the desk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from desk import logs
from store.context import Context, open_context
from store.kit.config import Desk
from store.kit.errors import ConfigError, NotAllowed
from store.kit.local import find

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="The configuration file; otherwise $OMBUD_CONFIG, ./ombud.toml, or that in /etc/ombud or /var/lib/ombud.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
AsOption = Annotated[str | None, typer.Option("--as", metavar="MEMBER", help="Answer as that member may be answered.")]
DeskOption = Annotated[str | None, typer.Option("--desk", help="The desk, when there are several.")]


@contextmanager
def opened(config: Path | None) -> Iterator[Context]:
    """The desk, opened for one command."""
    logs.set_up(quiet=True)
    context = open_context(find(config))
    try:
        yield context
    finally:
        context.close()


def chosen_desk(desks: tuple[Desk, ...], name: str | None) -> Desk:
    """The desk that is meant. Raises ConfigError when that is not clear."""
    if name is None and len(desks) == 1:
        return desks[0]
    for desk in desks:
        if desk.id == name:
            return desk
    raise ConfigError(f"Say which desk with --desk: {', '.join(desk.id for desk in desks)}.")


def require_member(context: Context, member: str | None) -> None:
    """Raise NotAllowed for a name that is on no roster: a slip must not look like an empty desk."""
    if member is not None and not any(context.team(desk).get(member) for desk in context.config.desk):
        raise NotAllowed(f"There is no member '{member}' on any roster. Look at 'ombud roster show'.")
