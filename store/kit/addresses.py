"""Mail addresses: one way to fold them, to leave out their extension (RFC 5233), to compare them, and to write their domain. Pure."""

from __future__ import annotations


def folded(address: str) -> str:
    """An address as it is compared: case folded, its domain in ASCII."""
    return to_ascii(address).casefold()


def bare(address: str) -> str:
    """The same without extension: what names a mailbox."""
    local, _, domain = folded(address).rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


def same_address(one: str, other: str) -> bool:
    """Whether two addresses are the same, extension and all."""
    return bool(one) and folded(one) == folded(other)


def same_mailbox(one: str, other: str) -> bool:
    """Whether two addresses are of one mailbox."""
    return bool(one) and bare(one) == bare(other)


def domain_of(address: str) -> str:
    """The domain of an address, folded."""
    return folded(address).rpartition("@")[2]


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
