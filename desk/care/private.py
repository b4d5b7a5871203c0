"""What only the user who runs the desk may read: its folder, and every file that holds a secret."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from desk.care.machine import Finding
from store.kit.config import Config

# systemd gives its credentials to one service, by an access list that looks like a group's right.
_CREDENTIALS = Path("/run/credentials")
_SHOWN = 5


def examine(config: Config) -> Iterator[Finding]:
    """Look at who may read what, and whose it is."""
    paths = [path for path in dict.fromkeys(private_paths(config)) if path.exists()]
    exposed = [path for path in paths if _exposed(path)]
    foreign = [path for path in paths if path.stat().st_uid not in (os.geteuid(), 0)]
    if exposed:
        files = [str(path) for path in exposed[:_SHOWN]]
        more = f" (and {len(exposed) - _SHOWN} more)" if len(exposed) > _SHOWN else ""
        command = f"chmod go-rwx {' '.join(map(shlex.quote, files))}"
        yield Finding(
            "permissions", "failure", f"{', '.join(files)}{more} can be read by others on this machine. Run: {command}"
        )
    elif foreign:
        yield Finding(
            "permissions", "warning", f"{foreign[0]} belongs to another user than the one who runs this check."
        )
    else:
        yield Finding("permissions", "ok", "the folder and all secrets are readable by their owner alone")


def private_paths(config: Config) -> Iterator[Path]:
    """The folder of the desk, what lies in it sealed or as a key, and the files with passwords and tokens."""
    yield config.folder.absolute()
    yield from (config.path(config.gnupg.home), config.path(config.vault_file), config.path(Path(".pgpass")))
    if config.database_url.startswith("sqlite:///"):
        file = Path(config.database_url.removeprefix("sqlite:///"))
        yield file
        yield from sorted(file.parent.glob(f"{file.name}[-.]*"))  # its log, and copies from before an upgrade
    elif "@" in config.database_url and ":" in config.database_url.partition("://")[2].rpartition("@")[0]:
        yield config.path(Path("ombud.toml"))
    named = [
        config.gnupg.passphrase_file, config.relay.password_file, config.listener.tls_key, config.junk.password_file,
    ]  # fmt: skip
    commands = [config.relay.token_command]
    for desk in config.desk:
        named += [imap.password_file for imap in desk.imap]
        commands += [imap.token_command for imap in desk.imap]
    yield from (config.path(file) for file in named if file)
    for command in commands:
        yield from _files_of(config, command)


def _files_of(config: Config, command: tuple[str, ...]) -> Iterator[Path]:
    """Files of the desk's folder that a command is given: one of them holds the token, or what gets it."""
    for argument in command[1:]:
        path = config.path(Path(argument.rpartition("=")[2]))
        if path.is_file() and path.is_relative_to(config.folder.absolute()):
            yield path


def _exposed(path: Path) -> bool:
    return not path.is_relative_to(_CREDENTIALS) and bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
