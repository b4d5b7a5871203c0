"""Somebody writes from Delta Chat: its own core sends and reads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from desk.demo.rehearsal import Person
from tests.conftest import Desk
from tests.support.delta_chat import DeltaChat
from tests.support.dovecot import Dovecot
from tests.support.mailboxes import wait_until
from tests.support.talk import say, to

Sent = list[tuple[str, str, bytes]]


@pytest.fixture
def sent() -> Sent:
    """What the chat program sends."""
    return []


@pytest.fixture
def rosa(dovecot: Dovecot, tmp_path: Path, sent: Sent) -> Iterator[DeltaChat]:
    """A reporter with Delta Chat."""
    address = f"rosa{time.monotonic_ns()}@reporter.example"
    chat = DeltaChat(tmp_path, address, dovecot, lambda sender, to, mail: sent.append((sender, to, mail)))
    yield chat
    chat.close()


def test_a_report_from_delta_chat(desk: Desk, team: list[Person], rosa: DeltaChat, sent: Sent, tmp_path: Path) -> None:
    assert desk.play.command("key", "wkd", str(tmp_path)).returncode == 0
    chat = rosa.chat_with((tmp_path / "conduct.vcf").read_text())
    for line in ("Hello?", "It happened on Friday.", "Bo Lindqvist pushed me."):
        rosa.say(chat, line)
    wait_until(lambda: len(sent) == 3, 20)
    receipts = [desk.receive(mail, sender=rosa.address) for _, _, mail in sent]
    (codename,) = {receipt.codename for receipt in receipts}
    (answer,) = desk.mail_out()
    assert answer.recipient == rosa.address, "the readers hear of it when all is said"
    rosa.deliver(answer.mail)
    desk.clock.forward(minutes=2)
    notices = desk.mail_out()
    assert {item.recipient for item in notices} == {person.email for person in team if person.id != "bo"}
    assert len(notices) == 4
    (text,) = to(team[0], notices)
    assert "Hello?\n\nIt happened on Friday.\n\nBo Lindqvist pushed me." in text
    assert "This mail was encrypted." in text
    for item in say(desk, team[0], "/reply\n\nWe are on it.", codename):
        if item.recipient == rosa.address:
            rosa.deliver(item.mail)
    rosa.say(chat, "Thank you.")
    wait_until(lambda: len(sent) == 4, 20)
    desk.receive(sent[3][2], sender=rosa.address)
    desk.clock.forward(minutes=2)
    (text,) = to(team[0], desk.mail_out())
    assert "Thank you." in text
    assert "Hello?" not in text
    wait_until(lambda: any("We are on it." in item["text"] for item in rosa.messages()), 20)
    read = [item for item in rosa.messages() if item["fromId"] > 9 and not item["isInfo"]]
    assert len(read) == 2, "the acknowledgement and the reply"
    assert all(item["showPadlock"] for item in read)
    assert len({item["chatId"] for item in read} | {chat}) == 1, "in the chat in which they wrote"
