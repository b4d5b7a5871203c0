"""The commands on measures: one is written down on a case; the list of a desk, and that one is to end, need no case."""

from __future__ import annotations

import re
from datetime import date

from sqlmodel import Session

from store.cases import measures
from store.cases.case_file import Actor, CaseFile
from store.cases.command import CaseCommand, Command, DeskCommand
from store.cases.dates import day_to_come, require_no_day_within
from store.cases.measures import Wanted
from store.kit.sentences import marked
from store.tables.records import Change

_END = re.compile(r"[\s,;]*\b(?P<appeal>appeal\s+)?until\s+(?P<day>\S+?)[.,;]?\s*$", re.IGNORECASE)

DAY_IN_TEXT = marked("Write 'until' and the day at the very end. Where it is now, it would only be part of the text.")


class KeepMeasure(CaseCommand):
    """What was decided about somebody, and holds on when the case is gone."""

    name = "measure"
    help = (
        (
            "/measure NAMES: WHAT until 2028-12-31",
            marked(
                "keep what was decided about somebody, longer than the case; 'appeal until' and a day as well, the days can be left out"
            ),
        ),
    )
    lacking = measures.NO_NAME

    @classmethod
    def split(cls, written: str) -> tuple[str, str]:
        person, colon, what = written.partition(":")
        return (person.strip(), what.strip()) if colon else ("", "")

    def do(self, file: CaseFile) -> Change:
        what, days = self.text, dict[str, date]()
        while (found := _END.search(what)) and ("appeal" if found["appeal"] else "until") not in days:
            days["appeal" if found["appeal"] else "until"] = day_to_come(file, found["day"])
            what = what[: found.start()]
        require_no_day_within(what, DAY_IN_TEXT)
        name = measures.begin(file, Wanted(self.subject, what, days.get("until"), days.get("appeal")))
        return Change("measure", name, f"{self.subject}: {self.text}")

    @property
    def kept_text(self) -> str:
        return f"{self.subject}\n{self.text}"


class Measures(Command):
    """The measures that a member may see are asked for."""

    name = "measures"
    help = (("/measures", marked("list the measures that you can see")),)


class Lift(DeskCommand):
    """A word that a measure is to end."""

    name = "lift"
    help = (("/lift NAME WHY", marked("end a measure; two of you have to agree")),)
    lacking = marked("Which measure? Write its name after '/lift'; '/measures' lists them.")

    @classmethod
    def split(cls, written: str) -> tuple[str, str]:
        name, _, why = written.partition(" ")
        return name.casefold(), why.strip()

    def do_at(self, session: Session, by: Actor) -> Change:
        return Change(
            "lift" if measures.lift(session, by, self.subject, self.text) else "lift-vote", self.subject, self.text
        )
