"""Documents are looked into by what they are, not by what they are called; and what cannot be is said."""

from __future__ import annotations

import base64
import gzip
import os
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.demo.mails import pgp_mime, plain_mail, text_entity
from desk.demo.rehearsal import Person
from intake.asking.dragnet import dragnet
from intake.reading.documents.look import look_into
from intake.reading.message import read_mail
from intake.reading.opening import open_mail
from intake.reading.pieces import pieces, text_pieces
from store.tables.records import Attachment
from store.team.names import who_may_be_named
from tests.conftest import Desk
from tests.intake.test_kept_from import TEAM
from tests.support.documents import DOCUMENTS, data_link, encrypted_zip, pdf, rtf, smime_opaque, uuencoded, zipped
from tests.support.forms import file_entity
from tests.support.talk import beside, member_mail, say, to, words

REPORT = "It was Bo Lindqvist who hit me"


def looked(octets: bytes, name: str = "file") -> tuple[set[str], list[str]]:
    look = look_into([Attachment(name, "application/octet-stream", octets)])
    return {member.id for member in who_may_be_named(look.texts, TEAM, TEAM)}, look.missed


@pytest.mark.parametrize("name", DOCUMENTS)
def test_who_is_named_in_a_document_is_found(name: str) -> None:
    assert looked(DOCUMENTS[name](REPORT), name if name.endswith(".eml") else "file") == ({"bo"}, [])


@pytest.mark.parametrize(
    "octets",
    [
        encrypted_zip(), b"\xff\xd8\xff\xe0" + os.urandom(3000), pdf("x")[:300] + b"%%EOF", pdf(" "), b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + os.urandom(2000),
        b"PK\x03\x04" + os.urandom(500), zipped({"photo.jpg": b"\xff\xd8\xff\xe0" + os.urandom(3000)}), b"\x1f\x8b\x08\x1f" + os.urandom(99),
        gzip.compress(REPORT.encode(), mtime=0)[:-1],
    ],
)  # fmt: skip
def test_what_cannot_be_looked_into_is_said(octets: bytes) -> None:
    assert looked(octets, "secret")[1] == ["secret"]


def test_a_picture_that_is_called_a_mail_is_not_looked_into() -> None:
    assert looked(b"\x89PNG\r\n\x1a\n" + os.urandom(3000), "photo.eml")[1] == ["photo.eml"]


def test_each_member_of_a_gzip_file_is_searched() -> None:
    assert looked(gzip.compress(b"A first one.\n") + gzip.compress(REPORT.encode())) == ({"bo"}, [])


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_a_document_that_is_called_a_mail_is_searched(name: str) -> None:
    look = look_into([Attachment("mail.eml", "message/rfc822", DOCUMENTS[name](REPORT))])
    assert who_may_be_named(look.texts, TEAM, TEAM)
    assert look.missed == []


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_a_document_in_mails_in_archives_is_searched(name: str) -> None:
    octets = DOCUMENTS[name](REPORT)
    packs: list[Callable[[bytes], bytes]] = [gzip.compress] * 4
    packs.append(lambda mail: zipped({"mail.eml": mail}))
    for inner, pack in zip((name, *["mail.gz"] * 4), packs, strict=True):
        octets = pack(b"From: k@other.example\n" + file_entity(inner, octets))
    assert looked(octets) == ({"bo"}, [])


def page(*links: str) -> bytes:
    body = "".join(f'<img src="{link}">' for link in links)
    return f"<html><body><p>See below.</p>{body}</body></html>".encode()


CARRIERS: dict[str, Callable[[str, bytes], tuple[str, bytes]]] = {
    "uuencode in a text": lambda name, octets: ("text/plain", b"See below.\n\n" + uuencoded(name, octets) + b"\nBye.\n"),
    "uuencode without its end": lambda name, octets: ("text/plain", b"See below.\n" + uuencoded(name, octets).rsplit(b"`", 1)[0] + b"\nBye.\n"),
    "link of a page": lambda name, octets: ("text/html", page(data_link(octets))),
    "link without quotes": lambda name, octets: ("text/html", b"<img src=" + data_link(octets).encode() + b" alt=x><p>See below."),
    "second link of a style": lambda name, octets: ("text/html", f'<p style="a:url({data_link(b"x")});b:url({data_link(octets)})">See below.'.encode()),
    "link with percent signs": lambda name, octets: ("text/html", page("DATA:," + quote(octets))),
}  # fmt: skip


