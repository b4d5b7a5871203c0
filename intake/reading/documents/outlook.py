"""The texts of Outlook's and old Office's files: compound files (MS-CFB), such as a `.msg`, and `winmail.dat` (MS-OXTNEF)."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import compressed_rtf
import olefile
from tnefparse import TNEF

_MOST_STREAMS = 500
for _library in ("tnefparse", "olefile"):  # what they say of a broken file may hold a piece of it
    logging.getLogger(_library).setLevel(logging.CRITICAL + 1)

_RTF_COMPRESSED, _UNICODE = "10090102", "001f"


def compound_texts(octets: bytes) -> Iterator[str | bytes]:
    """The texts and files in a compound file, stream by stream. Raises whatever a broken one makes the library raise."""
    with olefile.OleFileIO(io.BytesIO(octets)) as file:
        for path in file.listdir()[:_MOST_STREAMS]:
            said, name = file.openstream(path).read(), path[-1].lower()
            if name.endswith(_RTF_COMPRESSED):
                yield compressed_rtf.decompress(said)
            elif name.endswith(_UNICODE):  # a property that is a text (MS-OXMSG section 2.1.3)
                yield said.decode("utf-16-le", "replace")
            else:
                yield said


def tnef_texts(octets: bytes) -> Iterator[str | bytes]:
    """The texts and files in a `winmail.dat`. Raises whatever a broken one makes the library raise."""
    file = TNEF(octets, do_checksum=False)
    for text in (file.body, file.htmlbody, file.rtfbody):
        if text:
            yield text.rstrip(b"\0") if isinstance(text, bytes) else text
    for attached in file.attachments:
        yield str(attached.long_filename() or attached.name or "")
        yield bytes(attached.data or b"")
