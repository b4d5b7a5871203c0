"""One call of gpg: started, fed, listened to, and ended in time.

python-gnupg names the program, its folder and its options. How a call is made is done here, each for a reason:
- status lines come over a descriptor of their own and are split at line feeds alone. On standard error, text
  that a sender chose (a file name, a user id) could pass for a status line;
- every call has a time limit and an output limit, after which the process is killed. gpg's own `--max-output`
  cuts the text off and still reports success;
- one thread moves the data: python-gnupg starts three for each call, which took as long as gpg itself.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import gnupg

from store.openpgp.status import StatusLine

# At level debug python-gnupg logs parts of what it handles.
logging.getLogger("gnupg").disabled = True

_OPTIONS = [
    "--no-options",
    "--no-auto-key-locate",
    "--no-auto-key-retrieve",
    "--no-auto-check-trustdb",
    "--disable-dirmngr",
    "--trust-model", "always",
    "--exit-on-status-write-error",
    "--no-random-seed-file",
    "--no-comments",
    "--no-emit-version",
    "--pinentry-mode", "loopback",
]  # fmt: skip
_PIECE = 1 << 16


@dataclass(frozen=True)
class Finished:
    """How a call ended. `code` is below zero when gpg was killed; `late` and `too_large` say that it was done here."""

    output: bytes = field(repr=False)
    lines: list[StatusLine] = field(repr=False)
    code: int
    late: bool = False
    too_large: bool = False


class Program(gnupg.GPG):  # type: ignore[misc]
    """gpg with a home folder. Safe to share between threads."""

    def __init__(self, program: str, home: Path, seconds: float, output_limit: int) -> None:
        """Raises OSError when the program can't be started, ValueError when the folder is none."""
        self._seconds = seconds
        self._output_limit = output_limit
        # Looked for once: each folder of PATH that does not have it costs an attempt to start it.
        super().__init__(gpgbinary=shutil.which(program) or program, gnupghome=str(home), options=list(_OPTIONS))

    def call(self, args: Sequence[str], data: bytes, passphrase: str | None, files: tuple[int, ...] = ()) -> Finished:
        """Run gpg with data on its standard input and descriptors to pass on. Raises OSError when it can't be started."""
        command = self.make_args(list(args), passphrase is not None)
        reader, writer = os.pipe()
        try:
            command[command.index("--status-fd") + 1] = str(writer)
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                pass_fds=(writer, *files),
                env={**os.environ, "LC_ALL": "C"},
            )
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        spoken = [] if passphrase is None else [f"{passphrase}\n".encode()]
        with os.fdopen(reader, "rb", buffering=0) as status, process:
            talk = _Talk(process, status.fileno(), [*spoken, data], self._output_limit)
            try:
                late = not talk.run(self._seconds)
            finally:
                if process.poll() is None and not talk.ended:
                    process.kill()
            code = process.wait()
        output = b"" if talk.too_large else b"".join(talk.output)
        return Finished(output, status_lines(b"".join(talk.status)), code, late, talk.too_large)


class _Talk:
    """What goes to one gpg process and comes from it, moved as either side is ready."""

    def __init__(self, process: subprocess.Popen[bytes], status: int, spoken: Sequence[bytes], limit: int) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("gpg needs pipes to be talked to over")
        self.output: list[bytes] = []
        self.status: list[bytes] = []
        self.too_large = False
        self._stdin, self._limit, self._size = process.stdin, limit, 0
        self._spoken = [memoryview(piece) for piece in spoken if piece]
        self._selector = selectors.PollSelector()
        self._open = {process.stdout.fileno(): self.output, status: self.status}
        for number in self._open:
            self._selector.register(number, selectors.EVENT_READ)
        os.set_blocking(self._stdin.fileno(), False)
        if self._spoken:
            self._selector.register(self._stdin, selectors.EVENT_WRITE)
        else:
            self._stdin.close()

    @property
    def ended(self) -> bool:
        """Whether gpg closed everything that it says something on."""
        return not self._open

    def run(self, seconds: float) -> bool:
        """Move data until gpg has nothing more to say, or says too much; False when the time was over before."""
        end = time.monotonic() + seconds
        while self._open and not self.too_large:
            ready = self._selector.select(end - time.monotonic())
            if not ready and time.monotonic() >= end:
                return False
            for key, _ in ready:
                if key.fd in self._open:
                    self._hear(key.fd)
                else:
                    self._say()
        return True

    def _hear(self, number: int) -> None:
        piece = os.read(number, _PIECE)
        pieces = self._open[number]
        if not piece:
            self._selector.unregister(number)
            del self._open[number]
            return
        pieces.append(piece)
        if pieces is self.output:
            self._size += len(piece)
            self.too_large = self._size > self._limit

    def _say(self) -> None:
        try:
            while self._spoken:
                written = self._stdin.write(self._spoken[0])
                if written is None:
                    return
                self._spoken[0] = self._spoken[0][written:]
                if not self._spoken[0]:
                    self._spoken.pop(0)
        except BrokenPipeError:
            self._spoken.clear()  # gpg had heard enough; its status lines say why
        self._selector.unregister(self._stdin)
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()


def status_lines(octets: bytes) -> list[StatusLine]:
    """The lines that gpg wrote to its status descriptor: a keyword and its arguments."""
    found: list[StatusLine] = []
    for line in octets.split(b"\n"):
        words = line.decode("utf-8", "replace").split(" ")
        if words[0] == "[GNUPG:]" and len(words) > 1:
            found.append((words[1], tuple(words[2:])))
    return found
