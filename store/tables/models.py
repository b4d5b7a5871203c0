"""The tables. What a column whose name ends in `_sealed` holds only opens with a key of the vault.

In clear stand codenames, states, dates, member ids and kinds of event; nothing that a reporter wrote, no
address, no subject. Ids are random and made before a row is written, so that sealed values can be bound to it.
Times are ISO 8601 text in UTC (`store.kit.clock`), which sorts and is the same on SQLite and PostgreSQL.
"""

from __future__ import annotations

import base64
import secrets

from sqlalchemy import Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel


def new_id() -> str:
    """A random row id: 120 bits, 20 characters."""
    return secrets.token_urlsafe(15)


def new_handle() -> str:
    """What the reply addresses of a case begin with: 80 bits, 16 characters of base32 (RFC 4648) in lower case."""
    return base64.b32encode(secrets.token_bytes(10)).decode().lower()


class CaseRow(SQLModel, table=True):
    """One case. `merged_into` (JSON) says where a case that was merged into another leads: `case` and `reporter` (ids in the other case), `threads`
    (old ids to new ones), `same` (both had the same reporter). `erase_at`: when two readers have the case destroyed. `wrapped_key` is its own key, sealed by the vault; without it nothing of the case opens. `writable`: its
    reporter can be written to, and did not ask for silence."""

    __tablename__ = "cases"
    __table_args__ = (
        Index("cases_of_state", "desk", "state", "closed_at"),
        Index(
            "cases_ending", "desk",
            sqlite_where=text("announced_at IS NOT NULL OR erase_at IS NOT NULL"),
            postgresql_where=text("announced_at IS NOT NULL OR erase_at IS NOT NULL"),
        ),
        Index(
            "cases_of_junk", "desk", "received_at",
            sqlite_where=text("state = 'junk'"), postgresql_where=text("state = 'junk'"),
        ),
    )  # fmt: skip
    id: str = Field(default_factory=new_id, primary_key=True)
    codename: str = Field(unique=True)
    desk: str = Field(index=True)
    state: str
    received_at: str
    wrapped_key: bytes | None = Field(sa_type=LargeBinary)
    facts_sealed: bytes | None = Field(sa_type=LargeBinary)
    screened: str = "{}"
    handle: str = Field(default_factory=new_handle, unique=True, index=True, sa_column_kwargs={"server_default": ""})
    assignee: str | None = None
    deadline: str | None = None
    outcome: str | None = None
    on_hold: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    fields_sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    acknowledged_at: str | None = None
    decided_at: str | None = None
    closed_at: str | None = None
    transport: str = Field(default="", sa_column_kwargs={"name": "came", "server_default": ""})
    escalated: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    announced_at: str | None = None
    writable: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    urgent: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    erase_at: str | None = None
    merged_into: str | None = None


class MessageRow(SQLModel, table=True):
    """One mail of a case, as received and as opened."""

    __tablename__ = "messages"
    __table_args__ = (UniqueConstraint("desk", "digest"), Index("messages_by_time", "direction", "at"))
    id: str = Field(default_factory=new_id, primary_key=True)
    case_id: str = Field(foreign_key="cases.id", index=True)
    desk: str
    position: int
    direction: str
    author: str = Field(default="", sa_column_kwargs={"server_default": ""})
    at: str
    digest: str | None = None
    message_id_hash: str | None = Field(default=None, index=True)
    body_sealed: bytes = Field(sa_type=LargeBinary)
    raw_sealed: bytes = Field(sa_type=LargeBinary)


class AttachmentRow(SQLModel, table=True):
    """One attachment of a message; name and type are sealed as well."""

    __tablename__ = "attachments"
    id: str = Field(default_factory=new_id, primary_key=True)
    message_id: str = Field(foreign_key="messages.id", index=True)
    case_id: str = Field(foreign_key="cases.id", index=True)
    position: int
    meta_sealed: bytes = Field(sa_type=LargeBinary)
    data_sealed: bytes = Field(sa_type=LargeBinary)


