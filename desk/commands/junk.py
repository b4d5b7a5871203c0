"""Commands on junk: what was put aside, and what readers find it to be."""

from __future__ import annotations

from typing import Annotated

import typer

from desk.commands import show
from desk.commands.cases import ByOption
from desk.commands.changes import change
from desk.commands.options import AsOption, ConfigOption, JsonOption, opened, require_member
from mailer.saying import junk_list
from store.cases import junk
from store.cases.case_file import Actor
from store.cases.junk_commands import Junk, NotJunk

junk_app = typer.Typer(help="Mail that was put aside as junk.", no_args_is_help=True)


@junk_app.command("list")
def junk_listed(config: ConfigOption = None, as_member: AsOption = None, as_json: JsonOption = False) -> None:
    """List the junk, or what a member may know of: the day, the sender's domain and the subject of each."""
    lines = []
    with opened(config) as context, context.database.read() as session:
        require_member(context, as_member)
        for desk in context.config.desk:
            by = Actor(context.vault, desk, context.roster(desk), as_member or "operator", context.clock())
            lines += [junk_list.line(session, context, desk, row) for row in junk.visible(session, by)]
    if as_json:
        show.print_json([{**item, "day": item["day"].isoformat()} for item in lines])
        return
    columns = ("case", "day", "domain", "subject")
    rows = [(item["codename"], str(item["day"]), item["domain"], item["subject"]) for item in lines]
    show.table("Junk", columns, rows, "There is no junk.")


@junk_app.command("put")
def junk_put(
    codename: str,
    config: ConfigOption = None,
    by: ByOption = None,
    all_like_this: Annotated[
        bool, typer.Option("--all-like-this", help="Also all new cases that are much like this one.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """One reader's word that a case is junk. Two must say so, or one where the filter had doubts."""
    change(config, codename, by, Junk("all-like-this" if all_like_this else ""), as_json=as_json)


@junk_app.command("release")
def junk_release(codename: str, config: ConfigOption = None, by: ByOption = None, as_json: JsonOption = False) -> None:
    """Make a report of what is among the junk."""
    change(config, codename, by, NotJunk(), as_json=as_json)
