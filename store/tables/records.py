"""The values that intake writes down and the mailer reads: what a mail said, and what is known of a case."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, field, fields
from datetime import date, datetime
from typing import Any, Literal

from store.kit.sentences import Sentence
from store.openpgp.values import Signature
from store.tables.authentication import Authentication
from store.tables.promise import Promise

State = Literal["new", "held", "automatic", "junk", "acknowledged", "investigating", "decided", "closed", "destroyed"]
# `in` came from outside, `out` went to the reporter, `letter` to another correspondent; a `note` stayed here.
Direction = Literal["in", "out", "letter", "note"]
# What the desk itself says above what a reader writes to a correspondent.
LetterKind = Literal["", "hearing", "outcome", "warning", "statement", "summary"]
# What a filter says of a mail; empty when none was asked.
Filtered = Literal["", "clean", "doubtful", "junk"]
Encryption = Literal["none", "pgp/mime", "inline", "attachment"]
Verb = Literal[
    "assign",
    "recuse",
    "reinstate",
    "vote",
    "consent",
    "state",
    "deadline",
    "field",
    "link",
    "hold",
    "release",
    "junk",
    "junk-vote",
    "not-junk",
    "urgent",
    "not-urgent",
    "propose",
    "agree",
    "decide",
    "object",
    "withdraw",
    "measure",
    "lift",
    "lift-vote",
    "handover",
    "classify",
    "new",
    "send",
    "release-statement",
    "redact-vote",
    "redact",
    "erase-vote",
    "erase",
    "split",
    "merge-vote",
    "merge",
    "guest-vote",
    "guest",
    "no-guest",
    "may-name",
    "not-name",
]
Source = Literal[
    "reporter", "named", "first-name", "sender", "addressed", "doubtful", "linked", "self", "reader", "operator"
]

_KEYS = ("reporter_key", "new_key")
_LISTS = ("also_excluded", "reporters", "may_be_named", "redacted")
PROVISIONAL: frozenset[str] = frozenset({"named", "first-name", "sender", "addressed", "doubtful", "linked"})


@dataclass(frozen=True)
class Attachment:
    """One attachment as it was opened. `name` is what the sender called it, and is never used as a path.

    `within`: it stands in the text, such as a picture in a page.
    """

    name: str
    type: str
    data: bytes
    note: str = ""
    within: bool = False


@dataclass(frozen=True)
class Change:
    """One thing that was done to a case. It is only for those who may know of `other_case` (an id) as well.

    `subject` is a member's id, a state, a date, a field or a codename, as the verb has it; `text` is what was said.
    """

    verb: Verb
    subject: str = ""
    text: str = ""
    other_case: str = ""


@dataclass(frozen=True)
class LetterTo:
    """To whom a reader writes, other than the reporter: a thread (its id), or everybody, for a `statement` and the `summary` of the yearly report. `kind` is what the desk says above their text, `until` by
    which day (ISO 8601) they may answer, `language` that of the mail. `draft` is the number of a text that another reader sends; what
    was sent so bears the same number. `plain`: a reader said that it may go unencrypted. `seen` are the texts that the files of a draft had before they were
    cleaned; `new_key`: it goes to the key that came later.
    """

    thread: str
    kind: LetterKind = ""
    until: str = ""
    language: str = "en"
    draft: int = 0
    plain: bool = False
    seen: tuple[str, ...] = ()
    new_key: bool = False

    @property
    def how(self) -> Literal["", "plain", "new-key"]:
        """How a reader said that it goes."""
        return "plain" if self.plain else "new-key" if self.new_key else ""


@dataclass(frozen=True)
class Body:
    """What one mail says, opened. `text` is the report itself; `outside_text` stood around it and proves nothing.

    `message_id` is its own, `answers` that of the mail which it answers; `done` is what a member did with it. Of a mail
    that did not open, `sent_by` and `sent_to` keep its envelope.
    `filtered` is what a filter says of it. `status_until`: it is the team's "we are still on it", and until which day
    (ISO 8601; empty for none) the reporter hears more; None for any other mail.
    `chat`: it is a line from a chat program. `by_form`: it came by the web form.
    `letter`: it goes to somebody other than the reporter.
    `key_offered`: it came in plain, and its Autocrypt header offers a key without asking for sealed answers.
    """

    sender: str = ""
    subject: str = ""
    text: str = ""
    outside_text: str = ""
    outside_subject: str = ""
    encryption: Encryption = "none"
    signature: Signature = Signature()
    failure: str = ""
    notes: tuple[Sentence, ...] = ()
    date: str = ""
    message_id: str = ""
    answers: str = ""
    reply_to: str = ""
    done: tuple[Change, ...] = ()
    key_offered: bool = False
    chat: bool = False
    by_form: bool = False
    sent_by: str | None = None
    sent_to: tuple[str, ...] = ()
    authentication: Authentication = Authentication()
    filtered: Filtered = ""
    status_until: str | None = None
    letter: LetterTo | None = None

    def to_json(self) -> dict[str, Any]:
        """The JSON value that is sealed."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Body:
        """The body of a sealed JSON value."""
        done = tuple(Change(**item) for item in value.get("done", ()))
        signature, notes = Signature(**value["signature"]), tuple(map(Sentence.from_json, value["notes"]))
        lists = {"notes": notes, "done": done, "sent_to": tuple(value.get("sent_to", ()))}
        vouched = Authentication(**value.get("authentication", {}))
        letter = value.get("letter")
        letter = LetterTo(**{**letter, "seen": tuple(letter.get("seen", ()))}) if letter else None
        return cls(**{**value, **lists, "signature": signature, "authentication": vouched, "letter": letter})


