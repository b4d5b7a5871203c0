"""Mail out: to whom, how often, and what happens when something on the way does not work."""

from __future__ import annotations

import email
import socket
import subprocess
from collections import Counter

import pytest

from desk.demo.mails import ciphertext, pgp_mime, plain_mail, text_of
from desk.demo.rehearsal import Person
from store.cases import withholding
from store.openpgp.message import outside
from store.tables.models import DeliveryRow
from tests.conftest import Desk, DeskMaker
from tests.support.talk import to, words


def addresses(mails: list) -> Counter[str]:  # type: ignore[type-arg]
    return Counter(item.recipient for item in mails)


def everyone(team: list[Person]) -> Counter[str]:
    return Counter(person.email for person in team)


REPORTER = Counter({"sam@reporter.example": 1})


def recuse(desk: Desk, codename: str, member: str) -> None:
    """As the operator."""
    with desk.open_case(codename) as file:
        withholding.recuse_by_hand(file, member)


def test_headers_of_a_notice(desk: Desk, team: list[Person]) -> None:
    receipt = desk.receive(plain_mail("x"))
    notices = [item for item in desk.mail_out() if item.recipient.endswith("team.example")]
    assert len({item.headers["Message-ID"] for item in notices}) == 5
    assert len({item.headers["References"] for item in notices}) == 1
    for item in notices:
        head = item.headers
        assert head["Auto-Submitted"] == "auto-generated"
        assert head["Subject"] == f"[conduct] {receipt.codename}"
        assert head["Autocrypt"].startswith("addr=conduct@desk.example;")
        assert head.get_content_type() == "multipart/encrypted"
        assert item.sender == "conduct@desk.example"
        names = outside(
            subprocess.run(["gpg", "--dearmor"], input=ciphertext(item.mail), capture_output=True, check=True).stdout
        ).recipients
        assert len(names) == 1
    person = team[0]
    opened = person.keyring
    opened.add_public(desk.play.desk_key)
    found = opened.decrypt(ciphertext(next(item.mail for item in notices if item.recipient == person.email)) or b"")
    if desk.context.keyring.signs_here(desk.play.made.fingerprint):  # else it lies within (RFC 3156 section 6.1)
        assert found.signature.status == "valid"
        assert found.signature.fingerprint == desk.play.made.fingerprint
    lengths = [len(item.mail) - len(item.headers["To"]) for item in notices]
    assert max(lengths) - min(lengths) < 32, (
        "a signature's numbers are some octets longer or shorter, and nothing else is"
    )


def test_the_acknowledgement_does_no_harm(desk: Desk) -> None:
    receipt = desk.receive(plain_mail("the secret of the report", subject="telling subject"))
    (answer,) = [item for item in desk.mail_out() if item.recipient == "sam@reporter.example"]
    head = answer.headers
    assert (answer.sender, head["Auto-Submitted"], head["Subject"]) in (
        ("", "auto-replied", "Your message"),
        ("<>", "auto-replied", "Your message"),
    )
    assert head["In-Reply-To"]
    for told in (b"secret", b"telling", receipt.codename.encode(), b"Ada Quist", b"team.example"):
        assert told not in answer.mail
    signed = head.get_payload(0)
    assert isinstance(signed, email.message.Message)
    parts = answer.mail.split(b"--" + str(head.get_boundary()).encode())
    exact = parts[1].removeprefix(b"\r\n").removesuffix(b"\r\n")
    signature = head.get_payload(1).get_payload(decode=True)  # type: ignore[union-attr]
    assert isinstance(signature, bytes)
    assert desk.context.keyring.verify(exact, signature).status == "valid"


def test_the_acknowledgement_is_sealed_when_a_key_came_with_the_mail(desk: Desk, sam: Person) -> None:
    entity = (
        b"Content-Type: multipart/mixed; boundary=i\n\n--i\nContent-Type: text/plain\n\nhello\n"
        b"--i\nContent-Type: application/pgp-keys\n\n" + sam.public_key + b"\n--i--\n"
    )
    desk.receive(pgp_mime(entity, desk.play.desk_key, sam.keyring))
    (answer,) = [item for item in desk.mail_out() if item.recipient == sam.email]
    assert b"has arrived" in (sam.opens(answer.mail) or b"")
    assert b"has arrived" not in answer.mail


