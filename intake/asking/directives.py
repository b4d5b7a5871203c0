"""What a reporter may ask for: by lines of their own text, or by an extension of the address. Pure.

Exclude: NAME        keep the case from these people       conduct+except-NAME@
Only: NAME           keep it from everybody else           conduct+only-NAME@
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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from intake.asking.consent import asks_for_silence, is_clear_yes, refuses_in_subject
from intake.asking.directive_lines import Directive, Word, all_but, directives_in, names, negates
from intake.reading.message import clean
from store.cases.threads import Token, read_token
from store.kit.addresses import same_address
from store.kit.config import Desk
from store.tables.records import Body, Wishes

_MOST_NAMES = 500
_KEPT_PERHAPS = 20_000


@dataclass(frozen=True)
class ReporterRequest:
    """What a reporter asked for. Each of `exclude` and `only` is one line, which may hold several names.

    `perhaps_exclude` and `perhaps_only` are lines of which nobody can tell whether the reporter wrote or quoted them, or
    where they end.
    """

    exclude: tuple[str, ...] = ()
    quiet: bool = False
    reply: bool = False
    token: Token | None = None
    key: bool = False
    perhaps_exclude: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    perhaps_only: tuple[str, ...] = ()

    def __or__(self, other: ReporterRequest) -> ReporterRequest:
        quiet, reply, key = self.quiet or other.quiet, self.reply or other.reply, self.key or other.key
        return ReporterRequest(
            _joined(self.exclude, other.exclude), quiet, reply, self.token or other.token, key,
            _joined(self.perhaps_exclude, other.perhaps_exclude), _joined(self.only, other.only),
            _joined(self.perhaps_only, other.perhaps_only),
        )  # fmt: skip

    def doubted(self) -> ReporterRequest:
        """The same from somebody who may not be the reporter: whom it withholds, it withholds provisionally."""
        return replace(
            self, exclude=(), perhaps_exclude=_joined(self.exclude, self.perhaps_exclude),
            only=(), perhaps_only=_joined(self.only, self.perhaps_only),
        )  # fmt: skip

    def names_somebody(self) -> bool:
        """Whether it says, for sure, whom to keep the case from, or who alone may know of it."""
        return bool(self.exclude or self.only)


def _joined(one: Iterable[str], other: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))


def from_text(text: str) -> ReporterRequest:
    """What an opened text asks for. Anything but a clear yes after `Reply:` means silence."""
    exclude: dict[str, None] = {}
    perhaps: dict[str, None] = {}
    only: dict[str, None] = {}
    perhaps_only: dict[str, None] = {}
    refused = perhaps_refused = agreed = False
    count = 0
    for found in directives_in(text):
        sure = found.whose == "own"
        word, value = _meaning(found)
        if word == "only":
            (only if sure and len(only) < _MOST_NAMES else perhaps_only)[value] = None
        elif word == "exclude":
            count += len(names(value)) if sure else 0
            (exclude if sure and count <= _MOST_NAMES else perhaps)[value] = None
        elif not is_clear_yes(found.value):
            refused, perhaps_refused = refused or sure, True
        else:
            agreed = agreed or sure
    agreed = agreed and not refused
    return ReporterRequest(
        tuple(exclude), perhaps_refused and not agreed, agreed, perhaps_exclude=tuple(perhaps),
        only=tuple(only), perhaps_only=tuple(perhaps_only),
    )  # fmt: skip


def _meaning(found: Directive) -> tuple[Word, str]:
    """A wish as it is meant: `Exclude: everyone but Ada` is for Ada only, and `Only: not Bo` keeps it from Bo."""
    others = all_but(found.value)
    if found.word == "exclude" and others:
        return "only", others
    if found.word == "only" and negates(found.value):
        return "exclude", others or found.value
    return found.word, found.value


def asked_by_body(body: Body, *, sure_subject: bool) -> ReporterRequest:
    """What an opened mail asks for: in its text, in its subject, and for silence also in what stood around it.

    What a subject excludes is provisional unless it is surely the author's own.
    """
    asked, outside = from_text(body.text), from_text(body.outside_text)
    subject = from_text(body.subject)
    subject = replace(subject, reply=False, quiet=refuses_in_subject(body.subject))
    silence = outside.quiet or any(map(asks_for_silence, (body.text, body.outside_text, body.subject)))
    asked |= subject if sure_subject else subject.doubted()
    return replace(asked, quiet=asked.quiet or (silence and not asked.reply))


def wishes(asked: ReporterRequest) -> Wishes:
    """Everything that was excluded, each line whole and each name in it: what later members are compared with.

    What is perhaps excluded is bounded, for it is kept.
    """
    return Wishes(
        _with_names(asked.exclude), _with_names(_bounded(asked.perhaps_exclude)),
        asked.only, tuple(_bounded(asked.perhaps_only)),
    )  # fmt: skip


def of_wishes(known: Wishes) -> ReporterRequest:
    """What is remembered of a case, as what its reporter asked for."""
    return ReporterRequest(
        known.excluded, perhaps_exclude=known.perhaps_excluded, only=known.only, perhaps_only=known.perhaps_only
    )


def _bounded(lines: Iterable[str]) -> Iterator[str]:
    length = 0
    for line in lines:
        length += len(line)
        if length > _KEPT_PERHAPS:
            return
        yield line


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
        elif word.casefold() in ("except", "only") and name:
            meant = name.replace("=", "@") if "=" in name else re.sub(r"[-_.]+", " ", name)
            only = word.casefold() == "only"
            asked |= ReporterRequest(only=(meant,)) if only else ReporterRequest(exclude=(meant,))
        else:
            return None
    return asked
