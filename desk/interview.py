"""`ombud init` as a conversation: each answer is tried at once, and asked for again when it does not work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import typer

from desk.beginning import read_key, try_mailbox, try_relay
from desk.wishes import Account, Listen, Wanted, Wishes
from store.errors import ConfigError
from store.kinds import LANGUAGES, plain_address

_WAYS = {"1": "listener", "2": "mailbox", "3": "pipe"}
_YEAR = timedelta(days=365)


def ask(given: Mapping[str, Any]) -> Wishes:
    """Ask for what a new desk needs; `given` is known already, by field of `Wishes`."""
    address = _until(lambda: _address("Address of the desk (such as conduct@example.org)"))
    languages = ", ".join(LANGUAGES)
    wishes = Wishes(
        address=address,
        name=typer.prompt("Name that people see", default=address.partition("@")[0]),
        operator=_until(
            lambda: _address("Your own address, to be told when something needs a hand (empty: none)", empty=True)
        ),
        language=_until(lambda: _one_of(f"Language of the desk ({languages})", LANGUAGES, "en")),
        **given,
    )
    wishes = _way_in(wishes)
    wishes = _way_out(wishes)
    return wishes.model_copy(update={"member": _members(wishes.language)})


def _way_in(wishes: Wishes) -> Wishes:
    typer.echo(
        "\nHow does mail come in?\n  1  a mail server hands it over (SMTP or LMTP)\n  2  from a mailbox at a provider (IMAP)\n  3  by a pipe, `ombud deliver`"
    )
    way = _WAYS[_until(lambda: _one_of("Which", _WAYS))]
    if way == "listener":
        protocol = _until(lambda: _one_of("Protocol: smtp or lmtp", ("smtp", "lmtp"), "lmtp"))
        port = typer.prompt("Port to listen on, on this machine alone", default=2525, type=int)
        return wishes.model_copy(update={"listener": Listen(port=port, protocol=protocol)})
    while way == "mailbox":
        wishes = wishes.model_copy(update={"mailbox": _account("IMAP server", "tls", wishes.address)})
        if _keep(try_mailbox(wishes), "The mailbox opens."):
            break
    return wishes


def _way_out(wishes: Wishes) -> Wishes:
    typer.echo("\nHow does mail go out?")
    while True:
        wishes = wishes.model_copy(
            update={"relay": _account("Mail server (relay)", "none", wishes.address, "127.0.0.1")}
        )
        if _keep(try_relay(wishes), "The relay takes mail."):
            return wishes


def _account(what: str, tls: str, user: str, host: str | None = None) -> Account:
    where = typer.prompt(what, default=host)
    local = where in ("127.0.0.1", "localhost", "::1")
    chosen = _until(lambda: _one_of("tls, starttls or none", ("tls", "starttls", "none"), tls if local else "tls"))
    default = {"IMAP server": {"tls": 993}.get(chosen, 143)}.get(what, {"tls": 465, "starttls": 587}.get(chosen, 25))
    port = typer.prompt("Port", default=default, type=int)
    name = typer.prompt("User (- for no login)", default="-" if local and what != "IMAP server" else user)
    if name == "-":
        return Account(host=where, port=port, tls=chosen)
    return Account(host=where, port=port, tls=chosen, user=name, password=typer.prompt("Password", hide_input=True))


def _members(language: str) -> tuple[Wanted, ...]:
    typer.echo(
        "\nWho is on the team? At least two; each with a file that holds their public key. An empty name ends it."
    )
    found: list[Wanted] = []
    while name := typer.prompt(f"Name of member {len(found) + 1}", default="", show_default=False):
        suggested = "".join(char for char in name.split()[0].lower() if char.isascii() and char.isalnum()) or "member"
        found.append(_until(lambda name=name, suggested=suggested: _member(name, suggested, language)))  # type: ignore[misc]
    return tuple(found)


def _member(name: str, suggested: str, language: str) -> Wanted:
    member = typer.prompt("  short id", default=suggested)
    email = _until(lambda: _address("  address"))
    path = Path(typer.prompt("  file with their public key")).expanduser()
    key = read_key(path)
    typer.echo(f"  fingerprint: {key.fingerprint}\n  Compare it with {name}, by voice.")
    until = date.fromisoformat(typer.prompt("  last day of their term", default=str(datetime.now(UTC).date() + _YEAR)))
    role = _until(
        lambda: _one_of(
            "  role: responder, lead, alternate or escalation",
            ("responder", "lead", "alternate", "escalation"),
            "responder",
        )
    )
    reads = _until(lambda: _one_of("  language that they read", LANGUAGES, language))
    return Wanted(id=member, name=name, email=email, key=path, until=until, role=role, language=reads)


def _until(answer: Callable[[], Any]) -> Any:
    """Ask until the answer can be used."""
    while True:
        try:
            return answer()
        except (ConfigError, ValueError) as error:
            typer.echo(f"  {error}")


def _address(question: str, *, empty: bool = False) -> str:
    value = typer.prompt(question, default="" if empty else None, show_default=False).strip()
    return value if empty and not value else plain_address(value)


def _one_of(question: str, values: Any, default: str | None = None) -> str:
    value: str = typer.prompt(question, default=default).strip().lower()
    if value not in values:
        raise ConfigError(f"Answer one of: {', '.join(values)}.")
    return value


def _keep(trouble: str, well: str) -> bool:
    """Say how a trial went; whether the answers stay."""
    if not trouble:
        typer.echo(f"  {well}")
        return True
    typer.echo(f"  It does not work yet: {trouble}")
    return typer.confirm("  Keep it all the same, and correct it later?", default=False)
