"""What a reporter may ask for: by lines of their own text, or by an extension of the address. Pure.

Exclude: NAME        keep the case from these people       conduct+except-NAME@
Reply: no            send me no acknowledgement            conduct+quiet@
Reply: yes           you may write to me after all
(what I write belongs to a case that there is)             conduct+c-TOKEN@
(send me the desk's public key)                            conduct+key@

Such a line counts wherever it stands among the author's own words, and never in what they quote
(`intake.reading.authorship`). Where nobody can tell the two apart, it counts as far as that does no harm: `Exclude:` withholds
provisionally, and only what asks for silence is heard.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from intake.asking.consent import is_clear_yes
from intake.asking.directive_lines import directives_in, names
from intake.reading.message import clean
from store.cases.threads import Token, read_token
from store.kit.addresses import same_address
from store.kit.config import Desk

_MOST_NAMES = 500
_KEPT_PERHAPS = 20_000


@dataclass(frozen=True)
class ReporterRequest:
    """What a reporter asked for. Each of `exclude` is one line, which may hold several names.

    `perhaps_exclude` are lines of which nobody can tell whether the reporter wrote or quoted them, or where they end.
    """

    exclude: tuple[str, ...] = ()
    quiet: bool = False
    reply: bool = False
    token: Token | None = None
    key: bool = False
    perhaps_exclude: tuple[str, ...] = ()

    def __or__(self, other: ReporterRequest) -> ReporterRequest:
        exclude = tuple(dict.fromkeys((*self.exclude, *other.exclude)))
        quiet, reply, key = self.quiet or other.quiet, self.reply or other.reply, self.key or other.key
        perhaps = tuple(dict.fromkeys((*self.perhaps_exclude, *other.perhaps_exclude)))
        return ReporterRequest(exclude, quiet, reply, self.token or other.token, key, perhaps)


def from_text(text: str) -> ReporterRequest:
    """What an opened text asks for. Anything but a clear yes after `Reply:` means silence."""
    exclude: dict[str, None] = {}
    perhaps: dict[str, None] = {}
    refused = perhaps_refused = agreed = False
    count = 0
    for found in directives_in(text):
        sure = found.whose == "own"
        if found.word == "exclude":
            count += len(names(found.value)) if sure else 0
            (exclude if sure and count <= _MOST_NAMES else perhaps)[found.value] = None
        elif not is_clear_yes(found.value):
            refused, perhaps_refused = refused or sure, True
        else:
            agreed = agreed or sure
    agreed = agreed and not refused
    return ReporterRequest(tuple(exclude), perhaps_refused and not agreed, agreed, perhaps_exclude=tuple(perhaps))


def all_names(asked: ReporterRequest) -> tuple[str, ...]:
    """Everything that was excluded, each line whole and each name in it: what later members are compared with."""
    return _with_names(asked.exclude)


def perhaps_names(asked: ReporterRequest) -> tuple[str, ...]:
    """The same of what was perhaps excluded; bounded, for it is kept."""
    kept: list[str] = []
    length = 0
    for line in asked.perhaps_exclude:
        length += len(line)
        if length > _KEPT_PERHAPS:
            break
        kept.append(line)
    return _with_names(kept)


def _with_names(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for line in lines for name in (line, *names(line))))


def desk_of(address: str, desks: tuple[Desk, ...]) -> tuple[Desk, ReporterRequest] | None:
    """The desk that an envelope recipient (RFC 5321) means, and what its extensions ask for; None when unknown.

    Extensions may be combined: `conduct+quiet+except-jane@`. A name that nobody bears is accepted all the same:
    whether a name stands on the roster must not be found out by asking.
    """
    local, _, domain = clean(address).strip().strip("<>").rpartition("@")
    base, *extensions = local.strip('"').split("+")
    for desk in desks:
        if any(same_address(f"{base}@{domain}", own) for own in desk.addresses):
            asked = _extensions(extensions)
            return (desk, asked) if asked is not None else None
    return None


def _extensions(extensions: list[str]) -> ReporterRequest | None:
    asked = ReporterRequest()
    for extension in extensions:
        word, _, name = extension.partition("-")
        if extension.casefold() == "quiet":
            asked |= ReporterRequest(quiet=True)
        elif extension.casefold() == "key":
            asked |= ReporterRequest(key=True)
        elif (token := read_token(extension)) is not None:
            asked |= ReporterRequest(token=token)
        elif word.casefold() == "except" and name:
            meant = name.replace("=", "@") if "=" in name else re.sub(r"[-_.]+", " ", name)
            asked |= ReporterRequest(exclude=(meant,))
        else:
            return None
    return asked
