"""A throw-away PostgreSQL: a cluster of its own on loopback, in a temporary folder."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from desk.demo.rehearsal import free_port


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """A server while the block runs; the URL of an empty database on it."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    assert programs, "PostgreSQL's server programs are missing: run .ci/setup test"
    folder.mkdir()
    user: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
        user = ["runuser", "-u", "postgres", "--"]
    data, port = str(folder / "data"), free_port()

    def run(program: str, *arguments: str) -> None:
        line = [*user, str(programs[-1] / program), *arguments]
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)

    run("initdb", "-D", data, "-U", "ombud", "-A", "trust", "-N", "-E", "UTF8", "--no-locale")
    options = f"-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories='' -c fsync=off"
    run("pg_ctl", "-D", data, "-w", "-t", "60", "-o", options, "-l", str(folder / "log"), "start")
    try:
        yield f"postgresql://ombud@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-D", data, "-w", "-t", "60", "-m", "immediate", "stop")
