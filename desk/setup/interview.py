"""`ombud init` as a conversation: each answer is tried at once, and asked for again when it does not work."""

from __future__ import annotations

import shlex
import shutil
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import typer

from desk.setup.answers import DESKS_OWN, IN_CLEAR, Account, ListenerAnswers, Mechanism, SetupAnswers, Tls, same_address
from desk.setup.beginning import read_key, try_mailbox, try_relay
from desk.setup.interview_team import ask_team
from desk.setup.questions import Questions, host, one_of, port
from store.kit.errors import ConfigError
from store.kit.files import read_given
from store.kit.kinds import LANGUAGES, plain_address
from store.kit.sections import LOOPBACK
from store.team.roster_file import one_line

_WAYS = {"1": "listener", "2": "mailbox", "3": "pipe"}
_NO_LOGIN = "-"
_LOCAL_PORT = 2525
# Who takes no passwords from programs, by the end of the name of their servers.
_TOKENS_ONLY = ("gmail.com", "googlemail.com", "office365.com", "outlook.com")


def ask(given: Mapping[str, Any], questions: Questions) -> SetupAnswers:
    """Ask for what a new desk needs; `given` is known already, by field of `SetupAnswers`."""
    questions.resume()
    typer.echo("Enter takes what stands in [brackets].")
    address = questions.ask("address", "Address of the desk (such as conduct@example.org)", plain_address)

    def operator(text: str) -> str:
        if same_address(plain_address(text), address):
            raise ConfigError(DESKS_OWN)
        return text

    answers = SetupAnswers(
        address=address,
        name=questions.ask("name", "Name that people see", _name, address.partition("@")[0]),
        operator=questions.ask_optional(
            "operator", "Your own address, to be told when something needs attention (empty: none)", operator, ""
        ),
        language=questions.ask("language", f"Language of the desk ({', '.join(LANGUAGES)})", one_of(*LANGUAGES), "en"),
        **given,
    )
    if not answers.archive_keys:
        answers = answers.model_copy(update={"archive_keys": _archive_keys(questions)})
    answers = _way_in(answers, questions)
    answers = _way_out(answers, questions)
    return answers.model_copy(update={"member": ask_team(answers, questions)})


def _archive_keys(questions: Questions) -> tuple[Path, ...]:
    """The key that opens the backups; without one there are none."""

    def usable(text: str) -> tuple[Path, ...]:
        path = Path(text).expanduser().absolute()
        read_key(path)
        return (path,)

    return questions.ask_optional(
        "archive key",
        "File with the public key that opens the backups, its secret part kept elsewhere (empty: no backups)",
        usable,
        (),
    )


def _name(text: str) -> str:
    if any(char in "<>@" for char in text):
        raise ConfigError("A name without <, > and @, such as Conduct Team; the address is known.")
    return one_line(text)


def _way_in(answers: SetupAnswers, questions: Questions) -> SetupAnswers:
    typer.echo(
        "\nHow does mail come in?\n  1  a mail server hands it over (SMTP or LMTP)\n  2  from a mailbox at a provider (IMAP)\n  3  by a pipe, `ombud deliver`"
    )
    way = _WAYS[questions.ask("way in", "Which", one_of(*_WAYS))]
    if way == "listener":
        protocol = questions.ask("listener.protocol", "Protocol: smtp or lmtp", one_of("smtp", "lmtp"), "lmtp")
        number = questions.ask(
            "listener.port", "Port to listen on, on this machine alone", _free_port, str(_LOCAL_PORT)
        )
        return answers.model_copy(
            update={"listener": ListenerAnswers.model_validate({"port": number, "protocol": protocol})}
        )
    while way == "mailbox":
        answers = answers.model_copy(update={"mailbox": _account("mailbox", answers, questions)})
        if _keep(try_mailbox(answers), "The mailbox opens."):
            break
    return answers


def _way_out(answers: SetupAnswers, questions: Questions) -> SetupAnswers:
    typer.echo("\nHow does mail go out?")
    while True:
        answers = answers.model_copy(update={"relay": _account("relay", answers, questions)})
        if _keep(try_relay(answers), "The relay takes mail."):
            return answers


