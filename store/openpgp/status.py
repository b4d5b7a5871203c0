"""What GnuPG's status lines and key listings say, as values. Pure: no process is started here.

The line formats are those of GnuPG's doc/DETAILS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from store.openpgp.values import Decryption, PublicKey, Signature, SignatureDoubt, address_in

StatusLine = tuple[str, tuple[str, ...]]

# gpg-error codes that speak of the agent or the system, not of the message: the mail may open later.
_PASSING_ERRORS = frozenset({62, 77, 78, 82, 83, 119, 198, 16383})
_SYSTEM_ERROR = 0x8000
_OF_ENCRYPTION = frozenset(
    {
        "ENC_TO",
        "BEGIN_DECRYPTION",
        "DECRYPTION_INFO",
        "DECRYPTION_FAILED",
        "NO_SECKEY",
        "NEED_PASSPHRASE_SYM",
        "NODATA",
        "UNEXPECTED",
    }
)

_DOUBTS: Mapping[str, SignatureDoubt] = {
    "BADSIG": "",
    "EXPSIG": "expired",
    "EXPKEYSIG": "key-expired",
    "REVKEYSIG": "key-revoked",
}
_NO_DOUBT: SignatureDoubt = ""
_NO_KEY, _WEAK_HASH = "9", "5"  # gpg-error's GPG_ERR_NO_PUBKEY and GPG_ERR_DIGEST_ALGO


def read_signature(lines: Sequence[StatusLine]) -> Signature:
    """The signature that a run of status lines reports.

    One bad signature makes the whole invalid; a signature whose key is unknown is told apart from a bad one.
    """
    good = bad = unknown = False
    valid_primary = claimed = None
    made, doubt = 0, _NO_DOUBT
    for word, args in lines:
        if word == "GOODSIG":
            good = True
        elif word == "VALIDSIG" and args:
            valid_primary = valid_primary or (args[9] if len(args) > 9 else args[0])
            made = made or _seconds(args[2] if len(args) > 2 else "")
        elif word in _DOUBTS:
            bad, doubt = True, doubt or _DOUBTS[word]
        elif word == "ERRSIG" and len(args) >= 6:
            claimed = args[6] if len(args) > 6 and len(args[6]) >= 40 else args[0]
            unknown, bad = (True, bad) if args[5] == _NO_KEY else (unknown, True)
            doubt = doubt or ("weak" if args[5] == _WEAK_HASH else "")
    if bad:
        return Signature("invalid", valid_primary or claimed, doubt=doubt)
    if good and valid_primary and not unknown:
        return Signature("valid", valid_primary, made)
    if unknown:
        return Signature("unknown-key", claimed)
    return Signature()


def _seconds(stamp: str) -> int:
    """A time as doc/DETAILS has it: seconds since 1970, or ISO 8601 as 20261121T120000."""
    if "T" in stamp:
        return int(datetime.strptime(stamp, "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp())
    return int(stamp) if stamp.isdigit() else 0


def read_decryption(lines: Sequence[StatusLine], plain: bytes) -> Decryption:
    """Decide whether a `gpg --decrypt` run yielded exactly one intact plaintext.

    The exit code is not asked: gpg exits 2 when only the signer's key is missing. Integrity is a good MDC, or
    an AEAD algorithm in DECRYPTION_INFO (RFC 9580 section 5.13).
    """
    words = [word for word, _ in lines]
    aead = any(word == "DECRYPTION_INFO" and len(args) > 2 and args[2] != "0" for word, args in lines)
    unprotected = any(word == "DECRYPTION_INFO" and args[:1] == ("0",) for word, args in lines) and not aead
    if "TOO_LARGE" in words:
        return Decryption(None, "too-large")
    if (
        words.count("DECRYPTION_OKAY") == 1
        and words.count("PLAINTEXT") == 1
        and not {"DECRYPTION_FAILED", "BADMDC"} & set(words)
    ):
        if "GOODMDC" in words or aead:
            return Decryption(plain, None, read_signature(lines))
        return Decryption(None, "no-integrity")
    if unprotected:
        return Decryption(None, "no-integrity")
    if words.count("PLAINTEXT") == 1 and not _OF_ENCRYPTION & set(words):
        return Decryption(plain, None, read_signature(lines), sealed=False)
    codes = [int(args[1]) for word, args in lines if word == "ERROR" and len(args) > 1 and args[1].isdigit()]
    passing = any((code & 0xFFFF) in _PASSING_ERRORS or code & _SYSTEM_ERROR for code in codes)
    if "NO_SECKEY" in words and "DECRYPTION_INFO" not in words:
        return Decryption(None, "no-key", passing=passing)
    return Decryption(None, "damaged", passing=passing)


def read_keys(listing: bytes) -> list[PublicKey]:
    """The certificates in a `--with-colons` listing.

    Read from octets and split at line feeds alone: a user id may hold any other character that text functions
    take for a line end, and would then forge a line.
    """
    blocks: list[list[list[str]]] = []
    for line in listing.split(b"\n"):
        fields = line.decode("utf-8", "replace").split(":")
        if fields[0] in ("pub", "sec"):
            blocks.append([fields])
        elif blocks:
            blocks[-1].append(fields)
    return [_key(block) for block in blocks]


def _key(block: list[list[str]]) -> PublicKey:
    head = block[0]
    fingerprints = [line[9] for line in block if line[0] == "fpr" and len(line) > 9]
    uids = [
        _unescape(line[9]) for line in block if line[0] == "uid" and len(line) > 9 and line[1] not in ("r", "e", "i")
    ]
    subkeys = [line for line in block if line[0] in ("sub", "ssb")]
    keys = [head, *subkeys]
    usable = any("e" in line[11] and not _unusable(line) for line in keys if len(line) > 11)
    return PublicKey(
        fingerprint=fingerprints[0] if fingerprints else "",
        addresses=tuple(address for uid in uids if (address := address_in(uid))),
        subkey_ids=tuple(line[4] for line in keys),
        can_encrypt=usable and not _unusable(head),
        expired=head[1] == "e" or _past(head) or (not usable and any(_past(line) for line in subkeys)),
        revoked=head[1] == "r",
        expires=_moment(head[6]),
        secret=head[0] == "sec",
        stubs=tuple(line[4] for line in keys if len(line) > 14 and line[14] == "#"),
        usable_until=_usable_until(head, keys),
    )


def _usable_until(head: list[str], keys: list[list[str]]) -> datetime | None:
    """When a certificate that can be encrypted to now no longer can; None when it has no end or cannot be used now."""
    ends = [_moment(line[6]) for line in keys if len(line) > 11 and "e" in line[11] and not _unusable(line)]
    latest = None if not ends or None in ends else max(end for end in ends if end is not None)
    return min((end for end in (latest, _moment(head[6])) if end is not None), default=None)


def _unusable(line: list[str]) -> bool:
    return line[1] in ("r", "e", "i", "d") or "D" in line[11] or _past(line)


def _past(line: list[str]) -> bool:
    at = _moment(line[6])
    return at is not None and at <= datetime.now(UTC)


def _moment(field: str) -> datetime | None:
    return datetime.fromtimestamp(int(field), UTC) if field.isdigit() and field != "0" else None


def _unescape(text: str) -> str:
    return re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), text)
