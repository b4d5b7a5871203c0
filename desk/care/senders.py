"""What `ombud check` says of how a desk tells forged mail and junk from reports."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlmodel import Session

from desk.care.machine import Finding
from intake.filters import rspamd
from store.kit.config import Config
from store.outbox import canary

_ON_ITS_WAY = timedelta(hours=4)


def canaries(session: Session, config: Config, now: datetime) -> Iterator[Finding]:
    """Whether the desks' mails to themselves come back."""
    for desk in config.desk:
        sent, back = canary.last(session, desk.id)
        if not desk.canary:
            continue
        name = f"canary of {desk.id}"
        if back is not None and (sent is None or back >= sent or now - sent < _ON_ITS_WAY):
            yield Finding(name, "ok", f"the desk's mail to its own address came back at {back:%Y-%m-%d %H:%M} UTC")
        elif sent is None or now - sent < _ON_ITS_WAY:
            yield Finding(name, "ok", "the first mail of the desk to its own address has not come back yet")
        else:
            remedy = "What people write may not arrive: write to it from outside, and run 'ombud check --outside'."
            yield Finding(
                name,
                "failure",
                f"the desk's mail to its own address of {sent:%Y-%m-%d %H:%M} UTC did not come back. {remedy}",
            )


def examine(config: Config) -> Iterator[Finding]:
    """Whether anybody vouches for mails, and whether the filter that is to be asked answers."""
    for desk in config.desk:
        name = f"senders of {desk.id}"
        if desk.trusted_authserv:
            yield Finding(name, "ok", f"vouched for by {', '.join(desk.trusted_authserv)}")
        elif config.sender_checks.enabled:
            yield Finding(name, "ok", "DKIM, SPF and DMARC are checked here")
        else:
            remedy = "Name your mail server in trusted_authserv, or set [sender_checks] enabled = true."
            yield Finding(name, "warning", f"nobody looks whether a mail is forged. {remedy}")
    if config.junk.rspamd:
        trouble = rspamd.trouble(config)
        yield Finding("junk filter", "failure" if trouble else "ok", trouble or config.junk.rspamd)
