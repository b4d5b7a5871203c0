"""A case exported to a named key, and such an archive taken in (`intake.archive`)."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass

from intake import archive
from store.cases import lookup, redaction, transfer
from store.cases.case_file import Actor, open_case
from store.cases.command import GUESTS
from store.cases.overview import Viewer
from store.cases.transfer import Blobs
from store.context import Context
from store.kit.config import Desk
from store.kit.errors import NotAllowed

_MOST_OCTETS, _MOST_ENTRIES, _LONGEST_RECORD = 1_000_000_000, 20_000, 100_000_000
_FILE = re.compile(r"(messages/\d+/files/\d+-)")


@dataclass(frozen=True)
class Taken:
    """What an archive became: the codename here, and who signed it (a fingerprint; empty when nobody known here did)."""

    codename: str
    signer: str


def export_case(context: Context, codename: str, member: str | None, key: bytes) -> bytes:
    """A case, sealed to one public key; written down in its events. As a member sees it, or, for None, all of it.

    Raises NoSuchCase; NotAllowed when there is not one key that can be used.
    """
    fingerprint = archive.usable_key(context, key)
    with context.database.write() as session:
        row = lookup.find_row(session, codename)
        desk = context.config.find_desk(row.desk) if row else None
        if row is None or desk is None:
            raise lookup.no_such_case(codename)
        viewer = Viewer(context.team(desk, session), member, context.clock())
        if any(item.id == member and item.role == "guest" for item in viewer.roster.members):
            raise NotAllowed(GUESTS)
        packed = archive.archive_of(context, session, row, viewer)
        by = Actor(context.vault, desk, viewer.roster, member or "operator", viewer.at)
        open_case(session, by, row).note("exported", {"key": fingerprint})
    return archive.sealed_to(context, desk, packed, key)


def take_in(context: Context, desk: Desk, sealed: bytes) -> Taken:
    """Make a case of what another desk exported to the key of this one. Raises NotAllowed, and then nothing is kept."""
    opened = context.keyring.decrypt(sealed)
    if opened.plain is None:
        raise NotAllowed(
            "The file cannot be opened with the keys of this desk. Ask for it again, sealed to the desk's key."
        )
    entries = _unpacked(opened.plain)
    digest = context.vault.digest(f"case taken in at {desk.id}", opened.plain)
    try:
        if len(entries["case.json"]) > _LONGEST_RECORD:
            raise NotAllowed(transfer.NOT_A_CASE)
        value = json.loads(entries["case.json"])
    except (KeyError, ValueError, RecursionError):
        raise NotAllowed(transfer.NOT_A_CASE) from None
    if isinstance(value, dict) and isinstance(value.get("facts"), dict) and value["facts"].get("redacted"):
        value["facts"]["redacted"] = [redaction.ANYBODY]  # the hashes of another install compare with nothing here
    by = Actor(context.vault, desk, context.roster(desk), "operator", context.clock())
    with context.database.write() as session:
        codename = transfer.take_in(session, by, value, _blobs(entries), digest)
    signer = opened.signature.fingerprint if opened.signature.status == "valid" else ""
    return Taken(codename, signer or "")


def _blobs(entries: Mapping[str, bytes]) -> Blobs:
    files = {found[1]: octets for name, octets in entries.items() if (found := _FILE.match(name))}

    def attachment(number: int, index: int) -> bytes:
        return files[f"messages/{number}/files/{index}-"]

    return Blobs(lambda number: entries[f"messages/{number}/mail.eml"], attachment)


def _unpacked(octets: bytes) -> dict[str, bytes]:
    """The files of an archive; bounded. Raises NotAllowed."""
    found: dict[str, bytes] = {}
    left = _MOST_OCTETS
    try:
        with tarfile.open(fileobj=io.BytesIO(octets), mode="r:") as archive:
            for entry in archive:
                whole = entry.isreg() and not entry.issparse() and 0 <= entry.size <= left
                member = archive.extractfile(entry) if whole and len(found) < _MOST_ENTRIES else None
                if member is None:
                    raise NotAllowed(transfer.NOT_A_CASE)
                left -= entry.size
                found[entry.name] = member.read()
    except (tarfile.TarError, EOFError, OSError, ValueError):
        raise NotAllowed(transfer.NOT_A_CASE) from None
    return found
