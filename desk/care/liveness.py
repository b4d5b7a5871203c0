"""Whether the service is at work: it runs, ticks, and looks into its mailboxes; or `ombud poll --once` does so by cron."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlmodel import Session

from desk.care.machine import Finding, Level
from desk.mailboxes import MAILBOX, part_of
from store.kit import presence
from store.kit.config import Config, Desk
from store.kit.sections import Imap
from store.outbox import heartbeat

State = Literal["runs", "hangs", "by cron", "stopped", "never ran"]

_TICKS_WITHIN = timedelta(minutes=5)
_FRESH = timedelta(minutes=2)
_CRON_WITHIN = timedelta(hours=1)
_SLACK = timedelta(minutes=10)
_HOW_TO_START = "Start it: systemctl start ombud, or 'ombud run'."


@dataclass(frozen=True)
class Liveness:
    """How the service is, when it was last at work, when it looked into each mailbox, and what fails since when."""

    state: State
    at: datetime | None
    looked: dict[str, datetime | None]
    troubles: dict[str, datetime]

    @property
    def due_work(self) -> dict[str, datetime]:
        """What is due by time and fails, since when."""
        return {part: since for part, since in self.troubles.items() if not part.startswith(MAILBOX)}

    @property
    def works(self) -> bool:
        """Whether mail is taken in and sent."""
        return self.state in ("runs", "by cron")


def liveness(config: Config, session: Session, now: datetime) -> Liveness:
    """How the service is now."""
    ticked = heartbeat.last_beat(session, heartbeat.SERVICE)
    polled = heartbeat.last_beat(session, heartbeat.POLL_ONCE)
    parts = [part_of(desk, imap) for desk in config.desk for imap in desk.imap]
    looked = {part: heartbeat.last_beat(session, part) for part in parts}
    at = max((moment for moment in (ticked, polled) if moment), default=None)
    troubles = {
        part: since
        for part, since in heartbeat.troubles(session).items()
        if part in looked or not part.startswith(MAILBOX)
    }
    return Liveness(_state(config, ticked, polled, now), at, looked, troubles)


def _state(config: Config, ticked: datetime | None, polled: datetime | None, now: datetime) -> State:
    started = presence.runs_since(config)
    if started is None and not config.database_url.startswith("sqlite") and ticked and now - ticked <= _FRESH:
        started = ticked  # on another machine, which shares the database
    if started is not None:
        return "runs" if now - max(started, ticked or started) <= _TICKS_WITHIN else "hangs"
    if polled is not None and (ticked is None or polled > ticked) and now - polled <= _CRON_WITHIN:
        return "by cron"
    return "stopped" if ticked or polled else "never ran"


def late_mailboxes(config: Config, found: Liveness, now: datetime) -> list[str]:
    """The mailboxes that were not looked into for long, or in which mail has waited for long, by desk."""
    late = []
    for desk in config.desk:
        for imap in desk.imap:
            part = part_of(desk, imap)
            looked, since = found.looked.get(part), found.troubles.get(part)
            silent = found.state == "runs" and looked is not None and now - looked > _longest_pause(imap)
            if silent or (since and now - since >= _patience(imap)):
                late.append(desk.id)
    return late


def _patience(imap: Imap) -> timedelta:
    return timedelta(minutes=imap.warn_minutes)


def _longest_pause(imap: Imap) -> timedelta:
    return max(_patience(imap), timedelta(seconds=2 * imap.poll_seconds)) + _SLACK


def findings(found: Liveness, now: datetime) -> Iterator[Finding]:
    """What `ombud check` says of it."""
    yield _of_the_service(found, now)
    if found.works:
        for part, since in found.due_work.items():
            yield Finding(
                "due work",
                "failure",
                f"{part}: has failed since {since:%Y-%m-%d %H:%M} UTC. See the service's log, and please report it.",
            )


def _of_the_service(found: Liveness, now: datetime) -> Finding:
    at = ago(found.at, now)
    if found.state == "runs":
        return Finding("service", "ok", "runs")
    if found.state == "by cron":
        return Finding("service", "ok", f"'ombud poll --once' was at work {at}")
    if found.state == "hangs":
        return Finding(
            "service", "failure", f"runs, but was last at work {at}. Restart it, and report what its log says."
        )
    if found.state == "never ran":
        return Finding(
            "service", "warning", f"has not run yet: no mail is taken in, and no notice leaves. {_HOW_TO_START}"
        )
    return Finding(
        "service",
        "failure",
        f"does not run: it was last at work {at}. Mail waits, and no notice leaves. {_HOW_TO_START}",
    )


@dataclass(frozen=True)
class MailboxContent:
    """What lies in a mailbox: how many mails, and since when the oldest; `lacks` is what its server cannot do."""

    count: int
    oldest: datetime | None
    lacks: list[str]


def of_a_mailbox(desk: Desk, imap: Imap, lies: MailboxContent, found: Liveness | None, now: datetime) -> Finding:
    """How a mailbox is."""
    count, oldest, lacks = lies.count, lies.oldest, lies.lacks
    part = part_of(desk, imap)
    said = [f"{count} mail{'s wait' if count > 1 else ' waits'}" if count else "no mail waits"]
    since = min((at for at in (oldest, found.troubles.get(part) if found else None) if at), default=None)
    long = bool(count) and since is not None and now - since >= _patience(imap)
    if long:
        said.append(f"the oldest came {ago(since, now)}")
    if found:
        said.append(f"last looked into {ago(found.looked.get(part), now)}")
    said += lacks
    new = found is not None and found.state == "never ran"
    level: Level = "failure" if long and not new else "warning" if long or lacks else "ok"
    remedy = ". See whether the service runs, and what its log says of this mailbox." if long else ""
    return Finding(f"mailbox of {desk.id}", level, f"{imap.title}: {'; '.join(said)}{remedy}")


def ago(at: datetime | None, now: datetime) -> str:
    """A moment as people say it."""
    if at is None:
        return "never"
    minutes = max(0, int((now - at).total_seconds() // 60))
    days, hours = minutes // 1440, minutes // 60
    return f"{days} d ago" if days > 1 else f"{hours} h ago" if hours > 1 else f"{minutes} min ago"
