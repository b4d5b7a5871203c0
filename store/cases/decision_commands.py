"""The commands by which readers decide together."""

from __future__ import annotations

import re

from store.cases import decisions
from store.cases.case_file import CaseFile
from store.cases.command import CaseCommand
from store.cases.dates import day_to_come, require_no_day_within
from store.cases.decisions import Proposal
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.tables.records import Change

_UNTIL = re.compile(r"until\s+(\S+?)\s*(?::\s*(.*))?$", re.IGNORECASE | re.DOTALL)

DAY_IN_REASON = marked(
    "Write the day right after the outcome: '/propose OUTCOME until 2026-01-31: WHY'. Where it is now, it would only be part of the reason."
)


class Propose(CaseCommand):
    """An outcome that several readers are to agree to."""

    name = "propose"
    help = (
        (
            "/propose OUTCOME until 2026-01-31: WHY",
            marked("ask the others to agree to an outcome; day and reason can be left out"),
        ),
    )
    lacking = marked("Which outcome? Write it after '/propose'.")

    @classmethod
    def split(cls, written: str) -> tuple[str, str]:
        outcome, *rest = re.split(r"[\s:]+", written, maxsplit=1)
        return outcome, rest[0].strip() if rest else ""

    def do(self, file: CaseFile) -> Change:
        found = _UNTIL.match(self.text)
        until = day_to_come(file, found[1]) if found else None
        reason = (found[2] or "").strip() if found else self.text
        if found is None:
            require_no_day_within(self.text, DAY_IN_REASON)
        made = decisions.propose(file, self.subject.casefold().rstrip(".,:"), until, reason)
        return Change("propose", str(made.number), _as_it_stands(made, reason))


class _OfProposal(CaseCommand):
    """A command on a proposal, by its number."""

    @classmethod
    def split(cls, written: str) -> tuple[str, str]:
        number, _, text = written.partition(" ")
        return number, text.strip(" :")

    @property
    def number(self) -> int:
        """The number. Raises NotAllowed."""
        if not re.fullmatch(r"#?[0-9]{1,4}", self.subject):
            raise NotAllowed(marked("Write the number of the proposal, such as 1."))
        return int(self.subject.removeprefix("#"))


class Agree(_OfProposal):
    """That one reader agrees."""

    name = "agree"
    for_guests = True
    help = (("/agree 1", marked("agree to a proposal; that your key signed it is kept")),)
    lacking = marked("Write the number of the proposal, such as 1.")

    def do(self, file: CaseFile) -> Change:
        if self.text:
            raise NotAllowed(marked("After '/agree' you can only write the number of the proposal."))
        found = decisions.agree(file, self.number)
        return Change(
            "decide" if found.is_reached and found.needed else "agree", str(found.number), _as_it_stands(found)
        )


class ObjectTo(_OfProposal):
    """That one reader does not agree."""

    name = "object"
    for_guests = True
    help = (("/object 1 WHY", marked("say why you don't agree to a proposal")),)
    lacking = marked("Write the number of the proposal, such as 1.")

    def do(self, file: CaseFile) -> Change:
        found = decisions.object_to(file, self.number, self.text)
        return Change("object", str(found.number), _as_it_stands(found, self.text))


class Withdraw(_OfProposal):
    """That a proposal of one's own is none any more."""

    name = "withdraw"
    help = (("/withdraw 1", marked("take back a proposal of your own")),)
    lacking = marked("Write the number of the proposal, such as 1.")

    def do(self, file: CaseFile) -> Change:
        return Change("withdraw", str(decisions.withdraw(file, self.number, self.text).number))


def _as_it_stands(proposal: Proposal, reason: str = "") -> str:
    """The outcome and how many of those who must agree do, in figures, so that it reads in every language; and a reason."""
    needed = f" {len(proposal.agreed)}/{proposal.needed}" if proposal.needed else ""
    return f"{proposal.outcome}{needed}" + (f" - {reason}" if reason else "")