@dataclass(frozen=True)
class Wishes:
    """From whom a reporter wants a case to be kept, in their own words: what members who join later are compared with.

    `only` are the ones who alone may know of it. What is `perhaps` so was quoted, or came from somebody else.
    """

    excluded: tuple[str, ...] = ()
    perhaps_excluded: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    perhaps_only: tuple[str, ...] = ()

    def __or__(self, other: Wishes) -> Wishes:
        mine, theirs = astuple(self), astuple(other)
        return Wishes(*(tuple(dict.fromkeys((*one, *more))) for one, more in zip(mine, theirs, strict=True)))

    def doubted(self) -> Wishes:
        """The same, where whoever asked for it may not be the reporter."""
        return Wishes(perhaps_excluded=self.excluded, perhaps_only=self.only) | Wishes(
            perhaps_excluded=self.perhaps_excluded, perhaps_only=self.perhaps_only
        )


_WISHES = tuple(item.name for item in fields(Wishes))


@dataclass(frozen=True)
class Facts:
    """What the desk must remember of a case besides its messages; sealed as a whole.

    `reply_to` is empty when the desk itself does not write to the reporter; `no_reply_because` then says why.
    `answer_to` is where the team may write, empty when nobody may. `reporters` are the addresses that the report
    came from, by which its author is known again; `address` is where its first mail asked to be answered, whether they
    want answers or not. `new_key` came with a later mail, and is not used until a reader says so. `without_token`: the
    first mail referred to another one, and nothing that is sent to its author shows the token of the case.
    `archived`: it came from an archive, with or without a word to the readers. `asks_secrecy`: its first mail asks to be kept
    from somebody, in whatever words. `tell` is a mail address that hears, without a word of it, that an answer waits in a letterbox. `redacted` are keyed hashes of
    the words that were taken out (`store.cases.redaction`), so that who joins can still be looked for. `told_by` is the member who wrote it down.
    """

    reply_to: str = ""
    no_reply_because: str = ""
    reporter_key: bytes = b""
    also_excluded: tuple[str, ...] = ()
    first_message_id: str = ""
    wishes: Wishes = Wishes()
    answer_to: str = ""
    reporters: tuple[str, ...] = ()
    reporter_fingerprint: str = ""
    new_key: bytes = b""
    new_fingerprint: str = ""
    came_sealed: bool = False
    asks_reply: bool = False
    asks_quiet: bool = False
    address: str = ""
    without_token: bool = False
    archived: Literal["", "silent", "told"] = ""
    asks_secrecy: bool = False
    tell: str = ""
    may_be_named: tuple[str, ...] = ()
    redacted: tuple[str, ...] = ()
    told_by: str = ""

    @property
    def writable(self) -> bool:
        """Whether the team can write to the reporter, who did not ask for silence."""
        return bool(self.answer_to) and not self.asks_quiet

    def to_json(self) -> dict[str, Any]:
        """The JSON value that is sealed."""
        keys = {name: base64.b64encode(getattr(self, name)).decode() for name in _KEYS}
        return {**asdict(self), **keys}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Facts:
        """The facts of a sealed JSON value."""
        keys = {name: base64.b64decode(value.get(name, "")) for name in _KEYS}
        lists = {name: tuple(value.get(name, ())) for name in _LISTS}
        known = {name: item for name, item in value.items() if name not in _WISHES}
        return cls(**{**known, **lists, **keys, "wishes": _wishes(value)})


