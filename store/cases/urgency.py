"""Cases that cannot wait: marked, with shorter times, and told to their readers' telephones without a word of content.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from store.cases.case_file import CaseFile
from store.outbox import limits
from store.outbox.queue import OPEN_STATES

ALERT = "alert"
_ALERTS_PER_DAY = 20


def make_urgent(file: CaseFile) -> bool:
    """Mark a case, and have its readers alerted; whether it was not marked before. A desk has so many alerts a day: anybody
    can write that something is urgent."""
    row = file.row
    if row.urgent or row.state not in OPEN_STATES:
        return False
    row.urgent = 1
    file.session.add(row)
    file.note("urgent")
    if limits.count_today(file.session, file.by.vault, "alerts", row.desk, file.at) <= _ALERTS_PER_DAY:
        file.enqueue_once(ALERT)
    return True


def take_back(file: CaseFile) -> bool:
    """Take the mark off a case; whether there was one."""
    if not file.row.urgent:
        return False
    file.row.urgent = 0
    file.session.add(file.row)
    file.note("not-urgent")
    return True
