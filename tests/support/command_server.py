"""Runs `ombud` commands for tests, each in a process of its own that need not load the program first: that takes a second of the processor.

What comes by the socket is arguments, a folder and an environment, and with them standard input, output and error and a pipe, to
which the process id and then the exit code are written.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path

from desk import entry
from store.kit.loading import loading

with loading():
    import alembic.command

    import desk.commands.cli
    import desk.service
    import intake.receive
    import mailer.delivery

LARGEST_REQUEST = 200_000
LOADED = (alembic.command, desk.commands.cli, desk.service, intake.receive, mailer.delivery)


def main(number: int) -> None:
    """Answer requests until the other side closes the socket."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for who waits for a command
    with socket.socket(fileno=number) as requests:
        while True:
            request, files, *_ = socket.recv_fds(requests, LARGEST_REQUEST, 4)
            if not request:
                return
            if os.fork() == 0:
                requests.close()
                _run_and_tell(request, files)
                return
            for file in files:
                os.close(file)


def _run_and_tell(request: bytes, files: list[int]) -> None:
    """In a process of its own: run a command in another one, wait for it, and say how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *standard, told = files
    os.set_inheritable(told, False)
    if (pid := os.fork()) == 0:
        os.close(told)
        _run(request, standard)
        return
    for file in standard:
        os.close(file)
    os.write(told, f"{pid} ".encode())
    os.write(told, f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n".encode())


def _run(request: bytes, standard: list[int]) -> None:
    """In a process of its own: be `ombud`."""
    arguments, folder, environment = json.loads(request)
    for number, file in enumerate(standard):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [str(Path(entry.__file__).with_name("__main__.py")), *arguments]
    entry.main()


if __name__ == "__main__":
    main(int(sys.argv[1]))
