"""Mail addresses compared: one way to fold them, and to leave out their extension (RFC 5233). Pure."""

from __future__ import annotations


def bare(address: str) -> str:
    """An address as it is compared: case folded, without extension."""
    local, _, domain = address.casefold().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


def same_mailbox(one: str, other: str) -> bool:
    """Whether two addresses are of one mailbox."""
    return bool(one) and bare(one) == bare(other)
