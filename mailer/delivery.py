"""The mailer: claims notices, works out who has them now, seals, sends, and writes down how each stands.

Who may read is asked twice: when a notice is taken up, and again right before each mail leaves. A crash between
two recipients resumes with the rest, under the same Message-IDs.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import structlog
from sqlmodel import Session

from mailer import compose, notices, recipients
from mailer.contents import Contents, Made
from mailer.mime import entity
from mailer.packets import Part, armor
from mailer.padding import padded_length
from mailer.relay import NotTaken, Relay, RelayDown
from mailer.seal import Sealer
from store import audit, outbox, patterns, threads
from store.access import may_know
from store.answers import Answer
from store.config import Desk
from store.context import Context
from store.errors import KeyProblem, OmbudError, TryLater
from store.outbox import Claim, Delivery
from store.people import Member, Roster

_BATCH = 4
_RETRY_SECONDS = 60.0
_MARK_SECONDS = 0.05
_FRESH_SECONDS = 0.05
# Whoever wrote the mail that is answered chose its Message-ID: what does not look like one is left out.
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,240}>")

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


@dataclass(frozen=True)
class _Work:
    """A claimed notice with what is needed to handle it. `others` are other cases that it mentions, `listed` those of a list (ids).

    `since` is when the roster was read, in seconds of the monotonic clock.
    """

    claim: Claim
    desk: Desk
    roster: Roster
    story: notices.Story | None
    answer: Answer
    others: frozenset[str]
    deliveries: list[Delivery]
    since: float
    listed: frozenset[str] = frozenset()


class ClaimLost(Exception):
    """This worker was so slow that another one may have taken the notice over."""


class Mailer:
    """One worker with a relay connection of its own; any number may work at a time."""

    def __init__(self, context: Context, sealer: Sealer) -> None:
        self._context = context
        self._sealer = sealer
        self._relay = Relay(context.config)
        self._owner = secrets.token_hex(8)
        self._contents = Contents(context)
        self._sent: list[str] = []
        self._unmarked_since = 0.0

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
                self._note_sent_in(session, claim)
                outbox.settle(session, claim)
            self._sent.clear()
        except ClaimLost:
            self._note_sent(claim)
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
        self._note_sent(claim)
        with self._context.database.write(durable=False) as session:
            outbox.postpone(session, claim, self._context.clock(), _RETRY_SECONDS)

    def _prepare(self, claim: Claim, desk: Desk) -> _Work:
        """Screen the case for members who are new, then work out who should have the notice now."""
        context, at, since = self._context, self._context.clock(), time.monotonic()
        roster = context.roster(desk)
        domain = desk.address.rpartition("@")[2]
        with context.database.write(durable=False) as session:
            story = recipients.story_of(session, context, claim, roster) if claim.case_id else None
            audience = recipients.audience_of(session, context, claim, roster, story)
            ids = {recipient: self._message_id(claim, recipient, domain) for recipient in audience.ids}
            others = recipients.mentioned_in(claim, story, audience.answer)
            rows = outbox.expand(session, claim, ids, at)
            return _Work(claim, desk, roster, story, audience.answer, others, rows, since)

    def _message_id(self, claim: Claim, recipient: str, domain: str) -> str:
        """The same over all tries and restarts, so that a mail sent twice can be told to be one."""
        return f"<{self._context.vault.digest('delivery', f'{claim.id} {recipient}'.encode())[:40]}@{domain}>"

    def _deliver(self, work: _Work) -> None:
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

    def _to_readers(self, work: _Work) -> None:
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

    def _to_single(self, work: _Work, row: Delivery) -> None:
        """An answer to a member, or what a member gets because it is time."""
        member = work.roster.get(row.recipient)
        if member is None:
            return
        made: Made | None
        if notices.AUDIENCE[work.claim.kind] == "asker":
            made = self._contents.answer(work.desk, member, work.answer, work.story, work.roster)
        else:
            made = self._contents.for_one(work.desk, work.claim, member, work.roster)
        if made is None:
            self._note(row)
            return
        work = replace(work, listed=made.listed)
        self._send_sealed(work, made.entity, [member], {member.id: row}, self._known(work, member.id))

    def _known(self, work: _Work, member: str) -> frozenset[str]:
        if not work.others:
            return frozenset()
        with self._context.database.read() as session:
            return recipients.known_others(session, self._context, work.roster, member, work.others)

    def _send_sealed(
        self,
        work: _Work,
        made: bytes,
        members: Sequence[Member],
        rows: Mapping[str, Delivery],
        known: frozenset[str],
    ) -> None:
        sealed = self._sealer.for_members(made, members, work.desk.fingerprint)
        for member in members:
            row = rows[member.id]
            if reason := sealed.trouble.get(member.id):
                self._hold(work, row, member, reason)
                continue
            mail = self._sealed_mail(work, row, member, sealed.parts[member.id])
            self._send(work, row, work.desk.address, member.email, mail, reader=member.id, known=known)

    def _sealed_mail(self, work: _Work, row: Delivery, member: Member, part: Part) -> bytes:
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

    def _to_reporter(self, work: _Work, row: Delivery) -> None:
        """An acknowledgement, or what a reader wrote to the reporter; encrypted when their key is known.

        An acknowledgement holds nothing, and goes in plain when the key can't be used, or was only offered by the
        header of a plain mail: it would often be read where that key is not. A reply never does.
        """
        story, desk, claim = work.story, work.desk, work.claim
        if story is None or story.message is None:
            return
        body, own = story.message.body, story.message.author
        reply = claim.kind == "reply"
        key = story.facts.reporter_key if reply or own == "reporter" else b""
        sealed = body.encryption != "none" if reply else bool(key) and not body.key_offered
        answers = body.answers if reply else body.message_id or story.facts.first_message_id
        token = threads.reply_address(self._context.vault, story.case.handle, "reporter", desk.address)
        with_token = desk.extensions and not story.facts.without_token
        way = compose.Way(
            story.reporter, row.message_id, self._context.clock(), answers,
            # A mail program looks for a key by address: who encrypts must answer to the one that the key names.
            reply_to=token if with_token and not sealed else "",
            autocrypt=self._sealer.autocrypt(desk.fingerprint), automatic=not reply,
        )  # fmt: skip
        mail = self._sealed_to_reporter(work, way, key) if sealed else None
        if mail is None and reply and sealed:
            self._failed(work, row, "their key cannot be used any more", final=True)
            return
        if mail is None:
            rendered, files = self._contents.for_reporter(desk, claim, story, sealed=False)
            mail = compose.plain_note(desk, way, rendered, self._context.keyring, files)
        # Where a person wrote, a mail server that gives up later must be able to say so.
        sender = (token if with_token else desk.address) if reply else ""
        self._send(work, row, sender, story.reporter, mail)

    def _sealed_to_reporter(self, work: _Work, way: compose.Way, key: bytes) -> bytes | None:
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

    def _in_plain(self, work: _Work, row: Delivery) -> None:
        """A note without content to a member about their key, or to the operator."""
        desk, member = work.desk, None
        address, reason = self._context.config.operator.address, ""
        if row.recipient != "operator":
            member = work.roster.get(row.recipient)
            if member is None:
                return
            address, reason = member.email, self._sealer.key_trouble(member)
            if not reason and work.claim.kind != "key-replaced":  # it works again
                self._note(row)
                return
        rendered = self._contents.plain(desk, work.claim.kind, member, reason)
        way = compose.Way(str(address), row.message_id, self._context.clock())
        self._send(work, row, "", str(address), compose.plain_note(desk, way, rendered, self._context.keyring))

    def _send(
        self,
        work: _Work,
        row: Delivery,
        sender: str,
        recipient: str,
        mail: bytes,
        *,
        reader: str = "",
        known: frozenset[str] = frozenset(),
    ) -> None:
        """Send one mail and write down how it went. Raises RelayDown after noting the failure."""
        if not self._may_send(work, reader, known):
            return
        try:
            self._relay.send(sender, recipient, mail)
        except NotTaken as error:
            self._failed(work, row, error.reason, final=error.final)
        except RelayDown as error:
            self._note_sent(work.claim)
            for waiting in work.deliveries:
                self._failed(work, waiting, str(error), final=False)
            raise
        else:
            self._note(row)

    def _may_send(self, work: _Work, reader: str, known: frozenset[str]) -> bool:
        """Asked right before a mail leaves: is the notice still this worker's, and may its recipient still have it?

        That is: are they a reader now, also of the other cases that it tells them of. Recusals are asked for each time,
        the files of the roster when they were read more than a twentieth of a second ago.

        What was sent is noted before the next mail when that took a while, else with those that follow at once: a
        crash repeats what left in a twentieth of a second, under the same Message-IDs.
        """
        if self._sent and time.monotonic() - self._unmarked_since >= _MARK_SECONDS:
            self._note_sent(work.claim)
        at, database, still = self._context.clock(), self._context.database, True
        fresh = time.monotonic() - work.since < _FRESH_SECONDS
        roster = work.roster if fresh else self._context.roster(work.desk)
        if work.others or work.listed:
            with database.write(durable=False) as session:  # looking for who is named in another case may recuse
                standing = outbox.still_owned(session.connection(), work.claim, at)
                still = not reader or self._still_knows(session, work, roster, reader, known)
        else:
            with database.look() as connection:
                standing = outbox.still_owned(connection, work.claim, at)
        if standing is None:
            raise ClaimLost
        if not reader or work.story is None:
            return still
        return still and may_know(replace(work.story.case, recusals=standing), roster, reader, at)

    def _still_knows(self, session: Session, work: _Work, roster: Roster, reader: str, known: frozenset[str]) -> bool:
        """Whether a reader may still know of the other cases that they are told of, and of no more of them than before."""
        context = self._context
        if work.listed and recipients.known_others(session, context, roster, reader, work.listed) != work.listed:
            return False
        if not work.others:
            return True
        if recipients.known_others(session, context, roster, reader, work.others) != known:
            return False
        of_pattern = work.claim.kind in (patterns.FIRST, patterns.SECOND)
        return not of_pattern or recipients.told_of_pattern(session, context, work.claim, roster, reader)

    def _note(self, row: Delivery) -> None:
        if not self._sent:
            self._unmarked_since = time.monotonic()
        self._sent.append(row.id)

    def _note_sent(self, claim: Claim) -> None:
        if self._sent:
            with self._context.database.write(durable=False) as session:
                self._note_sent_in(session, claim)
            self._sent.clear()

    def _note_sent_in(self, session: Session, claim: Claim) -> None:
        if self._sent:
            outbox.mark_sent(session, self._sent, self._context.clock())
            log.info("sent", kind=claim.kind, desk=claim.desk, mails=len(self._sent))

    def _hold(self, work: _Work, row: Delivery, member: Member, reason: str) -> None:
        """A key is not right: nothing is sent to it, and its owner alone is told, in plain and without content."""
        at = self._context.clock()
        with self._context.database.write() as session:
            outbox.mark_held(session, row.id, reason, at, self._context.config.outbox)
            outbox.tell_of_key(session, "key-trouble", work.desk.id, member.id, reason, at)

    def _failed(self, work: _Work, row: Delivery, reason: str, *, final: bool) -> None:
        """Try again later, or give up and tell the other readers."""
        context, claim, at = self._context, work.claim, self._context.clock()
        with context.database.write() as session:
            if not outbox.mark_failed(session, row.id, reason, at, context.config.outbox, final=final):
                return
            audit.append(session, context.vault, "bounced", "desk", at, case_id=claim.case_id)
            if claim.case_id and claim.kind != "bounced":
                outbox.enqueue(session, "bounced", claim.desk, at, case_id=claim.case_id, subject_id=row.recipient)
        log.warning("given up", kind=claim.kind, desk=claim.desk)
