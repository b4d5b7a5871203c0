"""For browsers without scripts: what they would do, done here in memory. A report is sealed, a receipt made, its letters opened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from intake.doors.web import NewReceipt
from mailer.sealing.mime import bare_content
from mailer.sealing.padding import filled, padded_length
from store.cases.letterboxes import Fetched
from store.kit.config import Desk
from store.kit.errors import KeyProblem
from store.openpgp.armor import armor
from store.openpgp.keyring import Keyring
from store.openpgp.receipts import Receipt, new_key, read_letter, unlocked
from store.tables.records import Attachment


@dataclass(frozen=True)
class OpenedLetter:
    """An answer of the team, opened. `files` have `name`, `type`, and `data` in base64."""

    at: datetime
    text: str = field(repr=False)
    files: Sequence[dict[str, str]] = field(repr=False)
    signed: bool
    is_new: bool


def sealed_report(keyring: Keyring, desk: Desk, text: str, files: Sequence[Attachment]) -> bytes:
    """A text and files sealed to the desk, in armor. Raises KeyProblem."""
    made = filled(bare_content(text, files), padded_length)
    sealed = keyring.seal_each(made, [desk.fingerprint], None)
    if not sealed:
        raise KeyProblem(
            f"Nothing can be encrypted to the desk key {desk.fingerprint}. Has it expired? Run 'ombud check'."
        )
    return armor(sealed[desk.fingerprint])


def receipt_key(receipt: Receipt) -> NewReceipt:
    """What is kept for a receipt."""
    key, locked = new_key(receipt)
    return NewReceipt(receipt.lookup, key, locked)


def opened_letters(found: Fetched, receipt: Receipt, desk_key: bytes) -> list[OpenedLetter]:
    """The letters that open, the newest first."""
    secret = unlocked(found.locked, receipt)
    if secret is None:
        return []
    opened = []
    for item in reversed(found.letters):
        read = read_letter(item.sealed, secret, desk_key)
        said = _read(read[0]) if read else None
        if read and said:
            opened.append(OpenedLetter(item.at, said["text"], said["files"], read[1], item.read_at is None))
    return opened


def _read(content: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(content)
    except ValueError:
        return None
    return said if isinstance(said, dict) and {"text", "files"} <= said.keys() else None
