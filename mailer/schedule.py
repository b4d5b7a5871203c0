"""What leaves the desk because it is time: digests, reminders, warnings. The texts and people are worked out when it is sent.

Each of it goes once, whichever worker comes first, and once after a pause (`store.chores`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from functools import partial

import structlog
from sqlmodel import Session

from mailer.seal import Sealer
from store import audit, cases, chores, health, outbox, retention, rotation
from store.clock import to_text
from store.config import Desk
from store.context import Context
from store.deadlines import dues
from store.errors import OmbudError, TryLater
from store.keyring import Keyring
from store.people import Roster
from store.records import Case

_DAILY = "daily@03:00"
_REMINDERS_EVERY = timedelta(minutes=5)

DailyAction = Callable[[Desk, datetime], Callable[[Session], list[str]]]

log = structlog.get_logger("ombud.schedule")


class Schedule:
    """Does for every desk what is due. Cheap when nothing is; safe to run in several processes."""

    def __init__(self, context: Context, sealer: Sealer) -> None:
        self._context = context
        self._sealer = sealer
        self._reminded: datetime | None = None
        self._failed: dict[str, datetime] = {}
        self._to_forget = False

    def run(self) -> None:
        """Do what is due now. An error with one case, one desk or one kind of thing keeps no other from being done."""
        now = self._context.clock()
        remind = self._reminded is None or not timedelta() <= now - self._reminded < _REMINDERS_EVERY
        for desk in self._context.config.desk:
            self._do(f"digests of {desk.id}", now, partial(self._digest, desk, now))
            if remind:
                self._do(f"reminders of {desk.id}", now, partial(self._remind, desk, now))
                self._do(f"alarms of {desk.id}", now, partial(self._look_at_outbox, desk, now))
            for chore, action in (
                ("daily", self._retain),
                ("keys", self._look_at_keys),
                ("rotation", self._look_at_terms),
            ):
                self._do(f"{chore} of {desk.id}", now, partial(self._daily, desk, now, chore, action))
        if remind:
            self._reminded = now
        if self._to_forget:
            self._forget()

    def _do(self, what: str, now: datetime, action: Callable[[], Iterable[str] | None]) -> None:
        """Do something, which gives the cases (ids) that it failed for. What failed is tried again in a while, and shown in `ombud check`."""
        if what in self._failed and timedelta() <= now - self._failed[what] < _REMINDERS_EVERY:
            return
        try:
            cases_left = action()
        except OmbudError as error:
            log.warning("what is due waits", what=what, reason=str(error))
            return
        except Exception as error:
            log.error("what is due failed", what=what, error=type(error).__name__)  # noqa: TRY400 - a traceback may hold content
            cases_left = [""]
        if cases_left is None:  # nothing was due
            return
        self._note(what, now, set(cases_left))

    def _note(self, what: str, now: datetime, left: set[str]) -> None:
        """Note what failed. Whether it had failed before is only in the store: another process may have tried."""
        if left:
            self._failed[what] = now
        else:
            self._failed.pop(what, None)
        try:
            with self._context.database.read() as session:
                known = what in chores.failing(session)
            if not left and not known:
                return
            with self._context.database.write(durable=False) as session:
                chores.note_done(session, what, left)
                for case_id in left:
                    chores.note_failed(session, what, now, case_id or None)
        except OmbudError as error:
            log.warning("what failed was not noted", what=what, reason=str(error))

    def _of_each(self, what: str, ids: Iterable[str], action: Callable[[str], None]) -> list[str]:
        """Do something for each case; those that it failed for."""
        left = []
        for case_id in ids:
            try:
                action(case_id)
            except TryLater:
                raise
            except Exception as error:
                log.error("what is due failed for a case", what=what, error=type(error).__name__)  # noqa: TRY400
                left.append(case_id)
        return left

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

    def _digest(self, desk: Desk, now: datetime) -> list[str] | None:
        if desk.digest == "off":
            return None
        due, name = chores.last_due(desk.digest, desk.zone, now), f"digest {desk.id}"
        if not self._is_new(name, due):
            return None
        roster = self._context.roster(desk)
        with self._context.database.write() as session:
            if chores.take(session, name, due):
                for member in roster.on_duty(now):
                    outbox.enqueue(session, "digest", desk.id, now, subject_id=member.id)
        return []

    def _remind(self, desk: Desk, now: datetime) -> list[str]:
        late: list[str] = []

        def look(case: Case) -> None:
            if self._reminders(session, desk, case, now):
                late.append(case.id)

        def send(case_id: str) -> None:
            with self._context.database.write() as session:
                case = cases.case_of(session, cases.row_by_id(session, case_id))
                for name, subject in self._reminders(session, desk, case, now):
                    if chores.once(session, name, now, case_id):
                        self._send_reminder(session, desk, case_id, subject, now)

        with self._context.database.read() as session:
            found = {case.id: case for case in cases.open_cases(session, desk.id)}
            left = self._of_each("reminders", found, lambda case_id: look(found[case_id]))
        return left + self._of_each("reminders", late, send)

    def _look_at_outbox(self, desk: Desk, now: datetime) -> list[str]:
        """A desk whose notices stopped looks like one that has no reports: say so, to the operator and in the log."""
        minutes = self._context.config.outbox.alarm_minutes
        with self._context.database.read() as session:
            waits = health.look(session).waits_seconds(now)
        if not minutes or waits < minutes * 60:
            return []
        log.error("notices have waited for long", desk=desk.id, minutes=int(waits // 60))
        with self._context.database.write() as session:
            outbox.alarm(session, "deliveries-wait", desk.id, now)
        return []

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

    def _daily(self, desk: Desk, now: datetime, chore: str, action: DailyAction) -> list[str] | None:
        """Something that is done once a day; the cases that it failed for, None when it is not due."""
        due, name = chores.last_due(_DAILY, desk.zone, now), f"{chore} {desk.id}"
        if not self._is_new(name, due):
            return None
        found = action(desk, now)
        with self._context.database.write() as session:
            return list(found(session)) if chores.take(session, name, due) else []

    def _retain(self, desk: Desk, now: datetime) -> Callable[[Session], list[str]]:
        """Closed cases come to their end, and so does what was counted."""

        def do(session: Session) -> list[str]:
            left: list[str] = []

            def failed(case_id: str, error: Exception) -> None:
                log.error("what is due failed for a case", what="retention", error=type(error).__name__)
                left.append(case_id)

            gone = retention.care(session, self._context.vault, desk, now, failed)
            outbox.forget_old(session, now)
            if gone:
                self._to_forget = True
                log.info("cases destroyed", desk=desk.id, number=len(gone))
            return left

        return do

    def _look_at_keys(self, desk: Desk, now: datetime) -> Callable[[Session], list[str]]:
        """Whether a notice can be sealed to each member on duty."""
        on_duty = self._context.roster(desk).on_duty(now)
        trouble = {member.id: why for member in on_duty if (why := self._sealer.key_trouble(member))}

        def do(session: Session) -> list[str]:
            for member, why in trouble.items():
                outbox.tell_of_key(session, "key-check", desk.id, member, why, now)
            return []

        return do

    def _look_at_terms(self, desk: Desk, now: datetime) -> Callable[[Session], list[str]]:
        """What the roster and its keys will run into."""
        roster = self._context.roster(desk)
        expiring = expiries(self._context.keyring, desk, roster)

        def do(session: Session) -> list[str]:
            self._warn(session, desk, roster, expiring, now)
            return []

        return do

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
