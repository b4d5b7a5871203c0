"""OpenPGP as programs write it: opened where it can be, told rightly where it cannot, and nothing passed on unlooked at."""

from __future__ import annotations

import base64
import subprocess

import pytest

from desk.demo.mails import pgp_mime, plain_mail, text_entity
from desk.demo.rehearsal import Person
from store.openpgp.armor import armor, dearmored
from store.openpgp.message import outside
from tests.conftest import Desk

TEXT = "It was Bo Lindqvist."


def gpg(person: Person, desk: Desk, *arguments: str, said: bytes = TEXT.encode()) -> bytes:
    (person.keyring.home / "desk.asc").write_bytes(desk.play.desk_key)
    line = ["gpg", "--homedir", str(person.keyring.home), "--batch", "--trust-model", "always", *arguments]
    return subprocess.run(line, input=said, capture_output=True, check=True).stdout


def taken(desk: Desk, mail: bytes) -> tuple[str, dict[str, object], set[str]]:
    """The outcome of a mail, its message, and who is told."""
    receipt = desk.receive(mail)
    told = {item.recipient.partition("@")[0] for item in desk.mail_out()}
    return receipt.outcome, desk.case(receipt.codename)["messages"][-1], told


def sealed(desk: Desk, sam: Person, said: bytes = TEXT.encode()) -> str:
    return armor(sam.keyring.seal_to_key(said, desk.play.desk_key, None)).decode()


def forms(desk: Desk, sam: Person) -> dict[str, bytes]:
    lines = sealed(desk, sam).strip().split("\n")
    wrong = [("=AAAA" if line.startswith("=") and len(line) == 5 else line) for line in lines]
    inner = pgp_mime(text_entity(TEXT), desk.play.desk_key, sam.keyring)
    page = sealed(desk, sam).replace("\n", " ")
    return {
        "opaquely signed": plain_mail(gpg(sam, desk, "-s", "-a").decode()),
        "wrong checksum": plain_mail("\n".join(wrong)),
        "no checksum": plain_mail("\n".join(line for line in wrong if line != "=AAAA")),
        "speaks of armor": plain_mail(f"He sent me:\n\n-----BEGIN PGP MESSAGE-----\n\nwhat is this? {TEXT}"),
        "page without line ends": plain_mail(f"<html><body><p>{page}</p></body></html>").replace(b"text/plain", b"text/html"),
        "key and password": plain_mail(gpg(sam, desk, "-a", "-c", "-e", "-f", f"{sam.keyring.home}/desk.asc", "--pinentry-mode", "loopback", "--passphrase", "x").decode()),
        "in a forward": b"From: sam@reporter.example\nTo: conduct@desk.example\nSubject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=q\n\n--q\n\nsee\n--q\nContent-Type: message/rfc822\n\n" + inner + b"\n--q--\n",
    }  # fmt: skip


@pytest.mark.parametrize("form", ["opaquely signed", "wrong checksum", "no checksum", "speaks of armor", "page without line ends", "key and password", "in a forward"])  # fmt: skip
def test_it_is_opened_and_who_is_named_in_it_is_not_told(desk: Desk, sam: Person, form: str) -> None:
    outcome, message, told = taken(desk, forms(desk, sam)[form])
    assert outcome == "case"
    assert told == {"ada", "chidi", "dana", "eunji", "sam"}
    if form != "in a forward":
        assert TEXT in str(message["text"]) or form == "speaks of armor"


@pytest.mark.parametrize("form", ["words within", "words before", "binary with words behind", "two messages"])
def test_words_that_stand_in_what_is_opened_are_searched_all_the_same(desk: Desk, sam: Person, form: str) -> None:
    lines = sealed(desk, sam, b"He hit me.")
    message = {
        "words within": lines.replace("\n\n", "\n\nIt was Bo Lindqvist and no other00\n").encode(),
        "words before": f"-----BEGIN PGP MESSAGE----- is what follows\n=abcd\n{TEXT}\n{lines}".encode(),
        "binary with words behind": dearmored(lines.encode()) + f"\n{TEXT}\n".encode(),
        "two messages": f"{lines}\n{TEXT}\n{lines}".encode(),
    }[form]
    entity = "MIME-Version: 1.0\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: 8bit\nContent-Disposition: attachment; filename=report.txt.gpg\n\n"  # fmt: skip
    mail = f"From: sam@reporter.example\nTo: conduct@desk.example\nSubject: x\n{entity}".encode() + message
    assert "bo" not in taken(desk, mail)[2]


