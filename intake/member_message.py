"""A member's mail as a message of a case: a note, a reply to the reporter, or a letter to somebody else."""

from __future__ import annotations

from dataclasses import dataclass

from intake.arrival import Opened
from intake.asking.commands import Commands
from intake.asking.recused import is_one_of
from intake.outgoing_files import CleanFiles
from intake.reading.files import is_public_key
from intake.reading.opened import Signed
from store.cases.case_file import CaseFile
from store.cases.letter_order import Order
from store.cases.letters import Letter, as_letter
from store.cases.replies import Reply, as_reply
from store.cases.statements import PUBLIC, as_statement
from store.cases.telling import Document
from store.context import Context
from store.tables.records import Arrival, Attachment, Body, Facts
from store.team.members import Member


@dataclass(frozen=True)
class MemberMessage:
    """The mail, who wrote it, and its files as they may leave to somebody outside; `documents` are what others sent in the case."""

    context: Context
    opened: Opened
    member: Member
    cleaned: CleanFiles
    documents: tuple[Document, ...] = ()

    def arrival(self, file: CaseFile, said: Signed, commands: Commands) -> Arrival:
        """The mail as a message of the case: a note, or a reply to the reporter. Raises NotAllowed."""
        job, body = self.opened.job, self.opened.content.body
        arrival = Arrival(
            desk=file.row.desk, state="new", at=file.at, raw=job.envelope.raw, digest=job.digest,
            message_id=self.opened.mail.message_id, facts=Facts(), author=self.member.id, direction="note",
            attachments=self.files(said),
            body=Body(
                sender=body.sender, text=commands.rest, encryption=body.encryption, signature=said.by, date=body.date,
                message_id=body.message_id,
            ),
        )  # fmt: skip
        if commands.statement:
            return as_statement(file, arrival, commands.statement, commands.rest)
        if commands.write is not None:
            return self._letter(file, arrival, commands.write, commands.rest, said)
        if commands.reply is None:
            return arrival
        files = tuple(item for item in said.files if not _is_key(item))
        return as_reply(
            file, arrival, Reply(commands.rest, files, commands.reply, self.documents), self.context.keyring
        )

    def _letter(self, file: CaseFile, arrival: Arrival, order: Order, text: str, said: Signed) -> Arrival:
        """The mail as a letter to somebody other than the reporter. Raises NotAllowed."""
        if self.cleaned.trouble is not None:
            raise self.cleaned.trouble
        keys = tuple(item.data for item in self.files(said) if is_public_key(item.data))
        letter = Letter(order, text, self.cleaned.files, self.cleaned.seen, keys, self.documents)
        return as_letter(file, arrival, letter, self.context.keyring, self.context.config.is_own)

    def files(self, said: Signed) -> tuple[Attachment, ...]:
        """The files that the signature covers, without the member's own key."""
        return tuple(item for item in said.files if not is_own_key(self.context, self.member, item.data))


def is_own_key(context: Context, member: Member, data: bytes) -> bool:
    """Whether a file is nothing but the member's own key: mail programs attach it to each mail."""
    if not is_public_key(data):
        return False
    found = context.keyring.read_key_data(data)
    return bool(found) and all(
        key.fingerprint == member.fingerprint or is_one_of(member, list(key.addresses)) for key in found
    )


def wrote(arrival: Arrival) -> str:
    """What a member's mail was, in the answer to them."""
    if arrival.body.letter is not None and arrival.body.letter.kind in PUBLIC:
        return "statement"
    if arrival.body.letter is not None:
        return "draft" if arrival.direction == "note" else "letter"
    if arrival.direction == "out":
        return "reply"
    return "note" if arrival.body.text or arrival.attachments else ""


def _is_key(item: Attachment) -> bool:
    """Whether a file is an OpenPGP key or signature: mail programs attach them, and they tell who wrote."""
    return item.type in ("application/pgp-keys", "application/pgp-signature") or is_public_key(item.data)
