"""Postfix's own test server at the end of a measurement: it takes mail at hardly any cost to the cores that are measured."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from pathlib import Path

from desk.demo.rehearsal import Delivered, Sink
from tests.support.mailboxes import wait_until

_PROGRAM = shutil.which("smtp-sink") or "/usr/sbin/smtp-sink"


class FastSink(Sink):
    """Takes every mail, into a file each; `mails` is up to date after `wait_for`."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__()
        self.port = port or self.port
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Listen."""
        self._folder.mkdir()
        user = ["-u", pwd.getpwuid(os.getuid()).pw_name] if os.getuid() == 0 else []  # it insists on one for root
        line = [_PROGRAM, *user, "-d", f"{self._folder}/m", f"127.0.0.1:{self.port}", "100"]
        self._process = subprocess.Popen(line, stderr=subprocess.DEVNULL)
        wait_until(self._listens, 10)

    def stop(self) -> None:
        """Stop listening; what was kept stays."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def arrived(self) -> int:
        """How many mails there are, the one that is coming in counted."""
        return sum(1 for _ in self._folder.iterdir())

    def wait_for(self, count: int, seconds: float = 30.0) -> None:
        """Wait until that many mails arrived, and read them. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while self.arrived() < count:
            if time.monotonic() > end:
                raise TimeoutError(f"{self.arrived()} of {count} mails arrived in {seconds:g} s")
            time.sleep(0.02)
        time.sleep(0.1)  # the last is written to its end
        since = time.monotonic() - time.time()
        files = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        self.mails = [_delivered(path, path.stat().st_mtime + since) for path in files]

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


def _delivered(path: Path, at: float) -> Delivered:
    mail = path.read_bytes()
    head = mail[:1000].decode("ascii", "replace").splitlines()
    sender, recipient = (
        next(line for line in head if line.startswith(name)).partition("<")[2].partition(">")[0]
        for name in ("X-Mail-Args:", "X-Rcpt-Args:")
    )
    return Delivered(sender, recipient, mail, at)
