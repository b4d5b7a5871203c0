"""All commands of members: mails, the command line and `/help` read this list."""

from __future__ import annotations

from collections.abc import Mapping

from store.cases.case_commands import Assign, Deadline, Field, Hold, Link, Recuse, Reinstate, Release, State
from store.cases.classification import Classify
from store.cases.command import CaseCommand, Command
from store.cases.decision_commands import Agree, ObjectTo, Propose, Withdraw
from store.cases.guest_commands import Guest
from store.cases.handover import HandOver
from store.cases.junk_commands import Junk, NotJunk
from store.cases.letter_commands import Consent, Send, Statement, Write
from store.cases.measure_commands import KeepMeasure, Lift, Measures
from store.cases.move_commands import Merge, Split
from store.cases.redact_commands import Erase, Redact
from store.cases.table_commands import Compile, Debrief, OfPerson
from store.cases.urgency_commands import Urgent
from store.kit.sentences import marked


class ToReporter(Command):
    """The rest of the mail goes to the reporter."""

    name = "reply"
    help = (
        ("/reply", marked("send the rest of the mail to the reporter, from the desk, without your name")),
        ("/reply plain", marked("the same, unencrypted although the reporter wrote encrypted")),
        ("/reply new-key", marked("the same, to the key that came with a later mail")),
        ("/reply status", marked("tell the reporter that you are still on it, and until when they hear more")),
    )


class New(Command):
    """The rest of the mail is what somebody told a member, and becomes a case. `told_order.read_told` reads what stands behind it."""

    name = "new"
    help = (
        (
            "/new NAME <ADDRESS> on 2026-01-31",
            marked(
                "open a case of what somebody told you; write it below. Without an address nobody can write to them"
            ),
        ),
    )


class Show(Command):
    """The record of the case is asked for."""

    name = "show"
    help = (
        ("/show", marked("get the record of the case")),
        ("/show file 2", marked("get one of its files")),
    )


class Export(Command):
    """The case is asked for as one archive."""

    name = "export"
    help = (
        (
            "/export",
            marked(
                "get the case with all mails, files and signatures as one archive, sealed to the attached public key, or to yours"
            ),
        ),
    )


class Cases(Command):
    """The cases that a member may know of are asked for."""

    name = "cases"
    help = (("/cases", marked("list the cases that you can see")),)


class Key(Command):
    """The attached key is the member's from now on."""

    name = "key"
    help = (("/key", marked("use the attached public key for you from now on; sign this mail with the old one")),)


class ForCase(Command):
    """Which case is meant."""

    name = "case"
    help = (("/case NAME", marked("say which case you mean, if nothing else in your mail does")),)


class Help(Command):
    """All commands are asked for."""

    name = "help"


ON_CASES: Mapping[str, type[CaseCommand]] = {
    command.name: command
    for command in (
        Assign,
        Recuse,
        Reinstate,
        State,
        Propose,
        Agree,
        ObjectTo,
        Withdraw,
        Send,
        Consent,
        KeepMeasure,
        HandOver,
        Classify,
        Guest,
        Redact,
        Erase,
        Deadline,
        Field,
        Link,
        Merge,
        Split,
        Hold,
        Release,
        Junk,
        NotJunk,
        Urgent,
    )
}
_ALL: tuple[type[Command], ...] = (
    ToReporter,
    Write,
    Statement,
    *ON_CASES.values(),
    New,
    Show,
    Export,
    Cases,
    Measures,
    Lift,
    Compile,
    Debrief,
    OfPerson,
    Key,
    ForCase,
    Help,
)
COMMANDS: Mapping[str, type[Command]] = {command.name: command for command in _ALL}
