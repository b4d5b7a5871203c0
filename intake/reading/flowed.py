"""Text that was wrapped for the way, made whole again (RFC 3676, format=flowed). Pure."""

from __future__ import annotations

import re

_QUOTED = re.compile(r"^(>*)( ?)(.*)$", re.DOTALL)
_SIGNATURE = "-- "


def unflowed(text: str, *, delsp: bool) -> str:
    """The text with soft line breaks undone and stuffed spaces taken out; quoted lines as `> ` lines.

    A line that ends with a space goes on in the next one of the same quote depth; with `delsp` (section 4.1) that
    space is deleted. The separator of a signature never flows.
    """
    lines: list[str] = []
    open_depth = -1
    for line in text.split("\n"):
        marks, _, rest = _QUOTED.match(line).groups()  # type: ignore[union-attr]  # matches any line
        depth = len(marks)
        fixed = rest == _SIGNATURE or rest == "--"
        soft = rest.endswith(" ") and not fixed
        if soft and delsp:
            rest = rest[:-1]
        if depth == open_depth and not fixed:
            lines[-1] += rest
        else:
            lines.append(f"{'>' * depth} {rest}" if depth else rest)
        open_depth = depth if soft else -1
    return "\n".join(lines)
