"""What leaves the desk because it is time: digests, reminders, warnings. The texts and people are worked out when it is sent.

Each of it goes once, whichever worker comes first, and once after a pause (`store.chores`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta

import structlog
from sqlmodel import Session

from mailer.seal import Sealer
from store import audit, cases, chores, health, outbox, retention, rotation
from store.clock import to_text
from store.config import Desk
from store.context import Context
from store.deadlines import dues
from store.errors import OmbudError
from store.keyring import Keyring
from store.people import Roster
from store.records import Case

_DAILY = "daily@03:00"
_REMINDERS_EVERY = timedelta(minutes=5)

Part = Callable[[Desk, datetime], None]

log = structlog.get_logger("ombud.schedule")


class Schedule:
    """Does for every desk what is due. Cheap when nothing is; safe to run in several processes."""

    def __init__(self, context: Context, sealer: Sealer) -> None:
        self._context = context
        self._sealer = sealer
        self._reminded: datetime | None = None
        self._to_forget = False

    def run(self) -> list[str]:
        """Do what is due now; which parts of it failed. No part's trouble keeps another, nor another desk's."""
        now = self._context.clock()
        remind = self._reminded is None or not timedelta() <= now - self._reminded < _REMINDERS_EVERY
        failed = []
        for desk in self._context.config.desk:
            parts: list[tuple[str, Part]] = [("digest", self._digest)]
            if remind:
                parts += [("reminders", self._remind), ("late notices", self._look_at_outbox)]
            parts.append(("daily care", self._daily))
            failed += [f"{name} of {desk.id}" for name, part in parts if not self._done(name, part, desk, now)]
        if remind:
            self._reminded = now
        if self._to_forget:
            self._forget()
        return failed

    def _done(self, name: str, part: Part, desk: Desk, now: datetime) -> bool:
        try:
            part(desk, now)
        except OmbudError as error:
            log.warning("what is due waits", part=name, desk=desk.id, reason=str(error))
        except Exception as error:
            log.error("what is due was not done", part=name, desk=desk.id, error=type(error).__name__)  # noqa: TRY400 - a traceback may hold content
        else:
            return True
        return False

    def _forget(self) -> None:
        """Empty the log of the database of what was destroyed; tried again on the next tick while it is in use."""
        try:
            self._context.database.forget()
            self._to_forget = False
        except OmbudError as error:
            log.warning("what was destroyed is still in the database's log", reason=str(error))

    def _is_new(self, name: str, due: datetime) -> bool:
        """Whether a chore may have to be done: asked without writing, on every tick."""
        with self._context.database.read() as session:
            done = chores.done_at(session, name)
        return done is None or done < to_text(due)

    def _digest(self, desk: Desk, now: datetime) -> None:
        if desk.digest == "off":
            return
        due, name = chores.last_due(desk.digest, desk.zone, now), f"digest {desk.id}"
        if not self._is_new(name, due):
            return
        roster = self._context.roster(desk)
        with self._context.database.write() as session:
            if chores.take(session, name, due):
                for member in roster.on_duty(now):
                    outbox.enqueue(session, "digest", desk.id, now, subject_id=member.id)

    def _remind(self, desk: Desk, now: datetime) -> None:
        """Send the reminders of each case; one case whose dates cannot be worked out does not keep the others'."""
        broken = set()

        def each(found: Iterable[Case], look: Callable[[Case], bool]) -> list[Case]:
            late = []
            for case in found:
                try:
                    late += [case] if look(case) else []
                except OmbudError:
                    raise
                except Exception as error:
                    log.error("no reminder of a case", case=case.codename, error=type(error).__name__)  # noqa: TRY400
                    broken.add(case.codename)
            return late

        with self._context.database.read() as session:
            late = each(
                cases.open_cases(session, desk.id), lambda case: bool(self._reminders(session, desk, case, now))
            )
        each(late, lambda case: self._remind_of(desk, case.id, now))
        if broken:
            raise OmbudError(f"Reminders of {len(broken)} cases could not be worked out; the log names them.")

    def _remind_of(self, desk: Desk, case_id: str, now: datetime) -> bool:
        with self._context.database.write() as session:
            case = cases.case_of(session, cases.row_by_id(session, case_id))
            for name, subject in self._reminders(session, desk, case, now):
                if chores.once(session, name, now, case_id):
                    self._send_reminder(session, desk, case_id, subject, now)
        return True

    def _look_at_outbox(self, desk: Desk, now: datetime) -> None:
        """A desk whose notices stopped looks like one that has no reports: say so, to the operator and in the log."""
        minutes = self._context.config.outbox.alarm_minutes
        with self._context.database.read() as session:
            waits = health.look(session).waits_seconds(now)
        if not minutes or waits < minutes * 60:
            return
        log.error("notices have waited for long", desk=desk.id, minutes=int(waits // 60))
        with self._context.database.write() as session:
            outbox.alarm(session, "deliveries-wait", desk.id, now)

    def _reminders(self, session: Session, desk: Desk, case: Case, now: datetime) -> list[tuple[str, str]]:
        """The reminders on a case whose time has come and that were not sent: what each is noted as, and what it says."""
        found = []
        for due in dues(case, desk):
            if level := due.level(now):
                name = f"remind {case.id} {due.stage} {to_text(due.at)} {level[0]} {level[1]}"
                if chores.done_at(session, name) is None:
                    found.append((name, f"{due.stage} {level[0]}"))
        return found

    def _send_reminder(self, session: Session, desk: Desk, case_id: str, subject: str, now: datetime) -> None:
        row = cases.row_by_id(session, case_id)
        if subject.endswith((" escalate", " again")) and not row.escalated:
            row.escalated = 1
            session.add(row)
            audit.append(session, self._context.vault, "escalated", "desk", now, case_id=case_id)
            session.flush()
            outbox.reopen(session, case_id=case_id, at=now)
        outbox.enqueue(session, "reminder", desk.id, now, case_id=case_id, subject_id=subject)

    def _daily(self, desk: Desk, now: datetime) -> None:
        due, name = chores.last_due(_DAILY, desk.zone, now), f"daily {desk.id}"
        if not self._is_new(name, due):
            return
        roster = self._context.roster(desk)
        expiring = expiries(self._context.keyring, desk, roster)
        trouble = {member.id: why for member in roster.on_duty(now) if (why := self._sealer.key_trouble(member))}
        with self._context.database.write() as session:
            if not chores.take(session, name, due):
                return
            gone = retention.care(session, self._context.vault, desk, now)
            for member, why in trouble.items():
                outbox.tell_of_key(session, "key-check", desk.id, member, why, now)
            self._warn(session, desk, roster, expiring, now)
        if gone:
            self._to_forget = True
            log.info("cases destroyed", desk=desk.id, number=len(gone))

    def _warn(self, session: Session, desk: Desk, roster: Roster, expiring: dict[str, date], now: datetime) -> None:
        today = now.astimezone(desk.zone).date()
        fresh = False
        for warning in rotation.warnings(roster, today, expiring):
            horizon = warning.horizon(today)
            name = f"warn {desk.id} {warning.trouble} {warning.who} {warning.day} {horizon}"
            fresh |= horizon is not None and chores.once(session, name, now)
        if fresh:
            on_duty = roster.on_duty(now)
            for member in [item for item in on_duty if item.role == "lead"] or on_duty:
                outbox.enqueue_once(session, "roster-warning", desk.id, now, subject_id=member.id)


def expiries(keyring: Keyring, desk: Desk, roster: Roster) -> dict[str, date]:
    """The last day of each member's key, by id, and of the desk's as `desk`; those without an end are left out."""
    names = {member.fingerprint: member.id for member in roster.members} | {desk.fingerprint: rotation.DESK}
    return {
        names[key.fingerprint]: key.usable_until.astimezone(desk.zone).date()
        for key in keyring.public_keys(list(names))
        if key.usable_until is not None and key.fingerprint in names
    }