def in_text(carrier: str, name: str, octets: bytes) -> bytes:
    kind, text = CARRIERS[carrier](name, octets)
    return f"From: kim@reporter.example\nSubject: help\nMIME-Version: 1.0\nContent-Type: {kind}; charset=utf-8\n\n".encode() + text  # fmt: skip


def within(mail: bytes) -> list[tuple[str, bytes]]:
    return [(piece.name, piece.octets) for piece in pieces(mail) if piece.kind == "within"]


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_file_in_the_text_of_a_mail_is_searched(carrier: str, name: str) -> None:
    octets = DOCUMENTS[name](REPORT)
    mail = in_text(carrier, name, octets)
    assert looked(mail, "mail.eml") == ({"bo"}, [])
    assert looked(zipped({"mail": CARRIERS[carrier](name, octets)[1]})) == ({"bo"}, [])
    assert octets in [item for _, item in within(mail)]
    assert "See below." in "".join(piece.text for piece in pieces(mail))


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_picture_in_the_text_of_a_mail_is_shown_as_a_file_and_not_looked_into(
    desk: Desk, team: list[Person], carrier: str
) -> None:
    picture = b"\xff\xd8\xff\xe0" + os.urandom(3000)
    receipt = desk.receive(in_text(carrier, "photo.jpg", picture), sender="kim@reporter.example")
    assert "not looked into for names of the team: " in words(to(team[0], desk.mail_out())[0])
    assert len(picture) in [item["size"] for item in desk.case(receipt.codename)["messages"][0]["attachments"]]
    assert looked(zipped({"mail": CARRIERS[carrier]("photo.jpg", picture)[1]}), "file.zip")[1] == ["file.zip"]


@pytest.mark.parametrize(
    "name", ["../../a\0\x1b[2Jb.jpg", "a\x0bContent-Type: text/html\x0bX-Y: b.jpg", "a+2AA-b.jpg", "a\x0b<b>x</b>", "."]
)
def test_a_file_in_a_text_may_be_called_anything(desk: Desk, team: list[Person], name: str) -> None:
    text = b"See below.\n" + uuencoded(name, os.urandom(99))
    desk.receive(
        b"From: kim@reporter.example\nSubject: help\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-7\n\n"
        + text,
        sender="kim@reporter.example",
    )
    assert to(team[0], desk.mail_out())


def test_a_page_with_a_large_picture_is_shown() -> None:
    mail = in_text("link of a page", "photo.jpg", os.urandom(3_000_000))
    assert [piece.text.strip() for piece in pieces(mail) if piece.kind == "text"] == ["See below."]


@pytest.mark.parametrize(
    "text",
    [
        "begin 644 the talk\nHELLO, he said.\n", "begin 644 x\n", "The data:, and metadata:x,y or data:text are none.",
        "We collect the data:name/address, phone (home).", "see data:image/png;base64," + "A" * 220 + "\nDo not tell Bo.",
        ";base64,\n" + "Helwasaverybadman/" * 30 + "\nIt was Bo.",
    ],
)  # fmt: skip
def test_all_that_is_written_is_shown(text: str) -> None:
    for kind in (b"plain", b"html"):
        mail = b"Content-Type: text/" + kind + b"\n\n" + text.encode()
        shown = "".join(piece.text for piece in pieces(mail) if piece.kind == "text")
        assert "".join(shown.split()) == "".join(text.split())
        assert "base64" in text or within(mail) == []


