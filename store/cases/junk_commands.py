"""The commands about junk: one small class each."""

from __future__ import annotations

import re

from store.cases import junk
from store.cases.case_file import CaseFile
from store.cases.command import CaseCommand
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.tables.records import Change

_ALL_LIKE_THIS = "all-like-this"


class Junk(CaseCommand):
    """That a case is junk; where no case is meant, what is junk is asked for."""

    name = "junk"
    help = (
        ("/junk", marked("list what was put aside as junk; on a case: put it there, if another reader agrees")),
        ("/junk all-like-this", marked("the same for all new cases that are much like this one")),
    )

    def do(self, file: CaseFile) -> Change:
        wave = self.subject.casefold().replace(" ", "-")
        if wave not in ("", _ALL_LIKE_THIS):
            raise NotAllowed(marked("After '/junk' you can only write 'all-like-this'."))
        missing = junk.put(file)
        if wave:
            junk.put_all_like(file)
        return Change("junk-vote" if missing else "junk", wave)


class NotJunk(CaseCommand):
    """That what is among the junk is a report: a case, or what has these numbers in the member's list."""

    name = "notjunk"
    help = (("/notjunk 3 5", marked("make reports of numbers 3 and 5 in your list of junk")),)
    on_junk = True

    @property
    def numbers(self) -> frozenset[int]:
        """The numbers that were written; none where a case is meant. Raises NotAllowed for anything else."""
        words = re.split(r"[\s,;]+", self.subject.strip()) if self.subject.strip() else []
        if not all(re.fullmatch(r"#?\d{1,6}", word) for word in words):
            raise NotAllowed(marked("After '/notjunk' write the numbers from your list of junk. '/junk' shows it."))
        return frozenset(int(word.lstrip("#")) for word in words)

    def do(self, file: CaseFile) -> Change:
        junk.take_out(file)
        return Change("not-junk")