def _account(kind: str, answers: SetupAnswers, questions: Questions) -> Account:
    """A server and its login; `kind` is mailbox or relay."""
    mailbox = kind == "mailbox"
    where = questions.ask(
        f"{kind}.host", "IMAP server" if mailbox else "Mail server (relay)", host, "" if mailbox else "127.0.0.1"
    )
    local = where in LOOPBACK

    def sealed(text: str) -> str:
        chosen = one_of(*get_args(Tls))(text)
        if mailbox and chosen == "none" and not local:
            raise ConfigError(IN_CLEAR)
        return chosen

    tls = questions.ask(f"{kind}.tls", "tls, starttls or none", sealed, "none" if local and not mailbox else "tls")
    usual = {"tls": 993}.get(tls, 143) if mailbox else {"tls": 465, "starttls": 587}.get(tls, 25)
    number = questions.ask(f"{kind}.port", "Port", port, str(usual))
    ca_file = None
    if tls != "none":
        ca_file = questions.ask_optional(
            f"{kind}.ca_file", "File with its certificate authority (empty: those of the system)", _ca_file, None
        )
    values = {"host": where, "port": number, "tls": tls, "ca_file": ca_file}
    return Account.model_validate({**values, **_login(kind, values, answers, questions)})


def _login(kind: str, values: Mapping[str, Any], answers: SetupAnswers, questions: Questions) -> Mapping[str, Any]:
    """The fields of `Account` that log in; none for a relay that wants no login."""
    relay, local = kind == "relay", values["host"] in LOOPBACK

    def user(text: str) -> str:
        if text == _NO_LOGIN and not relay:
            raise ConfigError("A mailbox needs a login.")
        if text != _NO_LOGIN and values["tls"] == "none" and not local:
            raise ConfigError(f"{IN_CLEAR} (answer - for no login)")
        return one_line(text)

    question = "User (- for no login)" if relay else "User"
    no_login = relay and (local or values["tls"] == "none")
    name = questions.ask(f"{kind}.user", question, user, _NO_LOGIN if no_login else answers.address)
    if name == _NO_LOGIN:
        return {}
    usual = "token" if str(values["host"]).endswith(_TOKENS_ONLY) else "password"
    way = questions.ask(
        f"{kind}.login",
        "Log in with a password, or a token (OAuth 2.0: Google, Microsoft)",
        one_of("password", "token"),
        usual,
    )
    if way == "password":
        return {"user": name, "password": questions.secret(kind, "Password", "mailbox" if relay else "")}
    before = questions.answered("mailbox.token_command") if relay else ""
    command = questions.ask(
        f"{kind}.token_command",
        "Command that prints a fresh token (such as: oama access conduct@example.org)",
        _command,
        before,
    )
    mechanism = questions.ask(f"{kind}.token_mechanism", "Mechanism: XOAUTH2 or OAUTHBEARER", _mechanism, "XOAUTH2")
    return {"user": name, "token_command": command, "token_mechanism": mechanism}


def _ca_file(text: str) -> Path:
    path = Path(text).expanduser().absolute()
    data = read_given(path)
    try:
        ssl.create_default_context(cadata=data.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise ConfigError(f"{path}: holds no certificates. It must be PEM: -----BEGIN CERTIFICATE-----.") from None
    return path


def _command(text: str) -> tuple[str, ...]:
    try:
        words = shlex.split(text)
    except ValueError:
        raise ConfigError("a quotation mark is not closed in this command") from None
    if not words:
        raise ConfigError("must be a command")
    program = shutil.which(words[0])
    if program is None:
        raise ConfigError(f"'{words[0]}' is no program that the user who runs this can start; give its full path")
    return (str(Path(program).absolute()) if "/" in words[0] else words[0], *words[1:])


def _mechanism(text: str) -> str:
    names = get_args(Mechanism)
    chosen = one_of(*(name.casefold() for name in names))(text)
    return next(str(name) for name in names if name.casefold() == chosen)


def _free_port(text: str) -> int:
    number = port(text)
    try:
        with socket.create_server(("127.0.0.1", number)):
            return number
    except PermissionError:
        raise ConfigError(f"The user who runs this may not listen on port {number}; choose one above 1023.") from None
    except OSError:
        raise ConfigError(f"Port {number} is in use by another program; choose another.") from None


def _keep(trouble: str, well: str) -> bool:
    """Say how a trial went; whether the answers stay."""
    if not trouble:
        typer.echo(f"  {well}")
        return True
    typer.echo(f"  It does not work yet: {trouble}")
    return typer.confirm("  Keep it all the same, and correct it later?", default=False)
