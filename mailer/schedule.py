"""What leaves the desk because it is time: digests, reminders, warnings. The texts and people are worked out when it is sent.

Each of it goes once, whichever worker comes first, and once after a pause (`store.outbox.chores`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from typing import TypeVar

import structlog
from sqlmodel import Session

from mailer.sealing.seal import Sealer
from store.cases import decisions, letterboxes, lookup, measures, retention
from store.cases.case_file import Actor, open_case
from store.cases.deadlines import dues
from store.context import Context
from store.kit.clock import to_text
from store.kit.config import Desk
from store.kit.errors import OmbudError
from store.outbox import canary, chores, health, queue
from store.tables import audit
from store.tables.models import CaseRow
from store.tables.records import Case
from store.team import rotation
from store.team.expiries import expiries
from store.team.members import Roster

_DAILY = "daily@03:00"
_CANARY = "daily@04:00"
_REMINDERS_EVERY = timedelta(minutes=5)

_ESCALATING = ("escalate", "again")
_PARTS = (
    "digest",
    "reminders",
    "late decisions",
    "late notices",
    "daily care",
    "key checks",
    "terms",
    "unread answers",
    "measures",
    "canary",
)

Found = TypeVar("Found")
Step = Callable[[Session], None]
Preparation = Callable[[Desk, datetime, "_Failures"], Step]

log = structlog.get_logger("ombud.schedule")


class _Failures:
    """The cases that something failed for: each other has its turn."""

    def __init__(self, what: str) -> None:
        self._what = what
        self.count = 0

    def unless(self, action: Callable[[], Found]) -> Found | None:
        """What an action gives; None when it failed. Raises OmbudError: that is of no one case."""
        try:
            return action()
        except OmbudError:
            raise
        except Exception as error:
            self.note(error)
            return None

    def note(self, error: Exception) -> None:
        """One failed."""
        self.count += 1
        log.error("what is due failed for a case", part=self._what, error=type(error).__name__)

    def tell(self) -> None:
        """Raise OmbudError when any failed."""
        if self.count:
            raise OmbudError(f"It failed for {self.count} cases.")


class Schedule:
    """Does for every desk what is due. Cheap when nothing is; safe to run in several processes."""

    def __init__(self, context: Context, sealer: Sealer) -> None:
        self._context = context
        self._sealer = sealer
        self._reminded: datetime | None = None
        self._to_forget = False
        self._tried: dict[str, datetime | None] = {}

    @property
    def untried(self) -> set[str]:
        """The parts that were not tried yet since this began: whether they still fail is not known."""
        return {f"{name} of {desk.id}" for desk in self._context.config.desk for name in _PARTS} - set(self._tried)

    def run(self) -> list[str]:
        """Do what is due now; which parts of it failed when they were tried last. No part's trouble keeps another, nor another desk's, nor another case's."""
        now = self._context.clock()
        remind = self._reminded is None or not timedelta() <= now - self._reminded < _REMINDERS_EVERY
        for desk in self._context.config.desk:
            parts: dict[str, Callable[[], None]] = {"digest": partial(self._digest, desk, now)}
            if remind:
                parts["reminders"] = partial(self._remind, desk, now)
                parts["late decisions"] = partial(self._look_at_decisions, desk, now)
                parts["late notices"] = partial(self._look_at_outbox, desk, now)
            parts["daily care"] = partial(self._daily, "daily", desk, now, self._retain)
            parts["key checks"] = partial(self._daily, "keys", desk, now, self._look_at_keys)
            parts["terms"] = partial(self._daily, "terms", desk, now, self._look_at_terms)
            parts["unread answers"] = partial(self._daily, "letters", desk, now, self._look_at_letters)
            parts["measures"] = partial(self._daily, "measures", desk, now, self._end_measures)
            parts["canary"] = partial(self._canary, desk, now)
            for name, part in parts.items():
                self._try(f"{name} of {desk.id}", part, now)
        if remind:
            self._reminded = now
        if self._to_forget:
            self._forget()
        return [name for name, failed in self._tried.items() if failed]

    def _try(self, name: str, part: Callable[[], None], now: datetime) -> None:
        """Do one part. What failed is tried again in a while: on each tick it would only fill the log."""
        failed = self._tried.get(name)
        if failed and timedelta() <= now - failed < _REMINDERS_EVERY:
            return
        try:
            part()
            self._tried[name] = None
        except OmbudError as error:
            log.warning("what is due waits", part=name, reason=str(error))
            self._tried[name] = now
        except Exception as error:
            log.error("what is due was not done", part=name, error=type(error).__name__)  # noqa: TRY400 - a traceback may hold content
            self._tried[name] = now

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
                    queue.enqueue(session, queue.Notice("digest", desk.id, now, subject_id=member.id))

    def _canary(self, desk: Desk, now: datetime) -> None:
        """The desk writes to itself once a day; that yesterday's mail did not come back is told to the operator."""
        due, name = chores.last_due(_CANARY, desk.zone, now), f"canary {desk.id}"
        if not desk.canary or not self._is_new(name, due):
            return
        with self._context.database.write() as session:
            if not chores.take(session, name, due):
                return
            if canary.is_missing(session, desk.id, now):
                log.error("the desk's mail to itself did not come back", desk=desk.id)
                queue.alarm(session, "canary-missing", desk.id, now)
            canary.note_sent(session, desk.id, now)
            queue.enqueue(session, queue.Notice("canary", desk.id, now))

    def _remind(self, desk: Desk, now: datetime) -> None:
        """Send the reminders of each case. Raises OmbudError when some could not be worked out, after the others."""
        broken = _Failures("reminders")
        with self._context.database.read() as session:
            found = lookup.open_cases(session, desk.id)
            late = [case for case in found if broken.unless(partial(self._reminders, session, desk, case, now))]
        for case in late:
            broken.unless(partial(self._remind_of, desk, case.id, now))
        broken.tell()

    def _remind_of(self, desk: Desk, case_id: str, now: datetime) -> None:
        with self._context.database.write() as session:
            case = lookup.case_of(session, lookup.row_by_id(session, case_id))
            for name, subject in self._reminders(session, desk, case, now):
                if chores.once(session, name, now, case_id):
                    self._send_reminder(session, desk, case_id, subject, now)

    def _look_at_decisions(self, desk: Desk, now: datetime) -> None:
        """A proposal whose day has passed with too few who agree: its readers are told, and others are asked as well."""
        with self._context.database.read() as session:
            found = decisions.late(session, desk, now)
        for case_id, number in found:
            with self._context.database.write() as session:
                by = Actor(self._context.vault, desk, self._context.roster(desk), "desk", now)
                file = open_case(session, by, lookup.row_by_id(session, case_id))
                if decisions.note_late(file, number):
                    self._escalate(session, file.row, now)
                    file.enqueue(decisions.LATE, f"proposal {number}")

    def _look_at_outbox(self, desk: Desk, now: datetime) -> None:
        """A desk whose notices stopped looks like one that has no reports: say so, to the operator and in the log."""
        minutes = self._context.config.outbox.alarm_minutes
        with self._context.database.read() as session:
            waits = health.look(session).waits_seconds(now)
        if not minutes or waits < minutes * 60:
            return
        log.error("notices have waited for long", desk=desk.id, minutes=int(waits // 60))
        with self._context.database.write() as session:
            queue.alarm(session, "deliveries-wait", desk.id, now)

    def _reminders(self, session: Session, desk: Desk, case: Case, now: datetime) -> list[tuple[str, str]]:
        """The reminders on a case whose time has come and that were not sent: what each is noted as, and what it says."""
        found = []
        for due in dues(case, desk):
            level = due.level(now)
            if level and case.state == "closed" and level[0] in _ESCALATING:
                continue  # nobody else has to look back on what is over
            if level:
                name = f"remind {case.id} {due.stage} {to_text(due.at)} {level[0]} {level[1]}"
                if chores.done_at(session, name) is None:
                    found.append((name, f"{due.stage} {level[0]}"))
        return found

    def _send_reminder(self, session: Session, desk: Desk, case_id: str, subject: str, now: datetime) -> None:
        row = lookup.row_by_id(session, case_id)
        if subject.endswith((" escalate", " again")):
            self._escalate(session, row, now)
        queue.enqueue(session, queue.Notice("reminder", desk.id, now, case_id=case_id, subject_id=subject))

    def _escalate(self, session: Session, row: CaseRow, now: datetime) -> None:
        """Have alternates and escalation contacts asked as well, and told what they have missed."""
        if row.escalated:
            return
        row.escalated = 1
        session.add(row)
        audit.append(session, self._context.vault, audit.Event("escalated", "desk", now, row.id))
        session.flush()
        queue.reopen(session, case_id=row.id, at=now)

    def _daily(self, chore: str, desk: Desk, now: datetime, prepare: Preparation) -> None:
        """Something that is done once a day, in one transaction with the note that it was; again when it failed for some cases."""
        due, name = chores.last_due(_DAILY, desk.zone, now), f"{chore} {desk.id}"
        if not self._is_new(name, due):
            return
        broken = _Failures(chore)
        carry_out = prepare(desk, now, broken)
        with self._context.database.write() as session:
            before = chores.done_at(session, name)
            if chores.take(session, name, due):
                carry_out(session)
            if broken.count and before:
                chores.take_back(session, name, before)
        broken.tell()

    def _retain(self, desk: Desk, now: datetime, broken: _Failures) -> Step:
        """Closed cases come to their end, and so does what was counted."""

        def carry_out(session: Session) -> None:
            gone = retention.care(session, self._context.vault, desk, now, broken.note)
            queue.forget_old(session, now)
            self._to_forget = True  # passages are taken out of cases as well
            if gone:
                log.info("cases destroyed", desk=desk.id, number=len(gone))

        return carry_out

    def _look_at_keys(self, desk: Desk, now: datetime, _: _Failures) -> Step:
        """Whether a notice can be sealed to each member on duty."""
        on_duty = self._context.roster(desk).on_duty(now)
        trouble = {member.id: why for member in on_duty if (why := self._sealer.key_trouble(member))}

        def carry_out(session: Session) -> None:
            for member, why in trouble.items():
                queue.tell_of_key(session, queue.Notice("key-check", desk.id, now, subject_id=member), why)

        return carry_out

    def _look_at_letters(self, desk: Desk, now: datetime, _: _Failures) -> Step:
        """What the team wrote to reporters who came by the form, and nobody fetched."""

        def carry_out(session: Session) -> None:
            letterboxes.note_unread(session, desk, now)

        return carry_out

    def _end_measures(self, desk: Desk, now: datetime, _: _Failures) -> Step:
        """Measures whose last day is over."""

        def carry_out(session: Session) -> None:
            measures.end_due(session, self._context.vault, desk, now)

        return carry_out

    def _look_at_terms(self, desk: Desk, now: datetime, _: _Failures) -> Step:
        """What the roster and its keys will run into."""
        roster = self._context.roster(desk)
        expiring = expiries(self._context.keyring, desk, roster)
        return partial(self._warn, desk=desk, roster=roster, expiring=expiring, now=now)

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
                queue.enqueue_once(session, queue.Notice("roster-warning", desk.id, now, subject_id=member.id))
