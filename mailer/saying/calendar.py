"""The deadlines of the cases that a member may know of, as one calendar (RFC 5545) that goes inside a sealed digest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from icalendar import Calendar, Event

from mailer.saying.deadlines import Deadline
from store.tables.records import Attachment
from store.tables.vault import Vault

_PRODUCT = "-//ombud//deadlines//EN"


def calendar_of(vault: Vault, deadlines: Sequence[Deadline], at: datetime) -> Attachment:
    """The file. The same deadline has the same identifier in each of them, so that a calendar replaces it."""
    made = Calendar()
    made.add("prodid", _PRODUCT)
    made.add("version", "2.0")
    made.add("method", "PUBLISH")
    for item in deadlines:
        event = Event()
        event.add("uid", vault.digest("deadline", f"{item.case_id} {item.due.stage}".encode())[:32])
        event.add("dtstamp", at)
        event.add("last-modified", at)
        event.add("sequence", int(at.timestamp()) // 60)
        event.add("summary", f"{item.codename}: {item.what}")
        event.add("dtstart", item.due.at)
        event.add("dtend", item.due.at + timedelta(minutes=15))
        event.add("transp", "TRANSPARENT")
        event.add("class", "PRIVATE")
        made.add_component(event)
    return Attachment("deadlines.ics", "text/calendar", made.to_ical())
