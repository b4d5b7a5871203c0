"""A program on a terminal of the test's own: keys go in, and what its screen shows comes out."""

from __future__ import annotations

import os
import select
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import pyte

SECONDS = 30.0
_LINES, _COLUMNS = 60, 132


class _Screen(pyte.Screen):
    """A screen that answers what a program asks its terminal, such as where the cursor is."""

    def __init__(self, answer: Callable[[str], object]) -> None:
        super().__init__(_COLUMNS, _LINES)
        self._answer = answer

    def write_process_input(self, data: str) -> None:
        """What the terminal says goes where keys go."""
        self._answer(data)


class Terminal:
    """A terminal as its user sees it: what counts is the screen, not what was written to get there."""

    def __init__(self, descriptor: int) -> None:
        """`descriptor` is the end of the terminal at which its user sits."""
        self._descriptor = descriptor
        self._screen = _Screen(self._send)
        self._stream = pyte.ByteStream(self._screen)

    def press(self, keys: str, *until: str) -> str:
        """Press keys, and wait for all these words; the screen that has them."""
        self._send(keys)
        return self.wait_for(*until)

    def wait_for(self, *words: str) -> str:
        """The screen, once all these words are on it. Raises TimeoutError with the screen."""
        end = time.monotonic() + SECONDS
        while missing := [item for item in words if item not in self.text]:
            octets = self._read(end - time.monotonic())
            if not octets:
                raise TimeoutError(f"{missing} not on the screen:\n{self.text}")
            self._stream.feed(octets)
        return self.text

    @property
    def text(self) -> str:
        """What is on the screen now."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    def _send(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def _read(self, seconds: float) -> bytes:
        """What the program wrote; nothing when it took too long, or ended."""
        if not select.select([self._descriptor], [], [], max(seconds, 0))[0]:
            return b""
        try:
            return os.read(self._descriptor, 65536)
        except OSError:  # nobody has the other end open any more
            return b""


@contextmanager
def terminal(line: Sequence[str], environment: Mapping[str, str]) -> Iterator[Terminal]:
    """A terminal for a program, which is ended with it."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (_LINES, _COLUMNS))
    # Not by forkpty: this process has threads. `setsid` makes it the terminal of the program.
    process = subprocess.Popen(
        ["setsid", "--ctty", *line], stdin=theirs, stdout=theirs, stderr=theirs, env={**environment, "TERM": "xterm"}
    )
    os.close(theirs)
    try:
        yield Terminal(ours)
    finally:
        process.kill()
        process.wait(20)
        os.close(ours)