def test_a_member_sends_no_picture_that_stands_in_their_page(desk: Desk, team: list[Person]) -> None:
    codename = desk.receive(plain_mail("He hit me.", sender="kim@reporter.example")).codename
    desk.mail_out()
    logo = "<div class='gmail_signature'><img src='" + data_link(b"GIF89a" + bytes(60), "image/gif") + "'></div>"
    entity = text_entity(f"<p>/reply<br>We read it.</p>{logo}", f"Re: [Conduct Team] {codename}: new report")
    sent = say(desk, team[0], "", codename, entity=entity.replace(b"text/plain", b"text/html"))
    (answer,) = [item for item in sent if item.recipient == "kim@reporter.example"]
    assert b"We read it." in answer.mail
    assert b"image/" not in answer.mail
    assert [message["attachments"] for message in desk.case(codename)["messages"]] == [[], []]


def test_a_picture_beside_what_is_signed_is_said_not_to_be(desk: Desk, team: list[Person]) -> None:
    signed = member_mail(desk.play, team[0], "", entity=text_entity("Hello."), sealed=False)
    added = in_text("link of a page", "x", b"\x89PNG").split(b"MIME-Version: 1.0\n")[1].decode()
    desk.receive(plain_mail("He hit me."))  # which reads the roster, and its keys
    opened = open_mail(read_mail(beside(signed, added)), desk.context.keyring)
    assert opened.signed is not None
    assert [(item.name, item.note) for item in opened.attachments] == [
        ("embedded.bin", "is not covered by the signature")
    ]


def test_a_request_for_the_key_may_come_with_a_logo(desk: Desk) -> None:
    logo = f'<p>Please send me your key.</p><img src="{data_link(b"GIF89a" + bytes(60), "image/gif")}">'
    mail = (
        b"From: kim@reporter.example\nTo: conduct+key@desk.example\nSubject: key\nMIME-Version: 1.0\nContent-Type: text/html\n\n"
        + logo.encode()
    )
    receipt = desk.receive(mail, "conduct+key@desk.example", sender="kim@reporter.example")
    assert receipt.outcome == desk.receive(plain_mail("Please send me your key."), "conduct+key@desk.example").outcome


@pytest.mark.parametrize("links", [101, 1100])
def test_a_page_with_more_files_than_are_looked_at_is_said_to_have_them(links: int) -> None:
    many = page(*(data_link(b"<svg>%d</svg>" % number) for number in range(links)))
    assert looked(b"From: k@other.example\nContent-Type: text/html\n\n" + many)[1] == ["file"]
    assert looked(many, "many.html")[1] == ["many.html"]
    assert len(text_pieces(many, "utf-8")) < 110


def test_a_picture_far_down_in_a_page_is_not_looked_into() -> None:
    late = b"<html><p>caf\xe9 " + b"word " * 20_000 + f'<img src="{data_link(b"PNG" + os.urandom(900))}">'.encode()
    assert looked(late, "late.html")[1] == ["late.html"]


@pytest.mark.parametrize("text", ["&#" + "1" * 5000 + ";", '<img src="data:image/png;base64,&#' + "1" * 5000 + ';">'])
def test_an_entity_of_any_length_breaks_nothing(text: str) -> None:
    assert pieces(b"Content-Type: text/html\n\n" + text.encode())
    look_into([Attachment("a.html", "text/html", f"<p>{text}".encode())])


@pytest.mark.parametrize("text", ["<" + ";base64," * 100_000, "data:" * 400_000, '"data:a/b' * 200_000, "<a" * 500_000])
def test_a_page_made_to_be_slow_is_read_in_time(text: str) -> None:
    before = time.process_time()
    pieces(b"Content-Type: text/html\n\n" + text.encode())
    look_into([Attachment("a.html", "text/html", text.encode())])
    assert time.process_time() - before < 10


def test_many_small_pictures_hide_no_file() -> None:
    links = [data_link(b"%d" % number) for number in range(1100)]
    mail = b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\n" + page(
        *links
    )
    found = pieces(mail + b"\n--b\n" + file_entity("evidence.pdf", pdf(REPORT)) + b"\n--b--\n")
    assert [piece.name for piece in found if piece.kind == "file"] == ["evidence.pdf"]
    assert found[-1].kind == "rest"


