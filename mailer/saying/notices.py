"""What each notice says, and to whom it speaks: values for the templates. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from store.cases.correspondence import Thread, names_of
from store.cases.deadlines import dues
from store.cases.overview import visible_to
from store.cases.statements import PUBLIC
from store.cases.threads import is_correspondent
from store.kit.config import Desk
from store.kit.sentences import Sentence, marked
from store.openpgp.receipts import stands_for_a_receipt
from store.tables.records import Body, Case, Change, Facts, Message, Source
from store.team.members import Member, Roster

# `one` is a single member on duty, `former` one whose term ended; both are named by the notice.
To = Literal["readers", "reporter", "correspondent", "asker", "one", "former", "member", "operator", "desk"]

AUDIENCE: Mapping[str, To] = {
    "report": "readers",
    "held": "readers",
    "message": "readers",
    "note": "readers",
    "pattern": "readers",
    "pattern-other": "readers",
    "flood": "readers",
    "bounced": "readers",
    "unread": "readers",
    "decision-late": "readers",
    "reminder": "readers",
    "alert": "readers",
    "answer": "asker",
    "digest": "one",
    "test": "one",
    "welcome": "one",
    "goodbye": "former",
    "desk-key": "one",
    "roster-warning": "one",
    "canary": "desk",
    "reply": "reporter",
    "write": "correspondent",
    "send-key": "reporter",
    "acknowledge": "reporter",
    "acknowledge-held": "reporter",
    "letter-waits": "reporter",
    "key-trouble": "member",
    "key-check": "member",
    "key-replaced": "member",
    "case-waits": "operator",
    "consent-waits": "operator",
    "roster-refused": "operator",
    "deliveries-wait": "operator",
    "mailbox-fails": "operator",
    "canary-missing": "operator",
}

OF_MEMBERS = frozenset({"assign", "recuse", "reinstate", "vote", "consent"})

WHY_WITHHELD: Mapping[Source, str] = {
    "reporter": marked("the reporter asked for it"),
    "named": marked("they are named in the mail (two other readers can let them back in)"),
    "first-name": marked("the mail speaks of somebody with their first name (two other readers can let them back in)"),
    "sender": marked("the mail seems to be from them (two other readers can let them back in)"),
    "addressed": marked("the mail was sent to them as well (two other readers can let them back in)"),
    "doubtful": marked("a mail that may not be from the reporter asks for it (two other readers can let them back in)"),
    "linked": marked("whoever wrote this may not want them to know (two other readers can let them back in)"),
    "self": marked("they stepped back from this case"),
    "reader": marked("a reader withheld it from them"),
    "operator": marked("the operator withheld it from them"),
}


@dataclass(frozen=True)
class CaseView:
    """A case as a notice tells of it; `message` is the one that it is about, `threads` are its correspondents besides the reporter, `label` how
    closely it is to be kept."""

    case: Case
    facts: Facts
    readers: tuple[Member, ...]
    roster: Roster
    message: Message | None
    threads: tuple[Thread, ...] = ()
    label: str = ""

    @property
    def thread(self) -> Thread | None:
        """To whom the message goes, if that is neither the reporter nor the readers."""
        letter = self.message.body.letter if self.message else None
        return next((item for item in self.threads if letter and item.id == letter.thread), None)

    @property
    def to(self) -> str | Sentence:
        """How the one is called to whom the message goes, if that is neither the reporter nor the readers."""
        return self.thread.called if self.thread else ""

    def called(self, author: str) -> str | Sentence:
        """How the author of a message, or a recipient, is called among the readers."""
        return names_of(self.threads).get(author) or name_of(self.roster, author)

    @property
    def reporter(self) -> str:
        """Where mail to the author of the message goes; empty when none may."""
        if self.message is None or not self.message.body.reply_to:
            return self.facts.reply_to if self.message is None or self.message.author == "reporter" else ""
        return self.message.body.reply_to


def case_values(desk: Desk, view: CaseView, reference: str, at: datetime) -> dict[str, Any]:
    """The values that every notice to readers has: how the case stands `at` a moment, and what is to be done next.

    `reference` is the token of the team's side (`store.cases.threads`).
    """
    case = view.case
    due = next(iter(dues(case, desk)), None)
    return {
        "desk": desk_values(desk),
        "case": {
            "codename": case.codename,
            "received": case.received_at,
            "state": case.state,
            "reference": reference,
            "assignee": name_of(view.roster, case.assignee) if case.assignee else "",
            "urgent": case.urgent,
            "label": view.label,
        },
        "due": {"stage": due.stage, "at": due.at, "over": due.at <= at} if due else None,
        "can_reply": bool(view.facts.answer_to),
        "readers": [member.name for member in view.readers],
        "withheld": [
            {"name": name_of(view.roster, recusal.member), "why": WHY_WITHHELD[recusal.source]}
            for recusal in view.case.recusals
        ],
        "no_reply_because": view.facts.no_reply_because,
    }


def report_values(desk: Desk, view: CaseView, known: Collection[str] = ()) -> dict[str, Any]:
    """The values of a notice of a mail from outside, beside those of its case. `known` as in `note_values`."""
    message = view.message
    if message is None:
        raise ValueError("a notice of a mail needs its message")
    body = message.body
    signer = body.signature.fingerprint or ""
    name = next((member.name for member in view.roster.members if member.fingerprint == signer), "")
    return {
        "full": desk.notice == "full",
        "excluded": list(view.facts.also_excluded),
        "report": {
            "sender": body.sender,
            "by_form": body.by_form,
            "subject": body.subject,
            "text": body.text,
            "outside_text": body.outside_text,
            "outside_subject": body.outside_subject,
            "encryption": body.encryption,
            "signature": body.signature.status,
            "doubt": body.signature.doubt,
            "notes": list(body.notes),
            "signer": f"{name} ({signer})" if name else signer,
            "author": message.author,
            "correspondent": view.called(message.author) if is_correspondent(message.author) else "",
            "failure": body.failure,
            "received": message.at,
        },
        "changes": done_values(visible_to(body.done, set(known)), view.roster),
        "files": _files(message),
    }


def reporter_values(desk: Desk, view: CaseView, at: datetime, *, sealed: bool) -> dict[str, Any]:
    """The values of what the desk itself says to somebody who wrote: nothing of the case, the team, or their mail.

    `answer_by` is the day that the desk's deadline gives; None where it has none, where it is over, or was not theirs.
    `why` is said only of what anybody sees who sees the mail: how decrypting failed is told to nobody outside.
    """
    body = view.message.body if view.message else None
    theirs = view.message is not None and view.message.author == "reporter"
    due = next((item for item in dues(view.case, desk) if item.stage == "acknowledge"), None) if theirs else None
    came_sealed = body is not None and body.encryption != "none"
    local, _, domain = desk.address.rpartition("@")
    return {
        "desk": desk_values(desk),
        "answer_by": due.at.astimezone(desk.zone).date() if due is not None and due.at > at else None,
        "without_key": came_sealed and not sealed,
        "by_form": stands_for_a_receipt(view.reporter),
        "why": "" if body is None or came_sealed else body.failure.rstrip("."),
        "key_address": f"{local}+key@{domain}" if desk.extensions else "",
    }


def held_values(view: CaseView) -> dict[str, Any]:
    """The values of a notice of a mail that did not open: nothing of the mail itself."""
    body = view.message.body if view.message else Body()
    return {"reason": body.failure or marked("it can't be read"), "notes": list(body.notes)}


def bounced_values(view: CaseView, recipient: str) -> dict[str, Any]:
    """The values of a notice that somebody could not be reached: `who` is empty for the reporter."""
    by_form = stands_for_a_receipt(view.facts.address)
    outside = view.called(recipient) if is_correspondent(recipient) else ""
    who = "" if recipient == "reporter" or outside else name_of(view.roster, recipient)
    return {"who": who, "outside": outside, "by_form": by_form}


def note_values(desk: Desk, view: CaseView, known: Collection[str]) -> dict[str, Any]:
    """The values of a notice of what a reader wrote and did. `known` are the other cases that its readers may know of."""
    message = view.message
    if message is None:
        raise ValueError("a note needs its message")
    return {
        "full": desk.notice == "full",
        "author": name_of(view.roster, message.author),
        "written": message.at,
        "to_reporter": message.direction == "out",
        "to": view.to,
        "draft": message.body.letter.draft if message.body.letter and message.direction == "note" else 0,
        "statement": message.body.letter is not None and message.body.letter.kind in PUBLIC,
        "sealed": message.body.encryption != "none",
        "text": message.body.text,
        "done": done_values(visible_to(message.body.done, set(known)), view.roster),
        "files": _files(message),
    }


def done_values(done: Iterable[Change], roster: Roster) -> list[dict[str, str]]:
    """What was done, with the names of members."""
    return [
        {
            "verb": item.verb,
            "subject": name_of(roster, item.subject) if item.verb in OF_MEMBERS else item.subject,
            "text": item.text,
        }
        for item in done
    ]


def _files(message: Message) -> list[dict[str, Any]]:
    return [
        {"name": item.name, "type": item.type, "size": item.size, "note": item.note} for item in message.attachments
    ]


def desk_values(desk: Desk) -> dict[str, str]:
    """What every template may say of the desk."""
    return {
        "title": desk.title,
        "address": desk.address,
        "fingerprint": _spaced(desk.fingerprint),
        "key_file": key_file(desk),
        "modern_fingerprint": _spaced(desk.modern_fingerprint),
        "modern_key_file": modern_key_file(desk),
    }


def grouped(fingerprint: str) -> str:
    """A fingerprint in groups of four, in one line."""
    return " ".join(fingerprint[at : at + 4] for at in range(0, len(fingerprint), 4))


def _spaced(fingerprint: str) -> str:
    """In groups, in lines that a mail keeps."""
    groups = [fingerprint[at : at + 4] for at in range(0, len(fingerprint), 4)]
    return "\n    ".join(" ".join(groups[at : at + 10]) for at in range(0, len(groups), 10))


def key_file(desk: Desk) -> str:
    """What the file is called in which the desk's key is attached."""
    return f"{desk.id}-key.asc"


def modern_key_file(desk: Desk) -> str:
    """What the file is called in which the desk's key for newer programs is attached."""
    return f"{desk.id}-key-rfc9580.asc"


def member_values(desk: Desk, member: Member, reason: str) -> dict[str, Any]:
    """The values of a note to one member about their key."""
    return {
        "desk": desk_values(desk),
        "member": {"name": member.name, "fingerprint": member.fingerprint},
        "reason": reason,
    }


def name_of(roster: Roster, author: str) -> str:
    """How somebody is called: a member by name, the others by what they are (in English, marked)."""
    member = roster.get(author)
    return member.name if member else _OTHERS.get(author, author)


_OTHERS = {
    "reporter": marked("the reporter"), "other": marked("somebody else"), "desk": marked("the desk"),
    "operator": marked("the operator"), "machine": marked("a mail program or server"),
}  # fmt: skip
