"""Writing direction in plain text: isolates (UAX 9) keep what reads one way from turning around what reads the other. Pure.

They stand around words, never inside a command or a token, and are taken off again when a mail that quotes them comes
back (`intake.reading.message.without_marks`).
"""

from __future__ import annotations

import re
import unicodedata

RLM, RLI, FSI, PDI = "\u200f", "\u2067", "\u2068", "\u2069"
_EMBEDDINGS = re.compile("[\u202a-\u202e]")
_ISOLATES = re.compile("[\u2066-\u2069]")
_MARKS = re.compile("[\u200f\u2066-\u2069]")
_PLACES = re.compile(r"(%\(\w+\)s|%%|\{\w+\})")
# Words in Latin letters, also with a slash in front and what stands between them: "/reply", "ombud check", "Reply: no".
_LATIN = re.compile(r"[/+]?[A-Za-z](?:[\w./:+@= -]*\w)?", re.ASCII)


def isolated(value: str, *, always: bool) -> str:
    """A value that cannot turn around the words beside it: each line isolated where it has letters that run from right to left, or `always`.

    Overrides are taken out: they make a file's name look like another one.
    """
    return "\n".join(_isolated(line, always=always) for line in value.split("\n"))


def _isolated(line: str, *, always: bool) -> str:
    line = _EMBEDDINGS.sub("", line)
    if _left_open(line) is None or _left_open(line):
        line = _ISOLATES.sub("", line)
    return f"{FSI}{line}{PDI}" if line and (always or runs_right_to_left(line)) else line


def runs_right_to_left(text: str) -> bool:
    """Whether any letter of a text runs from right to left."""
    return not text.isascii() and any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in text)


def latin_isolated(sentence: str) -> str:
    """A sentence that runs from right to left, with isolates around the Latin words in it; the places of values stay."""
    pieces = _PLACES.split(sentence)
    pieces[::2] = [_LATIN.sub(lambda found: f"{FSI}{found[0]}{PDI}", piece) for piece in pieces[::2]]
    return "".join(pieces)


def right_to_left(text: str) -> str:
    """Lines that run from right to left whatever a mail program takes for the direction of the whole."""
    # The mark in front is for programs that ask the first letter: they do not look into an isolate.
    return "\n".join(f"{RLM}{RLI}{line}{PDI}" if line.strip() else line for line in closed(text).split("\n"))


def closed(text: str) -> str:
    """Lines each of which closes its isolates: one ends with its line (UAX 9, X8), and is opened again on the next."""
    lines, before = [], ""
    for line in text.split("\n"):
        still = _left_open(before + line) or ""
        lines.append(f"{before}{line}{PDI * len(still)}" if line.strip() else line)
        before = still
    return "\n".join(lines)


def without_marks(text: str) -> str:
    """A text without the marks that are put in here."""
    return _MARKS.sub("", text)


def _left_open(line: str) -> str | None:
    """The isolates that a line leaves open; None when it closes one that it did not open."""
    still: list[str] = []
    for mark in _ISOLATES.findall(line):
        if mark != PDI:
            still.append(mark)
        elif still:
            still.pop()
        else:
            return None
    return "".join(still)
