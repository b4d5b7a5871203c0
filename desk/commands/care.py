"""Commands for daily care: is it well, how is it doing, backups, upgrades, old mail."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from desk import logs
from desk.care.machine import Finding
from desk.commands import show
from desk.commands.options import ConfigOption, DeskOption, JsonOption, chosen_desk, opened
from desk.commands.progress import progress
from store.kit.config import Config, load
from store.kit.errors import ConfigError
from store.kit.files import user_name
from store.kit.local import find


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to a program."""
    for command in (check, status, backup, restore, upgrade):
        app.command()(command)
    app.command("import")(import_old)


def check(
    config: ConfigOption = None,
    as_json: JsonOption = False,
    watch: Annotated[
        float, typer.Option("--watch", metavar="SECONDS", help="Look again and again, and print what changed.")
    ] = 0,
    outside: Annotated[
        bool,
        typer.Option("--outside", help="Look at the address from outside instead: DNS, the published key, the clock."),
    ] = False,
) -> None:
    """Look whether the desk is well: ok, warning or failure, each with what to do. Exit code 1 when something fails."""
    from desk.care.doctor import examine

    logs.set_up(quiet=True)
    found = _from_outside(find(config)) if outside else examine(find(config))
    if as_json:
        show.print_json([_as_json(item) for item in found])
    else:
        show.table(
            "ombud check", ("check", "", "detail"), [(item.check, item.level, item.detail) for item in found], ""
        )
    while watch and not outside:
        time.sleep(watch)
        before, found = found, examine(find(config))
        _print_changes(before, found, as_json=as_json)
    if any(item.level == "failure" for item in found):
        raise typer.Exit(1)


def _from_outside(config: Path) -> list[Finding]:
    from desk.care import outside

    return list(outside.examine(load(config)))


def _as_json(item: Finding) -> dict[str, str]:
    return {"check": item.check, "level": item.level, "detail": item.detail}


def _print_changes(before: Sequence[Finding], found: Sequence[Finding], *, as_json: bool) -> None:
    levels = {item.check: item.level for item in before}
    for item in found:
        if levels.get(item.check) != item.level:
            if as_json:
                show.print_json_line(_as_json(item))
            else:
                print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} {item.check}: {item.level}: {item.detail}", flush=True)


def status(
    config: ConfigOption = None,
    as_json: JsonOption = False,
    serve: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Answer /healthz and Prometheus' /metrics, on loopback.")
    ] = "",
) -> None:
    """Show how the desk is doing: cases and deliveries by state, and what happened last. Never a case or a name."""
    from desk.care import status as figures

    with opened(config) as context:
        if serve:
            with figures.server(context, serve) as server:
                server.serve_forever()
        if as_json:
            show.print_json(figures.record(context))
        else:
            show.table("ombud status", ("what", ""), figures.lines(context), "")


def backup(file: Annotated[Path, typer.Argument(help="The file to write.")], config: ConfigOption = None) -> None:
    """Write the whole desk into one file, encrypted to desk.archive_fingerprints; also while the service runs."""
    from store.tables.backup import back_up

    file = file.absolute()
    octets = back_up(load(find(config)), file)
    print(
        f"{file}: {octets / 1e6:.1f} MB, encrypted to the archive keys. Try it now and then: ombud restore {file} DIR"
    )


def restore(
    file: Annotated[Path, typer.Argument(help="A backup.")],
    folder: Annotated[Path, typer.Argument(help="A new folder for the desk.")],
    gnupg_home: Annotated[
        Path | None, typer.Option(help="The GnuPG folder with the archive key's secret part.")
    ] = None,
) -> None:
    """Open a backup into a new folder. It takes the secret key of an archive key. Never overwrites."""
    from store.tables.backup import left_out, place_snapshot
    from store.tables.backup import restore as open_backup

    with progress("restoring", None, octets=True) as step:
        made = open_backup(file, folder, gnupg_home, step)
    loaded = load(made)
    print(f"The desk is back in {folder}.\n{place_snapshot(loaded)}")
    print(
        f"The folder belongs to you, {user_name()}. If the desk runs as another user, give it to them: chown -R USER: {folder}"
    )
    if missing := left_out(loaded):
        print("Passwords and certificates are in no backup. Put these back (chmod 600):")
        print("\n".join(f"  {path} ({field})" for field, path in missing))
    print(f"Next: ombud upgrade --config {made} && ombud check --config {made}")


