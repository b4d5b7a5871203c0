"""The key that an Autocrypt header brings, and what it asks for (Autocrypt 1.1). Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from email.message import Message

from intake.reading.message import Address, Parsed, header_values
from store.tables.records import Attachment, Body

_MUTUAL = re.compile(r"(?:^|;)\s*prefer-encrypt\s*=\s*mutual\s*(?:;|$)", re.IGNORECASE)


def header_keys(root: Message, authors: Sequence[Address]) -> list[bytes]:
    """The key of the header that speaks for the author (section "The Autocrypt Header"); one header or none counts."""
    values = _values(root, authors)
    if len(values) != 1:
        return []
    found = re.search(r"keydata\s*=\s*([A-Za-z0-9+/=\s]+)", values[0])
    try:
        return [base64.b64decode(re.sub(r"\s+", "", found[1]), validate=True)] if found else []
    except binascii.Error:
        return []


def only_offered(parsed: Parsed, body: Body, attachments: tuple[Attachment, ...], key: bytes) -> bool:
    """Whether the key of a reporter was no more than offered: their mail is plain, and its header alone brought the key.

    Mail programs write such a header by themselves. Autocrypt recommends to encrypt where both sides ask for it
    (`prefer-encrypt=mutual`), or where what is answered was encrypted (section "Provide a recommendation for message
    encryption").
    """
    if (
        body.encryption != "none"
        or key not in header_keys(parsed.root, parsed.mail.sender)
        or any(item.data == key for item in attachments)
    ):
        return False
    return not any(_MUTUAL.search(value) for value in _values(parsed.root, parsed.mail.sender))


def _values(root: Message, authors: Sequence[Address]) -> list[str]:
    addresses = {item.address.lower() for item in authors}
    return [value for value in header_values(root, "Autocrypt") if _address(value) in addresses]


def _address(value: str) -> str:
    found = re.search(r"(?:^|;)\s*addr\s*=\s*([^;\s]+)", value)
    return found[1].lower() if found else ""
