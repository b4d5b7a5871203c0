"""The commands that put two cases into one, or make two of one."""

from __future__ import annotations

import re

from store.cases import lookup, merging, recusals, splitting, withholding
from store.cases.case_file import CaseFile, open_case
from store.cases.command import CaseCommand
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.tables.records import Change


class Merge(CaseCommand):
    """Another case goes into this one."""

    name = "merge"
    help = (("/merge CASE", marked("put another case into this one; another reader of both has to agree")),)
    lacking = marked("Which case? Write the name of the other one after '/merge'.")

    def do(self, file: CaseFile) -> Change:
        written = self.subject.strip().casefold()
        row = lookup.row_for(file.session, file.roster, written, file.actor, file.at)
        if row.desk != file.row.desk or row.wrapped_key is None:
            raise lookup.no_such_case(written)
        other = open_case(file.session, file.by, row)
        merging.require_mergeable(file, other)
        key = f"{merging.VOTE}{row.id}"
        if file.actor == "operator":  # nobody alone takes it from its readers, whichever case has them
            withholding.vote_of_two(other, key)
        if withholding.vote_of_two(file, key, {item.id for item in other.own_readers}):
            return Change("merge-vote", row.codename, other_case=row.id)
        recusals.forget_votes(file, key)
        merging.merge(file, other)
        return Change("merge", written)


class Split(CaseCommand):
    """Some mails of this case become one of their own."""

    name = "split"
    help = (("/split 3 5", marked("make a case of its own of mails 3 and 5, numbered as '/show' has them")),)
    lacking = marked("Which mails? Write their numbers, as '/show' has them, after '/split'.")

    def do(self, file: CaseFile) -> Change:
        written = re.split(r"[\s,;]+", self.subject.strip())
        if not all(re.fullmatch(r"#?[0-9]{1,5}", item) for item in written):
            raise NotAllowed(self.lacking)
        made = splitting.split(file, [int(item.removeprefix("#")) for item in written])
        return Change("split", made.row.codename, other_case=made.row.id)
