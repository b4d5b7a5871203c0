"""The content of a message that S/MIME signed without leaving it legible (RFC 8551 section 3.5.2). Its signature is not checked."""

from __future__ import annotations


def content_of(octets: bytes) -> bytes | None:
    """The entity under an opaque S/MIME signature; None for anything else. Reads nothing that is encrypted."""
    from asn1crypto import cms  # few mails need it

    try:
        wrapped = cms.ContentInfo.load(octets)
        if wrapped["content_type"].native not in ("signed_data", "compressed_data"):
            return None
        inner = wrapped["content"]["encap_content_info"]["content"]
        content = inner.contents if inner.native is None else inner.native
    except (ValueError, TypeError, KeyError, AttributeError, NotImplementedError, IndexError, RecursionError):
        return None
    return bytes(content) if isinstance(content, bytes) and content else None
