"""The envelope of a mail that lies in a mailbox, as its header fields tell of it (RFC 5321 section 4.4, RFC 5322)."""

from __future__ import annotations

from intake.arrival import Envelope
from intake.asking.own_addresses import own_addresses
from store.kit.config import Desk


def envelope_of(raw: bytes, desk: Desk) -> Envelope:
    """The envelope of a mail that was delivered to a mailbox of a desk; `raw` may be its header block alone.

    A mail that names none of the desk's addresses is for its own one. There is nobody to refuse it to.
    """
    addresses, sender = own_addresses(raw, desk)
    return Envelope(raw, sender, addresses or (desk.address,))