def test_a_password_alone_is_held_and_never_tried(desk: Desk, sam: Person) -> None:
    mail = gpg(sam, desk, "-a", "-c", "--pinentry-mode", "loopback", "--passphrase", "x")
    outcome, message, _ = taken(desk, plain_mail(mail.decode()))
    assert (outcome, message["failure"]) == ("held", "it is encrypted with a password, and not to the key of this desk")


def test_what_is_signed_and_not_encrypted_never_passes_for_what_was(desk: Desk, sam: Person) -> None:
    signed = gpg(sam, desk, "-s", "-a", said=b"Outside words.").decode()
    for text in (f"{signed}\n{sealed(desk, sam)}", f"{sealed(desk, sam)}\n{signed}"):
        _, message, told = taken(desk, plain_mail(text))
        assert (message["text"], message["outside_text"]) == (TEXT, "Outside words.")
        assert "bo" not in told


def test_a_member_may_sign_opaquely(desk: Desk, team: list[Person]) -> None:
    codename = desk.receive(plain_mail("It happened at work.")).codename
    desk.mail_out()
    ada = team[0]
    signed = gpg(ada, desk, "-s", "-a", said=f"/case {codename}\n/assign me\n".encode()).decode()
    mail = plain_mail(signed, subject=f"[conduct] {codename}", sender=ada.email)
    desk.receive(mail, sender=ada.email)
    assert desk.case(codename)["assignee"] == "ada"
    before = desk.case(codename)["messages"]
    replayed = desk.receive(mail.replace(b"Message-ID: <", b"Message-ID: <x"), sender=ada.email)
    assert (replayed.outcome, desk.case(codename)["messages"]) == ("refused", before)


def test_headers_inside_count(desk: Desk, sam: Person) -> None:
    key = base64.b64encode(gpg(sam, desk, "--export", said=b"")).decode()
    head = (
        'Content-Type: text/plain; charset=utf-8; hp="cipher"\nFrom: Sam <sam@reporter.example>\nTo: conduct@desk.example\n'
        "Cc: bo@team.example\nReply-To: other@reporter.example\nSubject: Exclude: Ada\nHP-Outer: Subject: [...]\n"
    )
    head += f"Autocrypt: addr=sam@reporter.example; prefer-encrypt=mutual; keydata={key}\n"
    mail = pgp_mime(f"{head}\nIt happened.\n".encode(), desk.play.desk_key, sam.keyring, subject="[...]")
    receipt = desk.receive(mail)
    told = {item.recipient: item for item in desk.mail_out()}
    recused = {item["member"]: item["source"] for item in desk.case(receipt.codename)["recused"]}
    assert recused == {"ada": "reporter", "bo": "addressed"}
    assert set(told) == {f"{member}@team.example" for member in ("chidi", "dana", "eunji")} | {"other@reporter.example"}


def test_another_author_inside_is_one_more(desk: Desk, sam: Person) -> None:
    entity = b"Content-Type: text/plain; charset=utf-8\nFrom: bo@team.example\nSubject: x\n\nIt happened.\n"
    receipt = desk.receive(pgp_mime(entity, desk.play.desk_key, sam.keyring))
    told = {item.recipient for item in desk.mail_out()}
    assert "bo@team.example" not in told
    assert "sam@reporter.example" not in told
    assert receipt.outcome == "case"


def test_packets_for_passwords_are_left_out(desk: Desk, sam: Person) -> None:
    both = gpg(sam, desk, "-c", "-e", "-f", f"{sam.keyring.home}/desk.asc", "--pinentry-mode", "loopback", "--passphrase", "x")  # fmt: skip
    only = gpg(sam, desk, "-c", "--pinentry-mode", "loopback", "--passphrase", "x")
    stripped = outside(both).message
    assert len(stripped) < len(both)
    assert outside(stripped).message == stripped
    assert not outside(both).by_password_alone
    assert outside(only).by_password_alone
    assert dearmored(b"no armor") == b"no armor"
    for broken in (b"", b"\xc3", b"\xc3\xff\xff\xff\xff\xff", both[:5], b"\x8c"):
        assert outside(broken).message == broken