def test_very_many_files_in_a_text_are_searched_in_time() -> None:
    text = b"".join(uuencoded("a", b"<b>%%41&lt;=41\\u0041\n%d" % number) for number in range(20_000))
    before = time.process_time()
    dragnet([text], TEAM)
    assert time.process_time() - before < 5


@pytest.mark.parametrize("lines", ["begin 644\n", "begin 644 x\n\n", "begin 644 x\r", "begin 644 x\nMbroken\x01\n"])
def test_a_part_in_uuencode_is_decoded_also_when_that_is_broken(lines: str) -> None:
    coded = uuencoded("x", REPORT.encode() * 9).split(b"\n", 1)[1]
    mail = b"Content-Type: image/x\nContent-Transfer-Encoding: x-uuencode\n\n" + lines.encode()
    (piece,) = pieces(mail + (coded.replace(b"\n", b"\r") if lines.endswith("\r") else coded))
    assert piece.octets == REPORT.encode() * 9


def test_what_is_encrypted_in_a_file_is_not_looked_into() -> None:
    armor = (
        b"-----BEGIN PGP MESSAGE-----\n\n"
        + base64.encodebytes(b"\xc3" + os.urandom(300))
        + b"-----END PGP MESSAGE-----\n"
    )
    mail = b"From: k@other.example\nMIME-Version: 1.0\n" + file_entity("note.asc", armor)
    inline = b"From: k@other.example\nMIME-Version: 1.0\n\nHe wrote:\n\n" + armor
    for octets in (armor, mail, inline, zipped({"note.asc": armor}), b"He wrote. " * 900 + b"\n" + armor):
        assert looked(octets, "file.eml")[1] == ["file.eml"]


ARMOR = (
    "-----BEGIN PGP MESSAGE-----\n\n"
    + base64.encodebytes(b"\xc3" + bytes(range(256))).decode()
    + "-----END PGP MESSAGE-----\n"
)
SIGNED = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n"


@pytest.mark.parametrize(
    ("name", "octets"),
    [
        ("signed.txt", f"Hi.\n{SIGNED}{ARMOR}".encode()), ("quoted.txt", (SIGNED + ARMOR.replace("-----B", "- -----B").replace("-----E", "- -----E")).encode()),
        ("wide.txt", ARMOR.encode("utf-16")), ("page.html", f"<div>{ARMOR}</div>".replace("\n", "<br>").encode()),
        ("line.html", f"<p>{ARMOR}</p>".replace("\n", " ").encode()), ("letter.rtf", rtf("TEXT").replace(b"TEXT", ARMOR.replace("\n", "\\par\n").encode())),
    ],
)  # fmt: skip
def test_what_is_encrypted_in_a_file_is_seen_in_any_dress(name: str, octets: bytes) -> None:
    assert looked(octets, name)[1] == [name]
    forwarded = b"From: k@other.example\nMIME-Version: 1.0\n" + file_entity(name, octets)
    assert looked(forwarded, "mail.eml")[1] == ["mail.eml"]


def test_a_text_that_speaks_of_armor_is_looked_into() -> None:
    text = b"<p>It begins with -----BEGIN PGP MESSAGE----- and a line.\n" + REPORT.encode()
    assert looked(text, "howto.html") == ({"bo"}, [])


def test_what_was_opened_in_a_forwarded_mail_counts_as_looked_into(desk: Desk, team: list[Person], sam: Person) -> None:
    inner = pgp_mime(text_entity("He hit me."), desk.play.desk_key, sam.keyring)
    mail = (
        b"From: sam@reporter.example\nTo: conduct@desk.example\nSubject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=q\n\n"
        b"--q\n\nsee\n--q\nContent-Type: message/rfc822\n\n" + inner + b"\n--q--\n"
    )
    desk.receive(mail)
    assert "not looked into" not in words(to(team[0], desk.mail_out())[0])


def test_archives_in_archives_end() -> None:
    octets = b""
    for _ in range(25):
        octets = zipped({"a.zip": octets, "b.zip": octets})
    before = time.process_time()
    assert looked(octets, "archive")[1] == ["archive"]
    assert time.process_time() - before < 5


