"""The command that says what cannot wait."""

from __future__ import annotations

from store.cases import urgency
from store.cases.case_file import CaseFile
from store.cases.command import CaseCommand
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.tables.records import Change


class Urgent(CaseCommand):
    """That a case cannot wait, or can after all."""

    name = "urgent"
    help = (
        ("/urgent", marked("this cannot wait: shorter times, and an alert to those on the case who have set one up")),
        ("/urgent no", marked("it can wait after all")),
    )

    def do(self, file: CaseFile) -> Change:
        if self.subject.casefold() not in ("", "no"):
            raise NotAllowed(marked("After '/urgent' you can only write 'no'."))
        if self.subject:
            urgency.take_back(file)
            return Change("not-urgent")
        urgency.make_urgent(file)
        return Change("urgent")
