"""What waits in a letterbox for whoever has its receipt, before it is sealed: a text and files, for a browser to show. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable

from mailer.sealing.padding import padded_length
from store.tables.records import Attachment


def letter_content(subject: str, text: str, files: Iterable[Attachment] = ()) -> bytes:
    """A JSON object of `subject`, `text` and `files` (each `name`, `type`, and `data` in base64), with blanks behind it up to a length
    that tells little of what is in it.
    """
    shown = [
        {"name": item.name, "type": item.type, "data": base64.b64encode(item.data).decode()} for item in files
    ]  # fmt: skip
    made = json.dumps({"subject": subject, "text": text, "files": shown}).encode()
    return made.ljust(padded_length(len(made)))
