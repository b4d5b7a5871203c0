"""One piece of a MIME entity, and what a form of the text, made of pieces, says. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import Message
from typing import Literal

from store.tables.records import Encryption

Flow = Literal["fixed", "flowed", "delsp"]
Kind = Literal["text", "file", "sealed", "clear-signed", "smime", "tnef", "unwrapped", "within", "rest"]
_NOTHING = re.compile("[\\s\u00a0\u00ad\u200b-\u200f\u2060\ufeff]*")
_WORD = re.compile(r"[^\W\d_]{3,}")
_LINK = re.compile(r"(?:https?|mailto|ftp):\S+")
_MOST_LOOKED_FOR = 200


@dataclass(frozen=True)
class Region:
    """Octets that a detached signature covers (RFC 3156 section 5), and the entity that they are."""

    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    entity: Message = field(repr=False)


@dataclass(frozen=True)
class Piece:
    """One piece of an entity. `within` is a file that stands in a text: the text has its lines all the same."""

    kind: Kind
    octets: bytes = field(default=b"", repr=False)
    text: str = field(default="", repr=False)
    name: str = ""
    type: str = "text/plain"
    charset: str = ""
    form: Encryption = "none"
    region: Region | None = None
    quoted: bool = False


def says(form: Sequence[Piece]) -> bool:
    """Whether a form of the text says anything, or holds what GnuPG has to open."""
    return any(
        piece.kind in ("sealed", "clear-signed") or (piece.kind == "text" and not _NOTHING.fullmatch(piece.text))
        for piece in form
    )


def says_more(form: Sequence[Piece], than: str) -> bool:
    """Whether a form of the text has words that the shown one lacks, wherever that breaks its lines."""
    missing = _words(" ".join(piece.text for piece in form)) - _words(than)
    if len(missing) > _MOST_LOOKED_FOR:
        return True
    joined = "".join(than.split()).casefold()
    return any(word not in joined for word in missing)


def _words(text: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(_LINK.sub(" ", text))}


def says_nothing(text: str) -> bool:
    """Whether a text is but white space, and marks that no eye sees."""
    return _NOTHING.fullmatch(text) is not None