def _wishes(facts: Mapping[str, Any]) -> Wishes:
    """What a case is kept from whom for. Before `Only:` was known, its two lists stood among the facts themselves."""
    kept = facts.get("wishes", facts)
    return Wishes(**{name: tuple(kept.get(name, ())) for name in _WISHES})


@dataclass(frozen=True)
class Recusal:
    """That a member must not know of a case, and where that comes from."""

    member: str
    source: Source

    @property
    def provisional(self) -> bool:
        """Whether two other readers may end it."""
        return self.source in PROVISIONAL

    @property
    def strength(self) -> int:
        """What outranks what: the reporter's own wish everything, what is provisional or one reader's word nothing."""
        return 0 if self.provisional or self.source == "reader" else 2 if self.source == "reporter" else 1


def guest_id(member: str, desk: str) -> str:
    """The id of a member of another desk among those of this one: no id of a roster looks like it."""
    return f"{member}~{desk}"


def own_id(member: str) -> str:
    """The id that somebody has at their own desk, whether they are a guest here or not."""
    return member.partition("~")[0]


@dataclass(frozen=True)
class Case:
    """What is known of a case without opening its messages. `promises` are those that are still owed; `writable`: its
    reporter can be written to, and did not ask for silence. `guests` are members of other desks who may read it (ids here), each with the
    last day; the word of `voting_guests` on proposals counts."""

    id: str
    codename: str
    desk: str
    state: State
    received_at: datetime
    recusals: tuple[Recusal, ...] = ()
    handle: str = ""
    screened: frozenset[str] = frozenset()
    assignee: str = ""
    deadline: str = ""
    outcome: str = ""
    on_hold: bool = False
    escalated: bool = False
    acknowledged_at: datetime | None = None
    decided_at: datetime | None = None
    closed_at: datetime | None = None
    promises: tuple[Promise, ...] = ()
    writable: bool = True
    urgent: bool = False
    guests: Mapping[str, date] = field(default_factory=dict)
    voting_guests: frozenset[str] = frozenset()

    @property
    def recused(self) -> frozenset[str]:
        """Ids of the members who must not know of the case."""
        return frozenset(recusal.member for recusal in self.recusals)


@dataclass(frozen=True)
class Message:
    """One message of a case, opened."""

    id: str
    direction: Direction
    at: datetime
    body: Body
    attachments: tuple[AttachmentInfo, ...] = ()
    author: str = "reporter"


@dataclass(frozen=True)
class NewLetterbox:
    """What is kept for a reporter who came by the web form: the look-up value of their receipt (hexadecimal), the address that stands
    for them, and their own key as only the receipt opens it."""

    lookup: str = field(repr=False)
    address: str = field(repr=False)
    locked: bytes = field(repr=False)


@dataclass(frozen=True)
class AttachmentInfo:
    """What is known of an attachment without its content. Size in octets."""

    id: str
    name: str
    type: str
    size: int
    sha256: str
    note: str = ""


@dataclass(frozen=True)
class Arrival:
    """One mail that becomes a case, or part of one: everything that the one transaction writes.

    `author` is `reporter`, `other` (somebody else), `desk`, a member's id, or a correspondent (`store.cases.correspondence`). `told_at` is when a new case's notices
    are due, at once when None. `at` is when it is written down, and `received_at` when the report came in
    where that was before (a mail from an archive). `urgent`: it says that it cannot wait. `letterbox` is what its author's receipt opens.
    """

    desk: str
    state: State
    at: datetime
    raw: bytes
    digest: str
    message_id: str
    body: Body
    facts: Facts
    attachments: tuple[Attachment, ...] = ()
    recusals: tuple[Recusal, ...] = ()
    notices: tuple[str, ...] = ()
    screened: Mapping[str, str] = field(default_factory=dict)
    author: str = "reporter"
    direction: Direction = "in"
    fields: Mapping[str, str] = field(default_factory=dict)
    told_at: datetime | None = None
    received_at: datetime | None = None
    urgent: bool = False
    letterbox: NewLetterbox | None = None
