"""How often something happens in a day, counted by keyed hashes: who it is stands nowhere.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from store.kit.sentences import marked
from store.outbox import queue
from store.tables.vault import Vault

NEVER = marked("this desk sends none")
ENOUGH = marked("this address had as many answers today as it may have")


def count_today(session: Session, vault: Vault, what: str, who: str, at: datetime) -> int:
    """Count something of somebody; how often it was counted on this day, this time included."""
    digest = vault.digest(what, who.casefold().encode("utf-8", "surrogatepass"))
    return queue.count_today(session, digest, at.date().isoformat())


def may_reply(session: Session, vault: Vault, address: str, limit: int, at: datetime) -> bool:
    """Count a reply of the desk's own to an address; whether it may have one more today."""
    return count_today(session, vault, "reply address", address, at) <= limit
