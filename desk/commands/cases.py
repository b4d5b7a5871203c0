"""Commands on cases, on what waits to be sent, and on the roster."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Annotated

import typer
from sqlmodel import Session

from desk import logs
from desk.commands import show
from desk.commands.options import AsOption, ConfigOption, DeskOption, JsonOption, chosen_desk, opened, require_member
from desk.commands.progress import progress
from store.cases import lookup, overview, retention
from store.kit.clock import day_of
from store.kit.config import load
from store.kit.errors import ConfigError, NotAllowed
from store.kit.files import write_private
from store.kit.local import find
from store.openpgp.keyring import open_keyring
from store.outbox import retries
from store.team.members import Roster
from store.team.roster import RosterBook

cases_app = typer.Typer(help="Cases and who may know of them.", no_args_is_help=True)
outbox_app = typer.Typer(help="What waits to be sent.", no_args_is_help=True)
roster_app = typer.Typer(help="Who serves, and when.", no_args_is_help=True)

ByOption = Annotated[
    str | None, typer.Option("--by", metavar="MEMBER", help="The reader who asks for it; the operator when missing.")
]


@cases_app.command("list")
def case_list(config: ConfigOption = None, as_member: AsOption = None, as_json: JsonOption = False) -> None:
    """List cases, or those that a member may know of."""
    with opened(config) as context, context.database.read() as session:
        require_member(context, as_member)
        lines = [overview.case_line(case) for case in show.visible_cases(context, session, as_member)]
    if as_json:
        show.print_json(lines)
    else:
        show.table(
            "Cases",
            ("case", "desk", "state", "received (UTC)", "assigned to", "deadline"),
            [tuple({**line, "received_at": show.moment(line["received_at"])}.values()) for line in lines],
            "There are no cases.",
        )


@cases_app.command("show")
def case_show(
    codename: str, config: ConfigOption = None, as_member: AsOption = None, as_json: JsonOption = False
) -> None:
    """Show a case. For a member who may not know of it, the answer is that of a case that does not exist."""
    with opened(config) as context, context.database.read() as session:
        require_member(context, as_member)
        record = show.case_record(context, session, codename, as_member)
    show.print_json(record) if as_json else show.print_case(record)


@cases_app.command("reopen")
def case_reopen(codename: str, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Try again to open a held mail, for example when an old key of the desk was brought back."""
    from intake.receive import Receiver

    with opened(config) as context:
        done = Receiver(context).reopen(codename)
    if as_json:
        show.print_json({"codename": codename, "opened": done})
    else:
        print(f"{codename} is open; its readers are told." if done else f"{codename} still cannot be opened.")


