"""How long a sealed mail is made, so that its length tells little of what is in it. Pure."""

from __future__ import annotations

from collections.abc import Callable

FLOOR = 4096
_LINE = 76
_END = b"\r\n"
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


def filled(made: bytes, pad: Callable[[int], int]) -> bytes:
    """Lines, and whole lines of dots behind them, of the length that `pad` makes of theirs and one line end more.

    What stands after the last boundary is not shown. The last line is ended too: programs that read gpg's status from
    the same stream as the text (aerc) would otherwise take the status that follows for text, and the mail for unsigned.
    """
    lines, rest = divmod(pad(len(made) + len(_END)) - len(made) - len(_END), _LINE)
    return made + (b"." * (_LINE - len(_END)) + _END) * lines + b"." * rest + _END
