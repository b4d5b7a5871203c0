"""Commands on keys: those of the team, and the desk's own."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import tomlkit
import typer

from desk.commands import show
from desk.commands.options import ConfigOption, DeskOption, JsonOption, chosen_desk, opened
from store.context import Context, rewrap_vault
from store.kit.config import Desk, load
from store.kit.errors import ConfigError, KeyProblem, NotAllowed
from store.kit.files import read_given, replace_file
from store.kit.local import find
from store.openpgp.values import PublicKey
from store.outbox import queue
from store.team import keyfiles

keys_app = typer.Typer(help="Keys of the team, and the desk's own.", no_args_is_help=True)


@keys_app.command("list")
def key_list(config: ConfigOption = None, desk: DeskOption = None, as_json: JsonOption = False) -> None:
    """List the desk's key and those of its members, and until when each can be used."""
    with opened(config) as context:
        chosen = chosen_desk(context.config.desk, desk)
        owners = {chosen.fingerprint: "the desk"}
        if chosen.modern_fingerprint:
            owners[chosen.modern_fingerprint] = "the desk, for newer programs"
        owners |= {member.fingerprint: member.id for member in context.roster(chosen).members}
        found = {key.fingerprint: key for key in context.keyring.public_keys(list(owners))}
    lines = [_line(owner, fingerprint, found.get(fingerprint)) for fingerprint, owner in owners.items()]
    if as_json:
        show.print_json(lines)
    else:
        columns = ("whose", "fingerprint", "", "can be used until")
        show.table(f"Keys of {chosen.id}", columns, [tuple(line.values()) for line in lines], "There are none.")


def _line(owner: str, fingerprint: str, key: PublicKey | None) -> dict[str, str | None]:
    state = "missing" if key is None else key.trouble.replace("-", " ") or "ok"
    until = key.usable_until.date().isoformat() if key is not None and key.usable_until else None
    return {"owner": owner, "fingerprint": fingerprint, "state": state, "until": until}


@keys_app.command("add")
def key_add(
    file: Annotated[Path, typer.Argument(help="A file with the public key; - for standard input.")],
    config: ConfigOption = None,
    desk: DeskOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a member's renewed key into place. It must have the fingerprint that the roster pins for them."""
    with opened(config) as context:
        chosen = chosen_desk(context.config.desk, desk)
        data = sys.stdin.buffer.read() if str(file) == "-" else read_given(file)
        try:
            key = keyfiles.one_public_key(data, context.keyring)
        except KeyProblem as error:
            raise ConfigError(f"{file}: {error}") from None
        member = next((item for item in context.roster(chosen).members if item.fingerprint == key.fingerprint), None)
        if member is None:
            raise NotAllowed(
                f"{file}: holds no key that the roster pins for a member. For a new key, change 'fingerprint' in the roster first."
            )
        keyfiles.put_key(keyfiles.TeamFiles(context.config, chosen, context.keyring), member, data)
        context.keyring.add_public(data)
    show.print_json({"member": member.id}) if as_json else print(f"The key of {member.id} is in place.")


@keys_app.command("export")
def key_export(config: ConfigOption = None, desk: DeskOption = None) -> None:
    """Print the desk's public key."""
    with opened(config) as context:
        chosen = chosen_desk(context.config.desk, desk)
        print(context.keyring.export(chosen.fingerprint, armored=True).decode(), end="")


@keys_app.command("extend")
def key_extend(
    day: Annotated[str, typer.Argument(help="The new last day, such as 2028-12-31, or never.")],
    config: ConfigOption = None,
    desk: DeskOption = None,
) -> None:
    """Give the desk's key a new last day. Publish it again afterwards."""
    with opened(config) as context:
        chosen = chosen_desk(context.config.desk, desk)
        try:
            until = None if day == "never" else date.fromisoformat(day)
        except ValueError:
            raise ConfigError(f"'{day}' is not a date such as 2028-12-31, nor 'never'.") from None
        context.keyring.extend(chosen.fingerprint, until)
    print(f"The key of {chosen.id} can be used until {until or 'further notice'}.")


@keys_app.command("rotate")
def key_rotate(config: ConfigOption = None, desk: DeskOption = None) -> None:
    """Replace the desk's key by a new one. What is sealed to the old one still opens. Restart the service afterwards."""
    with opened(config) as context:
        chosen = chosen_desk(context.config.desk, desk)
        fresh = _rotate(context, chosen, find(config))
    print(f"The new key of {chosen.id}: {fresh}\nThe old one stays, to open what is sealed to it.")
    print(
        "Now restart the service; it mails the new key to the members on duty. Publish it ('ombud key wkd'), and make a"
    )
    print("backup of the folder.")


def _rotate(context: Context, desk: Desk, file: Path) -> str:
    text = file.read_text(encoding="utf-8")
    document: Any = tomlkit.parse(text)
    fresh = context.keyring.create(desk.title, desk.address)
    document["desk"][context.config.desk.index(desk)]["fingerprint"] = fresh
    replace_file(file, tomlkit.dumps(document).encode())
    try:
        loaded = load(file)
        rewrap_vault(loaded, context.keyring)
    except (ConfigError, KeyProblem):
        replace_file(file, text.encode())
        raise
    with context.database.write() as session:
        for member in context.roster(desk).on_duty(context.clock()):
            queue.enqueue(session, queue.Notice("desk-key", desk.id, context.clock(), subject_id=member.id))
    return fresh


@keys_app.command("add-modern")
def key_add_modern(
    post_quantum: Annotated[
        bool,
        typer.Option(
            "--post-quantum", help="Encrypt to it with ML-KEM-768 as well, which quantum computers do not break."
        ),
    ] = False,
    config: ConfigOption = None,
    desk: DeskOption = None,
) -> None:
    """Give the desk a second key, of RFC 9580, for newer programs. The first one stays for all others."""
    with opened(config) as context:
        chosen, file = chosen_desk(context.config.desk, desk), find(config)
        if chosen.modern_fingerprint:
            raise NotAllowed(
                f"{chosen.id} has such a key already: {chosen.modern_fingerprint}. To replace it, first take modern_fingerprint out of {file}."
            )
        made = _add_modern(context, chosen, file, post_quantum=post_quantum)
    print(f"The key of {chosen.id} for newer programs: {made}")
    print("Now restart the service, publish it ('ombud key wkd'), and make a backup of the folder.")


def _add_modern(context: Context, desk: Desk, file: Path, *, post_quantum: bool) -> str:
    document: Any = tomlkit.parse(file.read_text(encoding="utf-8"))
    user_id = f"{' '.join(desk.title.split())} <{desk.address}>"
    made = context.keyring.create_modern(user_id, desk.fingerprint, post_quantum=post_quantum)
    document["desk"][context.config.desk.index(desk)]["modern_fingerprint"] = made
    replace_file(file, tomlkit.dumps(document).encode())
    return made


@keys_app.command("wkd")
def key_wkd(folder: Path, config: ConfigOption = None, desk: DeskOption = None) -> None:
    """Write a Web Key Directory and a page to print, for the web server of the address's domain."""
    from desk.care.publish import write_directory

    with opened(config) as context:
        chosen = chosen_desk(context.config.desk, desk)
        made = write_directory(chosen, context.keyring, folder)
    print("\n".join(str(path) for path in made))
