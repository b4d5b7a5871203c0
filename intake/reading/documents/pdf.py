"""The text of a PDF file, its metadata, notes, forms and attached files, as pypdf reads them: it is written in Python, and memory-safe."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

from pypdf import PdfReader

MOST_PAGES = 300

logging.getLogger("pypdf").setLevel(logging.CRITICAL + 1)  # what it says of a broken file may hold a piece of it


class Unopened(Exception):
    """A document is encrypted, or goes on behind what is read."""


def pdf_texts(octets: bytes) -> Iterator[str | bytes]:
    """The texts of a PDF file, and the files in it. Raises Unopened, and whatever a broken file makes the library raise."""
    reader = PdfReader(io.BytesIO(octets))
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unopened
    yield "\n".join(str(value) for value in (reader.metadata or {}).values())
    yield "\n".join(str(field.get("/V", "")) for field in (reader.get_fields() or {}).values())
    said = 0
    for number, page in enumerate(reader.pages):
        if number == MOST_PAGES:
            raise Unopened
        text = page.extract_text()
        said += len(text.strip())
        yield text
        for note in page.get("/Annots") or ():
            about = note.get_object()
            yield "\n".join(str(about.get(name, "")) for name in ("/Contents", "/T", "/RC"))
    for name, files in reader.attachments.items():
        yield name
        yield from files
    if not said:
        raise Unopened  # pictures of pages
