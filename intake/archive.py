"""A case as one archive, sealed to a named key: all mails, files and signatures, the record and its events, as somebody may see them.

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

from sqlmodel import Session

from intake.evidence import Evidence, evidence
from intake.reader_process import Unreadable
from store.cases import content, merging, overview, transfer
from store.cases.classification import require_may_leave
from store.cases.overview import Viewer
from store.context import Context
from store.kit.clock import to_text
from store.kit.config import Desk
from store.kit.errors import KeyProblem, NotAllowed
from store.kit.kinds import is_fingerprint
from store.kit.sentences import marked
from store.tables.models import CaseRow
from store.tables.records import Message

_UNSAFE = re.compile(r"[^\w.-]+")
NOT_ONE_KEY = marked("Give one public key that can be used: it has expired, is revoked, or there are several.")
CANNOT_SEAL = marked("The key cannot be used for encryption.")
_OTHER_CASE = ("other", "into")  # where an event's detail has the id of another case
_README = """\
The case {codename}, as {title} has it on {day}.

record.json     the record: messages, who may read it, decisions, dates. Sizes are octets, times UTC.
events.json     what was done with it, the operator's copy with its links in the desk's chain, which 'ombud audit verify' checks.
messages/N/     each message: mail.eml as it came (empty if something was taken out of it or you may not see it), files/ its attachments, decrypted.
                signed-K.pgp: what somebody signed, without the encryption around it:   gpg --verify signed-1.pgp
                signed-K.txt and signed-K.txt.asc: the same, with a detached signature:   gpg --verify signed-1.txt.asc signed-1.txt
keys/           the public keys of those who signed, as the desk knows them. Compare fingerprints before you trust them.
case.json       the same for another desk: ombud import FILE
"""


def usable_key(context: Context, key: bytes) -> str:
    """The fingerprint of a public key that a case can be sealed to. Raises NotAllowed when there is not one that can be used."""
    found = context.keyring.read_key_data(key)
    if len(found) != 1 or found[0].trouble:
        raise NotAllowed(NOT_ONE_KEY)
    return found[0].fingerprint


def sealed_to(context: Context, desk: Desk, archive: bytes, key: bytes) -> bytes:
    """An archive, sealed to one public key and signed by the desk. Raises NotAllowed."""
    try:
        return context.keyring.seal_to_key(archive, key, desk.fingerprint)
    except KeyProblem:
        raise NotAllowed(CANNOT_SEAL) from None


def archive_of(context: Context, session: Session, row: CaseRow, viewer: Viewer) -> bytes:
    """A case as an archive, as somebody may see it. Raises NoSuchCase, NotAllowed for one that must not leave."""
    desk = context.config.desk_by_id(row.desk)
    record = overview.case_record(session, context.vault, row.codename, viewer, desk)
    require_may_leave(desk, record["fields"])
    return _packed(dict(_entries(context, session, row, _Shown(viewer, record))))


@dataclass(frozen=True)
class _Shown:
    """Whom a case is shown to, and its record as they may see it."""

    viewer: Viewer
    record: Mapping[str, Any]


def _entries(context: Context, session: Session, row: CaseRow, shown: _Shown) -> Iterator[tuple[str, bytes]]:
    desk = context.config.desk_by_id(row.desk)
    day = to_text(context.clock())[:10]
    messages = overview.visible_messages(session, context.vault, row, shown.viewer)
    yield "README.txt", _README.format(codename=row.codename, title=desk.title, day=day).encode()
    yield "record.json", _json(shown.record)
    yield "events.json", _json(list(_events(context, session, row, shown.viewer)))
    yield "case.json", _json(transfer.as_value(session, context.vault, row, messages))
    signers: set[str] = set()
    for number, message in enumerate(messages, 1):
        raw = _raw(context, session, row, message, shown.viewer)
        yield f"messages/{number}/mail.eml", raw
        for index, item in enumerate(content.attachment_contents(session, context.vault, row, message), 1):
            yield _file_name(number, index, item.name), item.data
        for name, octets in _signed(context, raw, message):
            yield f"messages/{number}/{name}", octets
        signers.add(message.body.signature.fingerprint or "")
    known = content.facts(context.vault, row)
    if known.reporter_key and is_fingerprint(known.reporter_fingerprint):
        yield f"keys/{known.reporter_fingerprint}.pgp", known.reporter_key
    for fingerprint in sorted(item for item in signers if is_fingerprint(item)):
        if context.keyring.public_keys([fingerprint]):
            yield f"keys/{fingerprint}.asc", context.keyring.export(fingerprint, armored=True)


def _raw(context: Context, session: Session, row: CaseRow, message: Message, viewer: Viewer) -> bytes:
    """A mail as it came; nothing of a member's that did something on a case which whoever sees it may not know of."""
    others = {item.other_case for item in message.body.done if item.other_case}
    if viewer.member is not None and overview.known_of(session, others, viewer) != others:
        return b""
    return content.raw_message(session, context.vault, row, message.id)


def _file_name(number: int, index: int, name: str) -> str:
    return f"messages/{number}/files/{index}-{_UNSAFE.sub('_', name)[:80] or 'file'}"


def _signed(context: Context, raw: bytes, message: Message) -> Evidence:
    """What somebody signed in a message; nothing of one that cannot be read."""
    if message.body.signature.status == "none" and b"-----BEGIN PGP" not in raw:
        return []
    try:
        return evidence(context.config, raw)
    except Unreadable:
        return []


def _events(context: Context, session: Session, row: CaseRow, viewer: Viewer) -> Iterator[dict[str, Any]]:
    """The events of a case, without those that somebody may not know of: about a case that is not theirs, or about keeping this one from
    them."""
    for item, detail in content.events(session, content.box_of(context.vault, row), row.id):
        said = {"kind": item.kind, "at": item.at, "actor": item.actor}
        if viewer.member is None:
            yield {"seq": item.seq, **said, "detail_digest": item.detail_digest, "link": item.link, "detail": detail}
        elif _may_be_told(session, detail or {}, viewer):
            # Not their places in the chain of the desk: a gap would tell of what happened elsewhere.
            yield {**said, "detail": {name: value for name, value in (detail or {}).items() if name != "events"}}


def _may_be_told(session: Session, detail: Mapping[str, Any], viewer: Viewer) -> bool:
    others = {str(detail[name]) for name in _OTHER_CASE if name in detail}
    if "leads" in detail:
        return False
    voted = str(detail.get("member", ""))
    others |= {voted.removeprefix(merging.VOTE)} if voted.startswith(merging.VOTE) else set()
    return detail.get("member") != viewer.member and overview.known_of(session, others, viewer) == others


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
