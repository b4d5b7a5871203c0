"""What a reporter may ask for: by lines on top of the text, or by an extension of the address. Pure.

Exclude: NAME        keep the case from these people       conduct+except-NAME@
Reply: no            send me no acknowledgement            conduct+quiet@
Reply: yes           you may write to me after all
(what I write belongs to a case that there is)             conduct+c-TOKEN@
(send me the desk's public key)                            conduct+key@
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from intake.message import clean, without_marks
from store.config import Desk
from store.threads import Token, read_token

# In English, as the pages for reporters say it, and in the other languages that they may be answered in.
_EXCLUDE = r"exclude|excluir|exclure|ausschlie(?:ß|ss)en|ausschluss|استثناء|استبعاد"
_REPLY = r"reply|respuesta|responder|resposta|r[ée]ponse|r[ée]pondre|antwort(?:en)?|(?:ال)?رد"
_LINE = re.compile(
    rf"[\s>*_#`\-\u2022]*(?:(?P<exclude>{_EXCLUDE})|{_REPLY})[\s*_`]*[:\uff1a][\s*_`]*(?P<what>.*?)[\s*_`]*$",
    re.IGNORECASE,
)
_GREETING = re.compile(
    r"\W*(hi|hello|hey|dear|good (morning|afternoon|evening|day)|hallo|liebe[rs]?|guten (tag|morgen|abend)|hola|bonjour|bonsoir|"
    r"salut|ol[aá]|buen[oa]s? \w+|bom dia|boa (tarde|noite)|مرحب\w*|السلام عليكم|تحية|ciao|aloha|to whom it may concern)\b.{0,60}$",
    re.IGNORECASE,
)
_NO = re.compile(r"(no|none|never|nein|nee|non|n[aã]o|n[oã]|false|0|لا)\b[.!]?.*$", re.IGNORECASE)
_YES = re.compile(r"(yes|ja|oui|s[ií]|sim|true|نعم)\b[.!]?.*$", re.IGNORECASE)
_LINE_LIMIT = 500


@dataclass(frozen=True)
class Asked:
    """What a reporter asked for. Each of `exclude` is one line, which may hold several names."""

    exclude: tuple[str, ...] = ()
    quiet: bool = False
    reply: bool = False
    token: Token | None = None
    key: bool = False

    def __or__(self, other: Asked) -> Asked:
        exclude = tuple(dict.fromkeys((*self.exclude, *other.exclude)))
        quiet, reply, key = self.quiet or other.quiet, self.reply or other.reply, self.key or other.key
        return Asked(exclude, quiet, reply, self.token or other.token, key)


def from_text(text: str) -> Asked:
    """The lines on top of an opened text; blank lines and one greeting may stand before and between them."""
    exclude: list[str] = []
    quiet = reply = greeted = False
    for line in text.splitlines():
        if not line.strip():
            continue
        line = without_marks(line[:_LINE_LIMIT])
        found = _LINE.match(line)
        if found is None:
            if greeted or not _GREETING.match(line):
                break
            greeted = True
        elif found["exclude"]:
            exclude += [found["what"].strip()]
        else:
            quiet = quiet or _NO.match(found["what"]) is not None
            reply = reply or _YES.match(found["what"]) is not None
    return Asked(tuple(filter(None, dict.fromkeys(exclude))), quiet, reply and not quiet)


def names(line: str) -> list[str]:
    """The single names in what follows `Exclude:`, which may list several."""
    pieces = re.split(r"[,;/&\u3001\uff0c]|\s(?:and|und|y|et|e|or)\s", line)
    return [name for piece in pieces if (name := piece.strip())]


def all_names(asked: Asked) -> tuple[str, ...]:
    """Everything that was excluded, each line whole and each name in it: what later members are compared with."""
    return tuple(dict.fromkeys(name for line in asked.exclude for name in (line, *names(line))))


def desk_of(address: str, desks: tuple[Desk, ...]) -> tuple[Desk, Asked] | None:
    """The desk that an envelope recipient (RFC 5321) means, and what its extensions ask for; None when unknown.

    Extensions may be combined: `conduct+quiet+except-jane@`. A name that nobody bears is accepted all the same:
    whether a name stands on the roster must not be found out by asking.
    """
    local, _, domain = clean(address).strip().strip("<>").rpartition("@")
    base, *extensions = local.strip('"').split("+")
    for desk in desks:
        if any(f"{base}@{domain}".casefold() == own.casefold() for own in desk.addresses):
            asked = _extensions(extensions)
            return (desk, asked) if asked is not None else None
    return None


def _extensions(extensions: list[str]) -> Asked | None:
    asked = Asked()
    for extension in extensions:
        word, _, name = extension.partition("-")
        if extension.casefold() == "quiet":
            asked |= Asked(quiet=True)
        elif extension.casefold() == "key":
            asked |= Asked(key=True)
        elif (token := read_token(extension)) is not None:
            asked |= Asked(token=token)
        elif word.casefold() == "except" and name:
            meant = name.replace("=", "@") if "=" in name else re.sub(r"[-_.]+", " ", name)
            asked |= Asked(exclude=(meant,))
        else:
            return None
    return asked