class RecusalRow(SQLModel, table=True):
    """A member who must not know of a case. Ended ones stay for the record."""

    __tablename__ = "recusals"
    id: str = Field(default_factory=new_id, primary_key=True)
    case_id: str = Field(foreign_key="cases.id", index=True)
    member: str
    source: str
    since: str
    by: str | None = None
    ended: str | None = None


class VoteRow(SQLModel, table=True):
    """One reader's word that a member may be reinstated."""

    __tablename__ = "reinstatement_votes"
    __table_args__ = (UniqueConstraint("case_id", "member", "voter"),)
    id: str = Field(default_factory=new_id, primary_key=True)
    case_id: str = Field(foreign_key="cases.id", index=True)
    member: str
    voter: str
    at: str


class GuestRow(SQLModel, table=True):
    """A member of another desk who may read one case until a day (that day included). `member` is their id there, `fingerprint`
    that of the key by which they were invited; `votes`: whether
    their word on proposals counts."""

    __tablename__ = "guests"
    __table_args__ = (UniqueConstraint("case_id", "desk", "member"),)
    id: str = Field(default_factory=new_id, primary_key=True)
    case_id: str = Field(foreign_key="cases.id", index=True)
    desk: str
    member: str
    fingerprint: str
    until: str
    votes: int = 0
    since: str


class EventRow(SQLModel, table=True):
    """One link of the chain of what happened (`store.tables.audit`)."""

    __tablename__ = "events"
    seq: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    case_id: str | None = Field(default=None, index=True)
    kind: str
    at: str
    actor: str
    detail_sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    detail_digest: str
    link: str


class ChainHeadRow(SQLModel, table=True):
    """The last link: one row, so that a cut-off end of the chain is noticed."""

    __tablename__ = "chain_head"
    id: int = Field(default=1, primary_key=True)
    seq: int
    link: str


class NoticeRow(SQLModel, table=True):
    """One event that makes the desk say something: the outbox. It names the event, never a text or a person."""

    __tablename__ = "notices"
    __table_args__ = (Index("notices_open", "due", sqlite_where=text("done = 0"), postgresql_where=text("done = 0")),)
    id: str = Field(default_factory=new_id, primary_key=True)
    case_id: str | None = Field(default=None, foreign_key="cases.id", index=True)
    desk: str
    kind: str
    subject_id: str | None = None
    created: str
    due: str
    done: int = 0
    reopened: int = 0
    owner: str | None = None
    owned_until: str | None = None


class DeliveryRow(SQLModel, table=True):
    """One notice to one recipient: a member's id, `reporter` or `operator`."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("notice_id", "recipient"),
        Index("deliveries_of_state", "state"),
        Index("deliveries_by_time", "sent_at"),
    )
    id: str = Field(default_factory=new_id, primary_key=True)
    notice_id: str = Field(foreign_key="notices.id", index=True)
    case_id: str | None = Field(default=None, foreign_key="cases.id", index=True)
    recipient: str
    state: str = "waiting"
    reason: str = ""
    tries: int = 0
    due: str
    first_try: str | None = None
    sent_at: str | None = None
    message_id: str = Field(index=True)


class ReplyCountRow(SQLModel, table=True):
    """How many replies an address (a keyed hash) has had on a day."""

    __tablename__ = "reply_counts"
    address_hash: str = Field(primary_key=True)
    day: str = Field(primary_key=True)
    count: int = 0


class RosterRow(SQLModel, table=True):
    """The last good roster of a desk, sealed, so that it survives a restart with a broken file."""

    __tablename__ = "rosters"
    desk: str = Field(primary_key=True)
    at: str
    content_sealed: bytes = Field(sa_type=LargeBinary)
    state_digest: str = ""
    complaint_digest: str = ""
    duty: str = Field(default="", sa_column_kwargs={"server_default": ""})


class AttemptRow(SQLModel, table=True):
    """How often handling a mail (a keyed digest) was begun without coming to an end."""

    __tablename__ = "attempts"
    digest: str = Field(primary_key=True)
    count: int
    at: str


class KeyTroubleRow(SQLModel, table=True):
    """That a member was told of a trouble with their key, so that they are told once a week and not with each mail."""

    __tablename__ = "key_troubles"
    desk: str = Field(primary_key=True)
    member: str = Field(primary_key=True)
    reason: str = Field(primary_key=True)
    told_at: str


class PatternRow(SQLModel, table=True):
    """That a case concerns somebody: a keyed hash of one normalised form of their name or handle."""

    __tablename__ = "patterns"
    __table_args__ = (UniqueConstraint("case_id", "form"),)
    id: str = Field(default_factory=new_id, primary_key=True)
    case_id: str = Field(foreign_key="cases.id", index=True)
    desk: str
    form: str = Field(index=True)


class CorrespondentRow(SQLModel, table=True):
    """By what the reporter of a case is known: a keyed hash of an address or of a key's fingerprint."""

    __tablename__ = "correspondents"
    case_id: str = Field(foreign_key="cases.id", primary_key=True)
    digest: str = Field(primary_key=True, index=True)
    desk: str


