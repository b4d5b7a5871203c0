"""What a person wrote into a reply, without the mail that it answers. Pure.

quotequail knows how mail clients introduce what they quote, in several languages. What it does not find stays:
for a note that is harmless, and what is meant for a reporter is looked at once more (`store.conversation`).
"""

from __future__ import annotations

import re

from quotequail import quote, unwrap

_SIGNATURE = re.compile(r"^--[ \t]?$", re.MULTILINE)
_MOST_LINES = 20_000


def own_text(text: str) -> str:
    """The text of a reply: above the quote, below it, and between its pieces; without quote and signature."""
    found = unwrap("\n".join(text.split("\n")[:_MOST_LINES]))
    if found is None:
        return _without_signature(_without_quoted(text))
    top, below = found.get("text_top", ""), found.get("text_bottom", "")
    if found["type"] == "forward":
        below = ""  # below quoted headers nothing tells the quote from what was added
    return _without_signature("\n\n".join(part for part in (_without_quoted(top), _without_quoted(below)) if part))


def below_leading_quote(text: str) -> str:
    """The text without a quote at its very top and the line that introduces it: commands may stand below."""
    lines = text.split("\n")
    start = _after_blank(lines, 0)
    if start < len(lines) and not lines[start].startswith(">"):
        above = _introduced_by(lines, start)
        if above == 2 and _introduced_by(lines, start + 1) == 1:
            return text  # the first line is no piece of the introduction: somebody wrote it right above
        start += above if above in (1, 2) else 0
        if not above or _after_blank(lines, start) >= len(lines):
            return text
        start = _after_blank(lines, start)
    if start >= len(lines) or not lines[start].startswith(">"):
        return text
    while start < len(lines) and (lines[start].startswith(">") or not lines[start].strip()):
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


def _without_quoted(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if not line.lstrip().startswith(">")).strip("\n")


def _without_signature(text: str) -> str:
    """Without what stands below a signature separator (RFC 3676 section 4.3)."""
    found = _SIGNATURE.search(text)
    return (text[: found.start()] if found else text).strip()