@cases_app.command("destroy")
def case_destroy(
    codenames: Annotated[list[str], typer.Argument(metavar="CODENAME...")],
    config: ConfigOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Destroy closed cases for good: their keys are forgotten, and tombstones with dates and outcome stay.

    When one of several cannot be destroyed, none is.
    """
    with opened(config) as context:
        with context.database.read() as session:
            ids = [_destroyable(session, codename) for codename in codenames]
        if not yes and not (sys.stdin.isatty() and typer.confirm(f"Destroy {', '.join(codenames)} for good?")):
            raise NotAllowed("Nothing was destroyed. Say --yes to do it without being asked.")
        with progress("destroying", len(ids)) as step:
            for case_id in ids:
                with context.database.write() as session:
                    row = lookup.row_by_id(session, case_id)
                    retention.destroy(session, context.vault, row, "operator", context.clock())
                step(1)
            context.database.forget()
    if as_json:
        show.print_json([{"codename": codename, "destroyed": True} for codename in codenames])
    else:
        print("\n".join(f"{codename} is destroyed." for codename in codenames))


def _key_data(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}.") from None


def _destroyable(session: Session, codename: str) -> str:
    """The id of a case that may be destroyed. Raises NoSuchCase or NotAllowed."""
    row = lookup.find_row(session, codename)
    if row is None or row.wrapped_key is None:
        raise lookup.no_such_case(codename)
    if row.codename != codename:
        raise NotAllowed(f"{codename} is part of {row.codename} by now. Destroy that one, if it is what you mean.")
    retention.require_destroyable(row)
    return row.id


@cases_app.command("export")
def case_export(
    codename: str,
    out: Annotated[Path, typer.Argument(help="The file to be written; it must not exist.")],
    to: Annotated[Path, typer.Option("--to", metavar="KEYFILE", help="The public key of who is to open it.")],
    config: ConfigOption = None,
    as_member: AsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a case with all mails, files, signatures and events as one archive, sealed to a public key: for a lawyer, or for another desk
    ('ombud import')."""
    from desk.care.export import export_case

    if out.exists():
        raise NotAllowed(f"{out} is there already. Choose another name.")
    with opened(config) as context:
        require_member(context, as_member)
        sealed = export_case(context, codename, as_member, _key_data(to))
    write_private(out, sealed)
    if as_json:
        show.print_json({"codename": codename, "octets": len(sealed)})
    else:
        print(f"{codename} is written, sealed to that key: {len(sealed)} octets. Opened, it is a tar archive.")


@cases_app.command("file")
def case_file(
    codename: str,
    number: Annotated[int, typer.Argument(help="As 'case show' and '/show' number the files of a case.")],
    config: ConfigOption = None,
    as_member: AsOption = None,
) -> None:
    """Write one attachment of a case to standard output."""
    with opened(config) as context, context.database.read() as session:
        require_member(context, as_member)
        sys.stdout.buffer.write(show.case_file(context, session, codename, as_member, number).data)


@outbox_app.command("list")
def outbox_list(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List what waits, is held for a key, or bounced."""
    with opened(config) as context, context.database.read() as session:
        rows = show.deliveries(session)
    if as_json:
        show.print_json(rows)
    else:
        show.outbox_table(rows)


@outbox_app.command("retry")
def outbox_retry(
    config: ConfigOption = None,
    bounced: Annotated[
        bool, typer.Option("--bounced", help="Also what was given up for reporters; it may be old news to them.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Have everything tried again now that waits, is held, or was given up for members and the operator."""
    with opened(config) as context, context.database.write() as session:
        at = context.clock()
        count = retries.retry_now(session, at) + retries.retry_bounced(session, at, reporters=bounced)
    show.print_json({"retried": count}) if as_json else print(f"{count} deliveries are tried again now.")


@roster_app.command("check")
def roster_check(config: ConfigOption = None, desk: DeskOption = None, as_json: JsonOption = False) -> None:
    """Say whether the roster file can be used, and if not, which line is wrong."""
    logs.set_up(quiet=True)
    loaded = load(find(config))
    book = RosterBook(loaded, open_keyring(loaded), lambda _: None)
    counts = {
        item.id: len(book.check(item).members)
        for item in (loaded.desk if desk is None else (chosen_desk(loaded.desk, desk),))
    }
    if as_json:
        show.print_json(counts)
        return
    for desk_id, count in counts.items():
        print(
            f"{desk_id}: {count} members, all of them well."
            if count
            else f"{desk_id}: warning: the roster names nobody yet."
        )


@roster_app.command("show")
def roster_show(
    config: ConfigOption = None,
    desk: DeskOption = None,
    at: Annotated[str | None, typer.Option("--at", metavar="DATE", help="As of that day, such as 2026-01-31.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the roster in force, and who of it is on duty on a day."""
    with opened(config) as context:
        chosen = chosen_desk(context.config.desk, desk)
        loaded = context.rosters.current(chosen)
        lines = show.roster_lines(loaded.roster, _moment(at, loaded.roster) if at else context.clock())
    if as_json:
        show.print_json(lines)
    else:
        columns = ("id", "name", "role", "email", "fingerprint", "from", "until", "on duty")
        rows = [(*tuple(line.values())[:-1], "yes" if line["on_duty"] else "") for line in lines]
        show.table(f"Roster of {chosen.id}", columns, rows, "The roster names nobody yet.")
    if loaded.complaint:
        typer.echo(
            f"ombud: the file was changed, but is refused; this is the last good roster. {loaded.complaint}", err=True
        )


def _moment(written: str, roster: Roster) -> datetime:
    day = day_of(written)
    if day is None:
        raise ConfigError(f"--at: '{written}' is not a date such as 2026-01-31.")
    return datetime.combine(day, time(12), roster.zone or UTC)