class ThreadRow(SQLModel, table=True):
    """The correspondence of a case with one other than its reporter: the reported person, a witness. Its addresses bear a handle of its
    own; who they are is sealed."""

    __tablename__ = "threads"
    id: str = Field(default_factory=new_id, primary_key=True)
    case_id: str = Field(foreign_key="cases.id", index=True)
    handle: str = Field(default_factory=new_handle, unique=True, index=True)
    position: int
    about_sealed: bytes = Field(sa_type=LargeBinary)


class PromiseRow(SQLModel, table=True):
    """Something that the desk owes on a case, and when it was kept, or ended without that."""

    __tablename__ = "promises"
    __table_args__ = (
        Index(
            "promises_open", "case_id",
            sqlite_where=text("kept_at IS NULL AND ended_at IS NULL"), postgresql_where=text("kept_at IS NULL AND ended_at IS NULL"),
        ),
    )  # fmt: skip
    id: str = Field(default_factory=new_id, primary_key=True)
    case_id: str = Field(foreign_key="cases.id", index=True)
    kind: str
    since: str
    kept_at: str | None = None
    ended_at: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is still owed."""
        return self.kept_at is None and self.ended_at is None


class ProposalRow(SQLModel, table=True):
    """An outcome that was proposed to the readers of a case. `ended` says how it ended: `withdrawn` or `carried out`."""

    __tablename__ = "proposals"
    __table_args__ = (UniqueConstraint("case_id", "number"),)
    id: str = Field(default_factory=new_id, primary_key=True)
    case_id: str = Field(foreign_key="cases.id", index=True)
    number: int
    outcome: str
    by: str
    at: str
    until: str | None = None
    ended: str | None = None
    noted_late: int = Field(default=0, sa_column_kwargs={"server_default": "0"})


class ProposalWordRow(SQLModel, table=True):
    """What a reader last said to a proposal, `agree` or `object`, and the key (a fingerprint) that signed it."""

    __tablename__ = "proposal_words"
    __table_args__ = (UniqueConstraint("proposal_id", "member"),)
    id: str = Field(default_factory=new_id, primary_key=True)
    proposal_id: str = Field(foreign_key="proposals.id", index=True)
    case_id: str = Field(foreign_key="cases.id", index=True)
    member: str
    word: str
    signer: str
    at: str


class MeasureRow(SQLModel, table=True):
    """What was decided about a person, apart from the case: it outlives that, under a key of its own. `case_id` is where it comes from, also when
    that is gone; `withheld` are the members (ids, with commas) who must not know of it then, `lifting` those who want it to end."""

    __tablename__ = "measures"
    id: str = Field(default_factory=new_id, primary_key=True)
    name: str = Field(unique=True)
    desk: str = Field(index=True)
    case_id: str = Field(index=True)
    since: str
    until: str | None = None
    ended: str | None = None
    withheld: str = ""
    lifting: str = ""
    wrapped_key: bytes | None = Field(sa_type=LargeBinary)
    about_sealed: bytes | None = Field(sa_type=LargeBinary)


class MeasureFormRow(SQLModel, table=True):
    """Of whom a measure is: a keyed hash of one normalised form of their name or handle."""

    __tablename__ = "measure_forms"
    measure_id: str = Field(foreign_key="measures.id", primary_key=True)
    form: str = Field(primary_key=True, index=True)


class LetterboxRow(SQLModel, table=True):
    """Where answers wait for a reporter who came by the web form. `lookup_hash` and `address_hash` are keyed hashes of their receipt's
    look-up value and of the address that stands for them; `locked_sealed` is their own key, as only the receipt opens it."""

    __tablename__ = "letterboxes"
    id: str = Field(default_factory=new_id, primary_key=True)
    case_id: str = Field(foreign_key="cases.id", index=True)
    desk: str
    lookup_hash: str = Field(unique=True, index=True)
    address_hash: str = Field(index=True)
    locked_sealed: bytes = Field(sa_type=LargeBinary)


class LetterRow(SQLModel, table=True):
    """A mail of the desk that waits in a letterbox, sealed to the key of its receipt. `about` is the message of the case that it
    brings, `message_id` its own Message-ID: what is put in twice is one. `noted_unread`: readers know that nobody fetched it."""

    __tablename__ = "letters"
    id: str = Field(default_factory=new_id, primary_key=True)
    letterbox_id: str = Field(foreign_key="letterboxes.id", index=True)
    case_id: str = Field(foreign_key="cases.id", index=True)
    message_id: str = Field(unique=True)
    about: str | None = Field(default=None, index=True)
    at: str
    data_sealed: bytes = Field(sa_type=LargeBinary)
    read_at: str | None = None
    noted_unread: int = Field(default=0, sa_column_kwargs={"server_default": "0"})


class JunkNumberRow(SQLModel, table=True):
    """Under which number a member was shown a mail among the junk. Each member has numbers of their own."""

    __tablename__ = "junk_numbers"
    case_id: str = Field(foreign_key="cases.id", primary_key=True)
    member: str = Field(primary_key=True, index=True)
    number: int


class JunkLessonRow(SQLModel, table=True):
    """That the filter is still to be told what readers found a mail to be: `spam` or `ham`."""

    __tablename__ = "junk_lessons"
    case_id: str = Field(foreign_key="cases.id", primary_key=True)
    kind: str


class LinkRow(SQLModel, table=True):
    """Two cases that belong together. `one` is the smaller id."""

    __tablename__ = "links"
    one: str = Field(foreign_key="cases.id", primary_key=True)
    other: str = Field(foreign_key="cases.id", primary_key=True)
    by: str
    at: str


class AnswerRow(SQLModel, table=True):
    """What a member is answered to a mail of theirs; about a case only when they may know of it."""

    __tablename__ = "answers"
    id: str = Field(default_factory=new_id, primary_key=True)
    case_id: str | None = Field(default=None, foreign_key="cases.id", index=True)
    desk: str
    member: str
    at: str
    content_sealed: bytes = Field(sa_type=LargeBinary)


class SeenSignatureRow(SQLModel, table=True):
    """A signature of a member that was acted upon or refused (a keyed hash), and the mail that brought it."""

    __tablename__ = "seen_signatures"
    digest: str = Field(primary_key=True)
    mail: str
    at: str


class ChoreRow(SQLModel, table=True):
    """Something that is done by time: when it was due the last time that it was done."""

    __tablename__ = "chores"
    name: str = Field(primary_key=True)
    case_id: str | None = Field(default=None, index=True)
    due: str
