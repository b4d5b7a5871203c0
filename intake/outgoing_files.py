"""The files that a member wants to be sent to somebody outside, made anew before they leave, in a reader process: nobody knows from whom
the member has them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sqlmodel import Session

from intake import reader_process
from intake.arrival import Opened
from intake.asking.commands import parse
from intake.reader_process import Unreadable
from intake.reading.documents.look import look_into
from intake.reading.files import is_public_key
from store.cases import content
from store.cases.telling import Document
from store.context import Context
from store.kit.cleaning import CANNOT_CLEAN, cleaned
from store.kit.errors import Interrupted, NotAllowed
from store.tables.models import CaseRow
from store.tables.records import Attachment

_MOST_OCTETS = 30_000_000
_NO_DOCUMENTS = ("text/", "image/", "audio/", "video/")
_NOT_SENT = ("application/pgp-keys", "application/pgp-signature")


@dataclass(frozen=True)
class CleanFiles:
    """Files without what they tell of their author, the texts that stood in them, and why there are none, if one cannot be cleaned."""

    files: tuple[Attachment, ...] = field(default=(), repr=False)
    seen: tuple[str, ...] = field(default=(), repr=False)
    trouble: NotAllowed | None = None


NO_FILES = CleanFiles()


def documents_of(context: Context, session: Session, row: CaseRow) -> tuple[Document, ...]:
    """What stands in the documents that came with a case (PDF, Office, forwarded mails): nobody's words are to be repeated to another. Files that
    cannot be read are left out. Raises TryLater."""
    found, left = [], _MOST_OCTETS
    for message in content.messages(session, context.vault, row.id):
        if message.direction != "in" or all(item.type.startswith(_NO_DOCUMENTS) for item in message.attachments):
            continue
        files = []
        for item in content.attachment_contents(session, context.vault, row, message):
            if not item.type.startswith(_NO_DOCUMENTS) and len(item.data) <= left:
                left -= len(item.data)
                files.append(item)
        try:
            texts = reader_process.run(_texts_in, tuple(files)) if files else ()
        except (Unreadable, Interrupted):
            continue
        found.append(Document(message.author, texts))
    return tuple(found)


def _texts_in(files: tuple[Attachment, ...]) -> tuple[str, ...]:
    """In a reader process: what stands in some files."""
    return tuple(look_into(files).texts)


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
