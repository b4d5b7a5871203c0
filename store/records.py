"""The values that intake writes down and the mailer reads: what a mail said, and what is known of a case."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from store.openpgp import Signature

State = Literal["new", "held", "automatic", "acknowledged", "investigating", "decided", "closed", "destroyed"]
Direction = Literal["in", "out", "note"]
Encryption = Literal["none", "pgp/mime", "inline", "attachment"]
Source = Literal["reporter", "named", "sender", "addressed", "self", "reader", "operator"]

PROVISIONAL: frozenset[str] = frozenset({"named", "sender", "addressed"})


@dataclass(frozen=True)
class Attachment:
    """One attachment as it was opened. `name` is what the sender called it, and is never used as a path."""

    name: str
    type: str
    data: bytes
    note: str = ""


@dataclass(frozen=True)
class Body:
    """What one mail says, opened. `text` is the report itself; `outside_text` stood around it and proves nothing."""

    sender: str = ""
    subject: str = ""
    text: str = ""
    outside_text: str = ""
    outside_subject: str = ""
    encryption: Encryption = "none"
    signature: Signature = Signature()
    failure: str = ""
    notes: tuple[str, ...] = ()
    date: str = ""

    def to_json(self) -> dict[str, Any]:
        """The JSON value that is sealed."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Body:
        """The body of a sealed JSON value."""
        return cls(**{**value, "signature": Signature(**value["signature"]), "notes": tuple(value["notes"])})


@dataclass(frozen=True)
class Facts:
    """What the desk must remember of a case besides its messages; sealed as a whole.

    `reply_to` is empty when the reporter is not to be written to; `no_reply_because` then says why.
    """

    reply_to: str = ""
    no_reply_because: str = ""
    reporter_key: bytes = b""
    also_excluded: tuple[str, ...] = ()
    first_message_id: str = ""
    excluded: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The JSON value that is sealed."""
        return {**asdict(self), "reporter_key": base64.b64encode(self.reporter_key).decode()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Facts:
        """The facts of a sealed JSON value."""
        key = base64.b64decode(value["reporter_key"])
        lists = {name: tuple(value[name]) for name in ("also_excluded", "excluded")}
        return cls(**{**value, **lists, "reporter_key": key})


@dataclass(frozen=True)
class Recusal:
    """That a member must not know of a case, and where that comes from."""

    member: str
    source: Source

    @property
    def provisional(self) -> bool:
        """Whether two other readers may end it."""
        return self.source in PROVISIONAL


@dataclass(frozen=True)
class Case:
    """What is known of a case without opening its messages."""

    id: str
    codename: str
    desk: str
    state: State
    received_at: datetime
    recusals: tuple[Recusal, ...] = ()

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
    """One mail that becomes a case: everything that the one transaction writes."""

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
