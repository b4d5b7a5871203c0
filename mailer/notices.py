"""What each notice says, and to whom it speaks: values for the templates. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from store.config import Desk
from store.people import Member, Roster
from store.records import Case, Facts, Message, Source

Audience = Literal["readers", "reporter", "member", "operator"]

AUDIENCE: Mapping[str, Audience] = {
    "report": "readers",
    "held": "readers",
    "bounced": "readers",
    "acknowledge": "reporter",
    "acknowledge-held": "reporter",
    "key-trouble": "member",
    "case-waits": "operator",
    "roster-refused": "operator",
}

WHY_WITHHELD: Mapping[Source, str] = {
    "reporter": "the reporter asked for it",
    "named": "they are named in the mail (two other readers may bring them back)",
    "sender": "the mail seems to be from them (two other readers may bring them back)",
    "addressed": "the mail went to them as well (two other readers may bring them back)",
    "self": "they withdrew themself",
    "reader": "a reader withheld it from them",
    "operator": "the operator withheld it from them",
}


@dataclass(frozen=True)
class Story:
    """A case as a notice tells of it."""

    case: Case
    facts: Facts
    readers: tuple[Member, ...]
    roster: Roster
    message: Message | None


def case_values(desk: Desk, story: Story) -> dict[str, Any]:
    """The values that every notice to readers has."""
    return {
        "desk": desk_values(desk),
        "case": {"codename": story.case.codename, "received": shown_time(desk, story.case.received_at)},
        "readers": [member.name for member in story.readers],
        "withheld": [
            {"name": _name(story.roster, recusal.member), "why": WHY_WITHHELD[recusal.source]}
            for recusal in story.case.recusals
        ],
        "reply": "none is sent: " + story.facts.no_reply_because
        if story.facts.no_reply_because
        else "an acknowledgement is sent",
    }


def report_values(desk: Desk, story: Story) -> dict[str, Any]:
    """The values of a notice of a new report."""
    message = story.message
    if message is None:
        raise ValueError("a report notice needs its message")
    body = message.body
    signer = body.signature.fingerprint or ""
    known = next((member.name for member in story.roster.members if member.fingerprint == signer), "")
    return {
        **case_values(desk, story),
        "full": desk.notice == "full",
        "excluded": list(story.facts.also_excluded),
        "report": {
            "sender": body.sender,
            "subject": body.subject,
            "text": body.text,
            "outside_text": body.outside_text,
            "outside_subject": body.outside_subject,
            "encryption": body.encryption,
            "signature": body.signature.status,
            "notes": list(body.notes),
            "signer": f"{known} ({signer})" if known else signer,
        },
        "files": [
            {"name": item.name, "type": item.type, "size": item.size, "note": item.note} for item in message.attachments
        ],
    }


def held_values(desk: Desk, story: Story) -> dict[str, Any]:
    """The values of a notice of a mail that did not open: nothing of the mail itself."""
    failure = story.message.body.failure if story.message else ""
    return {**case_values(desk, story), "reason": failure or "it cannot be read"}


def bounced_values(desk: Desk, story: Story, recipient: str) -> dict[str, Any]:
    """The values of a notice that somebody could not be reached."""
    who = "the reporter" if recipient == "reporter" else _name(story.roster, recipient)
    return {**case_values(desk, story), "who": who}


def desk_values(desk: Desk) -> dict[str, str]:
    """What every template may say of the desk."""
    spaced = " ".join(desk.fingerprint[at : at + 4] for at in range(0, len(desk.fingerprint), 4))
    return {"title": desk.title, "address": desk.address, "fingerprint": spaced}


def member_values(desk: Desk, member: Member, reason: str) -> dict[str, Any]:
    """The values of a note to one member about their key."""
    return {
        "desk": desk_values(desk),
        "member": {"name": member.name, "fingerprint": member.fingerprint},
        "reason": reason,
    }


def shown_time(desk: Desk, at: datetime) -> str:
    """A moment in the desk's time zone."""
    return at.astimezone(desk.zone).strftime("%Y-%m-%d %H:%M %Z")


def sample_values(desk: Desk) -> dict[str, dict[str, Any]]:
    """Values of every kind of notice, to try templates with."""
    base: dict[str, Any] = {
        "desk": desk_values(desk),
        "case": {"codename": "amber-heron", "received": "2026-01-31 12:00 UTC"},
        "readers": ["Ada Example", "Zoë “Zed” Example"],
        "withheld": [{"name": "Jo Example", "why": WHY_WITHHELD["named"]}],
        "reply": "an acknowledgement is sent",
    }
    report = {
        "sender": "Sam <sam@example.org>", "subject": "Sample", "text": "A sample text.", "outside_text": "Footer", "outside_subject": "...",
        "encryption": "pgp/mime", "signature": "valid", "signer": "0" * 40, "notes": ["Sample note"],
    }  # fmt: skip
    files = [{"name": "sample.txt", "type": "text/plain", "size": 12, "note": ""}]
    member = {"name": "Ada Example", "fingerprint": "0" * 40}
    return {
        "report": {**base, "full": True, "excluded": ["Somebody"], "report": report, "files": files},
        "held": {**base, "reason": "it is damaged"},
        "bounced": {**base, "who": "Ada Example"},
        "acknowledge": {"desk": base["desk"]},
        "acknowledge-held": {"desk": base["desk"]},
        "key-trouble": {"desk": base["desk"], "member": member, "reason": "the key has expired"},
        "case-waits": {"desk": base["desk"]},
        "roster-refused": {"desk": base["desk"]},
    }


def languages(members: Sequence[Member]) -> dict[str, list[Member]]:
    """Members by the language they read."""
    groups: dict[str, list[Member]] = {}
    for member in members:
        groups.setdefault(member.language, []).append(member)
    return groups


def _name(roster: Roster, member_id: str) -> str:
    member = roster.get(member_id)
    return member.name if member else member_id
