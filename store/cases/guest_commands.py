"""The command by which two readers let a member of another desk read along."""

from __future__ import annotations

from store.cases import guests
from store.cases.case_file import CaseFile
from store.cases.command import CaseCommand
from store.kit.sentences import marked
from store.tables.records import Change


class Guest(CaseCommand):
    """A member of another desk reads this one case, until a day."""

    name = "guest"
    help = (
        (
            "/guest NAME of DESK until 2026-01-31",
            marked("let a member of another desk read this case; another reader has to agree; 'voting' lets them vote"),
        ),
        ("/guest NAME until none", marked("stop letting them read this case")),
    )
    lacking = guests.WANTED

    def do(self, file: CaseFile) -> Change:
        wanted = guests.read_invitation(file, self.subject)
        if wanted.until is None:
            guests.end(file, wanted)
            return Change("no-guest", wanted.member.name)
        missing = guests.invite(file, wanted)
        return Change("guest-vote" if missing else "guest", wanted.member.name, self.subject)
