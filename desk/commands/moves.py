"""What readers do with a whole case by mail, as commands for scripts: the same rules, in the same code (`store.cases.commands`)."""

from __future__ import annotations

from typing import Annotated

import typer

from desk.commands import show
from desk.commands.cases import ByOption
from desk.commands.changes import ByMember, WhyOption, change, written_text
from desk.commands.options import ConfigOption, DeskOption, JsonOption, chosen_desk, opened
from store.cases.guest_commands import Guest
from store.cases.move_commands import Merge, Split
from store.cases.redact_commands import Erase, Redact
from store.cases.told_order import read_told
from store.kit.errors import NotAllowed

moves_app = typer.Typer()


def add_to(app: typer.Typer) -> None:
    """Add these commands to those on cases."""
    app.registered_commands += moves_app.registered_commands


@moves_app.command("new")
def case_new(by: ByMember, config: ConfigOption = None, desk: DeskOption = None, as_json: JsonOption = False) -> None:
    """Make a case of what somebody told a member. The first line of standard input is what stands behind '/new' in a mail, such as
    'Robin <robin@example.org> on 2026-01-31', and may be empty; the text follows."""
    from intake.dictated import write_down

    order, _, text = written_text(stripped=False).partition("\n")
    told = read_told(order.strip().removeprefix("/new"))
    with opened(config) as context:
        chosen = chosen_desk(context.config.desk, desk)
        roster = context.roster(chosen)
        member = next((item for item in roster.on_duty(context.clock()) if item.id == by), None)
        if member is None:
            raise NotAllowed(f"'{by}' is not on duty at {chosen.id}. Look at 'ombud roster show'.")
        codename = write_down(context, chosen, member, told, text)
    show.print_json({"codename": codename}) if as_json else print(f"{codename}: a case of its own.")


@moves_app.command("redact")
def case_redact(codename: str, config: ConfigOption = None, by: ByOption = None, as_json: JsonOption = False) -> None:
    """Take a passage out of everything that a case holds. It is read from standard input, as '/redact' takes it in a mail; it takes two
    readers."""
    change(config, codename, by, Redact(written_text()), as_json=as_json)


@moves_app.command("erase")
def case_erase(
    codename: str, by: ByMember, config: ConfigOption = None, why: WhyOption = False, as_json: JsonOption = False
) -> None:
    """Destroy a closed case in seven days; it takes two readers, and 'hold' stops it."""
    change(config, codename, by, Erase(text=written_text() if why else ""), as_json=as_json)


@moves_app.command("merge")
def case_merge(
    codename: str,
    other: Annotated[str, typer.Argument(help="The case that goes into the first one.")],
    config: ConfigOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put another case into a case; it takes two readers of both."""
    change(config, codename, by, Merge(other), as_json=as_json)


@moves_app.command("split")
def case_split(
    codename: str,
    numbers: Annotated[list[int], typer.Argument(help="Of the mails, as 'case show' has them.")],
    config: ConfigOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move some mails into a case of their own."""
    change(config, codename, by, Split(" ".join(map(str, numbers))), as_json=as_json)


@moves_app.command("guest")
def case_guest(
    codename: str,
    who: Annotated[str, typer.Argument(help="As behind '/guest' in a mail: NAME of DESK until 2026-01-31.")],
    config: ConfigOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a member of another desk read a case until a day; it takes two readers."""
    change(config, codename, by, Guest(who), as_json=as_json)
