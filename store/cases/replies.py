"""What the team answers to a reporter: whether it may go, how, and what it must not tell.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

from store.cases import telling
from store.cases.anonymity import Draft, require_anonymous
from store.cases.case_file import CaseFile
from store.cases.deadlines import dues
from store.cases.lookup import recusal_rows
from store.kit.addresses import same_mailbox
from store.kit.documents import texts_of
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.openpgp.receipts import stands_for_a_receipt
from store.openpgp.values import PublicKey
from store.tables.promise import Promise
from store.tables.records import Arrival, Attachment, Facts

How = Literal["", "plain", "new-key", "status"]


@dataclass(frozen=True)
class Reply:
    """What a reader wants to be sent to the reporter. `how` is what they said of the way."""

    text: str
    files: tuple[Attachment, ...] = ()
    how: How = ""
    documents: tuple[telling.Document, ...] = ()


class KeyReader(Protocol):
    """What this needs of GnuPG (`store.openpgp.keyring.Keyring`)."""

    def read_key_data(self, data: bytes) -> list[PublicKey]:
        """The certificates in key material."""


def as_reply(file: CaseFile, arrival: Arrival, reply: Reply, keys: KeyReader) -> Arrival:
    """A note as a reply to the reporter, after every look at what it may tell and how it goes. Raises NotAllowed."""
    if file.row.state == "junk":
        raise NotAllowed(marked("{case} is among the junk. '/notjunk' makes a report of it."), case=file.row.codename)
    if reply.how == "status":
        _require_alone(reply)
        arrival = replace(arrival, body=replace(arrival.body, status_until=_more_until(file)))
    elif not reply.text:
        raise NotAllowed(marked("The reply has no text: write it below the line '/reply'."))
    told = [item for item in file.messages() if item.author == "reporter"]
    author = file.roster.get(file.actor)
    require_anonymous(Draft(reply.text, reply.files, author, told, file.names), file.roster)
    in_files = [text for item in reply.files for text in texts_of(item.data)]
    telling.require_discreet(
        file, None, [reply.text, *in_files, *(item.name.title() for item in reply.files)], reply.documents
    )
    known, sealed = how_to_reply(file.facts, reply.how)
    _require_not_withheld(file, known.answer_to)
    if sealed and not any(not key.trouble for key in keys.read_key_data(known.reporter_key)):
        raise NotAllowed(
            marked(
                "The reporter's key has expired or cannot be used. Write '/reply plain' if it may go out unencrypted."
            )
        )
    file.remember(known)
    last = [item.body.message_id for item in told]
    answers = next((item for item in reversed(last) if item), known.first_message_id)
    body = replace(
        arrival.body, text=reply.text, encryption="pgp/mime" if sealed else "none", reply_to=known.answer_to,
        answers=answers,
    )  # fmt: skip
    return replace(arrival, body=body, direction="out", attachments=reply.files)


def _require_alone(reply: Reply) -> None:
    """Raise NotAllowed for a text or file beside the one sentence that goes out: it would not."""
    if reply.text or reply.files:
        raise NotAllowed(
            marked("'/reply status' sends one sentence of its own, and nothing else. Write '/reply' to send your text.")
        )


def _more_until(file: CaseFile) -> str:
    """By which day the reporter hears more, if what is said now is counted; empty when nothing is owed."""
    case, desk = file.case, file.by.desk
    after = replace(
        case, promises=(*(item for item in case.promises if item.kind == "respond"), Promise("status", file.at))
    )
    days = [
        due.at.astimezone(desk.zone).date()
        for due in dues(after, desk)
        if due.stage not in ("deadline", "event") and due.at > file.at
    ]
    return min(days).isoformat() if days else ""


def _require_not_withheld(file: CaseFile, address: str) -> None:
    """Raise NotAllowed when an address is that of a member from whom the case is withheld."""
    withheld = {item.member for item in recusal_rows(file.session, file.row.id)}
    if any(member.id in withheld and same_mailbox(member.email, address) for member in file.roster.members):
        raise NotAllowed(marked("You can't write to the reporter: the case is withheld from them."))


def how_to_reply(known: Facts, how: How) -> tuple[Facts, bool]:
    """Whether a reply to the reporter is sealed, and the facts with the key that is then in force.

    Raises NotAllowed when nobody may write to the reporter, or when it would be less private than what they wrote.
    """
    if not known.answer_to:
        why = known.no_reply_because or "the mail doesn't say who wrote it"
        raise NotAllowed(marked("You can't write to the reporter: {why}."), why=why)
    if stands_for_a_receipt(known.answer_to):
        return known, True  # whatever was asked for: what waits there is sealed
    if how == "new-key":
        if not known.new_key:
            raise NotAllowed(marked("No new key of the reporter is known. Write '/reply' alone."))
        changed = replace(known, reporter_key=known.new_key, reporter_fingerprint=known.new_fingerprint)
        return replace(changed, new_key=b"", new_fingerprint=""), True
    if how == "plain":
        return known, False
    if not known.reporter_key and known.new_key:
        raise NotAllowed(
            marked(
                "A key came with a later mail ({key}). Write '/reply new-key' if it is the reporter's, or '/reply plain' "
                "if the reply may go out unencrypted."
            ),
            key=known.new_fingerprint,
        )
    if not known.reporter_key and known.came_sealed:
        raise NotAllowed(
            marked(
                "The reporter wrote encrypted, or sent a key, and we have no key of theirs that can be used: a reply would go out unencrypted. "
                "Write '/reply plain' if it may go out unencrypted."
            )
        )
    return known, bool(known.reporter_key)
