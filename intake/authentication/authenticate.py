"""Who vouches for one mail at one desk: its named servers, or else, where that is asked for, checks made here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from intake.arrival import Job
from intake.authentication.domains import author_domain
from intake.authentication.hops import trusted_fields
from intake.authentication.results import before_it_was_passed_on, disowned_by_anybody, stated
from intake.reading.message import Parsed
from store.tables.authentication import Authentication

if TYPE_CHECKING:
    from intake.authentication.lookups import Lookups


def authenticate(job: Job, parsed: Parsed, lookups: Lookups | None) -> Authentication:
    """Who vouches for the author of a mail; a mail that is not fresh is not checked here: keys are withdrawn in time."""
    trusted, author = job.desk.trusted_authserv, author_domain(parsed.mail)
    fields = trusted_fields(parsed, trusted)
    if (told := stated(fields, trusted, author)) is not None:
        passed_on = before_it_was_passed_on(parsed, fields, trusted, author) if told.result == "fail" else None
        return passed_on or told
    if not trusted and disowned_by_anybody(parsed):
        return Authentication("fail", author)
    if job.authenticated is not None:
        return job.authenticated
    if lookups is None or not author:
        return Authentication("none", author)
    from intake.authentication import checks  # DNS and its libraries, for who wants them

    envelope = job.envelope
    peer = envelope.peer if lookups.knows_clients else ""
    received = checks.Received(envelope.raw, envelope.sender or "", peer, envelope.helo)
    return checks.checked(received, author, trusted, lookups)
