"""`ombud` commands as tests run them: each in a process of its own, by a server that has the program loaded already."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_SECONDS = 120.0


def ombud(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run `ombud` with some arguments."""
    return run_command([str(item) for item in arguments], stdin)


def as_text(done: subprocess.CompletedProcess[bytes]) -> subprocess.CompletedProcess[str]:
    """How a command ended, with what it printed as text."""
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def run_command(arguments: Sequence[str], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run `ombud` with some arguments. Raises subprocess.TimeoutExpired after two minutes."""
    with contextlib.ExitStack() as open_ones:
        said, out, error = (open_ones.enter_context(os.fdopen(os.memfd_create("ombud"), "w+b")) for _ in range(3))
        said.write(stdin)
        said.seek(0)
        told, tells = os.pipe()
        open_ones.callback(os.close, told)
        request = json.dumps([arguments, str(Path.cwd()), dict(os.environ)]).encode()
        files = [said.fileno(), out.fileno(), error.fileno(), tells]
        socket.send_fds(_server()[0], [request], files)
        os.close(tells)
        code = _waited_for(told, arguments)
        out.seek(0)
        error.seek(0)
        return subprocess.CompletedProcess(arguments, code, out.read(), error.read())


def _waited_for(told: int, arguments: Sequence[str]) -> int:
    """The exit code of a command."""
    end, words = time.monotonic() + _SECONDS, b""
    while len(words.split()) < 2 or not words.endswith(b"\n"):
        if not select.select([told], [], [], max(0.0, end - time.monotonic()))[0]:
            os.kill(int(words.split()[0]), signal.SIGKILL)
            raise subprocess.TimeoutExpired(list(arguments), _SECONDS)
        more = os.read(told, 100)
        if not more:
            raise RuntimeError("the server of commands ended")
        words += more
    return int(words.split()[1])


@cache
def _server() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """The socket of the server of this process, which ends when this process does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        line = [sys.executable, "-m", "tests.support.command_server", str(theirs.fileno())]
        nothing = subprocess.DEVNULL
        server = subprocess.Popen(line, pass_fds=[theirs.fileno()], stdin=nothing, stdout=nothing, cwd=_ROOT)
    return ours, server
