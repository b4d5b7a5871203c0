"""How closely a case is to be kept, by a label of the desk's own list, such as TLP's: shown in notices, and obeyed by what leaves.

Works within a transaction that the caller opened.
"""

from __future__ import annotations

from collections.abc import Mapping

from store.cases import invitations
from store.cases.case_file import CaseFile
from store.cases.command import CaseCommand
from store.kit.config import Desk
from store.kit.errors import NotAllowed
from store.kit.sentences import marked
from store.tables.records import Change

FIELD = "label"
NO_LABEL = marked("There is no label '{label}'. This desk has: {labels}.")
STAYS = marked(
    "This case is classified as '{label}': it does not leave this desk. '/classify' gives it another label first."
)


class Classify(CaseCommand):
    """How closely a case is to be kept."""

    name = "classify"
    help = (
        (
            "/classify LABEL",
            marked("say how closely the case is to be kept, by one of the desk's labels; 'none' takes it off"),
        ),
    )
    lacking = marked("Which label? Write it after '/classify', or 'none'.")

    def do(self, file: CaseFile) -> Change:
        label = self.subject.strip().casefold()
        known = file.by.desk.labels
        if label != "none" and label not in known:
            raise NotAllowed(NO_LABEL, label=self.subject, labels=", ".join(known) or "-")
        put(file, "" if label == "none" else label)
        file.note("classified", {"label": label})
        return Change("classify", label)


def put(file: CaseFile, label: str) -> None:
    """Put a label on a case; one that stays at its desk has no guests any more."""
    file.fill({FIELD: label})
    if label in file.by.desk.stays:
        invitations.end_all(file)


def require_may_leave(desk: Desk, fields: Mapping[str, str]) -> None:
    """Raise NotAllowed for a case (its fields) whose label says that it stays at its desk."""
    label = fields.get(FIELD, "")
    if label in desk.stays:
        raise NotAllowed(STAYS, label=label)
