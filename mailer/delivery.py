"""The mailer: claims notices, works out who has them now, seals, sends, and writes down how each stands.

Who may read is asked twice: when a notice is taken up, and again right before each mail leaves. A crash between
two recipients resumes with the rest, under the same Message-IDs.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog
from sqlmodel import Session

from mailer import compose, recipients
from mailer.judge import Judge
from mailer.recheck import standing_of
from mailer.relay.connection import Relay
from mailer.relay.refusals import NotTaken, RelayDown
from mailer.saying import notices
from mailer.saying.contents import Contents
from mailer.sealing.mime import entity, mailbox
from mailer.sealing.packets import Part, armor
from mailer.sealing.padding import padded_length
from mailer.sealing.seal import Sealer
from mailer.work import ClaimLost, Work
from store.cases import threads
from store.context import Context
from store.kit.config import Desk
from store.kit.errors import KeyProblem, OmbudError, TryLater
from store.outbox import outcomes, queue
from store.outbox.outcomes import Bounced, Delivery, Held, Later, Outcome, Sent, Withdrawn
from store.outbox.queue import Claim
from store.tables import audit
from store.team.members import Member

_BATCH = 4
_RETRY_SECONDS = 60.0
_MARK_SECONDS = 0.05
# Whoever wrote the mail that is answered chose its Message-ID: what does not look like one is left out.
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,240}>")
_WAKE_SECONDS = 60.0
_CHANGED = "what it tells of changed while it was made"

# What stands outside says of what goes to one member no more than what kind of mail it is.
_SUBJECTS = {
    "digest": "[{}] digest",
    "roster-warning": "[{}] roster",
    "test": "[{}] test",
    "welcome": "[{}] welcome",
    "goodbye": "[{}] goodbye",
    "desk-key": "[{}] key",
}

log = structlog.get_logger("ombud.mailer")


class Mailer:
    """One worker with a relay connection of its own; any number may work at a time."""

    def __init__(self, context: Context, sealer: Sealer) -> None:
        self._context = context
        self._sealer = sealer
        self._relay = Relay(context.config)
        self._judge = Judge(context, self._relay)
        self._owner = secrets.token_hex(8)
        self._contents = Contents(context)
        self._sent: list[str] = []
        self._unmarked_since = 0.0
        self._was_away, self._is_back = True, False  # it may have been, before this began
        self._woken: float | None = None

    def run_once(self) -> int:
        """Handle notices that are due; how many were claimed. Raises StoreUnavailable."""
        settings = self._context.config.outbox
        with self._context.database.write(durable=False) as session:
            claims = queue.claim(session, self._owner, self._context.clock(), settings.claim_seconds, _BATCH)
        left = list(claims)
        try:
            while left:
                self._handle(left.pop(0))
        finally:
            if left:  # whoever comes next need not wait until this worker's time with them is over
                with contextlib.suppress(OmbudError), self._context.database.write(durable=False) as session:
                    queue.give_back(session, left)
        if not claims:
            self._relay.quit_if_idle()
        return len(claims)

    def close(self) -> None:
        """End the connection to the relay."""
        self._relay.close()

    def _handle(self, claim: Claim) -> None:
        try:
            work = self._prepare(claim, self._context.config.desk_by_id(claim.desk))
            self._deliver_all(work)
            with self._context.database.write(durable=False) as session:
                self._note_sent_in(session, claim)
                self._withdraw_in(session, work)
                self._wake_in(session)
                queue.settle(session, claim, work.deliveries, work.outcomes)
            self._sent.clear()
        except ClaimLost:
            self._note_sent(claim)
            log.warning("another worker took a notice over", kind=claim.kind, desk=claim.desk)
        except (OmbudError, TryLater) as error:
            log.warning("a notice waits", kind=claim.kind, desk=claim.desk, reason=str(error))
            self._postpone(claim)
        except Exception as error:
            log.error("a notice failed", kind=claim.kind, desk=claim.desk, error=type(error).__name__)  # noqa: TRY400
            self._postpone(claim)

    def _deliver_all(self, work: Work) -> None:
        """Give each delivery its outcome; those that a relay which is away kept us from wait for it."""
        try:
            self._deliver(work)
        except RelayDown as error:
            log.warning("the relay does not take mail", reason=str(error), desk=work.desk.id)
            for row in work.deliveries:
                if row.id not in work.outcomes:
                    self._conclude(work, row, Later(str(error), away=True))

    def _withdraw_in(self, session: Session, work: Work) -> None:
        at, settings = self._context.clock(), self._context.config.outbox
        for delivery_id, outcome in work.outcomes.items():
            if isinstance(outcome, Withdrawn):
                outcomes.conclude(session, delivery_id, outcome, at, settings)

    def _wake_in(self, session: Session) -> None:
        """What waited for the relay is due, now that it takes mail again."""
        now = time.monotonic()
        if self._is_back and (self._woken is None or now - self._woken > _WAKE_SECONDS):
            self._was_away, self._is_back, self._woken = False, False, now
            queue.wake(session, self._context.clock())

    def _postpone(self, claim: Claim) -> None:
        self._note_sent(claim)
        with self._context.database.write(durable=False) as session:
            queue.postpone(session, claim, self._context.clock(), _RETRY_SECONDS)

    def _prepare(self, claim: Claim, desk: Desk) -> Work:
        """Screen the case for members who are new, then work out who should have the notice now."""
        context, at, since = self._context, self._context.clock(), time.monotonic()
        roster = context.roster(desk)
        domain = desk.address.rpartition("@")[2]
        with context.database.write(durable=False) as session:
            story = recipients.story_of(session, context, claim, roster) if claim.case_id else None
            audience = recipients.audience_of(session, context, claim, roster, story)
            ids = {recipient: self._message_id(claim, recipient, domain) for recipient in audience.ids}
            others = recipients.mentioned_in(claim, story, audience.answer)
            rows = queue.expand(session, claim, ids, at)
            return Work(claim, desk, roster, story, audience.answer, others, rows, since)

    def _message_id(self, claim: Claim, recipient: str, domain: str) -> str:
        """The same over all tries and restarts, so that a mail sent twice can be told to be one."""
        return f"<{self._context.vault.digest('delivery', f'{claim.id} {recipient}'.encode())[:40]}@{domain}>"

    def _deliver(self, work: Work) -> None:
        if not work.deliveries:
            return
        audience = notices.AUDIENCE[work.claim.kind]
        if audience == "readers":
            self._to_readers(work)
        elif audience in ("asker", "one", "former"):
            self._to_single(work, work.deliveries[0])
        elif audience == "reporter":
            self._to_reporter(work, work.deliveries[0])
        else:
            self._in_plain(work, work.deliveries[0])

    def _to_readers(self, work: Work) -> None:
        """Seal once for all who read the same language and may know the same, then send to each."""
        if work.story is None:
            raise ValueError("a notice to readers needs its case")
        by_id = {row.recipient: row for row in work.deliveries}
        groups: dict[tuple[str, frozenset[str]], list[Member]] = {}
        for member in work.roster.members:
            if member.id in by_id:
                groups.setdefault((member.language, self._known(work, member.id)), []).append(member)
        for (language, known), group in groups.items():
            made = self._contents.for_readers(work.desk, work.claim, work.story, language, known)
            self._send_sealed(work, made, group, by_id, known)

    def _to_single(self, work: Work, row: Delivery) -> None:
        """An answer to a member, or what a member gets because it is time."""
        member, made = work.roster.get(row.recipient), None
        if member is not None and notices.AUDIENCE[work.claim.kind] == "asker":
            made = self._contents.answer(work.desk, member, work.answer, work.story, work.roster)
        elif member is not None:
            made = self._contents.for_one(work.desk, work.claim, member, work.roster)
        if member is None or made is None:  # an empty digest
            self._conclude(work, row, Withdrawn())
            return
        work = replace(work, listed=made.listed)
        self._send_sealed(work, made.entity, [member], {member.id: row}, self._known(work, member.id))

    def _known(self, work: Work, member: str) -> frozenset[str]:
        if not work.others:
            return frozenset()
        with self._context.database.read() as session:
            return recipients.known_others(session, self._context, work.roster, member, work.others)

    def _send_sealed(
        self,
        work: Work,
        made: bytes,
        members: Sequence[Member],
        rows: Mapping[str, Delivery],
        known: frozenset[str],
    ) -> None:
        sealed = self._sealer.for_members(made, members, work.desk.fingerprint)
        for member in members:
            row = rows[member.id]
            if reason := sealed.trouble.get(member.id):
                self._conclude(work, row, Held(reason))
                continue
            mail = self._sealed_mail(work, row, member, sealed.parts[member.id])
            self._send(work, row, work.desk.address, member.email, mail, reader=member.id, known=known)

    def _sealed_mail(self, work: Work, row: Delivery, member: Member, part: Part) -> bytes:
        subject, thread, domain = (
            _SUBJECTS.get(work.claim.kind, "[{}]").format(work.desk.id),
            "",
            work.desk.address.rpartition("@")[2],
        )
        if work.story is not None:
            subject = f"{subject} {work.story.case.codename}"
            thread = f"<{self._context.vault.digest('thread', work.story.case.id.encode())[:32]}@{domain}>"
        answers = work.answer.answers if _MESSAGE_ID.fullmatch(work.answer.answers) else ""
        way = compose.Way("", row.message_id, self._context.clock(), answers, thread=thread)
        return compose.to_member(work.desk, subject, member, way, part.armored(), self._sealer)

    def _to_reporter(self, work: Work, row: Delivery) -> None:
        """An acknowledgement, or what a reader wrote to the reporter; encrypted when their key is known.

        An acknowledgement holds nothing, and goes in plain when the key can't be used, or was only offered by the
        header of a plain mail: it would often be read where that key is not. A reply never does.
        """
        story, desk, claim = work.story, work.desk, work.claim
        if story is None or story.message is None:
            self._conclude(work, row, Withdrawn())
            return
        body, own = story.message.body, story.message.author
        reply = claim.kind == "reply"
        key = story.facts.reporter_key if reply or own == "reporter" else b""
        sealed = body.encryption != "none" if reply else bool(key) and not body.key_offered
        answers = body.answers if reply else body.message_id or story.facts.first_message_id
        token = threads.reply_address(self._context.vault, story.case.handle, "reporter", desk.address)
        with_token = desk.extensions and not story.facts.without_token
        way = compose.Way(
            mailbox("", story.reporter), row.message_id, self._context.clock(), answers,
            # A mail program looks for a key by address: who encrypts must answer to the one that the key names.
            reply_to=token if with_token and not sealed else "",
            autocrypt=self._sealer.autocrypt(desk.fingerprint), automatic=not reply,
        )  # fmt: skip
        mail = self._sealed_to_reporter(work, way, key) if sealed else None
        if mail is None and reply and sealed:
            self._conclude(work, row, Bounced("their key cannot be used any more"))
            return
        if mail is None:
            rendered, files = self._contents.for_reporter(desk, claim, story, sealed=False)
            mail = compose.plain_note(desk, way, rendered, self._context.keyring, files)
        # Where a person wrote, a mail server that gives up later must be able to say so.
        sender = (token if with_token else desk.address) if reply else ""
        self._send(work, row, sender, story.reporter, mail)

    def _sealed_to_reporter(self, work: Work, way: compose.Way, key: bytes) -> bytes | None:
        """Sealed to the key that came with the report; None when that key can't be used (any more)."""
        if work.story is None:
            return None
        rendered, files = self._contents.for_reporter(work.desk, work.claim, work.story, sealed=True)
        inner = entity(rendered.subject, rendered.text, files, pad=padded_length)
        try:
            armored = armor(self._context.keyring.seal_to_key(inner, key, work.desk.fingerprint))
        except KeyProblem:
            return None
        return compose.sealed_note(work.desk, way, armored)

    def _in_plain(self, work: Work, row: Delivery) -> None:
        """A note without content to a member about their key, or to the operator."""
        desk, member = work.desk, None
        address, reason = self._context.config.operator.address, ""
        if row.recipient != "operator":
            member = work.roster.get(row.recipient)
            reason = self._sealer.key_trouble(member) if member else ""
            if member is None or (not reason and work.claim.kind != "key-replaced"):  # gone, or it works again
                self._conclude(work, row, Withdrawn())
                return
            address = member.email
        rendered = self._contents.plain(desk, work.claim.kind, member, reason)
        way = compose.Way(mailbox("", address), row.message_id, self._context.clock())
        self._send(work, row, "", address, compose.plain_note(desk, way, rendered, self._context.keyring))

    def _send(
        self,
        work: Work,
        row: Delivery,
        sender: str,
        recipient: str,
        mail: bytes,
        *,
        reader: str = "",
        known: frozenset[str] = frozenset(),
    ) -> None:
        """Send one mail and write down how it went. Raises RelayDown, ClaimLost.

        What was sent is noted before the next mail when that took a while, else with those that follow at once: a
        crash repeats what left in a twentieth of a second, under the same Message-IDs.
        """
        if self._sent and time.monotonic() - self._unmarked_since >= _MARK_SECONDS:
            self._note_sent(work.claim)
        standing = standing_of(self._context, work, reader, known)
        if standing != "may":
            self._conclude(work, row, Withdrawn() if standing == "not" else Later(_CHANGED, made_anew=True))
            return
        try:
            self._relay.send(sender, recipient, mail)
        except NotTaken as error:
            self._note_sent(work.claim)  # what was taken before this is not what was taken since
            self._conclude(work, row, self._judge.outcome(work, row, error, sender, recipient))
        else:
            self._conclude(work, row, Sent())

    def _conclude(self, work: Work, row: Delivery, outcome: Outcome) -> None:
        """Write down how a delivery ended; what was sent is written with what follows at once, what was withdrawn at the end."""
        work.outcomes[row.id] = outcome
        if isinstance(outcome, Sent):
            if not self._sent:
                self._unmarked_since = time.monotonic()
            self._sent.append(row.id)
            self._is_back = self._was_away
        elif not isinstance(outcome, Withdrawn):
            self._note_sent(work.claim)
            self._write_down(work, row, outcome)

    def _write_down(self, work: Work, row: Delivery, outcome: Outcome) -> None:
        """With whom else that concerns: a key's owner, the operator, the other readers."""
        context, claim, at = self._context, work.claim, self._context.clock()
        with context.database.write() as session:
            if not outcomes.conclude(session, row.id, outcome, at, context.config.outbox):
                return
            if isinstance(outcome, Held):
                queue.tell_of_key(session, "key-trouble", work.desk.id, row.recipient, outcome.reason, at)
            elif isinstance(outcome, Later) and outcome.away:
                self._was_away, self._is_back = True, False
            elif isinstance(outcome, Bounced):
                audit.append(session, context.vault, audit.Event("bounced", "desk", at, claim.case_id))
                if claim.case_id and claim.kind != "bounced":
                    queue.enqueue(session, "bounced", claim.desk, at, case_id=claim.case_id, subject_id=row.recipient)
                log.warning("given up", kind=claim.kind, desk=claim.desk)

    def _note_sent(self, claim: Claim) -> None:
        if self._sent:
            with self._context.database.write(durable=False) as session:
                self._note_sent_in(session, claim)
            self._sent.clear()

    def _note_sent_in(self, session: Session, claim: Claim) -> None:
        if self._sent:
            outcomes.mark_sent(session, self._sent, self._context.clock())
            log.info("sent", kind=claim.kind, desk=claim.desk, mails=len(self._sent))
