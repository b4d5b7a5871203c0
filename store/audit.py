"""The record of what happened: a chain of events, each bound to the one before by a keyed hash.

A link covers the digest of an event's detail, not the detail: when a case is destroyed its details go, and the
chain still verifies.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from store.clock import to_text
from store.errors import VaultError
from store.models import ChainHeadRow, EventRow
from store.vault import Box, Vault

_HEAD = 1


def append(
    session: Session,
    vault: Vault,
    kind: str,
    actor: str,
    at: datetime,
    *,
    case_id: str | None = None,
    box: Box | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Add one event to the chain, in the transaction of the change that it tells of.

    `actor` is a member's id, `reporter`, `operator` or `desk`; `detail` is sealed with the case's box.
    """
    head = session.exec(select(ChainHeadRow).where(ChainHeadRow.id == _HEAD).with_for_update()).one()
    plain = json.dumps(detail or {}, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
    row = EventRow(
        seq=head.seq + 1,
        case_id=case_id,
        kind=kind,
        at=to_text(at),
        actor=actor,
        detail_digest=vault.digest("event detail", plain),
        link="",
    )
    if detail and box is not None:
        row.detail_sealed = box.seal(plain, "events", "detail", str(row.seq))
    row.link = _link(vault, head.link, row)
    head.seq, head.link = row.seq, row.link
    session.add(row)
    session.flush()


def verify(session: Session, vault: Vault) -> int:
    """Walk the whole chain; the number of events. Raises VaultError naming the first link that does not hold."""
    previous, count = "", 0
    for row in session.exec(select(EventRow).order_by(col(EventRow.seq)).execution_options(yield_per=500)):
        count += 1
        if row.seq != count or row.link != _link(vault, previous, row):
            raise VaultError(f"The record is broken at event {count}: it was changed or removed after it was written.")
        previous = row.link
    head = session.get(ChainHeadRow, _HEAD)
    if head is None or (head.seq, head.link) != (count, previous):
        raise VaultError(f"The record is cut off after event {count}: later events were removed.")
    return count


def _link(vault: Vault, previous: str, row: EventRow) -> str:
    parts = [previous, row.seq, row.case_id, row.kind, row.at, row.actor, row.detail_digest]
    return vault.digest("event link", json.dumps(parts).encode())