def test_a_long_page_behind_many_heads_is_read_once() -> None:
    head = b"a.b: x\nContent-Type: application/octet-stream\nContent-Disposition: attachment; filename=a.eml\n\n"
    page = head * 19 + b"<p>It was bad. " * 70_000
    before = time.process_time()
    looked(zipped({f"{number}.eml": page for number in range(6)}))
    assert time.process_time() - before < 12


@given(st.sampled_from(sorted(DOCUMENTS)), st.data())
@settings(max_examples=150)
def test_a_broken_document_breaks_nothing(name: str, data: st.DataObject) -> None:
    octets = bytearray(DOCUMENTS[name](REPORT))
    for _ in range(data.draw(st.integers(1, 8))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    looked(bytes(octets[: data.draw(st.integers(1, len(octets)))]), name)


def test_a_document_that_takes_long_is_given_up_alone() -> None:
    bomb = zipped({"a": bytes(40_000_000)})
    slow = pdf("x").replace(b"/Kids [3 0 R]", b"/Kids [" + b"3 0 R " * 60_000 + b"]")
    before = time.process_time()
    look = look_into(
        [Attachment("bomb", "", bomb), Attachment("slow", "", slow), Attachment("note", "", REPORT.encode())]
    )
    assert look.missed[:1] == ["bomb"]
    assert time.process_time() - before < 12


def attached(name: str, octets: bytes, kind: str = "application/octet-stream", text: str = "See below.") -> bytes:
    return (
        f"From: kim@reporter.example\nTo: conduct@desk.example\nSubject: help\nMIME-Version: 1.0\nMessage-ID: <{os.urandom(6).hex()}@r.example>\n"
        f'Content-Type: multipart/mixed; boundary="b"\n\n--b\n\n{text}\n--b\nContent-Type: {kind}\nContent-Disposition: attachment; filename="{name}"\n'
        f"Content-Transfer-Encoding: base64\n\n{base64.encodebytes(octets).decode()}\n--b--\n"
    ).encode()


def test_readers_are_told_what_was_not_looked_into(desk: Desk, team: list[Person]) -> None:
    receipt = desk.receive(attached("photo.jpg", b"\xff\xd8\xff\xe0" + os.urandom(3000)), sender="kim@reporter.example")
    sent = desk.mail_out()
    assert len(sent) == 6
    assert "not looked into for names of the team: photo.jpg" in words(to(team[0], sent)[0])
    assert receipt.outcome == "case"


def test_an_opaque_signature_of_smime_is_unwrapped_and_shown(desk: Desk) -> None:
    entity = b"Content-Type: text/plain; charset=utf-8\n\nBo Lindqvist hit me.\n"
    mail = (
        b"From: kim@reporter.example\nTo: conduct@desk.example\nSubject: help\nMIME-Version: 1.0\nMessage-ID: <p7@r.example>\n"
        b'Content-Type: application/pkcs7-mime; smime-type=signed-data; name="smime.p7m"\nContent-Transfer-Encoding: base64\n\n'
        + base64.encodebytes(smime_opaque(entity))
    )
    receipt = desk.receive(mail, sender="kim@reporter.example")
    (message,) = desk.case(receipt.codename)["messages"]
    assert (receipt.outcome, message["text"]) == ("case", "Bo Lindqvist hit me.")
    assert "bo@team.example" not in {item.recipient for item in desk.mail_out()}


def test_where_the_dragnet_alone_saw_a_name_is_said(desk: Desk, team: list[Person]) -> None:
    picture = b"\xff\xd8\xff\xe0" + os.urandom(3000) + b"<exif>" + REPORT.encode() + b"</exif>" + os.urandom(3000)
    desk.receive(attached("photo.jpg", picture), sender="kim@reporter.example")
    sent = desk.mail_out()
    assert "bo@team.example" not in {item.recipient for item in sent}
    assert "somebody on the team is named in photo.jpg, in a place that cannot be shown" in words(to(team[0], sent)[0])
