"""The record of what happened: a chain of events, each bound to the one before by a keyed hash.

A link covers the digest of an event's detail, not the detail: when a case is destroyed its details go, and the
chain still verifies.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert
from sqlmodel import Session, col, select, update

from store.kit.clock import to_text
from store.kit.errors import VaultError
from store.tables.models import ChainHeadRow, EventRow
from store.tables.vault import Box, Vault

_HEAD = 1
# Written once: putting a statement together takes as long as running it.
_LAST = select(ChainHeadRow.seq, ChainHeadRow.link).where(ChainHeadRow.id == _HEAD).with_for_update()
_ADDED = insert(EventRow)
_MOVED = (
    update(ChainHeadRow).where(col(ChainHeadRow.id) == _HEAD).values(seq=bindparam("at_seq"), link=bindparam("at_link"))
)


@dataclass(frozen=True)
class Event:
    """Something that happened. `actor` is a member's id, `reporter`, `operator` or `desk`."""

    kind: str
    actor: str
    at: datetime
    case_id: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


class _Linked(NamedTuple):
    """What a link covers of an event, in this order."""

    seq: int
    case_id: str | None
    kind: str
    at: str
    actor: str
    detail_digest: str


def append(session: Session, vault: Vault, event: Event, box: Box | None = None) -> None:
    """Add one event to the chain, in the transaction of the change that it tells of; its detail is sealed by `box`."""
    session.flush()  # the case that it is about comes before it
    connection = session.connection()
    last, previous = connection.execute(_LAST).one()
    plain = json.dumps(dict(event.detail), sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
    linked = _Linked(
        last + 1, event.case_id, event.kind, to_text(event.at), event.actor, vault.digest("event detail", plain)
    )
    sealed = box.seal(plain, "events", "detail", str(linked.seq)) if event.detail and box is not None else None
    link = _link(vault, previous, linked)
    connection.execute(_ADDED, {**linked._asdict(), "detail_sealed": sealed, "link": link})
    connection.execute(_MOVED, {"at_seq": linked.seq, "at_link": link})


def verify(session: Session, vault: Vault) -> int:
    """Walk the whole chain; the number of events. Raises VaultError naming the first link that does not hold."""
    previous, count = "", 0
    for row in session.exec(select(EventRow).order_by(col(EventRow.seq)).execution_options(yield_per=500)):
        count += 1
        event = _Linked(row.seq, row.case_id, row.kind, row.at, row.actor, row.detail_digest)
        if row.seq != count or row.link != _link(vault, previous, event):
            raise VaultError(f"The record is broken at event {count}: it was changed or removed after it was written.")
        previous = row.link
    head = session.get(ChainHeadRow, _HEAD)
    if head is None or (head.seq, head.link) != (count, previous):
        raise VaultError(f"The record is cut off after event {count}: later events were removed.")
    return count


def _link(vault: Vault, previous: str, event: _Linked) -> str:
    return vault.digest("event link", json.dumps([previous, *event]).encode())
