"""Junk: mail that is kept without a word to anybody, listed to members who ask, and destroyed after a while.

What a filter takes for junk comes here at once; a case that readers have goes here when two of them say so, or one where the
filter had doubts. What may be a report for certain never does. Any reader of it brings a mail back.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from rapidfuzz import fuzz
from sqlalchemy import literal_column
from sqlmodel import Session, col, select

from store.cases import correspondents, patterns, promises, recusals, withholding
from store.cases.access import may_know
from store.cases.case_file import Actor, CaseFile, open_case
from store.cases.lookup import cases_of
from store.kit.clock import to_text
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.outbox import limits
from store.tables.models import CaseRow, JunkLessonRow, JunkNumberRow, NoticeRow, RecusalRow
from store.tables.records import Body, Facts, Message, Recusal, Wishes

VOTES = 2
_TOLD = ("report", "held")
_PUT_FROM = ("new", "automatic")
_WAVE = timedelta(days=14)
_WAVE_MOST = 2_000
_ALIKE = 85
_COMPARED = 2_000
_COUNT_AT_MOST = 100


def visible(session: Session, by: Actor) -> list[CaseRow]:
    """The junk that a member may know of; the oldest first."""
    rows = session.exec(
        select(CaseRow)
        .where(CaseRow.desk == by.desk.id, CaseRow.state == "junk", col(CaseRow.wrapped_key).is_not(None))
        .order_by(col(CaseRow.received_at), col(CaseRow.id))
    ).all()
    return _known(session, by, rows)


@dataclass(frozen=True)
class Counted:
    """How much junk somebody may know of, and whether there is more than that; `ids` are the cases that were counted."""

    number: int
    more: bool
    ids: frozenset[str]


_IS_JUNK = col(CaseRow.state) == literal_column("'junk'")  # no parameter: an index of junk alone is used then


def counted(session: Session, by: Actor) -> Counted:
    """How much junk a member may know of, the newest first, up to 100: a flood costs no more than that. What is withheld from them counts for
    nothing, not even for whether there is more."""
    junk = (CaseRow.desk == by.desk.id, _IS_JUNK, col(CaseRow.wrapped_key).is_not(None))
    newest = (
        select(CaseRow.id, CaseRow.screened, CaseRow.escalated)
        .where(*junk)
        .order_by(col(CaseRow.received_at).desc(), col(CaseRow.id))
    )
    found, start = list[str](), 0
    while len(found) <= _COUNT_AT_MOST and (rows := session.exec(newest.offset(start).limit(_COUNT_AT_MOST + 1)).all()):
        found += _known_of(session, by, rows)
        start += len(rows)
    return Counted(min(len(found), _COUNT_AT_MOST), len(found) > _COUNT_AT_MOST, frozenset(found[:_COUNT_AT_MOST]))


def _known_of(session: Session, by: Actor, rows: Sequence[tuple[str, str, int]]) -> list[str]:
    """Which of some junk (ids, with who was looked for in it, and whether it is escalated) a member may know of."""
    ids = [case_id for case_id, _, _ in rows]
    withheld = select(RecusalRow.case_id).where(col(RecusalRow.case_id).in_(ids), col(RecusalRow.ended).is_(None))
    recused = set(session.exec(withheld))
    # Cases from which nobody is recused are checked once for each kind.
    asked = {case_id: case_id if case_id in recused else (screened, escalated) for case_id, screened, escalated in rows}
    one_of = {kind: case_id for case_id, kind in asked.items()}
    some = session.exec(select(CaseRow).where(col(CaseRow.id).in_(one_of.values()))).all()
    known = {row.id for row in _known(session, by, some)}
    return [case_id for case_id in ids if one_of[asked[case_id]] in known]


def put(file: CaseFile) -> int:
    """One reader's word that a case is junk; how many readers must still agree (0: it is there).

    Raises NotAllowed for a case that the team is at work on, and for what may be a report for certain.
    """
    if file.actor == "operator":
        raise NotAllowed("Two readers of the case must agree: repeat the command with --by MEMBER for each of them.")
    _require_puttable(file)
    missing = _votes_needed(file) - withholding.vote(file, withholding.JUNK)
    file.note("junk-vote", {"member": withholding.JUNK})
    if missing <= 0:
        _put(file)
    return max(missing, 0)


def put_all_like(file: CaseFile) -> None:
    """The same word on every case of the last weeks that nobody has answered and that is much like this one."""
    first = file.first_message()
    if first is None:
        return
    for row in _unanswered(file):
        other = open_case(file.session, file.by, row)
        found = other.first_message()
        if found is not None and alike(first, found) and not _kept_from_junk(other):
            put(other)


def alike(one: Message, other: Message) -> bool:
    """Whether two mails are of one wave: the same author, the same domain and subject, or nearly the same text."""
    a, b = one.body, other.body
    if a.sender and a.sender == b.sender:
        return True
    same_domain = domain_of(a.sender) == domain_of(b.sender) != ""
    if same_domain and a.subject and a.subject.casefold() == b.subject.casefold():
        return True
    return bool(a.text.strip()) and fuzz.ratio(a.text[:_COMPARED], b.text[:_COMPARED], score_cutoff=_ALIKE) > 0


def take_out(file: CaseFile) -> None:
    """Make a report of junk: its time begins now, and its readers are told, unless they were before. Raises NotAllowed."""
    row = file.row
    if row.state != "junk":
        raise NotAllowed(marked("{case} is not among the junk."), case=row.codename)
    row.state, row.closed_at, row.received_at = "new", None, to_text(file.at)
    file.session.add(row)
    recusals.forget_votes(file, withholding.JUNK)
    promises.begin(file.session, row, file.at)
    file.note("not-junk")
    _teach(file, "ham")
    correspondents.note(file)
    if reported := file.fields.get("reported"):
        patterns.note(file.on_behalf_of("reporter"), reported)
    if not _was_told(file):
        file.enqueue("report")
        _acknowledge(file)
    file.look_again_at_readers()


def number(session: Session, by: Actor, most: int) -> None:
    """Give the newest junk its numbers for a member; each is given once, and each member has their own.

    Nobody is to see by a gap that there is something that they may not know of.
    """
    given = {
        item.case_id: item.number for item in session.exec(select(JunkNumberRow).where(JunkNumberRow.member == by.id))
    }
    fresh = [row for row in visible(session, by)[-most:] if row.id not in given]
    for following, row in enumerate(fresh, max(given.values(), default=0) + 1):
        session.add(JunkNumberRow(case_id=row.id, member=by.id, number=following))
    session.flush()


def shown(session: Session, by: Actor) -> list[tuple[int, CaseRow]]:
    """The junk that a member may know of and has been given numbers for, by number."""
    given = session.exec(select(JunkNumberRow).where(JunkNumberRow.member == by.id)).all()
    rows = {row.id: row for row in visible(session, by)}
    return sorted(((item.number, rows[item.case_id]) for item in given if item.case_id in rows), key=lambda it: it[0])


def by_numbers(session: Session, by: Actor, numbers: Collection[int]) -> list[CaseRow]:
    """The junk that a member was shown under these numbers, as far as they may know of it still. Raises NotAllowed naming
    a number that means none."""
    known = dict(shown(session, by))
    for number in sorted(numbers):
        if number not in known:
            raise NotAllowed(
                marked("There is no number {number} in your list of junk. '/junk' shows it."), number=number
            )
    return [known[number] for number in sorted(numbers)]


def lessons(session: Session) -> list[JunkLessonRow]:
    """What a filter is still to be taught."""
    return list(session.exec(select(JunkLessonRow).limit(200)))


def domain_of(author: str) -> str:
    """The domain of an author as shown to readers, in lower case; empty when there is none."""
    return author.rpartition("@")[2].strip(" <>").lower() if "@" in author else ""


def _require_puttable(file: CaseFile) -> None:
    if file.row.state not in _PUT_FROM:
        raise NotAllowed(marked("{case} is not new. Close it instead, with its outcome."), case=file.row.codename)
    if why := _kept_from_junk(file):
        raise NotAllowed(why, case=file.row.codename)


def _kept_from_junk(file: CaseFile) -> str:
    first = file.first_message()
    return why_never(first.body if first else Body(failure="there is none"), file.facts, file.case.recusals)


def why_never(body: Body, known: Facts, recusals: Sequence[Recusal]) -> str:
    """Why a mail, or the case that it began, can never be junk, for filters and readers alike; empty when it can. Pure."""
    if body.failure or body.encryption != "none":
        return marked(
            "{case} came encrypted, or could not be read: it is never junk. Close it instead, with its outcome."
        )
    asked = known.asks_secrecy or known.wishes != Wishes() or known.also_excluded
    if asked or any(item.source in ("reporter", "doubtful", "sender") for item in recusals):
        return marked(
            "{case} asks to be kept from somebody, or is a member's: it is never junk. Close it instead, with its outcome."
        )
    return ""


def _votes_needed(file: CaseFile) -> int:
    first = file.first_message()
    return 1 if first is not None and first.body.filtered in ("doubtful", "junk") else VOTES


def _put(file: CaseFile) -> None:
    row = file.row
    row.state, row.closed_at, row.assignee = "junk", to_text(file.at), None
    file.session.add(row)
    recusals.forget_votes(file, withholding.JUNK)
    file.note("put-to-junk")
    _teach(file, "spam")


def _teach(file: CaseFile, kind: str) -> None:
    """Have the filter told of it; what it was to learn before is out of date."""
    lesson = file.session.get(JunkLessonRow, file.row.id) or JunkLessonRow(case_id=file.row.id, kind=kind)
    lesson.kind = kind
    file.session.add(lesson)


def _acknowledge(file: CaseFile) -> None:
    """Tell its author that it came: they have heard nothing yet."""
    by, address = file.by, file.facts.reply_to
    if not address:
        return
    if not by.desk.acknowledge:
        why = limits.NEVER
    elif not limits.may_reply(file.session, by.vault, address, by.desk.replies_per_day, by.at):
        why = limits.ENOUGH
    else:
        file.enqueue("acknowledge")
        return
    file.remember(replace(file.facts, no_reply_because=file.facts.no_reply_because or why))


def _was_told(file: CaseFile) -> bool:
    told = select(NoticeRow.id).where(NoticeRow.case_id == file.row.id, col(NoticeRow.kind).in_(_TOLD))
    return file.session.exec(told.limit(1)).first() is not None


def _unanswered(file: CaseFile) -> list[CaseRow]:
    """The other new cases of the last weeks that who acts may know of."""
    since = to_text(file.at - _WAVE)
    rows = file.session.exec(
        select(CaseRow)
        .where(
            CaseRow.desk == file.row.desk, col(CaseRow.state).in_(_PUT_FROM), CaseRow.received_at >= since,
            CaseRow.id != file.row.id, col(CaseRow.acknowledged_at).is_(None), col(CaseRow.wrapped_key).is_not(None),
        )
        .order_by(col(CaseRow.received_at).desc())
        .limit(_WAVE_MOST)
    ).all()  # fmt: skip
    return _known(file.session, file.by, rows)


def _known(session: Session, by: Actor, rows: Sequence[CaseRow]) -> list[CaseRow]:
    return [
        row
        for row, case in zip(rows, cases_of(session, rows), strict=True)
        if by.id == "operator" or may_know(case, by.roster, by.id, by.at)
    ]
