"""What `ombud check` says of how a desk tells forged mail and junk from reports."""

from __future__ import annotations

from collections.abc import Iterator

from desk.care.machine import Finding
from intake.filters import rspamd
from store.kit.config import Config


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
