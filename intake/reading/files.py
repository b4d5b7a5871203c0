"""What a file is, by what it holds: an OpenPGP message or key, or content that only other programs unwrap. Pure."""

from __future__ import annotations

import re
from email.message import Message
from typing import Literal

# Content that only other programs unwrap: S/MIME, encrypted or opaquely signed (RFC 8551), and Outlook's own format.
_PUBLIC_KEY = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
FORWARDED = frozenset({"message/rfc822", "message/global"})
_SMIME_TYPES = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_TNEF_TYPES = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
_TNEF_MAGIC = b"\x78\x9f\x3e\x22"
MESSAGE_TAGS = frozenset({1, 3, 4, 8, 9, 11, 18, 20})
_SEALED_NAME = re.compile(r"\.(asc|gpg|pgp)$", re.IGNORECASE)


def is_public_key(octets: bytes) -> bool:
    """Whether a file holds an OpenPGP public key, armored or not."""
    return _PUBLIC_KEY in octets[:4096] or (packet_tag(octets) == 6)


def is_forwarded(kind: str, name: str) -> bool:
    """Whether a file is a mail that is forwarded, by its type or its name."""
    return kind in FORWARDED or name.lower().endswith(".eml")


def looks_sealed(octets: bytes, name: str, kind: str) -> bool:
    """Whether a file is an OpenPGP message: by what it holds, not by how it is called."""
    head = octets[:4096].lstrip()
    if b"-----BEGIN PGP MESSAGE-----" in head:
        return True
    if b"-----BEGIN" in head or not octets:
        return False
    if kind == "application/pgp-encrypted" or _SEALED_NAME.search(name):
        return packet_tag(octets) in MESSAGE_TAGS and not _is_text(head)
    return False


def _is_text(octets: bytes) -> bool:
    try:
        return bool(octets[:1000].decode("utf-8", "strict")) and b"\0" not in octets
    except UnicodeDecodeError as error:
        return error.start > len(octets[:1000]) - 4  # a character that is cut off


def packet_tag(octets: bytes) -> int | None:
    """The type of the first packet of a binary OpenPGP file (RFC 9580 section 4.2)."""
    if not octets or not octets[0] & 0x80:
        return None
    return octets[0] & 0x3F if octets[0] & 0x40 else (octets[0] >> 2) & 0x0F


def foreign_to_openpgp(part: Message, octets: bytes, name: str, kind: str) -> Literal["smime", "tnef", ""]:
    """Whether a part wraps content in a way that is not OpenPGP's."""
    if kind in _TNEF_TYPES or octets.startswith(_TNEF_MAGIC) or name.casefold() == "winmail.dat":
        return "tnef"
    certificates = str(part.get_param("smime-type") or "").casefold() == "certs-only"
    wraps = kind in _SMIME_TYPES or (kind == "application/octet-stream" and name.casefold().endswith(".p7m"))
    return "smime" if wraps and not certificates else ""
