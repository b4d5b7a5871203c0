"""The mailer: claims notices, works out who has them now, seals, sends, and writes down how each stands.

Who may read is asked twice: when a notice is taken up, and again right before each mail leaves. A crash between
two recipients resumes with the rest, under the same Message-IDs.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog
from sqlmodel import Session

from mailer import compose, notices
from mailer.mime import entity
from mailer.packets import Part, armor
from mailer.relay import NotTaken, Relay, RelayDown
from mailer.render import Templates, templates_of
from mailer.seal import Sealer
from store import audit, cases, outbox, recusals, withholding
from store.access import may_know, readers
from store.clock import to_text
from store.config import Desk
from store.context import Context
from store.errors import KeyProblem, OmbudError, TryLater
from store.models import DeliveryRow, KeyTroubleRow
from store.outbox import Claim
from store.people import Member, Roster
from store.records import Attachment

_BATCH = 4
_RETRY_SECONDS = 60.0
_TELL_AGAIN = timedelta(days=7)

log = structlog.get_logger("ombud.mailer")


@dataclass(frozen=True)
class _Work:
    """A claimed notice with what is needed to handle it."""

    claim: Claim
    desk: Desk
    roster: Roster
    story: notices.Story | None
    deliveries: list[DeliveryRow]


class ClaimLost(Exception):
    """This worker was so slow that another one may have taken the notice over."""


class Mailer:
    """One worker with a relay connection of its own; any number may work at a time."""

    def __init__(self, context: Context, sealer: Sealer) -> None:
        self._context = context
        self._sealer = sealer
        self._relay = Relay(context.config)
        self._owner = secrets.token_hex(8)
        self._templates: dict[str, Templates] = {}
        self._sent: list[str] = []

    def run_once(self) -> int:
        """Handle notices that are due; how many were claimed. Raises StoreUnavailable."""
        settings = self._context.config.outbox
        with self._context.database.write(durable=False) as session:
            claims = outbox.claim(session, self._owner, self._context.clock(), settings.claim_seconds, _BATCH)
        for claim in claims:
            self._handle(claim)
        if not claims:
            self._relay.quit_if_idle()
        return len(claims)

    def close(self) -> None:
        """End the connection to the relay."""
        self._relay.close()

    def _handle(self, claim: Claim) -> None:
        try:
            desk = self._context.config.desk_by_id(claim.desk)
            self._deliver(self._prepare(claim, desk))
            with self._context.database.write(durable=False) as session:
                self._note_sent_in(session)
                outbox.settle(session, claim)
            self._sent.clear()
        except ClaimLost:
            log.warning("another worker took a notice over", kind=claim.kind, desk=claim.desk)
        except RelayDown as error:
            log.warning("the relay does not take mail", reason=str(error), desk=claim.desk)
            with self._context.database.write(durable=False) as session:
                outbox.settle(session, claim)
        except (OmbudError, TryLater) as error:
            log.warning("a notice waits", kind=claim.kind, desk=claim.desk, reason=str(error))
            self._postpone(claim)
        except Exception as error:
            log.error("a notice failed", kind=claim.kind, desk=claim.desk, error=type(error).__name__)  # noqa: TRY400
            self._postpone(claim)

    def _postpone(self, claim: Claim) -> None:
        self._note_sent()
        with self._context.database.write(durable=False) as session:
            outbox.postpone(session, claim, self._context.clock(), _RETRY_SECONDS)

    def _prepare(self, claim: Claim, desk: Desk) -> _Work:
        """Screen the case for members who are new, then work out who should have the notice now."""
        context, at = self._context, self._context.clock()
        roster = context.roster(desk)
        domain = desk.address.rpartition("@")[2]
        with context.database.write(durable=False) as session:
            story = self._story(session, claim, roster) if claim.case_id else None
            recipients = self._recipients(session, claim, roster, story)
            ids = {recipient: self._message_id(claim, recipient, domain) for recipient in recipients}
            return _Work(claim, desk, roster, story, outbox.expand(session, claim, ids, at))

    def _message_id(self, claim: Claim, recipient: str, domain: str) -> str:
        """The same over all tries and restarts, so that a mail sent twice can be told to be one."""
        return f"<{self._context.vault.digest('delivery', f'{claim.id} {recipient}'.encode())[:40]}@{domain}>"

    def _story(self, session: Session, claim: Claim, roster: Roster) -> notices.Story:
        vault, at = self._context.vault, self._context.clock()
        row = cases.row_by_id(session, claim.case_id or "")
        withholding.screen(session, vault, roster, row, at)
        case = cases.case_of(session, row)
        found = cases.messages(session, vault, row.id)
        return notices.Story(
            case, cases.facts(vault, row), readers(case, roster, at), roster, found[0] if found else None
        )

    def _recipients(self, session: Session, claim: Claim, roster: Roster, story: notices.Story | None) -> list[str]:
        audience = notices.AUDIENCE[claim.kind]
        if audience == "readers" and story is not None:
            if not story.readers:
                outbox.enqueue_once(session, "case-waits", claim.desk, self._context.clock(), case_id=claim.case_id)
            return [member.id for member in story.readers if member.id != claim.subject_id]
        if audience == "reporter" and story is not None:
            return ["reporter"] if story.facts.reply_to else []
        if audience == "member":
            member = claim.subject_id or ""
            return [member] if self._something_waits_for(session, claim.desk, member, roster) else []
        return ["operator"] if self._operator_may_be_told(roster, story) else []

    def _something_waits_for(self, session: Session, desk: str, member: str, roster: Roster) -> bool:
        """Whether a member whose key has trouble still may know of anything that is held for it.

        One who was recused meanwhile is not even told that something waits.
        """
        held = [
            cases.case_of(session, cases.row_by_id(session, item))
            for item in outbox.cases_held_for(session, desk, member)
        ]
        return any(may_know(case, roster, member, self._context.clock()) for case in held)

    def _operator_may_be_told(self, roster: Roster, story: notices.Story | None) -> bool:
        """The operator may be a member too: one who is recused is told nothing in either role."""
        address = self._context.config.operator.address.casefold()
        recused = story.case.recused if story else frozenset()
        return bool(address) and all(
            member.email.casefold() != address for member in roster.members if member.id in recused
        )

    def _deliver(self, work: _Work) -> None:
        if not work.deliveries:
            return
        if notices.AUDIENCE[work.claim.kind] == "readers":
            self._to_readers(work)
        else:
            self._to_one(work, work.deliveries[0])

    def _to_readers(self, work: _Work) -> None:
        """Seal once for all who read the same language, then send to each."""
        by_id = {row.recipient: row for row in work.deliveries}
        members = [member for member in work.roster.members if member.id in by_id]
        for language, group in notices.languages(members).items():
            sealed = self._sealer.for_members(self._entity(work, language), group, work.desk.fingerprint)
            for member in group:
                if reason := sealed.trouble.get(member.id):
                    self._hold(work, by_id[member.id], member, reason)
                else:
                    self._send_sealed(work, by_id[member.id], member, sealed.parts[member.id])

    def _entity(self, work: _Work, language: str) -> bytes:
        """The protected content of a notice to readers."""
        desk, story, claim = work.desk, work.story, work.claim
        if story is None:
            raise ValueError("a notice to readers needs its case")
        files: Sequence[Attachment] = ()
        if claim.kind == "report":
            values = notices.report_values(desk, story)
            files = self._files(story) if desk.notice == "full" else ()
        elif claim.kind == "held":
            values = notices.held_values(desk, story)
        else:
            values = notices.bounced_values(desk, story, claim.subject_id or "")
        rendered = self._of(desk).render(claim.kind, [language], values)
        return entity(rendered.subject, rendered.text, files, padded=True)

    def _files(self, story: notices.Story) -> list[Attachment]:
        if story.message is None or not story.message.attachments:
            return []
        with self._context.database.read() as session:
            row = cases.row_by_id(session, story.case.id)
            return list(cases.attachment_contents(session, self._context.vault, row, story.message))

    def _send_sealed(self, work: _Work, row: DeliveryRow, member: Member, part: Part) -> None:
        case = work.story.case if work.story else None
        if case is None:
            return
        domain = work.desk.address.rpartition("@")[2]
        thread = f"<{self._context.vault.digest('thread', case.id.encode())[:32]}@{domain}>"
        at = self._context.clock()
        mail = compose.to_reader(
            work.desk, case.codename, member, row.message_id, thread, at, part.armored(), self._sealer
        )
        self._send(work, row, work.desk.address, member.email, mail, reader=member.id)

    def _to_one(self, work: _Work, row: DeliveryRow) -> None:
        """A note to the reporter, to a member about their key, or to the operator."""
        desk, claim, keyring, at = work.desk, work.claim, self._context.keyring, self._context.clock()
        kind = claim.kind
        if row.recipient == "reporter" and work.story is not None:
            facts = work.story.facts
            rendered = self._of(desk).render(kind, [], {"desk": notices.desk_values(desk)})
            autocrypt = self._sealer.autocrypt(desk.fingerprint)
            mail = None
            if facts.reporter_key:
                inner = entity(rendered.subject, rendered.text, padded=True)
                mail = self._sealed_to_reporter(
                    desk, facts.reply_to, row.message_id, inner, facts.reporter_key, facts.first_message_id, autocrypt
                )
            if mail is None:
                mail = compose.plain_note(
                    desk,
                    facts.reply_to,
                    row.message_id,
                    at,
                    rendered,
                    keyring,
                    answers=facts.first_message_id,
                    autocrypt=autocrypt,
                )
            self._send(work, row, "", facts.reply_to, mail)
            return
        if row.recipient == "operator":
            rendered = self._of(desk).render(kind, [], {"desk": notices.desk_values(desk)})
            address = self._context.config.operator.address
        else:
            member = work.roster.get(row.recipient)
            if member is None:
                return
            reason = self._sealer.key_trouble(member)
            if not reason:  # it works again
                self._sent.append(row.id)
                return
            rendered = self._of(desk).render(kind, [member.language], notices.member_values(desk, member, reason))
            address = member.email
        mail = compose.plain_note(desk, address, row.message_id, at, rendered, keyring)
        self._send(work, row, "", address, mail)

    def _sealed_to_reporter(
        self, desk: Desk, to: str, message_id: str, inner: bytes, key: bytes, answers: str, autocrypt: str
    ) -> bytes | None:
        """Sealed to the key that came with the report; None when that key can't be used (any more)."""
        try:
            armored = armor(self._context.keyring.seal_to_key(inner, key, desk.fingerprint))
        except KeyProblem:
            return None
        return compose.sealed_note(
            desk, to, message_id, self._context.clock(), armored, answers=answers, autocrypt=autocrypt
        )

    def _send(
        self, work: _Work, row: DeliveryRow, sender: str, recipient: str, mail: bytes, *, reader: str = ""
    ) -> None:
        """Send one mail and write down how it went. Raises RelayDown after noting the failure."""
        if not self._may_send(work, reader):
            return
        try:
            self._relay.send(sender, recipient, mail)
        except NotTaken as error:
            self._failed(work, row, error.reason, final=error.final)
        except RelayDown as error:
            self._note_sent()
            for waiting in work.deliveries:
                self._failed(work, waiting, str(error), final=False)
            raise
        else:
            self._sent.append(row.id)
            log.info("sent", kind=work.claim.kind, desk=work.desk.id)

    def _may_send(self, work: _Work, reader: str) -> bool:
        """Asked right before a mail leaves: is the notice still this worker's, and may its recipient still have it?

        The same transaction notes what was sent before: a crash repeats one mail at most, under its Message-ID.
        """
        at = self._context.clock()
        with self._context.database.write(durable=False) as session:
            self._note_sent_in(session)
            mine = outbox.still_owned(session, work.claim, at)
            standing = recusals.recusals_of(session, work.story.case.id) if work.story else ()
        self._sent.clear()
        if not mine:
            raise ClaimLost
        if not reader or work.story is None:
            return True
        return may_know(replace(work.story.case, recusals=standing), self._context.roster(work.desk), reader, at)

    def _note_sent(self) -> None:
        if self._sent:
            with self._context.database.write(durable=False) as session:
                self._note_sent_in(session)
            self._sent.clear()

    def _note_sent_in(self, session: Session) -> None:
        outbox.mark_sent(session, self._sent, self._context.clock())

    def _hold(self, work: _Work, row: DeliveryRow, member: Member, reason: str) -> None:
        """A key is not right: nothing is sent to it, and its owner alone is told, in plain and without content."""
        at = self._context.clock()
        with self._context.database.write() as session:
            outbox.mark_held(session, row.id, reason, at, self._context.config.outbox)
            told = session.get(KeyTroubleRow, (work.desk.id, member.id, reason))
            if told is None or told.told_at < to_text(at - _TELL_AGAIN):
                session.merge(KeyTroubleRow(desk=work.desk.id, member=member.id, reason=reason, told_at=to_text(at)))
                outbox.enqueue_once(session, "key-trouble", work.desk.id, at, subject_id=member.id)

    def _failed(self, work: _Work, row: DeliveryRow, reason: str, *, final: bool) -> None:
        """Try again later, or give up and tell the other readers."""
        context, claim, at = self._context, work.claim, self._context.clock()
        with context.database.write() as session:
            if not outbox.mark_failed(session, row.id, reason, at, context.config.outbox, final=final):
                return
            audit.append(session, context.vault, "bounced", "desk", at, case_id=claim.case_id)
            if claim.case_id and claim.kind != "bounced":
                outbox.enqueue(session, "bounced", claim.desk, at, case_id=claim.case_id, subject_id=row.recipient)
        log.warning("given up", kind=claim.kind, desk=claim.desk)

    def _of(self, desk: Desk) -> Templates:
        if desk.id not in self._templates:
            self._templates[desk.id] = templates_of(self._context.config, desk)
        return self._templates[desk.id]
