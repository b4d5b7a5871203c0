"""A member who steps back may have two leads told why, and nobody else.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from store.cases import answers
from store.cases.access import may_know
from store.cases.answers import Answer
from store.cases.case_file import CaseFile
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.team.members import Member

TWO_LEADS = marked("Name one or two other leads who are on duty now.")
CANNOT_BE_TOLD = marked("{name} cannot be told of this. Name somebody else.")
NO_WHY = marked("Write behind the names, after a colon, what they are to be told.")
NAMES_THE_CASE = marked("{name} may not know this case: leave its name out of what they are told.")
_MOST = 2


def tell(file: CaseFile, member: Member, leads: Sequence[Member], why: str) -> None:
    """Have one or two leads told why a member steps back; which case it is, only who may know of it. Raises NotAllowed.

    Nobody from whom the case is withheld, or who was not looked for in it yet, is told anything: that there is a case is what they must not learn.
    """
    on_duty = {item.id for item in file.roster.on_duty(file.at) if item.role == "lead"}
    if not 0 < len({item.id for item in leads}) <= _MOST or any(item.id == member.id for item in leads):
        raise NotAllowed(TWO_LEADS)
    if not why:
        raise NotAllowed(NO_WHY)
    case = file.case
    for lead in leads:
        if lead.id in case.recused or lead.identity not in case.screened:
            raise NotAllowed(CANNOT_BE_TOLD, name=lead.name)
        if lead.id not in on_duty:
            raise NotAllowed(TWO_LEADS)
        knows = may_know(case, file.roster, lead.id, file.at)
        if not knows and file.row.codename in why.casefold():
            raise NotAllowed(NAMES_THE_CASE, name=lead.name)
        told = Answer(stepped_back=member.id, why=why)
        answers.give(file.session, replace(file.by, id=lead.id), told, file if knows else None)
    file.note("conflict-told", {"leads": [item.id for item in leads]})
