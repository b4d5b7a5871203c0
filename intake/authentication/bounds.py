"""Bounds for the DKIM library, which reads what strangers wrote: long headers and keys are left out, and what takes the square
of a mail's size is done in one go."""

from __future__ import annotations

from dkim import canonicalization

LONGEST_FIELD = 8_000
LONGEST_RECORD = 2_000  # an RSA key of 8192 bits has 1400 octets; one of any size would keep the processor busy


def linear() -> None:
    """Have the library take trailing space from lines (RFC 6376 section 3.4.4) in one pass: its pattern tries each space of a
    run anew."""
    canonicalization.strip_trailing_whitespace = _without_trailing_space


def _without_trailing_space(content: bytes) -> bytes:
    *lines, last = content.split(b"\r\n")
    return b"\r\n".join([*(line.rstrip(b"\t ") for line in lines), last])
