"""The commands of members' mails: lines on top that begin with a slash, until the first other line. Pure.

/reply                       the rest of the mail goes to the reporter; also /reply plain, /reply new-key
/assign NAME|me              /recuse NAME|me REASON         /reinstate NAME
/state STATE [OUTCOME ...]   /deadline DATE|none            /field NAME: VALUE
/link CODENAME               /hold [WHY]  /release [WHY]    /case CODENAME (which case is meant)
/show  /cases  /help         /key (the attached key is mine from now on)
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Literal

from intake.reading.message import without_marks
from intake.reading.quotes import below_leading_quote
from store.cases.actions import VERBS, Deed
from store.cases.conversation import How
from store.kit.errors import NotAllowed
from store.kit.sentences import marked

Ask = Literal["show", "cases", "help", "key"]
_ASKS: dict[str, Ask] = {"show": "show", "cases": "cases", "help": "help", "key": "key"}
_WORDS = ("reply", "case", *_ASKS, *(verb for verb in VERBS))
_COMMAND = re.compile(r"/([A-Za-z]+)(?:[ \t]+(.*)|[ \t]*)$")
_LINE_LIMIT = 5000
_MOST = 50


@dataclass(frozen=True)
class Commands:
    """What a mail asks for, and the text below. `reply` is None when the text is a note."""

    deeds: tuple[Deed, ...] = ()
    asks: frozenset[Ask] = frozenset()
    reply: How | None = None
    case: str = ""
    rest: str = ""

    @property
    def any(self) -> bool:
        """Whether there is a command."""
        return bool(self.deeds or self.asks or self.case) or self.reply is not None


class WrongLine(NotAllowed):
    """A line that is no command, or lacks something. `line` is the one."""

    def __init__(self, line: str, sentence: str, **values: object) -> None:
        super().__init__(sentence, **values)
        self.line = _shown(line)


def begins_with_command(text: str) -> bool:
    """Whether the first line is a command that there is."""
    for line in below_leading_quote(text).split("\n"):
        if line.strip():
            found = _COMMAND.match(without_marks(line).strip())
            return found is not None and found[1].lower() in _WORDS
    return False


def named_case(text: str) -> str:
    """The codename behind `/case` among the commands on top; empty when there is none."""
    for raw in below_leading_quote(text).split("\n"):
        line = without_marks(raw).strip()
        found = _COMMAND.match(line[:_LINE_LIMIT])
        if line and found is None:
            break
        if found and found[1].lower() == "case":
            return (found[2] or "").strip().casefold()
    return ""


def parse(text: str) -> Commands:
    """The commands on top of a text. A quoted line is never one. Raises WrongLine."""
    lines = below_leading_quote(text).split("\n")
    deeds: list[Deed] = []
    asks: set[Ask] = set()
    reply: How | None = None
    case = ""
    at = 0
    for at, raw in enumerate(lines):  # noqa: B007
        line = without_marks(raw).strip()
        if not line:
            continue
        found = _COMMAND.match(line[:_LINE_LIMIT])
        if found is None:
            if line.startswith("/") and not line.startswith("//"):
                raise WrongLine(line, marked("This is not a command. Write '/help' for a list."))
            break
        word, rest = found[1].lower(), (found[2] or "").strip()
        if len(deeds) >= _MOST:
            raise WrongLine(line, marked("There are more than {number} commands in this mail."), number=_MOST)
        if word in _ASKS:
            asks.add(_ASKS[word])
        elif word == "reply":
            if reply is not None:
                raise WrongLine(line, marked("A mail can only contain one reply."))
            reply = _how(line, rest)
        elif word == "case":
            case = rest.casefold()
        else:
            deeds.append(_deed(word, line, rest))
    else:
        at = len(lines)
    return Commands(tuple(deeds), frozenset(asks), reply, case, "\n".join(lines[at:]))


def _how(line: str, rest: str) -> How:
    how = rest.casefold().replace(" ", "-")
    if how == "":
        return ""
    if how == "plain":
        return "plain"
    if how == "new-key":
        return "new-key"
    raise WrongLine(
        line, marked("After '/reply' you can only write 'plain' or 'new-key'. Your text starts on the next line.")
    )


def _deed(word: str, line: str, rest: str) -> Deed:
    if word not in VERBS:
        near = difflib.get_close_matches(word, _WORDS, n=1)
        if near:
            raise WrongLine(
                line, marked("There is no command '/{word}'. Did you mean '/{near}'?"), word=word, near=near[0]
            )
        raise WrongLine(line, marked("There is no command '/{word}'. '/help' gives a list."), word=word)
    subject, text = _split(word, rest)
    if word not in ("hold", "release") and not subject:
        raise WrongLine(line, _LACKS[word])
    return Deed(word, subject, text, _shown(line))  # type: ignore[arg-type]  # one of VERBS


_LACKS = {
    "assign": marked("Whom? Write a member's name, or 'me', after '/assign'."),
    "recuse": marked("Whom? Write a member's name, or 'me', after '/recuse'."),
    "reinstate": marked("Whom? Write a member's name after '/reinstate'."),
    "state": marked("Which state? Write it after '/state'."),
    "deadline": marked("Which day? Write a date such as 2026-01-31, or 'none', after '/deadline'."),
    "field": marked("Write the field and its value, such as '/field when: last Friday'."),
    "link": marked("Which case? Write the name of the other one after '/link'."),
}


def _split(word: str, rest: str) -> tuple[str, str]:
    """What a command is about, and the text behind it."""
    if word == "field":
        name, colon, value = rest.partition(":")
        return (name.strip(), value.strip()) if colon else ("", "")
    if word in ("hold", "release"):
        return "", rest
    if word in ("assign", "reinstate", "deadline", "link"):
        return rest, ""
    if word == "recuse" and (quoted := re.match(r'"([^"]+)"\s*(.*)$', rest)):
        return quoted[1], quoted[2]
    subject, _, text = rest.partition(" ")
    return subject, text.strip()


def _shown(line: str) -> str:
    return line if len(line) <= 200 else line[:200] + "\u2026"
