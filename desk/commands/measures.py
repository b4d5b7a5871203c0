"""Commands on measures: what holds, who of a list it concerns, and that one is to end."""

from __future__ import annotations

import csv
import io
import sys
from itertools import islice
from typing import Annotated

import typer

from desk.commands import show
from desk.commands.options import AsOption, ConfigOption, DeskOption, JsonOption, chosen_desk, opened, require_member
from store.cases import measures
from store.cases.case_file import Actor
from store.cases.measures import Measure
from store.cases.overview import JSON
from store.context import Context
from store.kit.config import Desk
from store.kit.errors import NotAllowed

measures_app = typer.Typer(help="What was decided about people, and holds on.", no_args_is_help=True)

_MOST_OCTETS, _MOST_ROWS = 20_000_000, 100_000
ByOption = Annotated[
    str | None, typer.Option("--by", metavar="MEMBER", help="Who wants it; the operator when missing.")
]


@measures_app.command("list")
def measures_list(
    config: ConfigOption = None, desk: DeskOption = None, as_member: AsOption = None, as_json: JsonOption = False
) -> None:
    """List the measures that hold, or those that a member may see."""
    with opened(config) as context, context.database.read() as session:
        require_member(context, as_member)
        by = _actor(context, chosen_desk(context.config.desk, desk), as_member)
        lines = [_line(item) for item in measures.visible(session, by)]
    if as_json:
        show.print_json(lines)
        return
    rows = [tuple(str(value or "-") for value in line.values()) for line in lines]
    show.table(
        "Measures", ("measure", "person", "what", "since", "until", "appeal until"), rows, "There are no measures."
    )


@measures_app.command("check")
def measures_check(
    config: ConfigOption = None, desk: DeskOption = None, as_member: AsOption = None, as_json: JsonOption = False
) -> None:
    """Say which rows of a table (CSV, from standard input) name somebody of whom there is a measure. The list itself is not shown, and
    that somebody looked is written down."""
    rows = _rows(sys.stdin.buffer.read(_MOST_OCTETS + 1))
    with opened(config) as context:
        require_member(context, as_member)
        by = _actor(context, chosen_desk(context.config.desk, desk), as_member)
        with context.database.read() as session:  # nobody waits for a long list
            found = [(number, item.name) for number, item in measures.matching(session, by, rows)]
        with context.database.write() as session:
            measures.note_look(session, by, len(rows), len(found))
    if as_json:
        show.print_json([{"row": number, "measure": name} for number, name in found])
        return
    for number, name in found:
        print(f"row {number}: {name}")
    print(f"{len(rows)} rows, {len(found) or 'none'} of somebody with a measure.")


@measures_app.command("lift")
def measures_lift(
    name: str, config: ConfigOption = None, desk: DeskOption = None, by: ByOption = None, as_json: JsonOption = False
) -> None:
    """One word that a measure is to end. Two who see it must say so."""
    with opened(config) as context, context.database.write() as session:
        require_member(context, by)
        ended = measures.lift(session, _actor(context, chosen_desk(context.config.desk, desk), by), name)
    if as_json:
        show.print_json({"measure": name, "ended": ended})
    else:
        print(f"{name}: it has ended." if ended else f"{name}: noted; one more who sees it must agree.")


def _actor(context: Context, desk: Desk, member: str | None) -> Actor:
    return Actor(context.vault, desk, context.roster(desk), member or "operator", context.clock())


def _line(item: Measure) -> JSON:
    return {
        "measure": item.name, "person": item.person, "what": item.what, "since": item.since.isoformat(),
        "until": item.until.isoformat() if item.until else None, "appeal": item.appeal.isoformat() if item.appeal else None,
    }  # fmt: skip


def _rows(octets: bytes) -> list[list[str]]:
    """The rows of a table, whichever of the usual marks is between its cells. Raises NotAllowed."""
    if len(octets) > _MOST_OCTETS:
        raise NotAllowed("The table is larger than 20 MB. Check it in parts.")
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotAllowed("The table is not UTF-8. Export it again as CSV in UTF-8.") from None
    try:
        marks = csv.Sniffer().sniff(text[:10_000], ",;\t|").delimiter
    except csv.Error:  # a single column
        marks = ","
    try:
        rows = list(islice(csv.reader(io.StringIO(text, newline=""), delimiter=marks), _MOST_ROWS + 1))
    except csv.Error as error:
        raise NotAllowed(f"The table cannot be read: {error}. Export it again as CSV.") from None
    if len(rows) > _MOST_ROWS:
        raise NotAllowed(f"The table has more than {_MOST_ROWS} rows. Check it in parts.")
    return rows
