"""A case as one archive, sealed to a named key: all mails, files and signatures, the record and its events; and such an archive taken in.

The signatures can be checked with gpg alone. The archive is a tar (POSIX.1-2001); sealed, it is an OpenPGP message signed by the desk.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from intake.evidence import Evidence, evidence
from intake.reader_process import Unreadable
from store.cases import content, lookup, overview, transfer
from store.cases.case_file import Actor, open_case
from store.cases.classification import require_may_leave
from store.cases.overview import Viewer
from store.cases.transfer import Blobs
from store.context import Context
from store.kit.clock import to_text
from store.kit.config import Desk
from store.kit.errors import KeyProblem, NotAllowed
from store.tables.models import CaseRow, EventRow
from store.tables.records import Message

_UNSAFE = re.compile(r"[^\w.-]+")
_MOST_OCTETS = 1_000_000_000
_README = """\
The case {codename}, as {title} has it on {day}.

record.json     the record: messages, who may read it, decisions, measures of time. Sizes are octets, times UTC.
events.json     what was done with it, as links of the desk's chain; 'ombud audit verify' checks the chain at the desk.
messages/N/     each message: mail.eml as it came, files/ what was attached, opened.
                signed-K.pgp: what somebody signed, without the encryption around it:   gpg --verify signed-1.pgp
                signed-K.txt and signed-K.txt.asc: the same, signed apart:   gpg --verify signed-1.txt.asc signed-1.txt
keys/           the public keys of those who signed, as the desk knows them. Compare fingerprints before you trust them.
case.json       the same for another desk: ombud import FILE
"""


@dataclass(frozen=True)
class Taken:
    """What an archive became: the codename here, and who signed it (a fingerprint; empty when nobody known here did)."""

    codename: str
    signer: str


def export_case(context: Context, codename: str, member: str | None, key: bytes) -> bytes:
    """A case, sealed to one public key; written down in its events. As a member sees it, or, for None, all of it.

    Raises NoSuchCase; NotAllowed when there is not one key that can be used.
    """
    found = context.keyring.read_key_data(key)
    if len(found) != 1 or found[0].trouble:
        raise NotAllowed("Give one public key that can be used: it has expired, is revoked, or there are several.")
    with context.database.write() as session:
        row = lookup.find_row(session, codename)
        desk = context.config.find_desk(row.desk) if row else None
        if row is None or desk is None:
            raise lookup.no_such_case(codename)
        viewer = Viewer(context.roster(desk), member, context.clock())
        record = overview.case_record(session, context.vault, codename, viewer, desk)
        require_may_leave(desk, record["fields"])
        by = Actor(context.vault, desk, viewer.roster, member or "operator", viewer.at)
        open_case(session, by, row).note("exported", {"key": found[0].fingerprint})
        archive = _packed(dict(_entries(context, session, desk, row, record)))
    try:
        return context.keyring.seal_to_key(archive, key, desk.fingerprint)
    except KeyProblem:
        raise NotAllowed("The key cannot be used for encryption.") from None


def _entries(
    context: Context, session: Session, desk: Desk, row: CaseRow, record: Mapping[str, Any]
) -> Iterator[tuple[str, bytes]]:
    day = to_text(context.clock())[:10]
    yield "README.txt", _README.format(codename=row.codename, title=desk.title, day=day).encode()
    yield "record.json", _json(record)
    yield "events.json", _json(_events(context, session, row))
    yield "case.json", _json(transfer.as_value(session, context.vault, row))
    signers: set[str] = set()
    for number, message in enumerate(content.messages(session, context.vault, row.id), 1):
        raw = content.raw_message(session, context.vault, row, message.id)
        yield f"messages/{number}/mail.eml", raw
        for index, item in enumerate(content.attachment_contents(session, context.vault, row, message), 1):
            yield _file_name(number, index, item.name), item.data
        for name, octets in _signed(context, raw, message):
            yield f"messages/{number}/{name}", octets
        signers.add(message.body.signature.fingerprint or "")
    known = content.facts(context.vault, row)
    if known.reporter_key:
        yield f"keys/{known.reporter_fingerprint}.pgp", known.reporter_key
    for fingerprint in sorted(signers - {""}):
        if context.keyring.public_keys([fingerprint]):
            yield f"keys/{fingerprint}.asc", context.keyring.export(fingerprint, armored=True)


def _file_name(number: int, index: int, name: str) -> str:
    return f"messages/{number}/files/{index}-{_UNSAFE.sub('_', name)[:80] or 'file'}"


def _signed(context: Context, raw: bytes, message: Message) -> Evidence:
    """What somebody signed in a message; nothing of one that cannot be read."""
    if not raw or message.body.signature.status == "none":
        return []
    try:
        return evidence(context.config, raw)
    except Unreadable:
        return []


def _events(context: Context, session: Session, row: CaseRow) -> list[dict[str, Any]]:
    box = content.box_of(context.vault, row)
    rows = session.exec(select(EventRow).where(EventRow.case_id == row.id).order_by(col(EventRow.seq))).all()
    return [
        {
            "seq": item.seq, "kind": item.kind, "at": item.at, "actor": item.actor, "detail_digest": item.detail_digest, "link": item.link,
            "detail": box.open_json(item.detail_sealed, "events", "detail", str(item.seq)) if item.detail_sealed else None,
        }
        for item in rows
    ]  # fmt: skip


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")


def _packed(entries: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, octets in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(octets), 0o600
            archive.addfile(entry, io.BytesIO(octets))
    return out.getvalue()


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
        value = json.loads(entries["case.json"])
    except (KeyError, ValueError):
        raise NotAllowed(transfer.NOT_A_CASE) from None
    by = Actor(context.vault, desk, context.roster(desk), "operator", context.clock())
    with context.database.write() as session:
        codename = transfer.take_in(session, by, value, _blobs(entries), digest)
    signer = opened.signature.fingerprint if opened.signature.status == "valid" else ""
    return Taken(codename, signer or "")


def _blobs(entries: Mapping[str, bytes]) -> Blobs:
    def attachment(number: int, index: int) -> bytes:
        prefix = f"messages/{number}/files/{index}-"
        return next(octets for name, octets in entries.items() if name.startswith(prefix))

    return Blobs(lambda number: entries[f"messages/{number}/mail.eml"], attachment)


def _unpacked(octets: bytes) -> dict[str, bytes]:
    """The files of an archive; bounded. Raises NotAllowed."""
    found: dict[str, bytes] = {}
    left = _MOST_OCTETS
    try:
        with tarfile.open(fileobj=io.BytesIO(octets), mode="r:") as archive:
            for entry in archive:
                member = archive.extractfile(entry) if entry.isreg() else None
                if member is None or entry.size > left:
                    raise NotAllowed(transfer.NOT_A_CASE)
                left -= entry.size
                found[entry.name] = member.read()
    except (tarfile.TarError, EOFError, OSError, ValueError):
        raise NotAllowed(transfer.NOT_A_CASE) from None
    return found
