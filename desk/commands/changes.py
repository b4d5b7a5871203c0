"""What readers do by mail, as commands for scripts: the same rules, in the same code (`store.cases.commands`).

What is written is read from standard input: arguments of a process can be seen by everybody on the machine.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated

import typer

from desk.commands import show
from desk.commands.cases import ByOption
from desk.commands.options import ConfigOption, JsonOption, opened
from store.cases import content, correspondence, lookup, notes
from store.cases.case_commands import STATES, Assign, Deadline, Field, Hold, Link, Recuse, Reinstate, Release, State
from store.cases.case_file import Actor, CaseFile, open_for
from store.cases.classification import Classify
from store.cases.command import CaseCommand
from store.cases.decision_commands import Propose, Withdraw
from store.cases.handover import HandOver
from store.cases.letter_commands import Consent, Send
from store.cases.letter_order import read_order
from store.cases.letters import Letter, as_letter
from store.cases.measure_commands import KeepMeasure
from store.cases.replies import How, Reply, as_reply
from store.cases.telling import Document
from store.cases.urgency_commands import Urgent
from store.context import Context
from store.kit.errors import NotAllowed
from store.tables.records import Arrival, Body, Change, Facts

changes_app = typer.Typer()

WhyOption = Annotated[bool, typer.Option("--why", help="Read the reason from standard input.")]
ByMember = Annotated[str, typer.Option("--by", metavar="MEMBER", help="The reader who writes.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to those on cases."""
    app.registered_commands += changes_app.registered_commands


