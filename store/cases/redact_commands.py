"""The commands that take something out of a case, or end it before its time. Each takes two readers."""

from __future__ import annotations

import re
from datetime import timedelta

from store.cases import recusals, redaction, withholding
from store.cases.case_file import CaseFile
from store.cases.command import CaseCommand
from store.cases.redaction import Passage
from store.kit.clock import from_text, to_text
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.tables.records import Change

ERASED_AFTER = timedelta(days=7)
NOT_READ = marked("{case} has mail that waits to be read. What stands in it is not known yet.")
NONE_WAITS = marked("There is no open request of number {number}. '/show' says what was asked for.")
NOT_CLOSED = marked("{case} is not closed. Close it first, with its outcome.")
ON_HOLD = marked("{case} is on hold. '/release' ends that.")
IS_SET = marked("{case} is about to be erased already. '/hold' stops it.")
TO_BE_KEPT = marked("{case} has to be kept until {day}.")
OPERATORS_WAY = "Two readers of the case must agree; the operator has 'ombud case destroy' for it."


class Redact(CaseCommand):
    """A passage, or a file, is taken out of the whole case."""

    name = "redact"
    help = (
        (
            "/redact FIRST WORDS ... LAST WORDS",
            marked("take a passage out of everything that the case holds; another reader has to agree"),
        ),
        ("/redact file 2", marked("take out what stands in a file")),
        ("/redact 1", marked("agree to what another reader wants taken out")),
    )
    lacking = redaction.TOO_SHORT

    @property
    def kept_text(self) -> str:
        return ""

    def do(self, file: CaseFile) -> Change:
        if any(item.body.failure for item in file.messages()):
            raise NotAllowed(NOT_READ, case=file.row.codename)
        waiting = redaction.proposed(file.messages())
        number, written = self._meant(file, waiting)
        of_file = redaction.numbered_file(written)
        key = f":redact {number} {redaction.file_id(file, of_file) if of_file else ''}"
        if withholding.vote_of_two(file, key):
            return Change("redact-vote", str(number), written)
        recusals.forget_votes(file, key)
        if of_file:
            redaction.take_out_file(file, of_file)
            return Change("redact", str(number))
        redaction.take_out(file, Passage(written))
        return Change("redact", str(number), ", ".join(map(str, redaction.unsearched_files(file))))

    def _meant(self, file: CaseFile, waiting: dict[int, str]) -> tuple[int, str]:
        """The number of what is to be taken out, and what that is. Raises NotAllowed."""
        written = self.subject.strip()
        if re.fullmatch(r"#?[0-9]{1,4}", written):
            number = int(written.removeprefix("#"))
            if number not in waiting:
                raise NotAllowed(NONE_WAITS, number=number)
            return number, waiting[number]
        for number, text in waiting.items():
            if text == written:
                return number, text
        if of_file := redaction.numbered_file(written):
            redaction.file_id(file, of_file)
        elif not redaction.stands_in(file, Passage(written)):
            raise NotAllowed(redaction.NOT_THERE)
        return redaction.next_number(file.messages()), written


class Erase(CaseCommand):
    """A closed case is destroyed before its time."""

    name = "erase"
    help = (
        (
            "/erase WHY",
            marked("destroy a closed case in seven days; another reader has to agree, and '/hold' stops it"),
        ),
    )

    @classmethod
    def split(cls, written: str) -> tuple[str, str]:
        return "", written

    def do(self, file: CaseFile) -> Change:
        row = file.row
        if file.actor == "operator":
            raise NotAllowed(OPERATORS_WAY)
        if row.state != "closed" or row.closed_at is None:
            raise NotAllowed(NOT_CLOSED, case=row.codename)
        if row.on_hold:
            raise NotAllowed(ON_HOLD, case=row.codename)
        if row.erase_at is not None:
            raise NotAllowed(IS_SET, case=row.codename)
        free = from_text(row.closed_at) + timedelta(days=file.by.desk.keep_at_least)
        if file.at < free:
            day = free.astimezone(file.by.desk.zone).date().isoformat()
            raise NotAllowed(TO_BE_KEPT, case=row.codename, day=day)
        if withholding.vote_of_two(file, recusals.ERASE):
            return Change("erase-vote", text=self.text)
        recusals.forget_votes(file, recusals.ERASE)
        end = file.at + ERASED_AFTER
        file.note("erasure-set", {"why": self.text})
        row.erase_at, row.announced_at = to_text(end), to_text(file.at)
        file.session.add(row)
        return Change("erase", end.astimezone(file.by.desk.zone).date().isoformat(), self.text)
