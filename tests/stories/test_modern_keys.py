"""Reporters, members and the desk with keys that GnuPG cannot read: RFC 9580, and against quantum computers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from desk.demo.mails import ciphertext, pgp_mime, plain_mail, text_entity
from desk.demo.rehearsal import Delivered, Person
from store.openpgp.armor import dearmored
from store.openpgp.message import outside
from tests.conftest import Desk, DeskMaker
from tests.support.modern import make_modern_person
from tests.support.talk import member_mail, read, say, signed_mail, to


@pytest.fixture(scope="module")
def rosa(short_tmp: Path) -> Iterator[Person]:
    """A reporter with a key of RFC 9580."""
    person = make_modern_person(Path(tempfile.mkdtemp(prefix="m", dir=short_tmp)), "rosa", "Rosa", "reporter.example")
    yield person
    person.keyring.close()


@pytest.fixture(scope="module")
def quin(short_tmp: Path) -> Iterator[Person]:
    """A reporter whose key holds against quantum computers."""
    person = make_modern_person(
        Path(tempfile.mkdtemp(prefix="m", dir=short_tmp)), "quin", "Quin", "reporter.example", post_quantum=True
    )
    yield person
    person.keyring.close()


@pytest.fixture(scope="module")
def mel(short_tmp: Path) -> Iterator[Person]:
    """A member with a key of RFC 9580."""
    person = make_modern_person(Path(tempfile.mkdtemp(prefix="m", dir=short_tmp)), "mel", "Mel Aster")
    yield person
    person.keyring.close()


def with_key(person: Person, text: str) -> bytes:
    """A text with the author's public key beside it."""
    key = person.public_key.decode()
    return (
        'Content-Type: multipart/mixed; boundary="m1"\n\n'
        f"--m1\nContent-Type: text/plain; charset=utf-8\n\n{text}\n"
        f'--m1\nContent-Type: application/pgp-keys\nContent-Disposition: attachment; filename="key.asc"\n\n{key}\n--m1--\n'
    ).encode()


def packet_format(item: Delivered) -> str:
    armored = ciphertext(item.mail)
    assert armored is not None, "it is sealed"
    return outside(dearmored(armored)).data


@pytest.mark.parametrize("who", ["rosa", "quin"])
def test_a_reporter_with_a_new_key_is_answered_sealed(
    who: str, desk: Desk, team: list[Person], request: pytest.FixtureRequest
) -> None:
    reporter: Person = request.getfixturevalue(who)
    sender = f"{reporter.name} <{reporter.email}>"
    mail = pgp_mime(
        with_key(reporter, "It happened on Friday."),
        desk.play.desk_key,
        reporter.keyring,
        reporter.fingerprint,
        sender=sender,
    )
    codename = desk.receive(mail, sender=reporter.email).codename
    message = desk.case(codename)["messages"][0]
    assert message["text"] == "It happened on Friday."
    assert message["signature"] == {"status": "unknown-key", "fingerprint": message["signature"]["fingerprint"]}
    mails = desk.mail_out()
    (answer,) = [item for item in mails if item.recipient == reporter.email]
    assert "We got your message" in read(reporter, answer) or "Thank you" in read(reporter, answer)
    assert packet_format(answer) == "seipd-2", "as their key announces"
    notices = [item for item in mails if item.recipient.endswith("team.example")]
    assert {packet_format(item) for item in notices} == {"seipd-1"}, "GnuPG 2.2 announces no other"
    answers = [
        item for item in say(desk, team[0], "/reply\n\nWe are on it.", codename) if item.recipient == reporter.email
    ]
    assert "We are on it." in read(reporter, answers[0])


def test_a_key_in_an_autocrypt_header_is_used_too(desk: Desk, quin: Person) -> None:
    import base64

    keydata = base64.b64encode(quin.keyring.export(quin.fingerprint, armored=False)).decode()
    extra = f"Autocrypt: addr={quin.email}; prefer-encrypt=mutual; keydata={keydata}\n"
    mail = plain_mail("Somebody pushed me.", sender=f"Quin <{quin.email}>", extra=extra)
    desk.receive(mail, sender=quin.email)
    (answer,) = [item for item in desk.mail_out() if item.recipient == quin.email]
    assert packet_format(answer) == "seipd-2"


def test_a_key_that_no_engine_can_use_is_told_of_and_nothing_goes_in_plain(
    desk: Desk, team: list[Person], rosa: Person
) -> None:
    from pysequoia import Cert
    from pysequoia.packet import PacketPile, Tag

    packets = list(PacketPile.from_bytes(rosa.keyring.export(rosa.fingerprint, armored=False)))
    first = next(number for number, item in enumerate(packets) if item.tag == Tag.PublicSubkey)
    key = str(Cert.from_packets(packets[:first]))  # nothing to encrypt to
    entity = with_key(rosa, "It happened on Friday.").replace(rosa.public_key, key.encode())
    mail = pgp_mime(entity, desk.play.desk_key, rosa.keyring, sender=f"Rosa <{rosa.email}>")
    codename = desk.receive(mail, sender=rosa.email).codename
    mails = desk.mail_out()
    notice = next(item for item in mails if item.recipient == team[0].email)
    assert "a key came with it that cannot be used here" in " ".join(read(team[0], notice).split())
    answers = say(desk, team[0], "/reply\n\nWe are on it.", codename)
    assert not to(rosa, answers)
    assert any("would go out unencrypted" in " ".join(text.split()) for text in to(team[0], answers))


