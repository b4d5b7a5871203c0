"""Files that people write or hand over, read at the edge; what is wrong with one as a clause that says what to do."""

from __future__ import annotations

import os
import pwd
import re
import stat
import tomllib
from pathlib import Path

from store.kit.errors import ConfigError


def read_given(path: Path) -> bytes:
    """The octets of a file that a person named. Raises ConfigError naming it, what is wrong, and the remedy."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {why_unread(error)}.") from None


def write_private(path: Path, content: bytes) -> None:
    """Write a new file whole, of mode 0600, and onto the disk. Raises FileExistsError."""
    number = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, stat.S_IRUSR | stat.S_IWUSR)
    with os.fdopen(number, "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(number)


def replace_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 as a whole or not at all, in place of the one that is there."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    write_private(fresh, content)
    fresh.replace(path)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file that people own as a whole or not at all, with the mode that it has. Raises ConfigError."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.write_bytes(content)
        if path.exists():
            fresh.chmod(path.stat().st_mode & 0o777)
        fresh.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}). Check its permissions.") from None


def modified(path: Path | str) -> int:
    """When a file or folder was changed, in nanoseconds since 1970; 0 when it is not there."""
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116  # asked for each mail; twice as fast
    except OSError:
        return 0


def why_unread(error: OSError | UnicodeDecodeError) -> str:
    """Why a file could not be read, and what to do: a clause that stands behind its path."""
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return "cannot be read: there is no such file. Check the path"
        case IsADirectoryError():
            return "cannot be read: it is a folder. Name a file in it"
        case PermissionError():
            return (
                f"cannot be read by the user '{user_name()}', who runs this: permission denied. Make it theirs (chown {user_name()} FILE), "
                f"or give them a copy where they may read it (install -o {user_name()} -m 0600 FILE FOLDER)"
            )
        case UnicodeDecodeError():
            return "cannot be read: it is not UTF-8 text. Save it as UTF-8"
    return f"cannot be read ({error.strerror or type(error).__name__}). Check the disk"


def user_name(number: int | None = None) -> str:
    """The name of a user; by default of the one whose rights this program has."""
    number = os.geteuid() if number is None else number
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def toml_trouble(error: tomllib.TOMLDecodeError) -> str:
    """What the TOML reader complains of, as a clause with the line."""
    said, _, place = str(error).partition(" (at ")
    where = re.match(r"line \d+", place)
    return f"{_plain_words(said)}{f' ({where[0]})' if where else ''}"


def _plain_words(said: str) -> str:
    """The complaints of `tomllib` that show Python's own values, or say nothing of the remedy, in other words."""
    if found := re.match(r"Cannot (?:declare|mutate immutable namespace|mutate) \((.*?)\)", said):
        section = ".".join(part.strip(" '\"") for part in found[1].split(",") if part.strip())
        if section == "member":
            return "[member] is there twice: write [[member]] in double brackets, once for each person"
        return f"the section [{section}] is there twice: put its fields into one"
    if said.startswith("Cannot overwrite a value"):
        return "a field is there twice: keep one of them"
    if said == "Invalid value":
        return "this value is no number, date, true or false: put text in double quotes"
    return f"{said[:1].lower()}{said[1:]}"