def upgrade(config: ConfigOption = None) -> None:
    """Bring the database to this version's tables, after a copy of it (SQLite). Does nothing when it is there already."""
    from store.context import load_vault
    from store.kit.errors import StoreOutdated
    from store.openpgp.keyring import open_keyring
    from store.tables.backup import take_snapshot
    from store.tables.database import Database

    loaded = load(find(config))
    load_vault(loaded, open_keyring(loaded))  # a desk that does not open is not changed
    database = Database(loaded.database_url)
    try:
        database.check_migrated()
        print("The database is of this version.")
    except StoreOutdated:
        if database.file is not None:
            copy = database.file.with_name(f"{database.file.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S}")
            take_snapshot(Database(loaded.database_url), copy)
            print(f"A copy as it was: {copy}. Remove it when all is well.")
        database.upgrade()
        print("The database is of this version now.")
    finally:
        database.close()
    _screen_all(loaded)


def _screen_all(config: Config) -> None:
    """Look for the members in every case, if this version looks for them in more than the last one did."""
    from intake.screening import screen_desk
    from store.cases import correspondents, promises
    from store.cases.case_file import Actor
    from store.context import open_configured

    context = open_configured(config)
    try:
        number = sum(screen_desk(context, desk) for desk in config.desk)
        for desk in config.desk:
            with context.database.write() as session:
                by = Actor(context.vault, desk, context.roster(desk), "desk", context.clock())
                correspondents.note_all(session, by)
                promises.note_writable(session, by)
    finally:
        context.close()
    if number:
        print(f"Members were looked for in {number} cases.")


def import_old(
    path: Annotated[
        Path, typer.Argument(help="An mbox file or a Maildir that holds reports, or a case that 'case export' wrote.")
    ],
    config: ConfigOption = None,
    desk: DeskOption = None,
    notify: Annotated[bool, typer.Option("--notify", help="Tell the readers of each, as of a new report.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take old reports in from an archive. Nobody is answered, and importing the same file twice changes nothing.

    Without --notify they are closed cases of the date of their mail, from which figures and retention count; with it they
    are open cases that came in now. Newsletters and other bulk mail are kept as automatic. A case of another desk keeps its dates;
    nobody reads it before everybody here was looked for in it.
    """
    if path.is_file() and (sealed := _sealed_case(path)):
        _take_in(config, desk, sealed, as_json=as_json)
        return
    from intake.doors.archive import Archive
    from intake.receive import Receiver
    from store.cases.retention import ANNOUNCED, overdue

    archive = Archive(path)
    counts: dict[str, int] = {}
    with opened(config) as context:
        receiver, chosen = Receiver(context), chosen_desk(context.config.desk, desk)
        with progress("importing", len(archive)) as step:
            for raw in archive.mails():
                large = len(raw) > context.config.listener.size_limit
                outcome = "too large" if large else receiver.receive_old(raw, chosen, tell=notify).outcome
                counts[outcome] = counts.get(outcome, 0) + 1
                step(1)
        with context.database.read() as session:
            old = overdue(session, chosen, context.clock())
    show.print_json(counts) if as_json else show.table(
        "Imported", ("outcome", "mails"), list(counts.items()), "There was no mail."
    )
    if old:
        days = ANNOUNCED.days
        print(
            f"{old} closed cases are older than desk.retention_days: the digests announce them, and {days} days later they are "
            "destroyed. A reader keeps one with /hold.",
            file=sys.stderr,
        )
    if "too large" in counts:
        raise ConfigError(
            f"{counts['too large']} mails are larger than listener.size_limit and were left out. Raise it, and import once more."
        )


def _sealed_case(path: Path) -> bytes:
    """The octets of a file that is an OpenPGP message; empty for any other."""
    try:
        octets = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}.") from None
    # An OpenPGP packet begins with its highest bit set (RFC 9580 section 4.2); no mbox file does.
    return octets if octets[:1] > b"\x7f" or octets.startswith(b"-----BEGIN PGP MESSAGE") else b""


def _take_in(config: ConfigOption, desk: DeskOption, sealed: bytes, *, as_json: bool) -> None:
    from desk.care.export import take_in
    from intake.screening import screen_desk

    with opened(config) as context:
        chosen = chosen_desk(context.config.desk, desk)
        taken = take_in(context, chosen, sealed)
        screen_desk(context, chosen)
    if as_json:
        show.print_json({"codename": taken.codename, "signer": taken.signer})
    elif taken.signer:
        print(f"{taken.codename}: taken in. It is signed by {taken.signer}: compare that with the other desk.")
    else:
        print(f"{taken.codename}: taken in. WARNING: it is not signed by a key that this desk knows.")