@pytest.mark.parametrize(
    ("mail", "to", "sender"),
    [
        (plain_mail("Reply: no\n\nhello"), "conduct@desk.example", "sam@reporter.example"),
        (plain_mail("Hi team,\n\n**Reply:** No, thanks\nhello"), "conduct@desk.example", "sam@reporter.example"),
        (plain_mail("hello"), "conduct+quiet@desk.example", "sam@reporter.example"),
        (plain_mail("hello", extra="Auto-Submitted: auto-generated\n"), "conduct@desk.example", "sam@reporter.example"),
        (plain_mail("hello", extra="List-Id: <x.y>\n"), "conduct@desk.example", "sam@reporter.example"),
        (plain_mail("hello", extra="Precedence: bulk\n"), "conduct@desk.example", "sam@reporter.example"),
        (plain_mail("hello"), "conduct@desk.example", ""),
        (plain_mail("hello", sender="conduct@desk.example"), "conduct@desk.example", "x@y.example"),
        (plain_mail("hello", sender="ada@team.example"), "conduct@desk.example", "x@y.example"),
    ],
)
def test_who_is_not_answered(desk: Desk, team: list[Person], mail: bytes, to: str, sender: str) -> None:
    assert desk.receive(mail, to, sender=sender).outcome == "case"
    assert set(addresses(desk.mail_out())) <= set(everyone(team))


@pytest.mark.parametrize(
    "extra", ["Auto-Submitted: auto-replied\n", "X-Autoreply: yes\n", "X-Failed-Recipients: x@y\n"]
)
def test_automatic_replies_are_kept_and_wake_nobody(desk: Desk, extra: str) -> None:
    receipt = desk.receive(plain_mail("I am away", extra=extra))
    assert receipt.outcome == "automatic"
    assert desk.case(receipt.codename)["state"] == "automatic"
    assert desk.mail_out() == []


def test_replies_to_one_address_are_limited(desk: Desk) -> None:
    for number in range(7):
        desk.receive(plain_mail(f"report {number}"))
    assert addresses(desk.mail_out(100))["sam@reporter.example"] == 4
    desk.clock.forward(days=1)
    desk.receive(plain_mail("tomorrow"))
    assert addresses(desk.mail_out())["sam@reporter.example"] == 1


def test_a_relay_that_is_down_is_tried_again_later(desk: Desk, team: list[Person]) -> None:
    desk.play.sink.stop()
    desk.receive(plain_mail("x"))
    assert desk.mail_out() == []
    assert {row["state"] for row in desk.outbox()} == {"waiting"}
    before = {row["recipient"]: row for row in desk.outbox()}
    assert before["ada"]["tries"] == 1
    desk.play.sink.start()
    assert desk.mail_out() == []
    desk.clock.forward(minutes=2)
    assert addresses(desk.mail_out()) == everyone(team) + REPORTER
    assert desk.outbox() == []


def test_one_recipient_refused_for_good_and_one_for_now(desk: Desk, team: list[Person]) -> None:
    desk.play.sink.refuse_recipient = {
        "bo@team.example": "550 5.1.1 unknown",
        "dana@team.example": "450 4.2.0 greylisted",
    }
    receipt = desk.receive(plain_mail("x"))
    mails = desk.mail_out()
    got = addresses(mails)
    assert got == Counter(
        {"ada@team.example": 2, "chidi@team.example": 2, "eunji@team.example": 2, "sam@reporter.example": 1}
    )
    assert any(
        "could not deliver a message" in words(text) and "to Bo Lindqvist" in words(text) for text in to(team[0], mails)
    )
    desk.play.sink.refuse_recipient = {}
    desk.clock.forward(minutes=2)
    assert addresses(desk.mail_out()) == Counter({"dana@team.example": 2})
    assert [(row["recipient"], row["state"]) for row in desk.outbox()] == [("bo", "bounced")]
    assert receipt.codename in {row["case"] for row in desk.outbox()}


def test_a_mail_that_is_deferred_for_days_bounces_at_last(desk: Desk) -> None:
    desk.play.sink.refuse_mail = {"bo@team.example": "451 4.3.0 later"}
    desk.receive(plain_mail("x"))
    desk.mail_out()
    tries = 0
    while any(row["recipient"] == "bo" and row["state"] == "waiting" for row in desk.outbox()):
        desk.clock.forward(hours=2)
        desk.mail_out()
        tries += 1
    assert 55 <= tries <= 65
    assert [row["state"] for row in desk.outbox()] == ["bounced"]


