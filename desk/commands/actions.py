"""What readers do by mail, as commands for scripts: the same rules, in the same code (`store.deeds`).

What is written is read from standard input: arguments of a process can be seen by everybody on the machine.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from sqlmodel import Session

from desk.commands import show
from desk.commands.cases import ByOption
from desk.commands.options import ConfigOption, JsonOption, opened
from store.cases import case_file, conversation
from store.cases.actions import STATES, Deed, Scene
from store.cases.conversation import How, Reply
from store.context import Context
from store.kit.config import Desk
from store.kit.errors import NotAllowed
from store.tables.models import CaseRow
from store.tables.records import Arrival, Body, Done, Facts

deeds_app = typer.Typer()

WhyOption = Annotated[bool, typer.Option("--why", help="Read the reason from standard input.")]
ByMember = Annotated[str, typer.Option("--by", metavar="MEMBER", help="The reader who writes.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to those on cases."""
    app.registered_commands += deeds_app.registered_commands


@deeds_app.command("note")
def case_note(codename: str, by: ByMember, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Write to all who are on a case. The text is read from standard input."""
    with opened(config) as context, context.database.write() as session:
        scene, row = _scene(context, session, codename, by)
        text = _text()
        if not text:
            raise NotAllowed("There is no text on standard input: nothing was noted.")
        conversation.act(session, scene, row, [], _arrival(scene, row, text))
    _say(codename, [], as_json)


@deeds_app.command("reply")
def case_reply(
    codename: str,
    by: ByMember,
    config: ConfigOption = None,
    plain: Annotated[bool, typer.Option(help="In plain mail, although the reporter wrote encrypted.")] = False,
    new_key: Annotated[bool, typer.Option(help="To the key that came with a later mail.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write to the reporter, from the desk and without the member's name. The text is read from standard input."""
    how: How = "new-key" if new_key else "plain" if plain else ""
    with opened(config) as context, context.database.write() as session:
        scene, row = _scene(context, session, codename, by)
        wanted = Reply(_text(), how=how)
        arrival = conversation.as_reply(session, scene, row, _arrival(scene, row, ""), wanted, context.keyring)
        conversation.act(session, scene, row, [], arrival)
    _say(codename, [], as_json)


@deeds_app.command("recuse")
def case_recuse(
    codename: str,
    member: str,
    config: ConfigOption = None,
    by: ByOption = None,
    why: WhyOption = False,
    as_json: JsonOption = False,
) -> None:
    """Withhold a case from a member: as the operator, as the member themself, or as another reader."""
    _do(config, codename, by, Deed("recuse", member, _text() if why else ""), as_json)


@deeds_app.command("reinstate")
def case_reinstate(
    codename: str, member: str, config: ConfigOption = None, by: ByOption = None, as_json: JsonOption = False
) -> None:
    """Agree that a member may come back to a case. Two different readers must, unless the operator had withheld it."""
    _do(config, codename, by, Deed("reinstate", member), as_json)


@deeds_app.command("assign")
def case_assign(
    codename: str, member: str, config: ConfigOption = None, by: ByOption = None, as_json: JsonOption = False
) -> None:
    """Say which of its readers takes care of a case."""
    _do(config, codename, by, Deed("assign", member), as_json)


@deeds_app.command("state")
def case_state(
    codename: str,
    state: Annotated[str, typer.Argument(help=f"One of {', '.join(STATES)}.")],
    outcome: Annotated[str, typer.Argument(help="Of a closed case: one of desk.outcomes.")] = "",
    config: ConfigOption = None,
    by: ByOption = None,
    why: WhyOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say how far a case has come."""
    text = f"{outcome} {_text()}" if why else outcome
    _do(config, codename, by, Deed("state", state, text), as_json)


@deeds_app.command("deadline")
def case_deadline(
    codename: str,
    day: Annotated[str, typer.Argument(help="Such as 2026-01-31, or none.")],
    config: ConfigOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set the day by which something must be done."""
    _do(config, codename, by, Deed("deadline", day), as_json)


@deeds_app.command("field")
def case_field(
    codename: str, name: str, config: ConfigOption = None, by: ByOption = None, as_json: JsonOption = False
) -> None:
    """Fill a field of the record. The value is read from standard input; an empty one empties the field."""
    _do(config, codename, by, Deed("field", name, _text()), as_json)


@deeds_app.command("link")
def case_link(
    codename: str, other: str, config: ConfigOption = None, by: ByOption = None, as_json: JsonOption = False
) -> None:
    """Say that two cases belong together."""
    _do(config, codename, by, Deed("link", other), as_json)


@deeds_app.command("hold")
def case_hold(
    codename: str, config: ConfigOption = None, by: ByOption = None, why: WhyOption = False, as_json: JsonOption = False
) -> None:
    """Keep a case from being destroyed."""
    _do(config, codename, by, Deed("hold", text=_text() if why else ""), as_json)


@deeds_app.command("release")
def case_release(
    codename: str, config: ConfigOption = None, by: ByOption = None, why: WhyOption = False, as_json: JsonOption = False
) -> None:
    """End what `hold` began."""
    _do(config, codename, by, Deed("release", text=_text() if why else ""), as_json)


def _do(config: ConfigOption, codename: str, by: str | None, deed: Deed, as_json: bool) -> None:
    with opened(config) as context, context.database.write() as session:
        scene, row = _scene(context, session, codename, by or "operator")
        done = conversation.act(session, scene, row, [deed], _arrival(scene, row, "")).done
    _say(codename, done, as_json)


def _scene(context: Context, session: Session, codename: str, actor: str) -> tuple[Scene, CaseRow]:
    """The case for an actor. Raises NoSuchCase alike for none and for one that the actor may not know of."""
    row = case_file.find_row(session, codename)
    desk: Desk | None = next((desk for desk in context.config.desk if row is not None and desk.id == row.desk), None)
    if desk is None:
        raise case_file.no_such_case(codename)
    roster, at = context.roster(desk), context.clock()
    found = case_file.row_for(session, roster, codename, actor, at)
    case_file.lock(session, found)
    return Scene(context.vault, desk, roster, actor, at), found


def _arrival(scene: Scene, row: CaseRow, text: str) -> Arrival:
    return Arrival(
        desk=row.desk, state="new", at=scene.at, raw=b"", digest="", message_id="", body=Body(text=text), facts=Facts(),
        author=scene.actor, direction="note",
    )  # fmt: skip


def _text() -> str:
    try:
        return sys.stdin.buffer.read(1_000_000).decode("utf-8").strip()
    except UnicodeDecodeError:
        raise NotAllowed("The text on standard input is not UTF-8.") from None


def _say(codename: str, done: tuple[Done, ...] | list[Done], as_json: bool) -> None:
    if as_json:
        lines = [{"verb": item.verb, "subject": item.subject} for item in done]
        show.print_json({"codename": codename, "done": lines})
        return
    for item in done:
        print(f"{codename}: {_PHRASES[item.verb].format(item.subject)}.")
    if not done:
        print(f"{codename}: kept, and on its way.")


_PHRASES = {
    "assign": "assigned to {}",
    "recuse": "withheld from {}",
    "reinstate": "{} is back",
    "vote": "noted; one more reader must agree that {} comes back",
    "consent": "noted; one more reader must agree to withhold it from {}",
    "state": "is now {}",
    "deadline": "deadline {}",
    "field": "field {} is set",
    "link": "linked with {}",
    "hold": "on hold",
    "release": "no longer on hold",
}
