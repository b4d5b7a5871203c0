"""Mails as they come from other programs, each with the right answer (`tests/cases/expected.json`)."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import delete

from desk.demo.rehearsal import Person, Rehearsal, make_person
from store.tables.models import ReplyCountRow
from tests.conftest import Desk

CASES = Path(__file__).parent.parent / "cases"
KNOWN = json.loads((CASES / "expected.json").read_text())
SAM = "sam@reporter.example"


def address(member: str) -> str:
    """A member's address; that of one stands behind their name, and does not hold their id."""
    told = KNOWN["team"][member].partition(" (")[2].rstrip(")")
    return told or f"{member}@team.example"


@pytest.fixture(scope="module")
def desk_of_cases(short_tmp: Path) -> Iterator[Desk]:
    folder = Path(tempfile.mkdtemp(prefix="c", dir=short_tmp))
    people = []
    for member, known in KNOWN["team"].items():
        person = make_person(folder / "t", member, known.partition(" (")[0])
        people.append(Person(person.id, person.name, address(member), person.keyring, person.fingerprint))
    play = Rehearsal(folder / "desk", people)
    play.sink.start()
    desk = Desk(play)
    desk.context.keyring._gnupg._gpg.import_keys((CASES / "desk-secret.asc").read_text())
    yield desk
    desk.end()
    for person in people:
        person.keyring.close()


@pytest.mark.parametrize("case", KNOWN["cases"], ids=lambda case: case["file"])
def test_a_mail_is_read_as_its_author_meant_it(desk_of_cases: Desk, case: dict[str, Any]) -> None:
    desk = desk_of_cases
    envelope = case.get("envelope") or {}
    receipt = desk.receive(
        (CASES / case["file"]).read_bytes(), *envelope.get("to", ()), sender=envelope.get("from", SAM)
    )
    sent = desk.mail_out()
    record = desk.case(receipt.codename)
    with desk.open_case(receipt.codename) as file:  # the next one is by the same author, and has nothing to do with it
        file.row.state = "closed"
        file.session.add(file.row)
        file.session.exec(delete(ReplyCountRow))
    told = {item.recipient for item in sent}
    message = record["messages"][-1]

    def holds(wanted: dict[str, Any]) -> bool:
        answers = [item.mail for item in sent if item.recipient == SAM]
        return (
            not told & {address(member) for member in wanted.get("not_told", ())}
            and all(word in message["text"] for word in wanted.get("text_has", ()))
            and not any(word in message["text"] for word in wanted.get("text_lacks", ()))
            and set(wanted.get("files", ())) <= {item["name"] for item in message["attachments"]}
            and wanted.get("acknowledged", bool(answers)) == bool(answers)
            and receipt.outcome in wanted.get("outcome", [receipt.outcome])
            and (not wanted.get("ack_sealed") or b"BEGIN PGP MESSAGE" in answers[0])
            and ("any" not in wanted or any(map(holds, wanted["any"])))
        )

    assert holds(case["expect"]), (receipt, told, message)