def test_a_member_with_a_new_key_reads_and_acts(make_desk: DeskMaker, team: list[Person], mel: Person) -> None:
    desk = make_desk([*team[:2], mel])
    assert desk.play.command("roster", "check").returncode == 0
    listed = desk.play.command("key", "list", "--json").stdout.decode()
    assert mel.fingerprint in listed
    codename = desk.receive(plain_mail("It happened on Friday.")).codename
    mails = desk.mail_out()
    (notice,) = [item for item in mails if item.recipient == mel.email]
    assert "It happened on Friday." in read(mel, notice)
    assert packet_format(notice) == "seipd-2"
    sender = f"{mel.name} <{mel.email}>"
    head = "Content-Type: text/plain; charset=utf-8\nSubject: Re: [Conduct Team] {}: new report\n\n{}\n"
    # Signed apart: the signature says when it was made.
    signed = signed_mail(mel, head.format(codename, "/state investigating").encode(), sender)
    desk.receive(signed, sender=mel.email)
    assert desk.case(codename)["state"] == "investigating"
    # Altered: it is worth nothing.
    desk.receive(signed.replace(b"investigating", b"closed"), sender=mel.email)
    assert desk.case(codename)["state"] == "investigating"


def test_what_is_sealed_and_signed_at_once_by_a_new_key_counts_by_the_date_under_it(
    make_desk: DeskMaker, team: list[Person], mel: Person
) -> None:
    """Sequoia does not say when such a signature was made: the date in the header under it does."""
    from email.utils import format_datetime

    desk = make_desk([*team[:2], mel])
    codename = desk.receive(plain_mail("It happened on Friday.")).codename
    sender = f"{mel.name} <{mel.email}>"
    head = 'Content-Type: text/plain; charset=utf-8; protected-headers="v1"\n{}Subject: Re: [Conduct Team] {}: new report\n\n/state investigating\n'
    for date, counts in (("", False), (f"Date: {format_datetime(desk.clock())}\n", True)):
        mail = pgp_mime(
            head.format(date, codename).encode(), desk.play.desk_key, mel.keyring, mel.fingerprint, sender=sender
        )
        desk.receive(mail, sender=mel.email)
        assert (desk.case(codename)["state"] == "investigating") is counts
        answers = to(mel, desk.mail_out())
        assert any("when it was written" in " ".join(text.split()) for text in answers) is not counts


def test_a_member_changes_to_a_new_key_by_mail(desk: Desk, team: list[Person], mel: Person) -> None:
    ada = team[0]
    codename = desk.receive(plain_mail("It happened on Friday.")).codename
    desk.mail_out()
    newer = make_modern_person(mel.keyring.home.parent, "ada-newer", ada.name, "team.example")
    key = newer.public_key.decode()
    entity = (
        'Content-Type: multipart/mixed; boundary="k1"\n'
        f"Subject: Re: [Conduct Team] {codename}: new report\n\n--k1\nContent-Type: text/plain\n\n/key\n"
        '--k1\nContent-Type: application/pgp-keys\nContent-Disposition: attachment; filename="key.asc"\n\n'
        f"{key}\n--k1--\n"
    )
    desk.receive(member_mail(desk.play, ada, "", codename, entity=entity.encode()), sender=ada.email)
    assert desk.context.roster(desk.context.config.desk[0]).get("ada").fingerprint == newer.fingerprint  # type: ignore[union-attr]
    desk.mail_out()
    desk.receive(plain_mail("And on Saturday.", sender="kim@reporter.example"), sender="kim@reporter.example")
    (notice,) = [item for item in desk.mail_out() if item.recipient == ada.email]
    assert ada.opens(notice.mail) is None
    assert b"And on Saturday." in (newer.opens(notice.mail) or b"")
    newer.keyring.close()


def test_the_desk_has_a_second_key_and_mail_to_either_opens(
    desk: Desk, sam: Person, rosa: Person, tmp_path: Path
) -> None:
    for option in ((), ("--post-quantum",)):
        done = desk.play.command("key", "add-modern", *option)
        assert done.returncode == 0, done.stderr.decode()
        desk.reopen()
        config = desk.context.config.desk[0]
        key = desk.context.keyring.export(config.modern_fingerprint, armored=True)
        for by, words in ((rosa, "To the newer key."), (sam, "Also to that.")):
            mail = pgp_mime(text_entity(words), key, by.keyring, sender=f"{by.name} <{by.email}>")
            assert desk.case(desk.receive(mail, sender=by.email).codename)["messages"][0]["text"] == words
        older = pgp_mime(
            text_entity("To the older key."), desk.play.desk_key, rosa.keyring, sender=f"Rosa <{rosa.email}>"
        )
        assert desk.case(desk.receive(older, sender=rosa.email).codename)["messages"][0]["text"] == "To the older key."
        assert desk.play.command("key", "add-modern").returncode != 0, "one is enough"
        desk.mail_out(100)
        asked = desk.receive(plain_mail("", sender="kim@reporter.example"), "conduct+key@desk.example")
        assert asked.outcome == "automatic"
        (answer,) = [item for item in desk.mail_out() if item.recipient == "kim@reporter.example"]
        assert b"conduct-key-rfc9580.asc" in answer.mail
        assert desk.play.command("key", "wkd", str(tmp_path)).returncode == 0
        page = (tmp_path / "conduct-key.html").read_text()
        assert config.modern_fingerprint[:4] in page
        listed = desk.play.command("key", "list").stdout.decode()
        assert "newer" in listed
        text = desk.play.config.read_text()
        desk.play.config.write_text(
            "\n".join(line for line in text.splitlines() if not line.startswith("modern_fingerprint"))
        )
