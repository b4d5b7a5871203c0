"""Questions on a terminal: each answer is checked at once and asked for again by itself; what was typed is never lost.

What was answered is the default when its question comes again: in the same conversation, and at the next start, for it
is kept in a file between the two. Passwords are not in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import typer

from store.kit.errors import ConfigError
from store.kit.files import replace_private

KEPT = ".init-answers.json"
NOTHING = "none"

_T = TypeVar("_T")


class Questions:
    """A conversation. Each question has a key, by which its answer is remembered."""

    def __init__(self, folder: Path) -> None:
        """`folder` is where the answers are kept until the conversation led to something; it is made for them."""
        self.file = folder / KEPT
        self._typed: dict[str, str] = {}
        self._secrets: dict[str, str] = {}

    def resume(self) -> None:
        """Offer what was answered before an earlier conversation was broken off."""
        try:
            found = json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        typer.echo(f"The answers of an earlier start lie in {self.file}, without passwords.")
        if typer.confirm("Go on with them? Each is offered again, and Enter takes it", default=True):
            self._typed = {str(key): str(value) for key, value in found.items()}
        else:
            self.file.unlink(missing_ok=True)

    def done(self) -> None:
        """Forget what was answered."""
        self.file.unlink(missing_ok=True)

    def answered(self, key: str) -> str:
        """What was answered to a question; empty when it was not."""
        return self._typed.get(key, "")

    def remember(self, key: str, value: str) -> None:
        """Keep an answer."""
        self._typed[key] = value
        self._keep()

    def forget(self, *keys: str) -> None:
        """Forget some answers."""
        for key in keys:
            self._typed.pop(key, None)
        self._keep()

    def ask(self, key: str, question: str, check: Callable[[str], _T], default: str = "") -> _T:
        """Ask until the answer passes its check, which raises ConfigError or ValueError; what the check made of it."""
        return self._ask(key, question, check, self._typed.get(key) or default or None)

    def ask_optional(self, key: str, question: str, check: Callable[[str], _T], nothing: _T) -> _T:
        """The same where an empty answer stands for `nothing`; so does `none`, where an earlier answer is offered."""

        def checked(text: str) -> _T:
            return nothing if text in ("", NOTHING) else check(text)

        value = self._ask(key, question, checked, self._typed.get(key, ""))
        if self._typed[key] == NOTHING:
            self.remember(key, "")
        return value

    def _ask(self, key: str, question: str, check: Callable[[str], _T], default: str | None) -> _T:
        while True:
            text = str(typer.prompt(question, default=default, show_default=bool(default))).strip()
            try:
                value = check(text)
            except (ConfigError, ValueError) as error:
                typer.echo(f"  {_sentence(str(error))}")
                continue
            self.remember(key, text)
            return value

    def secret(self, key: str, question: str, other: str = "") -> str:
        """Ask for a secret, which is not shown and not kept. An empty answer is the one before, or that of `other`."""
        before, what = self._secrets.get(key, ""), "the one before"
        if not before and other in self._secrets:
            before, what = self._secrets[other], f"that of the {other}"
        hint = f" (empty: {what})" if before else ""
        value = str(typer.prompt(f"{question}{hint}", hide_input=True, default=before or None, show_default=False))
        self._secrets[key] = value
        return value

    def _keep(self) -> None:
        """Write the answers down; a machine where that is impossible is no reason to end the conversation."""
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_private(self.file, json.dumps(self._typed, ensure_ascii=False).encode())
        except OSError:
            return


def _sentence(clause: str) -> str:
    """What is wrong with an answer, as a sentence: checks say `must be …` of it."""
    text = f"It {clause}" if clause.startswith(("must ", "holds ")) else f"{clause[:1].upper()}{clause[1:]}"
    return text if text.endswith((".", "!", "?")) else f"{text}."


def one_of(*values: str) -> Callable[[str], str]:
    """A check for one of some words; their beginning will do where it says which."""

    def check(text: str) -> str:
        found = [value for value in values if value == text.casefold()]
        found = found or [value for value in values if text and value.startswith(text.casefold())]
        if len(found) != 1:
            raise ConfigError(f"Answer one of: {', '.join(values)}.")
        return found[0]

    return check


def port(text: str) -> int:
    """A check for a port."""
    if not text.isdecimal() or not 1 <= int(text[:6]) <= 65535:
        raise ConfigError("A port is a number from 1 to 65535.")
    return int(text)


def host(text: str) -> str:
    """A check for a machine's name or address."""
    if not text or any(char.isspace() or char in "/@" for char in text):
        raise ConfigError("This is the name of a machine, such as imap.example.org.")
    return text
