"""What members are answered to their mails, kept sealed until it is sent.

Works within a transaction that the caller opened. An answer hangs on a case only when its member may know of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete
from sqlmodel import Session, col, select

from store.cases.case_file import Actor, CaseFile
from store.cases.content import box_of
from store.cases.lookup import row_by_id
from store.kit.clock import to_text
from store.kit.sentences import NOTHING, Sentence
from store.outbox import queue
from store.tables.models import AnswerRow, NoticeRow, SeenSignatureRow
from store.tables.records import Change
from store.tables.vault import Box, Vault

_KEPT = timedelta(days=30)


@dataclass(frozen=True)
class Answer:
    """What a member is told of a mail of theirs. `refusal` says why nothing was done, `line` because of which line.

    `compiled`: they get a table of this case and those that belong to it, `debrief` one of the cases between two days.
    `person` is somebody whom cases are listed for that name them, `file` the number of a file that they get, `archive` that of the case, sealed to a key (base64). `stepped_back` is a member (id) who wants them told why they left a case.
    `measures`: they are shown the measures that they can see. `junk`: they are shown what is junk; `made_reports` are the cases (ids) that they took out of there.
    `wrote` is `note` or `reply`, `message` the id of the one that it is kept as, `answers` the Message-ID of their mail.
    """

    refusal: Sentence = NOTHING
    line: str = ""
    done: tuple[Change, ...] = ()
    withdrawn: bool = False
    wrote: str = ""
    show: bool = False
    cases: bool = False
    help: bool = False
    in_plain: bool = False
    key: str = ""
    message: str = ""
    answers: str = ""
    junk: bool = False
    made_reports: tuple[str, ...] = ()
    measures: bool = False
    compiled: bool = False
    debrief: tuple[str, str] | None = None
    file: int = 0
    archive: str = field(default="", repr=False)
    person: str = ""
    stepped_back: str = ""
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """The JSON value that is sealed."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Answer:
        """The answer of a sealed JSON value."""
        done = tuple(Change(**item) for item in value["done"])
        made = tuple(value.get("made_reports", ()))
        debrief = tuple(value["debrief"]) if value.get("debrief") else None
        return cls(
            **{
                **value,
                "debrief": debrief,
                "refusal": Sentence.from_json(value["refusal"]),
                "done": done,
                "made_reports": made,
            }
        )


def give(session: Session, to: Actor, answer: Answer, file: CaseFile | None = None) -> None:
    """Put an answer to the member who acted into the outbox; about a case when there is one."""
    case_id, box = (file.row.id, file.box) if file else (None, to.vault)
    made = AnswerRow(case_id=case_id, desk=to.desk.id, member=to.id, at=to_text(to.at), content_sealed=b"")
    made.content_sealed = box.seal_json(answer.to_json(), "answers", "content", made.id)
    session.add(made)
    queue.enqueue(session, queue.Notice("answer", to.desk.id, to.at, case_id=case_id, subject_id=made.id))


def read(session: Session, vault: Vault, answer_id: str) -> tuple[str, Answer] | None:
    """The member whom an answer is for, and the answer; None when it is gone."""
    row = session.get(AnswerRow, answer_id)
    if row is None:
        return None
    box: Box = box_of(vault, row_by_id(session, row.case_id)) if row.case_id else vault
    return row.member, Answer.from_json(box.open_json(row.content_sealed, "answers", "content", row.id))


def first_sight(session: Session, digest: str, mail: str, at: datetime) -> str:
    """Note a signature; `new`, `same` when the same mail brought it before, or `replayed` when another one did."""
    row = session.get(SeenSignatureRow, digest)
    if row is None:
        session.add(SeenSignatureRow(digest=digest, mail=mail, at=to_text(at)))
        session.flush()
        return "new"
    return "same" if row.mail == mail else "replayed"


def forget_old(session: Session, at: datetime, signature_age: timedelta) -> None:
    """Forget answers that were sent long ago, and signatures that are too old to count anyway."""
    waiting = select(NoticeRow.subject_id).where(NoticeRow.kind == "answer", NoticeRow.done == 0)
    old = delete(AnswerRow).where(col(AnswerRow.at) < to_text(at - _KEPT), col(AnswerRow.id).not_in(waiting))
    session.exec(old)
    seen = delete(SeenSignatureRow).where(col(SeenSignatureRow.at) < to_text(at - signature_age))
    session.exec(seen)