def test_a_crash_between_two_recipients_resumes_with_the_rest(
    desk: Desk, team: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mailer.relay.connection import Relay

    original = Relay.send
    count = 0

    def crash(self: Relay, sender: str, recipient: str, mail: bytes) -> None:
        nonlocal count
        count += 1
        original(self, sender, recipient, mail)
        if count == 3:
            raise KeyboardInterrupt  # after the relay took it, before that was written down

    monkeypatch.setattr(Relay, "send", crash)
    monkeypatch.setattr("mailer.attempts._MARK_SECONDS", 0)  # as if the relay took its time
    desk.receive(plain_mail("x"))
    with pytest.raises(KeyboardInterrupt):
        desk.mail_out()
    monkeypatch.undo()
    desk.reopen()
    desk.mail_out()
    desk.clock.forward(minutes=6)
    desk.mail_out()
    mails = desk.play.sink.mails
    by_id = {item.headers["Message-ID"]: item.recipient for item in mails}
    assert Counter(by_id.values()) == everyone(team) + REPORTER
    assert len(mails) == 7


def test_a_bad_key_holds_its_owners_mail_alone_until_it_works(
    make_desk: DeskMaker, team: list[Person], short_tmp: object
) -> None:
    desk = make_desk()
    desk.tick()
    home = desk.play.folder / "gnupg"
    bo = team[1]
    delete = ["gpg", "--homedir", str(home), "--batch", "--yes", "--delete-keys", bo.fingerprint]
    subprocess.run(delete, check=True, capture_output=True)
    desk.receive(plain_mail("the content"))
    mails = desk.mail_out()
    assert addresses(mails) == everyone(team) + REPORTER
    (note,) = [item for item in mails if item.recipient == bo.email]
    assert b"your key" in note.mail
    assert b"the content" not in note.mail
    assert [(row["recipient"], row["state"], row["reason"]) for row in desk.outbox()] == [
        ("bo", "held", "the desk does not have your key")
    ]
    desk.receive(plain_mail("another"))
    assert bo.email not in addresses(desk.mail_out()), "told once, not with each mail"
    # The renewed key is put into the folder: what waits goes out by itself.
    (desk.play.folder / "keys" / "bo.asc").write_bytes(bo.public_key + b"\n")
    desk.tick()
    got = desk.mail_out()
    assert addresses(got) == Counter({bo.email: 2})
    assert all(bo.opens(item.mail) for item in got)
    assert desk.outbox() == []


def test_a_recusal_after_the_mail_came_in_still_holds(desk: Desk, team: list[Person]) -> None:
    receipt = desk.receive(plain_mail("x"))
    answer = desk.play.command("case", "recuse", receipt.codename, "bo")
    assert answer.returncode == 0, answer.stderr
    assert team[1].email not in addresses(desk.mail_out())


def test_nobody_on_duty_is_told_to_the_operator_without_content(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk([])
    receipt = desk.receive(plain_mail("the content", subject="the subject"))
    mails = desk.mail_out()
    assert addresses(mails) == Counter({"operator@desk.example": 1}) + REPORTER
    (note,) = [item for item in mails if item.recipient.startswith("operator")]
    for told in (b"the content", b"the subject", receipt.codename.encode(), b"sam@"):
        assert told not in note.mail
    assert desk.mail_out() == []
    # A roster comes: whoever may know is told by themselves.
    desk.play.set_team(team[:3])
    desk.tick()
    assert addresses(desk.mail_out()) == everyone(team[:3])


def test_alternates_step_in_when_a_reader_is_recused_later(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    desk.play.set_team(team, {"chidi": "alternate", "dana": "alternate", "eunji": "escalation"})
    receipt = desk.receive(plain_mail("x"))
    assert addresses(desk.mail_out()) == everyone(team[:2]) + REPORTER
    desk.play.command("case", "recuse", receipt.codename, "bo")
    desk.clock.forward(hours=1)
    # The alternate gets the report; both who read now hear who was withheld.
    assert addresses(desk.mail_out()) == Counter({team[0].email: 1, team[2].email: 2})
    assert desk.case(receipt.codename)["readers"] == ["ada", "chidi"]


def test_who_joins_later_is_told_unless_named_in_the_case(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk(team[:2])
    receipt = desk.receive(plain_mail("It was Chidi Okafor."))
    desk.mail_out()
    desk.play.set_team(team[:4])
    desk.tick()
    # Dana gets the report; the readers hear from whom it is withheld.
    assert addresses(desk.mail_out()) == Counter({team[0].email: 1, team[1].email: 1, team[3].email: 2})
    record = desk.case(receipt.codename)
    assert record["readers"] == ["ada", "bo", "dana"]
    assert record["recused"] == [{"member": "chidi", "source": "named"}]


def test_a_name_that_nobody_bears_goes_to_the_readers(desk: Desk, team: list[Person]) -> None:
    desk.receive(plain_mail("Exclude: Bo and the tall one\n\nhello"))
    inside = team[0].opens(next(item.mail for item in desk.mail_out() if item.recipient == team[0].email)) or b""
    text = text_of(inside)
    assert "The reporter also asked to keep this from: the tall one" in text
    assert "Withheld from Bo Lindqvist: the reporter asked for it" in text


def test_a_summary_holds_no_content(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    desk.play.change_config('# notice = "full"', 'notice = "summary"  #')
    desk.receive(plain_mail("the content", subject="the subject"))
    for item in desk.mail_out():
        person = next((person for person in team if person.email == item.recipient), None)
        inside = person.opens(item.mail) if person else b""
        assert inside is not None
        assert b"the content" not in inside
        assert b"the subject" not in inside
        assert b"sam@reporter" not in inside


def test_an_operator_who_is_a_recused_member_is_told_nothing(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk(team[:1])
    desk.play.change_config("operator@desk.example", team[0].email)
    desk.receive(plain_mail("Exclude: Ada\n\nhello"))
    assert addresses(desk.mail_out()) == REPORTER


def test_a_slow_worker_that_lost_its_claim_sends_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from mailer.relay.connection import Relay

    desk.receive(plain_mail("x", extra="List-Id: x\n"))
    original = Relay.send

    def slow(self: Relay, sender: str, recipient: str, mail: bytes) -> None:
        original(self, sender, recipient, mail)
        desk.clock.forward(minutes=10)

    monkeypatch.setattr(Relay, "send", slow)
    assert len(desk.mail_out(rounds=1)) == 1
    monkeypatch.undo()
    desk.clock.forward(minutes=10)
    assert len(desk.mail_out()) == 4
    with desk.context.database.read() as session:
        from sqlmodel import select

        assert {row.state for row in session.exec(select(DeliveryRow))} == {"sent"}


def test_a_relay_that_stalls_does_not_stop_the_desk(make_desk: DeskMaker) -> None:
    desk = make_desk()
    desk.play.change_config('# tls = "none"', 'seconds = 0.5\n# tls = "none"')
    desk.play.sink.stop()
    with socket.create_server(("127.0.0.1", desk.play.sink.port)):
        desk.receive(plain_mail("x"))
        assert desk.mail_out() == []
    assert all(row["reason"].startswith("the relay cannot be reached") for row in desk.outbox())
    desk.play.sink.start()
    desk.clock.forward(minutes=2)
    assert len(desk.mail_out()) == 6


def test_readers_that_change_while_a_notice_is_sent_are_not_forgotten(
    make_desk: DeskMaker, team: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recusal during the sending makes room for an alternate, who must be told although the notice is just done."""
    from mailer.relay.connection import Relay

    desk = make_desk()
    desk.play.set_team(team[:3], {"chidi": "alternate"})
    receipt = desk.receive(plain_mail("x", extra="List-Id: x\n"))
    original = Relay.send
    recused = False

    def send(self: Relay, sender: str, recipient: str, mail: bytes) -> None:
        nonlocal recused
        original(self, sender, recipient, mail)
        if recipient == team[1].email and not recused:
            recused = True
            recuse(desk, receipt.codename, "ada")

    monkeypatch.setattr(Relay, "send", send)
    assert addresses(desk.mail_out()) == everyone(team[:3])


def test_a_member_with_a_bad_key_who_is_recused_meanwhile_is_told_nothing(desk: Desk, team: list[Person]) -> None:
    desk.tick()
    bo = team[1]
    delete = ["gpg", "--homedir", str(desk.play.folder / "gnupg"), "--batch", "--yes", "--delete-keys", bo.fingerprint]
    subprocess.run(delete, check=True, capture_output=True)
    receipt = desk.receive(plain_mail("x"))
    desk.mail_out(rounds=1)
    assert "key-trouble" in {row["kind"] for row in desk.outbox()}
    recuse(desk, receipt.codename, "bo")
    desk.clock.forward(hours=2)
    assert bo.email not in addresses(desk.mail_out())
