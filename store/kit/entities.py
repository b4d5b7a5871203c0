"""Entities of HTML undone. Pure, linear, and total."""

from __future__ import annotations

import html
import re

_NO_CHARACTER = re.compile(r"&#(?:[0-9]{8,}|[xX][0-9a-fA-F]{7,});?")


def unescaped(text: str) -> str:
    """A text with its entities undone. One whose number no character has is left out: Python reads no number of any length."""
    return html.unescape(_NO_CHARACTER.sub("", text))
