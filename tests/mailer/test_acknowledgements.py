"""What the desk itself says to somebody who wrote: what they need, and nothing that could harm them."""

from __future__ import annotations

import base64
import email
import textwrap

import pytest

from desk.demo.mails import pgp_mime, plain_mail, text_entity
from desk.demo.rehearsal import Delivered, Person
from intake.asking.directives import ReporterRequest, from_text
from mailer.saying import render
from mailer.saying.samples import sample_values
from store.kit.config import Desk as Settings
from store.kit.kinds import LANGUAGES
from tests.conftest import Desk
from tests.support.talk import read, say, words

SETTINGS = Settings(address="conduct@desk.example", fingerprint="A" * 40)
OFFERED, ASKED = "", "prefer-encrypt=mutual; "


def answer(desk: Desk, mail: bytes, to: str = "conduct@desk.example") -> Delivered:
    """The one mail that the author of a mail gets."""
    desk.receive(mail, to)
    (found,) = [item for item in desk.mail_out() if item.recipient == "sam@reporter.example"]
    return found


def said(person: Person, item: Delivered) -> str:
    return words(read(person, item))


def keys_in(mail: bytes) -> list[tuple[str, bytes]]:
    """The names and contents of the public keys that are attached."""
    parts = [
        part for part in email.message_from_bytes(mail).walk() if part.get_content_type() == "application/pgp-keys"
    ]
    return [(str(part.get_filename()), bytes(part.get_payload(decode=True))) for part in parts]


def test_it_says_who_reads_when_to_expect_an_answer_and_how_to_stop_mail(desk: Desk, sam: Person) -> None:
    text = said(sam, answer(desk, plain_mail("Somebody hurt me.")))
    assert "Only the people on our team who handle such messages will read it" in text
    assert "we don't pass it on to anyone else" in text
    assert "We aim to write back to you by " in text
    assert 'reply to this mail with "Reply: no" as the first line' in text
    assert "please call your local emergency number now" in text
    assert "public key" not in text
    for never in ("report", "Ada", "Quist", "Somebody hurt"):
        assert never not in text


def test_no_answer_is_promised_that_nobody_promised(desk: Desk, sam: Person) -> None:
    desk.play.change_config("# acknowledge_hours = 24", "acknowledge_hours = 0")
    text = said(sam, answer(desk, plain_mail("Somebody hurt me.")))
    assert "write back to you" not in text
    assert "You don't have to do anything right now." in text


def test_an_acknowledgement_that_leaves_late_names_no_day_that_is_over(desk: Desk, sam: Person) -> None:
    desk.receive(plain_mail("Somebody hurt me."))
    desk.clock.forward(days=2)
    (found,) = [item for item in desk.mail_out() if item.recipient == "sam@reporter.example"]
    assert "write back to you" not in said(sam, found)


def test_who_writes_sealed_without_a_key_is_told_to_attach_one(desk: Desk, sam: Person) -> None:
    mail = answer(desk, pgp_mime(text_entity("Somebody hurt me."), desk.play.desk_key, sam.keyring))
    assert sam.opens(mail.mail) is None
    assert "write to us again and attach your public key" in said(sam, mail)


@pytest.mark.parametrize(
    ("header", "sealed_mail", "sealed_answer"), [(OFFERED, False, False), (ASKED, False, True), (OFFERED, True, True)]
)
def test_a_key_that_was_only_offered_is_kept_for_the_team_and_not_used_for_the_acknowledgement(
    desk: Desk, sam: Person, team: list[Person], header: str, sealed_mail: bool, sealed_answer: bool
) -> None:
    material = base64.b64encode(sam.keyring.export(sam.fingerprint, armored=False)).decode()
    extra = f"Autocrypt: addr={sam.email}; {header}keydata={material}\n"
    mail = plain_mail("Somebody hurt me.", extra=extra)
    if sealed_mail:
        mail = pgp_mime(text_entity("Somebody hurt me."), desk.play.desk_key, sam.keyring, extra=extra)
    name = desk.receive(mail).codename
    (got,) = [item for item in desk.mail_out() if item.recipient == sam.email]
    assert (sam.opens(got.mail) is not None) == sealed_answer
    assert "Your message has arrived" in said(sam, got)
    (reply,) = [
        item for item in say(desk, team[0], "/reply\nThank you. How are you?", name) if item.recipient == sam.email
    ]
    assert b"How are you?" in (sam.opens(reply.mail) or b"")


def test_a_key_that_was_attached_is_used(desk: Desk, sam: Person) -> None:
    mail = (
        f"From: Sam <{sam.email}>\nTo: conduct@desk.example\nSubject: x\nMIME-Version: 1.0\n"
        "Content-Type: multipart/mixed; boundary=i\n\n--i\nContent-Type: text/plain\n\nSomebody hurt me.\n"
        f"--i\nContent-Type: application/pgp-keys\n\n{sam.public_key.decode()}\n--i--\n"
    ).encode()
    assert sam.opens(answer(desk, mail).mail) is not None


def test_who_wrote_what_does_not_open_gets_the_key_and_where_to_get_it(
    desk: Desk, sam: Person, stranger: Person
) -> None:
    mail = answer(desk, pgp_mime(text_entity("Somebody hurt me."), stranger.public_key, sam.keyring))
    text = said(sam, mail)
    assert "we couldn't decrypt it. It may have been encrypted for a different key, or damaged on the way." in text
    assert "a key that this desk does not have" not in text, "nobody outside learns how decrypting failed"
    assert "conduct+key@desk.example" in text
    ((name, key),) = keys_in(mail.mail)
    assert name == "conduct-key.asc"
    assert key.strip() == desk.play.desk_key.strip()


def test_why_a_mail_cannot_be_read_stands_in_a_sentence() -> None:
    values = {
        **sample_values(SETTINGS)["acknowledge-held"],
        "why": "it is encrypted with S/MIME, which this desk cannot open",
    }
    text = words(render.Templates(None).render("acknowledge-held", "en", values).text)
    assert "but we can't read it: it is encrypted with S/MIME, which this desk cannot open. Please write" in text


def test_the_desks_key_is_announced_as_one(desk: Desk, sam: Person) -> None:
    ((name, key),) = keys_in(answer(desk, plain_mail(""), "conduct+key@desk.example").mail)
    assert (name, key.strip()) == ("conduct-key.asc", desk.play.desk_key.strip())


@pytest.mark.parametrize("kind", ["acknowledge", "acknowledge-held", "send-key"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_line_of_it_asks_for_anything_when_it_comes_back_quoted(kind: str, language: str) -> None:
    """Wherever a mail program folds it, and whatever it puts in front: else whoever answers would fall silent."""
    text = render.Templates(None).render(kind, language, sample_values(SETTINGS)[kind]).text
    flat = " ".join(text.split())
    for width in range(20, 100):
        for line in textwrap.wrap(flat, width):
            for mark in ("", "> ", ">", "| "):
                assert from_text(mark + line) == ReporterRequest(), (width, line)
