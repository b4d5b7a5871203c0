"""The command line."""

from __future__ import annotations

import sys
from importlib import metadata
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from desk import logs
from desk.care import machine
from desk.commands import care, cases, changes, init, junk, keys, measures, moves, show, web
from desk.commands.options import ConfigOption, DeskOption, JsonOption, chosen_desk, opened, require_member
from store.kit.clock import day_of
from store.kit.config import load
from store.kit.errors import ConfigError, OmbudError, TryLater
from store.kit.local import find

EX_DATAERR, EX_NOUSER, EX_SOFTWARE, EX_TEMPFAIL = 65, 67, 70, 75

app = typer.Typer(
    help="The encrypted mail desk of a conduct or response team.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(init.init)
changes.add_to(cases.cases_app)
moves.add_to(cases.cases_app)
app.add_typer(cases.cases_app, name="case")
app.add_typer(keys.keys_app, name="key")
app.add_typer(junk.junk_app, name="junk")
app.add_typer(measures.measures_app, name="measures")
app.add_typer(web.web_app, name="web")
app.add_typer(cases.outbox_app, name="outbox")
app.add_typer(cases.roster_app, name="roster")
care.add_to(app)
audit_app = typer.Typer(help="The record of what happened.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"ombud {metadata.version('ombud')}")
        raise typer.Exit


@app.callback()
def everything(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """The encrypted mail desk of a conduct or response team."""


def run() -> None:
    """Run a command; errors become one sentence and an exit code, never a traceback with content."""
    try:
        app()
    except TryLater as error:
        _complain(str(error), EX_TEMPFAIL)
    except OmbudError as error:
        _complain(str(error), EX_TEMPFAIL if sys.argv[1:2] == ["deliver"] else 1)
    except Exception as error:
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        place = f"{Path(where.tb_frame.f_code.co_filename).name}:{where.tb_lineno}" if where else "?"
        code = EX_TEMPFAIL if sys.argv[1:2] == ["deliver"] else EX_SOFTWARE
        _complain(f"an error that should not be: {type(error).__name__} at {place}. Please report it.", code)


def _complain(sentence: str, code: int) -> None:
    print(f"ombud: {sentence}", file=sys.stderr)
    sys.exit(code)


@app.command("run")
def serve(config: ConfigOption = None) -> None:
    """Run the desk: take mail in, send notices out."""
    logs.set_up()
    _run(find(config))


def _run(file: Path, *, listen: bool = True) -> None:
    from desk.service import run as run_service

    if file.exists() and (trouble := machine.foreign(file.absolute().parent)):
        print(f"ombud: {trouble}", file=sys.stderr)
    run_service(file, listen=listen)


@app.command()
def deliver(
    recipients: Annotated[
        list[str], typer.Argument(metavar="RCPT...", help="The envelope recipient, an address of a desk.")
    ],
    config: ConfigOption = None,
    sender: Annotated[str | None, typer.Option(help="The envelope sender; empty for the null sender.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Take one mail in from standard input. Exit codes: 0 kept, 65 too large, 67 no such address, 75 try again."""
    from intake.arrival import Envelope
    from intake.receive import Receiver

    with opened(config) as context:
        receiver = Receiver(context)
        for recipient in recipients:
            if not receiver.knows(recipient):
                _complain("no desk has this address", EX_NOUSER)
        limit = int(context.config.listener.size_limit)
        raw = sys.stdin.buffer.read(limit + 1)
        if len(raw) > limit:
            _complain("the mail is larger than listener.size_limit", EX_DATAERR)
        for receipt in receiver.receive(Envelope(raw, sender, tuple(recipients))):
            line = {"outcome": receipt.outcome, "case": receipt.codename or "-"}
            show.print_json_line(line) if as_json else print(f"{line['outcome']} {line['case']}")


@app.command()
def poll(
    config: ConfigOption = None,
    once: Annotated[
        bool, typer.Option("--once", help="Empty the mailboxes and send what is due, then end: for cron.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Take mail in from the mailboxes of the configuration, and send notices out, without listening. See also `run`."""
    from desk.service import poll_once

    if not once:
        logs.set_up()
        _run(find(config), listen=False)
        return
    with opened(config) as context:
        found = poll_once(context)
    if as_json:
        show.print_json(found)
    else:
        rows = [tuple(item.values()) for item in found]
        show.table(
            "Mailboxes",
            ("mailbox", "taken in", "to be tried again", "trouble"),
            rows,
            "The configuration names no [[desk.imap]].",
        )
    if any(item["trouble"] for item in found):
        raise typer.Exit(EX_TEMPFAIL)


@app.command()
def rewrap(config: ConfigOption = None) -> None:
    """Seal the vault key to the desk and archive keys of the configuration as it is now."""
    from store.context import rewrap_vault
    from store.openpgp.keyring import open_keyring

    loaded = load(find(config))
    print(f"The vault now opens with {rewrap_vault(loaded, open_keyring(loaded))} keys.")


@app.command()
def report(
    first: Annotated[str, typer.Option("--from", metavar="DATE", help="The first day, such as 2026-01-01.")],
    last: Annotated[str, typer.Option("--to", metavar="DATE", help="The last day.")],
    out: Annotated[Path, typer.Option("--out", help="The folder to write to.")] = Path(),
    config: ConfigOption = None,
    desk: DeskOption = None,
) -> None:
    """Write the transparency report: figures in which nobody can be recognised, as HTML with charts and as Markdown."""
    from desk.care.transparency import write

    begin, end = day_of(first), day_of(last)
    if begin is None or end is None:
        raise ConfigError("--from and --to take a date such as 2026-01-31.")
    with opened(config) as context:
        made = write(context, chosen_desk(context.config.desk, desk), (begin, end), out)
    print("\n".join(str(path) for path in made))


@app.command("digest")
def digest_preview(
    what: Annotated[str, typer.Argument(metavar="preview", help="There is only a preview.")],
    as_member: Annotated[str, typer.Option("--as", metavar="MEMBER", help="Whose digest.")],
    config: ConfigOption = None,
    desk: DeskOption = None,
) -> None:
    """Print the digest that a member would get now."""
    from mailer.saying.contents import Contents

    if what != "preview":
        raise ConfigError("Write: ombud digest preview --as MEMBER.")
    with opened(config) as context:
        require_member(context, as_member)
        print(Contents(context).digest_text(chosen_desk(context.config.desk, desk), as_member), end="")


@app.command()
def manual() -> None:
    """Print the manual page of all commands, for man.

    mkdir -p /usr/local/share/man/man1 && ombud manual > /usr/local/share/man/man1/ombud.1
    """
    from desk.commands.manual import manual_page

    print(manual_page(app, "ombud", version("ombud")), end="")


@audit_app.command("verify")
def audit_verify(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check that no event was changed or removed."""
    from store.cases.consistency import verify_recusals
    from store.tables.audit import verify

    with opened(config) as context, context.database.read() as session:
        count = verify(session, context.vault)
        verify_recusals(session, context.vault)
    show.print_json({"events": count, "intact": True}) if as_json else print(f"{count} events, intact.")
