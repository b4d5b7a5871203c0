"""How long a sealed mail is made, so that its length tells little of what is in it. Pure."""

from __future__ import annotations

FLOOR = 4096
_LINE = 76
_FIRST_STEP = 16384


def padded_length(length: int) -> int:
    """The length to pad to: at least the floor, then Padmé (Nikitin et al., PETS 2019), at most 12 % more."""
    if length <= FLOOR:
        return FLOOR
    exponent = length.bit_length() - 1
    bits = exponent.bit_length()
    mask = (1 << (exponent - bits)) - 1
    return (length + mask) & ~mask


def stepped_length(length: int) -> int:
    """The length to pad a digest to: 16 KiB, 64 KiB, and so on by four. What came up since the last one must not show."""
    step = _FIRST_STEP
    while step < length:
        step *= 4
    return step


def filler(length: int) -> bytes:
    """Octets of that number, in lines of ordinary length: what stands after the last boundary is not shown."""
    line = b"." * (_LINE - 2) + b"\r\n"
    return (line * (length // _LINE + 1))[:length]
