"""The files that a member wants to be sent to somebody outside, made anew before they leave, in a reader process: nobody knows from whom
the member has them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from intake import reader_process
from intake.arrival import Opened
from intake.asking.commands import parse
from intake.reader_process import Unreadable
from intake.reading.documents.look import look_into
from intake.reading.files import is_public_key
from store.kit.cleaning import CANNOT_CLEAN, cleaned
from store.kit.errors import Interrupted, NotAllowed
from store.tables.records import Attachment

_NOT_SENT = ("application/pgp-keys", "application/pgp-signature")


@dataclass(frozen=True)
class CleanFiles:
    """Files without what they tell of their author, the texts that stood in them, and why there are none, if one cannot be cleaned."""

    files: tuple[Attachment, ...] = field(default=(), repr=False)
    seen: tuple[str, ...] = field(default=(), repr=False)
    trouble: NotAllowed | None = None


NO_FILES = CleanFiles()


def clean_files(opened: Opened) -> CleanFiles:
    """The files of a member's mail that has a letter to somebody outside; nothing for any other. Raises TryLater."""
    said = opened.content.signed
    if said is None or not _is_letter(said.text):
        return NO_FILES
    files = tuple(item for item in said.files if item.type not in _NOT_SENT and not is_public_key(item.data))
    if not files:
        return NO_FILES
    try:
        made: CleanFiles = reader_process.run(_clean, files)
    except NotAllowed as error:
        return CleanFiles(trouble=error)
    except (Unreadable, Interrupted):  # or too costly
        return CleanFiles(trouble=NotAllowed(CANNOT_CLEAN, file=files[0].name))
    return made


def _is_letter(text: str) -> bool:
    try:
        return parse(text).write is not None
    except NotAllowed:
        return False


def _clean(files: tuple[Attachment, ...]) -> CleanFiles:
    """In a reader process: make files anew. Raises NotAllowed."""
    made = []
    for item in files:
        kind, data = cleaned(item.name, item.data)
        made.append(replace(item, type=kind, data=data, note=""))
    look = look_into(files)
    for item in made:
        if item.name in look.missed and not item.type.startswith("image/"):
            raise NotAllowed(CANNOT_CLEAN, file=item.name)
    return CleanFiles(tuple(made), tuple(look.texts))
