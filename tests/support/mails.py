"""Mails for tests, and a look at what became of them."""

from __future__ import annotations

import json
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

from desk.demo.rehearsal import Person, Rehearsal
from store.cases.overview import JSON
from store.openpgp.armor import armor
from tests.conftest import Desk


def sealed(desk: Desk, by: Person, content: bytes, *, sign: bool = False) -> str:
    """An armored message to the desk's key."""
    return armor(by.keyring.seal_to_key(content, desk.play.desk_key, by.fingerprint if sign else None)).decode()


def mail_of(part: MIMEMultipart | MIMEText, subject: str = "Report") -> bytes:
    part["From"] = "Sam <sam@reporter.example>"
    part["To"] = "conduct@desk.example"
    part["Subject"] = subject
    return part.as_bytes()


def only_message(desk: Desk, codename: str) -> JSON:
    record = desk.case(codename)
    assert len(record["messages"]) == 1
    message: JSON = record["messages"][0]
    return message


def case_text(play: Rehearsal) -> str:
    (line,) = json.loads(play.command("case", "list", "--json").stdout)
    return str(json.loads(play.command("case", "show", line["codename"], "--json").stdout)["messages"][0]["text"])
