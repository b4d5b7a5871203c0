"""The command that makes a new desk: by conversation, by a file of answers, or by options."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from desk import logs
from desk.setup.answers import Account, ListenerAnswers, SetupAnswers, complaints
from desk.setup.answers import read as read_answers
from desk.setup.folder import NewDesk, require_free
from store.kit.errors import ConfigError


def init(
    folder: Annotated[Path, typer.Argument(help="The folder of the new desk.")],
    address: Annotated[str, typer.Option(help="The address that people write to; asked for when missing.")] = "",
    name: Annotated[str, typer.Option(help="What people see beside the address.")] = "",
    operator: Annotated[str, typer.Option(help="Who is told, without content, when something needs attention.")] = "",
    database_url: Annotated[str, typer.Option(help="postgresql://…; an SQLite file when missing.")] = "",
    listen_host: str = "127.0.0.1",
    listen_port: int = 2525,
    protocol: Annotated[str, typer.Option(help="smtp or lmtp.")] = "smtp",
    relay_host: str = "127.0.0.1",
    relay_port: int = 25,
    passphrase_file: Annotated[Path | None, typer.Option(help="A file with the passphrase for the desk's key.")] = None,
    archive_key: Annotated[
        list[Path] | None, typer.Option(help="A public key, kept offline, that can open the vault too.")
    ] = None,
    answers: Annotated[Path | None, typer.Option(help="A file with all answers, as deploy/answers.toml.")] = None,
) -> None:
    """Make a new desk in a folder, and ask for what it needs unless it is said here. Never overwrites."""
    logs.set_up(quiet=True)
    require_free(folder)
    given = {
        "database_url": database_url, "passphrase_file": passphrase_file, "archive_keys": tuple(archive_key or ()),
    }  # fmt: skip
    if answers:
        wanted = read_answers(answers)
        _try_ways(wanted)
        well = _make(folder, wanted)
    elif address:
        try:
            wanted = SetupAnswers(
                address=address, name=name, operator=operator, listener=ListenerAnswers(host=listen_host, port=listen_port, protocol=protocol),
                relay=Account(host=relay_host, port=relay_port, tls="none"), **given,
            )  # fmt: skip
        except ValidationError as error:
            raise ConfigError(f"--{next(complaints(error))}") from None
        well = _make(folder, wanted)
    elif sys.stdin.isatty():
        well = _converse(folder, given)
    else:
        raise ConfigError("Say which address the desk has: --address conduct@example.org, or --answers FILE.")
    if not well:
        raise typer.Exit(1)


def _converse(folder: Path, given: Mapping[str, object]) -> bool:
    """Make a desk by conversation. One that is broken off, or comes to nothing, leaves its answers for the next."""
    from desk.setup.interview import ask
    from desk.setup.questions import Questions

    questions = Questions(folder)
    try:
        return _make(folder, ask(given, questions), questions.done)
    except BaseException:
        if questions.file.exists():
            print(f"\nYour answers are kept in {questions.file}, without passwords: the next 'ombud init' offers them.")
        raise


def _try_ways(answers: SetupAnswers) -> None:
    """Say which way in or out does not work yet: the desk is made all the same, and waits for it."""
    from desk.setup.beginning import try_mailbox, try_relay

    for trouble in (try_mailbox(answers), try_relay(answers)):
        if trouble:
            print(f"It does not work yet: {trouble}", file=sys.stderr)


def _make(folder: Path, answers: SetupAnswers, when_made: Callable[[], None] = lambda: None) -> bool:
    """Make the desk, tell its members, and say what comes next; whether nobody's notice was refused. Raises ConfigError and its like."""
    from desk.setup.beginning import begin

    try:
        made = begin(folder, answers)
    except OSError as error:
        raise ConfigError(
            f"{folder}: the desk could not be written ({error.strerror}), and nothing of it was left. Put that right, and try again."
        ) from None
    when_made()
    print(f"\nThe desk is made: {made.config}\nIts key:          {made.fingerprint}\n")
    well = True
    if answers.member:
        well = _greet(made, answers)
    else:
        print(f"Next: put your team's keys into {folder / 'keys'}, name them in {folder / 'roster.toml'}, then")
        print(f"  ombud check --config {made.config}\n  ombud run --config {made.config}")
    print("Keep a copy of the folder offline: without 'gnupg' and 'vault.asc' no case can be opened.")
    return well


def _greet(made: NewDesk, answers: SetupAnswers) -> bool:
    """Send the test notices, and say what became of each; whether none was refused."""
    from desk.setup.beginning import greet

    found = greet(made.config)
    for told in found:
        print(f"{told.member}: {told}")
    if len(answers.member) == 1:
        print("One member alone: nobody could be told of a report about them. Name others in roster.toml.")
    run = f"ombud run --config {made.config}\nand write to {answers.address} yourself: that is the first report. 'ombud case list' shows it."
    if all(told.state == "sent" for told in found):
        print(f"\nNext: have each of them say that it opened, then\n  {run}")
    else:
        print(
            "\nNot everybody could be told. Correct what is said above (the way out is [relay] in the configuration), then"
        )
        print(f"  ombud check --config {made.config} && ombud outbox retry --config {made.config}\n  {run}")
    return all(told.state in ("sent", "waiting") for told in found)
