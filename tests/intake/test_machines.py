"""What a machine writes: failure mails of many programs are understood, and filters' headers make no second case."""

from __future__ import annotations

import pytest

from desk.demo.mails import plain_mail
from desk.demo.rehearsal import Person
from intake.asking.triage import is_failure
from intake.reading.message import read_mail
from intake.reading.trace import without_trace
from tests.conftest import Desk
from tests.support.talk import say, to, words

EXIM = b"""From: Mail Delivery System <Mailer-Daemon@relay.example>
To: conduct@desk.example
Subject: Mail delivery failed: returning message to sender
X-Failed-Recipients: sam@reporter.example

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  sam@reporter.example
    host mx.reporter.example [192.0.2.1]: 550 no such user

------ This is a copy of the message, including all the headers. ------

Subject: A reply
"""
QMAIL = b"""From: MAILER-DAEMON@relay.example
To: conduct@desk.example
Subject: failure notice

Hi. This is the qmail-send program at relay.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<sam@reporter.example>:
192.0.2.1 does not like recipient.
Remote host said: 550 no such user
Giving up on 192.0.2.1.

--- Below this line is a copy of the message.
"""
POSTFIX = b"""From: MAILER-DAEMON@relay.example (Mail Delivery System)
To: conduct@desk.example
Subject: Undelivered Mail Returned to Sender

This is the Postfix program at host relay.example.

I'm sorry to have to inform you that your message could not be
be delivered to one or more recipients. It's attached below.

<sam@reporter.example>: host mx.reporter.example[192.0.2.1] said: 550 no such user
"""
DSN = b"""From: MAILER-DAEMON@relay.example
To: conduct@desk.example
Subject: failed
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example

Final-Recipient: rfc822; sam@reporter.example
Action: %s
Status: 5.1.1
--b--
"""


@pytest.mark.parametrize("mail", [EXIM, QMAIL, DSN % b"failed"], ids=["Exim", "qmail", "DSN"])
def test_failure_mails_are_understood(mail: bytes) -> None:
    assert is_failure(read_mail(mail))


@pytest.mark.parametrize("mail", [DSN % b"delayed", DSN % b"delivered", plain_mail("I could not reach you."), b""])
def test_what_is_none_is_none(mail: bytes) -> None:
    assert not is_failure(read_mail(mail))


@pytest.mark.parametrize(
    "header",
    "DKIM-Filter: x|X-Rspamd-Server: a|X-Rspamd-Queue-Id: 1|X-Gm-Message-State: A|X-Google-DKIM-Signature: v=1|X-MS-Exchange-Organization-SCL: 1|"
    "X-Microsoft-Antispam: BCL:0|X-Forefront-Antispam-Report: x|X-Virus-Scanned: amavisd|X-Amavis-Alert: x|X-Spam-Report: long|ARC-Seal: i=2".split(
        "|"
    ),
)
def test_a_filter_s_header_makes_no_second_case(desk: Desk, header: str) -> None:
    mail = plain_mail("It happened.")
    assert desk.receive(mail).outcome == "case"
    assert desk.receive(header.encode() + b"\n" + mail).outcome == "duplicate"
    assert b"".join(without_trace(header.encode() + b"\n" + mail)) == b"".join(without_trace(mail))


def test_a_list_s_reply_to_is_no_author(desk: Desk) -> None:
    extra = "List-Id: <talk.lists.example>\nList-Post: <mailto:talk@lists.example>\nReply-To: talk@lists.example\n"
    receipt = desk.receive(plain_mail("It happened.", extra=extra))
    with desk.open_case(receipt.codename) as file:
        assert file.facts.answer_to == "sam@reporter.example"


def test_who_sent_a_key_that_cannot_be_used_is_not_answered_in_plain(desk: Desk, team: list[Person]) -> None:
    key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nxioGY4d/4xsAAAAg+U2nu0jWCmHlZ3BqZYfQMxmZu52JGggkLq2EVD34laM=\n-----END PGP PUBLIC KEY BLOCK-----\n"
    codename = desk.receive(plain_mail(f"It happened.\n\n{key}")).codename
    sent = desk.mail_out()
    assert "a key came with it that cannot be used here" in words(to(team[0], sent)[0])
    assert "sent a key" in words(" ".join(to(team[0], say(desk, team[0], "/reply\nWe are with you.", codename))))
    assert "sam@reporter.example" in {
        item.recipient for item in say(desk, team[0], "/reply plain\nWe are with you.", codename)
    }


def test_a_group_in_front_of_the_desk_is_no_flood(desk: Desk) -> None:
    extra = "List-Id: <conduct.desk.example>\nPrecedence: list\nList-Post: <mailto:conduct@desk.example>\n"
    told = []
    for number in range(33):
        sender = f"r{number}@reporter.example"
        desk.receive(plain_mail(f"It happened {number}.", sender=sender, extra=extra), sender=sender)
    told = [item for item in desk.mail_out(200) if item.recipient == "ada@team.example"]
    assert len(told) == 33
