"""What an answer to a member shows of cases and commands: values for the templates. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mailer.saying import notices
from mailer.saying.notices import CaseView, name_of
from store.cases import overview
from store.cases.commands import COMMANDS
from store.kit.clock import from_text
from store.kit.config import Desk
from store.kit.sentences import Sentence, marked
from store.tables.records import Body, Change, LetterTo
from store.team.members import Roster

STAGE_NAMES = {
    "acknowledge": marked("answer to the reporter:"), "status": marked("news for the reporter:"), "respond": marked("decision:"),
    "follow-up": marked("look back:"), "deadline": marked("deadline:"),
    "event": marked("end of the event:"),
}  # fmt: skip
KEPT_NAMES = {
    "in time": marked("in time"),
    "late": marked("late"),
    "open": marked("open"),
    "overdue": marked("overdue"),
}


def command_values(desk: Desk) -> list[dict[str, Any]]:
    """How each command is written, and what it does."""
    known = {"outcomes": ", ".join(desk.outcomes)}
    return [
        {"written": written, "what": Sentence(what, known)}
        for command in COMMANDS.values()
        for written, what in command.help
    ]


def case_values(desk: Desk, roster: Roster, line: overview.JSON) -> dict[str, Any]:
    """A case in a list, as it is shown."""
    received = from_text(line["received_at"]).astimezone(desk.zone).date()
    assignee = name_of(roster, line["assignee"]) if line["assignee"] else ""
    return {
        "codename": line["codename"], "state": line["state"], "received": received, "assignee": assignee,
        "deadline": line["deadline"],
    }  # fmt: skip


def _proposal_values(roster: Roster, item: overview.JSON) -> dict[str, Any]:
    """A proposal as it stands, with the names of members."""
    names = {word: [name_of(roster, member) for member in item[word]] for word in ("agreed", "objected")}
    return {**item, **names, "by": name_of(roster, item["by"])}


def _letter_values(letter: overview.JSON | None) -> dict[str, Any] | None:
    """When an answer that waits behind a receipt was read: None while it was not."""
    if letter is None:
        return None
    return {"read_at": from_text(letter["read_at"]) if letter["read_at"] else None}


def record_values(desk: Desk, view: CaseView, record: overview.JSON, text_of: Callable[[Body], str]) -> dict[str, Any]:
    """The record of a case, as it is shown, with a page for each correspondent besides the reporter; `text_of` gives what a mail of the
    team says."""
    roster = view.roster
    pages = {"": [item for item in record["messages"] if not item["thread"]]}
    pages |= {item.author: [one for one in record["messages"] if one["thread"] == item.author] for item in view.threads}
    return {
        **case_values(desk, roster, record),
        "outcome": record["outcome"],
        "on_hold": record["on_hold"],
        "links": record["links"],
        "proposals": [_proposal_values(roster, item) for item in record["proposals"]],
        "fields": [{"name": name, "value": value} for name, value in record["fields"].items()],
        "pages": [
            {
                "with": view.called(author) if author else "",
                "messages": [_message_values(view, message, text_of) for message in messages],
            }
            for author, messages in pages.items()
        ],
    }


def _message_values(view: CaseView, message: overview.JSON, text_of: Callable[[Body], str]) -> dict[str, Any]:
    letter = LetterTo(**message["to"]) if message["to"] else None
    return {
        "at": from_text(message["at"]),
        "author": view.called(message["author"]),
        "direction": message["direction"],
        "number": message["number"],
        "draft": letter.draft if letter and message["direction"] == "note" else 0,
        "text": text_of(Body(text=message["text"], status_until=message["status_until"], letter=letter)),
        "failure": message["failure"],
        "files": [f"{item['number']}. {item['name']}" for item in message["attachments"]],
        "letter": _letter_values(message["letter"]),
        "done": notices.done_values((Change(**item) for item in message["done"]), view.roster),
    }
