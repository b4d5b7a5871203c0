"""Domains outside ASCII, as mail programs and servers without SMTPUTF8 (RFC 6531) know them. Pure."""

from __future__ import annotations


def to_ascii(address: str) -> str:
    """An address with its domain in its ASCII form (RFC 5890), which any server takes; as it was when it has none."""
    local, at, domain = address.rpartition("@")
    if domain.isascii():
        return address
    import idna

    try:
        return f"{local}{at}{idna.encode(domain, uts46=True).decode()}"
    except idna.IDNAError:
        return address
