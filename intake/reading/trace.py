"""A mail less what servers and filters wrote on its way: the same mail twice is one case. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

_PIECE = 1_000_000
# Written along the way or by the last hop; they differ when the same mail comes twice.
_TRACE = frozenset(
    b"""
    received return-path delivered-to x-original-to envelope-to x-envelope-to x-envelope-from x-delivered-to
    x-forwarded-to x-forwarded-for x-received authentication-results received-spf x-spam-status x-spam-score
    x-spam-level x-spam-flag x-spam-checker-version arc-seal arc-message-signature arc-authentication-results
    x-uid x-keywords status x-status lines content-length
    dkim-filter x-virus-scanned x-virus-status x-scanned-by x-clamav x-greylist x-policyd-weight x-quarantine-id x-sa-exim-version
    x-eopattributedmessage x-eoptenantattributedmessage x-originatororg x-originating-ip x-sender-ip x-mailscanner x-bogosity x-dspam-result
    x-mozilla-status x-mozilla-status2 x-evolution-source x-account-key x-getmail-retrieved-from-mailbox x-fetchmail x-procmail
    """.split()
)
# What rspamd, SpamAssassin, Exchange, Google, amavis and other filters add.
_TRACE_FAMILIES = (
    b"x-rspamd-", b"x-spamd-", b"x-spam-", b"x-ms-exchange-", b"x-microsoft-antispam", b"x-forefront-", b"x-exchange-", b"x-gm-", b"x-google-",
    b"x-amavis-", b"x-proofpoint-", b"x-barracuda-", b"x-mimecast-", b"x-ironport-", b"x-mailscanner-", b"x-sophos-", b"x-halon-", b"x-cloudmark-",
    b"x-vade-", b"x-ovh-", b"x-sg-", b"x-yandex-", b"x-mailru-", b"x-bess-", b"x-dspam-", b"x-sa-", b"arc-",
)  # fmt: skip


def without_trace(raw: bytes) -> Iterator[bytes]:
    """A mail less what was written along the way, with even line ends, in pieces: the same for the same mail twice."""
    split = re.search(rb"\r?\n\r?\n", raw)
    head, at = (raw[: split.start()], split.end()) if split else (raw, len(raw))
    keep = True
    for line in head.split(b"\n"):
        line = line.rstrip(b"\r")
        if not line.startswith((b" ", b"\t")):
            name = line.partition(b":")[0].strip().lower()
            keep = name not in _TRACE and not name.startswith(_TRACE_FAMILIES)
        if keep:
            yield line + b"\n"
    end = len(raw)
    while end > at and raw[end - 1] in b"\r\n":
        end -= 1
    while at < end:
        following = raw.find(b"\n", at + _PIECE, end) + 1 or end
        yield raw[at:following].replace(b"\r\n", b"\n")
        at = following