@changes_app.command("note")
def case_note(codename: str, by: ByMember, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Write to all who are on a case. The text is read from standard input."""
    text = written_text()
    if not text:
        raise NotAllowed("There is no text on standard input: nothing was noted.")
    with opened(config) as context, _case(context, codename, by) as file:
        notes.act(file, [], _arrival(file, text))
    _say(codename, [], as_json)


@changes_app.command("reply")
def case_reply(
    codename: str,
    by: ByMember,
    config: ConfigOption = None,
    plain: Annotated[bool, typer.Option(help="In plain mail, although the reporter wrote encrypted.")] = False,
    new_key: Annotated[bool, typer.Option(help="To the key that came with a later mail.")] = False,
    status: Annotated[
        bool, typer.Option(help="Only that the team is still on it; standard input is not read.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write to the reporter, from the desk and without the member's name. The text is read from standard input."""
    how: How = "status" if status else "new-key" if new_key else "plain" if plain else ""
    wanted = Reply("" if status else written_text(), how=how)
    with opened(config) as context:
        _look_at_keys(context, codename)
        _reply(context, codename, by, replace(wanted, documents=_documents(context, codename)))
    _say(codename, [], as_json)


def _look_at_keys(context: Context, codename: str) -> None:
    """Have GnuPG look at the keys of who is written to before a transaction begins that would wait for it."""
    with context.database.read() as session:
        row = lookup.find_row(session, codename)
        keys: list[bytes] = []
        if row is not None and row.wrapped_key:
            box = content.box_of(context.vault, row)
            known = content.facts_in(box, row)
            keys += [known.reporter_key, known.new_key]
            keys += [
                key for item in correspondence.threads_in(session, box, row.id) for key in (item.key, item.new_key)
            ]
    for data in filter(None, keys):
        context.keyring.read_key_data(data)


def _documents(context: Context, codename: str) -> tuple[Document, ...]:
    """What stands in the documents of a case."""
    from intake.outgoing_files import documents_of

    with context.database.read() as session:
        row = lookup.find_row(session, codename)
        return documents_of(context, session, row) if row is not None and row.wrapped_key else ()


def _reply(context: Context, codename: str, by: str, wanted: Reply) -> None:
    with _case(context, codename, by) as file:
        notes.act(file, [], as_reply(file, _arrival(file, ""), wanted, context.keyring))


@changes_app.command("write")
def case_write(codename: str, by: ByMember, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Write to somebody other than the reporter, from the desk and without the member's name. The first line of standard input is what
    stands behind '/write' in a mail, such as 'Sam <sam@example.org> as witness'; the text follows."""
    order, _, text = written_text().partition("\n")
    letter = Letter(read_order(order.removeprefix("/write")), text.strip())
    with opened(config) as context:
        _look_at_keys(context, codename)
        letter = replace(letter, documents=_documents(context, codename))
        with _case(context, codename, by) as file:
            notes.act(file, [], as_letter(file, _arrival(file, ""), letter, context.keyring, context.config.is_own))
    _say(codename, [], as_json)


@changes_app.command("send")
def case_send(
    codename: str,
    number: Annotated[str, typer.Argument(help="Of the draft.")],
    by: ByMember,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a draft that another reader wrote with 'case write'."""
    change(config, codename, by, Send(number), as_json=as_json)


@changes_app.command("consent")
def case_consent(
    codename: str,
    by: ByMember,
    config: ConfigOption = None,
    no: Annotated[bool, typer.Option("--no", help="They do not agree any more.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Note that somebody agreed to be named to those who are heard. The name is read from standard input; the reporter is 'reporter'."""
    change(config, codename, by, Consent(f"{written_text()} {'not ' if no else ''}to be named"), as_json=as_json)


@changes_app.command("measure")
def case_measure(codename: str, by: ByMember, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Keep what was decided about somebody, longer than the case. Standard input is what stands behind '/measure' in a mail."""
    person, what = KeepMeasure.split(written_text())
    change(config, codename, by, KeepMeasure(person, what), as_json=as_json)


@changes_app.command("classify")
def case_classify(
    codename: str,
    label: Annotated[str, typer.Argument(help="One of desk.labels, or none.")],
    config: ConfigOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how closely a case is to be kept."""
    change(config, codename, by, Classify(label), as_json=as_json)


@changes_app.command("handover")
def case_handover(
    codename: str,
    desk: Annotated[str, typer.Argument(help="The id of the other desk.")],
    config: ConfigOption = None,
    by: ByOption = None,
    why: WhyOption = False,
    as_json: JsonOption = False,
) -> None:
    """Give a case to another desk of this install as well. It is looked through for members there before anybody reads it."""
    change(config, codename, by, HandOver(desk, written_text() if why else ""), as_json=as_json)


@changes_app.command("recuse")
def case_recuse(
    codename: str,
    member: str,
    config: ConfigOption = None,
    by: ByOption = None,
    why: WhyOption = False,
    as_json: JsonOption = False,
) -> None:
    """Withhold a case from a member: as the operator, as the member themself, or as another reader."""
    change(config, codename, by, Recuse(member, written_text() if why else ""), as_json=as_json)


@changes_app.command("reinstate")
def case_reinstate(
    codename: str, member: str, config: ConfigOption = None, by: ByOption = None, as_json: JsonOption = False
) -> None:
    """Agree that a member may come back to a case. Two different readers must, unless the operator had withheld it."""
    change(config, codename, by, Reinstate(member), as_json=as_json)


@changes_app.command("assign")
def case_assign(
    codename: str, member: str, config: ConfigOption = None, by: ByOption = None, as_json: JsonOption = False
) -> None:
    """Say which of its readers takes care of a case."""
    change(config, codename, by, Assign(member), as_json=as_json)


@changes_app.command("state")
def case_state(
    codename: str,
    state: Annotated[str, typer.Argument(help=f"One of {', '.join(STATES)}.")],
    outcome: Annotated[str, typer.Argument(help="Of a closed case: one of desk.outcomes.")] = "",
    config: ConfigOption = None,
    by: ByOption = None,
    why: WhyOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say how far a case has come."""
    text = f"{outcome} {written_text()}" if why else outcome
    change(config, codename, by, State(state, text), as_json=as_json)


@changes_app.command("propose")
def case_propose(
    codename: str,
    outcome: Annotated[str, typer.Argument(help="One of desk.outcomes.")],
    config: ConfigOption = None,
    by: ByOption = None,
    until: Annotated[str, typer.Option(help="A day such as 2026-01-31.")] = "",
    why: WhyOption = False,
    as_json: JsonOption = False,
) -> None:
    """Propose an outcome to the readers. Who agrees says so by signed mail: nobody can for them."""
    reason = written_text() if why else ""
    text = f"until {until}: {reason}" if until else reason
    change(config, codename, by, Propose(outcome, text), as_json=as_json)


@changes_app.command("withdraw")
def case_withdraw(
    codename: str, number: str, config: ConfigOption = None, by: ByOption = None, as_json: JsonOption = False
) -> None:
    """Take back a proposal of one's own."""
    change(config, codename, by, Withdraw(number), as_json=as_json)


@changes_app.command("deadline")
def case_deadline(
    codename: str,
    day: Annotated[str, typer.Argument(help="Such as 2026-01-31, or none.")],
    config: ConfigOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set the day by which something must be done."""
    change(config, codename, by, Deadline(day), as_json=as_json)


@changes_app.command("field")
def case_field(
    codename: str, name: str, config: ConfigOption = None, by: ByOption = None, as_json: JsonOption = False
) -> None:
    """Fill a field of the record. The value is read from standard input; an empty one empties the field."""
    change(config, codename, by, Field(name, written_text()), as_json=as_json)


@changes_app.command("link")
def case_link(
    codename: str, other: str, config: ConfigOption = None, by: ByOption = None, as_json: JsonOption = False
) -> None:
    """Say that two cases belong together."""
    change(config, codename, by, Link(other), as_json=as_json)


@changes_app.command("urgent")
def case_urgent(
    codename: str,
    config: ConfigOption = None,
    by: ByOption = None,
    no: Annotated[bool, typer.Option("--no", help="It can wait after all.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Mark a case that cannot wait: shorter times, and an alert to its readers."""
    change(config, codename, by, Urgent("no" if no else ""), as_json=as_json)


@changes_app.command("hold")
def case_hold(
    codename: str, config: ConfigOption = None, by: ByOption = None, why: WhyOption = False, as_json: JsonOption = False
) -> None:
    """Keep a case from being destroyed."""
    change(config, codename, by, Hold(text=written_text() if why else ""), as_json=as_json)


@changes_app.command("release")
def case_release(
    codename: str, config: ConfigOption = None, by: ByOption = None, why: WhyOption = False, as_json: JsonOption = False
) -> None:
    """End what `hold` began."""
    change(config, codename, by, Release(text=written_text() if why else ""), as_json=as_json)


def change(config: ConfigOption, codename: str, by: str | None, command: CaseCommand, *, as_json: bool) -> None:
    """Give one command on a case, as a reader or the operator, and say what was done. Raises as the command does."""
    with opened(config) as context, _case(context, codename, by or "operator") as file:
        changes = notes.act(file, [command], _arrival(file, "")).changes
    _say(codename, changes, as_json)


@contextmanager
def _case(context: Context, codename: str, actor: str) -> Iterator[CaseFile]:
    """The case for an actor, for writing. Raises NoSuchCase alike for none and for one that the actor may not know of."""
    rosters = {desk.id: (desk, context.team(desk)) for desk in context.config.desk}
    with context.database.write() as session:
        row = lookup.find_row(session, codename)
        desk = context.config.find_desk(row.desk) if row else None
        if desk is None:
            raise lookup.no_such_case(codename)
        others = {name: there for name, there in rosters.items() if name != desk.id}
        by = Actor(context.vault, desk, rosters[desk.id][1], actor, context.clock(), elsewhere=others)
        yield open_for(session, by, codename)


def _arrival(file: CaseFile, text: str) -> Arrival:
    return Arrival(
        desk=file.row.desk, state="new", at=file.at, raw=b"", digest="", message_id="", body=Body(text=text), facts=Facts(),
        author=file.actor, direction="note",
    )  # fmt: skip


def written_text(*, stripped: bool = True) -> str:
    """What is written on standard input. Raises NotAllowed."""
    try:
        text = sys.stdin.buffer.read(1_000_000).decode("utf-8")
        return text.strip() if stripped else text
    except UnicodeDecodeError:
        raise NotAllowed("The text on standard input is not UTF-8.") from None


def _say(codename: str, changes: Sequence[Change], as_json: bool) -> None:
    if as_json:
        lines = [{"verb": item.verb, "subject": item.subject} for item in changes]
        show.print_json({"codename": codename, "done": lines})
        return
    for item in changes:
        print(f"{codename}: {_PHRASES[item.verb].format(item.subject)}.")
    if not changes:
        print(f"{codename}: kept, and on its way.")


_PHRASES = {
    "assign": "assigned to {}",
    "recuse": "withheld from {}",
    "reinstate": "{} is back",
    "vote": "noted; one more reader must agree that {} comes back",
    "consent": "noted; one more reader must agree to withhold it from {}",
    "state": "is now {}",
    "deadline": "deadline {}",
    "field": "field {} is set",
    "link": "linked with {}",
    "hold": "on hold",
    "release": "no longer on hold",
    "junk": "put aside as junk",
    "junk-vote": "noted; one more reader must agree that it is junk",
    "not-junk": "is a report now; its readers are told",
    "urgent": "cannot wait",
    "not-urgent": "can wait after all",
    "propose": "proposal {}",
    "agree": "agrees with proposal {}",
    "decide": "agrees with proposal {}; that is enough",
    "object": "objects to proposal {}",
    "withdraw": "proposal {} is withdrawn",
    "redact-vote": "noted as number {}; one more reader must agree that it is taken out",
    "redact": "number {} is taken out",
    "erase-vote": "noted; one more reader must agree that it is destroyed",
    "erase": "will be destroyed on {}",
    "split": "some mails are the case {} now",
    "merge-vote": "noted; one more reader of both must agree that {} goes into it",
    "merge": "{} is part of it now",
    "guest-vote": "noted; one more reader must agree that {} reads it",
    "guest": "{} is a guest of it",
    "no-guest": "{} is no longer a guest of it",
    "new": "case {}",
    "classify": "label {}",
    "handover": "given to {} as well",
    "measure": "kept as the measure {}",
    "lift": "the measure {} has ended",
    "lift-vote": "noted; one more must agree that {} ends",
    "send": "draft {} is sent",
    "release-statement": "statement {} may be said now",
    "may-name": "{} may be named",
    "not-name": "{} may not be named any more",
}
