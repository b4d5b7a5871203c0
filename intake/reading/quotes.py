"""What a person wrote into a reply, without the mail that it answers. Pure.

quotequail knows how mail clients introduce what they quote, in several languages; for the others, a line above a quote
that ends with a colon and holds a date, an address or the desk's name is such an introduction. What is not found stays:
for a note that is harmless, what is meant for a reporter is looked at once more (`store.cases.conversation`), and its
author is shown what was sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from quotequail import quote, unwrap

from intake.reading.authorship import begins_another_mail, is_marked
from intake.reading.message import without_marks
from intake.reading.signature_blocks import without_signature

_MOST_UNWRAPPED = 500
_MOST_LINES = 20_000
_LONGEST_INTRODUCTION = 300
_WHEN = re.compile(
    r"\d{1,4}\s?[./\-\u5e74\ub144]\s?\d{1,2}\s?[./\-\u6708\uc6d4]|\d{1,2}[:.h]\d\d|(?<!\d)(?:19|20)\d\d(?!\d)"
)
_ADDRESS = re.compile(r"[^\s<>]@[^\s<>]")
_DATE_AND_ADDRESS = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d).*<[^<>\s]+@[^<>\s]+>$")
_SENTENCE_ENDS = (".", "!", "?", ":", "\uff1a", "\u3002", "\u061f")


def own_text(text: str, desk_names: Sequence[str] = ()) -> str:
    """The text of a reply: above the quote, below it, and between its pieces; without quote, its introduction, and signature.

    `desk_names` are the names and addresses by which a quote may call the desk.
    """
    lines = _above_another_mail(text.split("\n")[:_MOST_LINES])
    lines = _without_introductions(lines, [name.casefold() for name in desk_names if name])
    found = unwrap("\n".join(lines)) if len(lines) <= _MOST_UNWRAPPED else None  # its time grows by the square
    if found is None:
        return _own(lines)
    top, below = found.get("text_top", ""), found.get("text_bottom", "")
    if found["type"] == "forward":
        below = ""  # below quoted headers nothing tells the quote from what was added
    return "\n\n".join(filter(None, (_own(top.split("\n")), _own(below.split("\n")))))


def below_leading_quote(text: str) -> str:
    """The text without a quote at its very top and the line that introduces it: commands may stand below."""
    lines = text.split("\n")
    start = _after_blank(lines, 0)
    if start < len(lines) and not is_marked(lines[start]):
        above = _introduced_by(lines, start)
        if above == 2 and _introduced_by(lines, start + 1) == 1:
            return text  # the first line is no piece of the introduction: somebody wrote it right above
        start += above if above in (1, 2) else 0
        if not above or _after_blank(lines, start) >= len(lines):
            return text
        start = _after_blank(lines, start)
    if start >= len(lines) or not is_marked(lines[start]):
        return text
    while start < len(lines) and (is_marked(lines[start]) or not lines[start].strip()):
        start += 1
    return "\n".join(lines[start:])


def _introduced_by(lines: list[str], start: int) -> int:
    """After how many lines a quote begins; none when none begins soon."""
    found = quote("\n".join(lines[start : start + 4]))
    return len(found[0][1].split("\n")) if len(found) > 1 else 0


def _after_blank(lines: list[str], start: int) -> int:
    while start < len(lines) and not lines[start].strip():
        start += 1
    return start


def _own(lines: Sequence[str]) -> str:
    """What stands between quoted lines, each piece without its signature."""
    return "\n\n".join(filter(None, (without_signature("\n".join(piece)) for piece in _pieces(lines))))


def _pieces(lines: Sequence[str]) -> Iterator[list[str]]:
    piece: list[str] = []
    for line in lines:
        if not is_marked(line):
            piece.append(line)
        elif piece:
            yield piece
            piece = []
    yield piece


def _above_another_mail(lines: list[str]) -> list[str]:
    """The lines up to where the header of another mail begins that is not marked as quoted."""
    for number, line in enumerate(lines):
        if not is_marked(line) and begins_another_mail(lines, number):
            return lines[:number]
    return lines


def _without_introductions(lines: list[str], desk_names: Sequence[str]) -> list[str]:
    """The lines without those that introduce a quote, such as "Conduct Team skrev:"."""
    dropped: set[int] = set()
    quoted = False
    last = None  # the last line that says something
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        if not is_marked(line):
            quoted, last = False, number
        elif not quoted:
            quoted = True
            if last is not None and number - last <= 3:
                dropped.update(_introduction(lines, last, desk_names))
    return [line for number, line in enumerate(lines) if number not in dropped]


def _introduction(lines: list[str], last: int, desk_names: Sequence[str]) -> tuple[int, ...]:
    """Which lines introduce the quote below: the last one, with the one above where it was wrapped; or none."""
    line = _bare(lines[last])
    above = _bare(lines[last - 1]) if last else ""
    if is_marked(above) or above.startswith("/") or len(line) + len(above) > _LONGEST_INTRODUCTION:
        above = ""
    if len(line) > _LONGEST_INTRODUCTION or not (line.endswith((":", "\uff1a")) or _DATE_AND_ADDRESS.search(line)):
        return ()
    goes_on = bool(above) and not above.endswith(_SENTENCE_ENDS) and _says_when_or_who(above, desk_names)
    if not _says_when_or_who(line, desk_names):
        return (last - 1, last) if goes_on else ()
    whole = _WHEN.search(line) and any(name in line.casefold() for name in desk_names)
    return (last - 1, last) if goes_on and not whole else (last,)


def _says_when_or_who(line: str, desk_names: Sequence[str]) -> bool:
    return bool(_WHEN.search(line) or _ADDRESS.search(line)) or any(name in line.casefold() for name in desk_names)


def _bare(line: str) -> str:
    return without_marks(line).strip(" \t\xa0*_")
