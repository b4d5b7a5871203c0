"""A mail from standard input to the running service, over its private LMTP socket (RFC 2033).

Only the standard library is loaded, so that a pipe from a mail server is fast. Whatever is out of the ordinary,
a service that is not running among it, is left to the whole program (`desk.commands.cli`): then nothing was read yet.
"""

from __future__ import annotations

import io
import os
import re
import socket
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from store.kit.local import UNKNOWN_SENDER, find, socket_address

EX_OK, EX_DATAERR, EX_NOUSER, EX_TEMPFAIL = 0, 65, 67, 75
_WRONG_ADDRESS = (501, 550, 553)
_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 900


@dataclass(frozen=True)
class Order:
    """What the command line asks for."""

    config: Path
    sender: str
    recipients: tuple[str, ...]
    as_json: bool


def hand_over(arguments: list[str]) -> int | None:
    """Hand the mail on standard input to the service; the exit code, or None when the whole program must do it."""
    order = read_arguments(arguments)
    connection = _connect(_socket_of(order.config)) if order else None
    if order is None or connection is None:
        return None
    try:
        with connection, connection.makefile("rwb") as stream:
            return _talk(stream, order, sys.stdin.buffer.read())
    except (OSError, ValueError) as error:
        print(
            f"ombud: the service did not answer ({type(error).__name__}); the mail is to be tried again",
            file=sys.stderr,
        )
        return EX_TEMPFAIL


def read_arguments(arguments: list[str]) -> Order | None:
    """The order that the arguments of `deliver` give; None for any that are not plainly understood."""
    config, sender, recipients, as_json = "", UNKNOWN_SENDER, [], False
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        name, has_value, value = word.partition("=")
        if name in ("--config", "--sender"):
            if not has_value and not rest:
                return None
            value = value if has_value else rest.pop(0)
            config, sender = (value, sender) if name == "--config" else (config, value)
        elif word == "--json":
            as_json = True
        elif word.startswith("-"):
            return None
        else:
            recipients.append(word)
    clean = not any(re.search(r"[\x00-\x20\x7f<>]", address) for address in [*recipients, sender])
    if not recipients or not clean:
        return None
    return Order(find(Path(config) if config else None), sender, tuple(recipients), as_json)


def _socket_of(config: Path) -> Path | None:
    try:
        listener = tomllib.loads(config.read_text(encoding="utf-8")).get("listener", {})
        named = os.environ.get("OMBUD_LISTENER__SOCKET") or listener.get("socket", "deliver.sock")
        return config.absolute().parent / named
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _connect(path: Path | None) -> socket.socket | None:
    if path is None or not path.exists():
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_CONNECT_SECONDS)
    try:
        with socket_address(path) as address:
            connection.connect(address)
    except OSError:
        connection.close()
        return None
    connection.settimeout(_ANSWER_SECONDS)
    return connection


def _talk(stream: io.BufferedRWPair, order: Order, mail: bytes) -> int:
    """One transaction for each recipient; the worst of the exit codes."""
    # LMTP lines end with CRLF, and a lone line feed would escape the doubling of dots.
    mail = re.sub(rb"\r?\n", b"\r\n", mail)
    mail += b"" if mail.endswith(b"\r\n") else b"\r\n"
    stuffed = re.sub(rb"(?m)^\.", b"..", mail)
    codes = []
    if _answer(stream)[0] != 220 or _say(stream, "LHLO localhost")[0] != 250:
        return EX_TEMPFAIL
    for recipient in order.recipients:
        answer = _say(stream, f"MAIL FROM:<{order.sender}> SMTPUTF8 SIZE={len(mail)}")
        if answer[0] in _WRONG_ADDRESS:  # no reason to lose a mail: then its sender is not known
            answer = _say(stream, f"MAIL FROM:<{UNKNOWN_SENDER}> SMTPUTF8 SIZE={len(mail)}")
        if answer[0] == 250:
            answer = _say(stream, f"RCPT TO:<{recipient}>")
        if answer[0] == 250:
            answer = _say(stream, "DATA")
        if answer[0] == 354:
            stream.write(stuffed + b".\r\n")
            answer = _answer(stream)
        codes.append(exit_code(answer, as_json=order.as_json))
        if answer[0] != 250:
            _say(stream, "RSET")
    stream.write(b"QUIT\r\n")
    stream.flush()
    return max(codes)


def _say(stream: io.BufferedRWPair, line: str) -> tuple[int, str]:
    stream.write(line.encode("utf-8", "surrogateescape") + b"\r\n")
    return _answer(stream)


def _answer(stream: io.BufferedRWPair) -> tuple[int, str]:
    """The next reply: its code and the text of its last line."""
    stream.flush()
    while True:
        line = stream.readline(4096)
        if not line.endswith(b"\n"):
            raise ConnectionError("the connection ended")
        if line[3:4] != b"-":
            return int(line[:3]), line[4:].decode("ascii", "replace").strip()


def exit_code(answer: tuple[int, str], *, as_json: bool) -> int:
    """Say how it went, as the whole program does; the exit code (sysexits.h).

    The mail server behind the pipe gives a mail up after any other code than 75. So all is 75 but what is known.
    """
    code, text = answer
    words = text.split()
    if code == 250 and len(words) == 3:
        outcome, codename = words[1:]
        print(f'{{"outcome": "{outcome}", "case": "{codename}"}}' if as_json else f"{outcome} {codename}")
        return EX_OK
    if code == 552:
        print("ombud: the mail is larger than listener.size_limit", file=sys.stderr)
        return EX_DATAERR
    if code in _WRONG_ADDRESS:
        print("ombud: no desk has this address", file=sys.stderr)
        return EX_NOUSER
    print("ombud: the mail cannot be kept now; it is to be tried again", file=sys.stderr)
    return EX_TEMPFAIL
