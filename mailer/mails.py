"""The mails that a claimed notice makes: one for each of its recipients, sealed, or the outcome of one that cannot be made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mailer import compose, recipients
from mailer.alerts import Push
from mailer.claimed import ClaimedNotice
from mailer.saying import notices
from mailer.saying.contents import Contents, Protected
from mailer.saying.render import Rendered
from mailer.sealing.letters import letter_content
from mailer.sealing.mime import Field, content, mailbox, protected, sealed_mail
from mailer.sealing.padding import padded_length
from mailer.sealing.seal import NOT_USABLE, Sealer
from store.cases import threads
from store.cases.letterboxes import WAITS, Letter
from store.context import Context
from store.kit.config import Desk
from store.kit.errors import KeyProblem
from store.openpgp.message import is_version_6
from store.openpgp.receipts import stands_for_a_receipt
from store.outbox import canary
from store.outbox.outcomes import Bounced, Delivery, Held, Outcome, Withdrawn
from store.tables.records import Attachment
from store.team.members import Member

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


@dataclass(frozen=True)
class Outgoing:
    """One mail as the relay gets it. `reader` is the member whom it is for, if it tells of a case; `known` are the other
    cases that it tells them of, `listed` those of a list in it (ids)."""

    sender: str
    recipient: str
    mail: bytes = field(repr=False)
    reader: str = ""
    known: frozenset[str] = frozenset()
    listed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ToLetterbox:
    """One mail that waits for whoever has a receipt, and is sent to nobody. `tell`: a mail address is to hear of it."""

    letter: Letter
    tell: bool = False
    reader: str = ""
    known: frozenset[str] = frozenset()
    listed: frozenset[str] = frozenset()


Prepared = tuple[Delivery, Outgoing | Push | ToLetterbox | Outcome]


class MailMaker:
    """Makes the mails of notices. Each is made when it is asked for: what it says is as fresh as can be."""

    def __init__(self, context: Context, sealer: Sealer) -> None:
        self._context = context
        self._sealer = sealer
        self._contents = Contents(context)

    def mails_of(self, work: ClaimedNotice) -> Iterator[Prepared]:
        """Each delivery with its mail, or with its outcome when there is none to send."""
        if not work.deliveries:
            return
        if work.claim.kind == "alert":
            yield from self._alerts(work)
            return
        audience, first = notices.AUDIENCE[work.claim.kind], work.deliveries[0]
        if audience == "readers":
            yield from self._to_readers(work)
        elif audience in ("asker", "one", "former"):
            yield from self._to_single(work, first)
        elif audience == "reporter":
            yield first, self._to_reporter(work, first)
        elif audience == "correspondent":
            yield first, self._to_correspondent(work, first)
        elif audience == "desk":
            yield first, self._canary(work, first)
        else:
            yield first, self._in_plain(work, first)

    def _to_readers(self, work: ClaimedNotice) -> Iterator[Prepared]:
        """Written once for all who read the same language and may know the same; sealed for each."""
        if work.view is None:
            raise ValueError("a notice to readers needs its case")
        wanted = {row.recipient for row in work.deliveries}
        groups: dict[tuple[str, frozenset[str]], list[Member]] = {}
        for member in work.roster.members:
            if member.id in wanted:
                groups.setdefault((member.language, self._known(work, member.id)), []).append(member)
        for (language, known), group in groups.items():
            made = self._contents.for_readers(work.desk, work.claim, work.view, language, known)
            yield from self._sealed(work, made, group, known)

    def _alerts(self, work: ClaimedNotice) -> Iterator[Prepared]:
        """A push to each reader who has a place for it."""
        if work.view is None:
            raise ValueError("an alert needs its case")
        for row in work.deliveries:
            member = work.roster.get(row.recipient)
            if member is None or not member.alert:
                yield row, Withdrawn()
                continue
            made = self._contents.alert(work.desk, member, work.view.case.codename)
            yield row, Push(member.alert, made.subject, made.text, member.id)

    def _to_single(self, work: ClaimedNotice, row: Delivery) -> Iterator[Prepared]:
        """An answer to a member, or what a member gets because it is time."""
        member, made = work.roster.get(row.recipient), None
        if member is not None and notices.AUDIENCE[work.claim.kind] == "asker":
            made = self._contents.answer(work.desk, member, work.answer, work.view, work.roster)
        elif member is not None:
            made = self._contents.for_one(work.desk, work.claim, member, work.roster)
        if member is None or made is None:  # an empty digest
            yield row, Withdrawn()
            return
        yield from self._sealed(work, made, [member], self._known(work, member.id))

    def _known(self, work: ClaimedNotice, member: str) -> frozenset[str]:
        if not work.others:
            return frozenset()
        with self._context.database.read() as session:
            return recipients.known_others(session, self._context, work.roster, member, work.others)

    def _sealed(
        self, work: ClaimedNotice, made: Protected, members: Sequence[Member], known: frozenset[str]
    ) -> Iterator[Prepared]:
        rows: Mapping[str, Delivery] = {row.recipient: row for row in work.deliveries}
        for member in members:
            row = rows[member.id]
            outside = self._outside(work, row, member)
            entity = protected(outside, made.subject, made.content, made.pad)
            armored = self._sealer.for_member(entity, member, work.desk.fingerprint)
            if armored is None:
                yield row, Held(self._sealer.key_trouble(member) or NOT_USABLE)
                continue
            mail = sealed_mail(outside, armored)
            yield row, Outgoing(work.desk.address, member.email, mail, member.id, known, made.listed)

    def _outside(self, work: ClaimedNotice, row: Delivery, member: Member) -> list[Field]:
        """What stands outside of what is sealed to one member."""
        subject, thread, domain = (
            _SUBJECTS.get(work.claim.kind, "[{}]").format(work.desk.id),
            "",
            work.desk.address.rpartition("@")[2],
        )
        if work.view is not None:
            subject = f"{subject} {work.view.case.codename}"
            thread = f"<{self._context.vault.digest('thread', work.view.case.id.encode())[:32]}@{domain}>"
        answers = work.answer.answers if _MESSAGE_ID.fullmatch(work.answer.answers) else ""
        addressing = compose.Addressing("", row.message_id, self._context.clock(), answers, thread=thread)
        autocrypt = self._sealer.autocrypt(_key_for(work.desk, member.fingerprint))
        return compose.to_member(work.desk, subject, compose.to_one(addressing, member, autocrypt))

    def _to_reporter(self, work: ClaimedNotice, row: Delivery) -> Outgoing | ToLetterbox | Outcome:
        """An acknowledgement, or what a reader wrote to the reporter; encrypted when their key is known.

        An acknowledgement holds nothing, and goes in plain when the key can't be used, or was only offered by the
        header of a plain mail: it would often be read where that key is not. A reply never does.
        """
        view, desk, claim = work.view, work.desk, work.claim
        if view is None or view.message is None:
            return Withdrawn()
        if claim.kind == WAITS:
            return self._that_a_letter_waits(work, row)
        if stands_for_a_receipt(view.reporter):
            return self._letter(work, row)
        body, own = view.message.body, view.message.author
        reply = claim.kind == "reply"
        key = view.facts.reporter_key if reply or own == "reporter" else b""
        sealed = body.encryption != "none" if reply else bool(key) and not body.key_offered
        answers = body.answers if reply else body.message_id or view.facts.first_message_id
        token = threads.reply_address(self._context.vault, view.case.handle, "reporter", desk.address)
        with_token = desk.extensions and not view.facts.without_token
        addressing = compose.Addressing(
            mailbox("", view.reporter), row.message_id, self._context.clock(), answers,
            # A mail program looks for a key by address: who encrypts must answer to the one that the key names.
            reply_to=token if with_token and not sealed else "",
            autocrypt=self._sealer.autocrypt(_key_for(desk, view.facts.reporter_fingerprint)), automatic=not reply,
        )  # fmt: skip
        made = self._contents.for_reporter(desk, claim, view, sealed=True) if sealed else None
        mail = self._sealed_outside(desk, addressing, made, key) if made else None
        if mail is None and reply and sealed:
            return Bounced("their key cannot be used any more")
        if mail is None:
            rendered, files = self._contents.for_reporter(desk, claim, view, sealed=False)
            mail = compose.plain_note(desk, addressing, rendered, self._context.keyring, files)
        # Where a person wrote, a mail server that gives up later must be able to say so.
        sender = (token if with_token else desk.address) if reply else ""
        return Outgoing(sender, view.reporter, mail)

    def _letter(self, work: ClaimedNotice, row: Delivery) -> ToLetterbox | Outcome:
        """What whoever has the receipt gets: signed and sealed to their key, whatever their first mail was."""
        view, claim = work.view, work.claim
        if view is None or view.message is None:
            return Withdrawn()
        rendered, files = self._contents.for_reporter(work.desk, claim, view, sealed=True)
        made = letter_content(rendered.subject, rendered.text, files)
        try:
            sealed = self._context.keyring.seal_to_key(made, view.facts.reporter_key, work.desk.fingerprint)
        except KeyProblem:
            return Bounced("their key cannot be used any more")
        reply = claim.kind == "reply"
        letter = Letter(view.reporter, sealed, row.message_id, view.message.id if reply else None)
        return ToLetterbox(letter, tell=reply and bool(view.facts.tell))

    def _that_a_letter_waits(self, work: ClaimedNotice, row: Delivery) -> Outgoing | Outcome:
        """A mail to the address that the reporter left for it, which says no more than that."""
        view, desk = work.view, work.desk
        if view is None or not view.facts.tell:
            return Withdrawn()
        rendered, _ = self._contents.for_reporter(desk, work.claim, view, sealed=False)
        addressing = compose.Addressing(mailbox("", view.facts.tell), row.message_id, self._context.clock())
        return Outgoing("", view.facts.tell, compose.plain_note(desk, addressing, rendered, self._context.keyring))

    def _to_correspondent(self, work: ClaimedNotice, row: Delivery) -> Outgoing | Outcome:
        """What a reader wrote to somebody other than the reporter. Nothing in it leads to any other side of the case."""
        view, desk = work.view, work.desk
        thread = view.thread if view else None
        if view is None or view.message is None or thread is None:
            return Withdrawn()
        body = view.message.body
        sealed = body.encryption != "none"
        token = threads.reply_address(self._context.vault, thread.handle, "correspondent", desk.address)
        addressing = compose.Addressing(
            mailbox("", thread.address), row.message_id, self._context.clock(),
            body.answers if _MESSAGE_ID.fullmatch(body.answers) else "",
            reply_to=token if desk.extensions and not sealed else "",
            autocrypt=self._sealer.autocrypt(_key_for(desk, thread.fingerprint)), automatic=False,
        )  # fmt: skip
        made = self._contents.for_correspondent(desk, view, thread)
        if sealed:
            mail = self._sealed_outside(desk, addressing, made, thread.key)
            if mail is None:
                return Bounced("their key cannot be used any more")
        else:
            mail = compose.plain_note(desk, addressing, made[0], self._context.keyring, made[1])
        return Outgoing(token if desk.extensions else desk.address, thread.address, mail)

    def _sealed_outside(
        self, desk: Desk, addressing: compose.Addressing, made: tuple[Rendered, Sequence[Attachment]], key: bytes
    ) -> bytes | None:
        """Sealed to the key of somebody outside; None when that key can't be used (any more)."""
        rendered, files = made
        outside = compose.sealed_note(desk, addressing)
        entity = protected(outside, rendered.subject, content(rendered.text, files), padded_length)
        try:
            armored = self._sealer.for_key(entity, key, desk.fingerprint)
        except KeyProblem:
            return None
        return sealed_mail(outside, armored)

    def _canary(self, work: ClaimedNotice, row: Delivery) -> Outgoing:
        """The desk's mail to itself, signed."""
        desk, at = work.desk, self._context.clock()
        rendered = self._contents.canary(desk, canary.token_of(self._context.vault, desk.id, at.date()))
        addressing = compose.Addressing(mailbox("", desk.address), row.message_id, at)
        return Outgoing("", desk.address, compose.plain_note(desk, addressing, rendered, self._context.keyring))

    def _in_plain(self, work: ClaimedNotice, row: Delivery) -> Outgoing | Outcome:
        """A note without content to a member about their key, or to the operator."""
        desk, member = work.desk, None
        address, reason = self._context.config.operator.address, ""
        if row.recipient != "operator":
            member = work.roster.get(row.recipient)
            reason = self._sealer.key_trouble(member) if member else ""
            if member is None or (not reason and work.claim.kind != "key-replaced"):  # gone, or it works again
                return Withdrawn()
            address = member.email
        rendered = self._contents.plain(desk, work.claim.kind, member, reason)
        addressing = compose.Addressing(mailbox("", address), row.message_id, self._context.clock())
        return Outgoing("", address, compose.plain_note(desk, addressing, rendered, self._context.keyring))


def _key_for(desk: Desk, fingerprint: str) -> str:
    """Which of the desk's keys is given to who has a key with a fingerprint: the newer one, to whose program knows such keys."""
    return desk.modern_fingerprint if desk.modern_fingerprint and is_version_6(fingerprint) else desk.fingerprint
