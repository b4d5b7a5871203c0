"""Octets become text: labels as mail programs read them, damage that stays small, and nothing that is no charset."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from intake.reading.charsets import codec_of, decode
from intake.reading.message import read_mail
from intake.reading.pieces import pieces


@pytest.mark.parametrize(
    ("octets", "label", "text"),
    [
        ("José Núñez".encode(), "iso-8859-1", "José Núñez"),  # UTF-8 under a single-byte label
        ("José Núñez".encode() + b"\xff", "iso-8859-1", "José Núñez\ufffd"),
        (b"Jos\xe9 N\xfa\xf1ez", None, "José Núñez"),
        (b"Jos\xe9 N\xfa\xf1ez", "utf-8", "José Núñez"),
        (b"Jos\xe9 N\xfa\xf1ez", "x-unknown", "José Núñez"),
        ("Zoë — “so”".encode("cp1252"), "iso-8859-1", "Zoë — “so”"),
        ("朱镕基".encode("gbk"), "gb2312", "朱镕基"),
        ("髙橋①".encode("cp932"), "shift_jis", "髙橋①"),
        ("山田 太郎".encode("iso2022_jp"), None, "山田 太郎"),
        ("山田 太郎".encode("iso2022_jp"), "us-ascii", "山田 太郎"),
        ("Марина".encode("koi8_r"), "koi8-r", "Марина"),
        ("Марина".encode("cp866"), "IBM866", "Марина"),
        ("Марина".encode("utf_16"), "utf-16", "Марина"),
        ("Марина".encode("utf_16_le"), "utf-16le", "Марина"),
        ("שלום".encode("iso8859_8"), "iso-8859-8-i", "שלום"),
        ("Zoë".encode("utf_7"), "utf-7", "Zoë"),
        ("\ufeffZoë".encode(), None, "Zoë"),
        ("ไทย".encode("cp874"), "tis-620", "ไทย"),
    ],
)
def test_a_label_is_read_as_mail_programs_read_it(octets: bytes, label: str | None, text: str) -> None:
    assert decode(octets, label) == text


@pytest.mark.parametrize(
    "label",
    ["punycode", "idna", "unicode_escape", "raw-unicode-escape", "undefined", "rot13", "base64", "zlib", "mbcs"],
)
def test_a_codec_that_is_no_charset_is_none(label: str) -> None:
    assert codec_of(label) is None
    assert decode(b"a-b\\u0041", label) == "a-b\\u0041"


@given(some.binary(max_size=200), some.text(max_size=50) | some.sampled_from(["utf-7", "hz", "iso-2022-kr", "big5"]))
def test_any_octets_under_any_label_give_some_text(octets: bytes, label: str) -> None:
    assert isinstance(decode(octets, label), str)


def test_a_charset_that_is_none_cannot_take_time_anywhere_in_a_mail() -> None:
    """As charset of a text, of an encoded word, and of a file name (RFC 2231): each took time by the square."""
    long = "a" * 60_000
    mail = (
        f"From: =?punycode?q?{long}-b?= <a@b.example>\nContent-Type: multipart/mixed; boundary=m\n\n"
        f"--m\nContent-Type: text/plain; charset*=punycode''utf-8\n\n{long}\n"
        f"--m\nContent-Type: text/plain; charset=punycode\n\n{long}\n"
        f"--m\nContent-Type: image/png\nContent-Disposition: attachment; filename*=punycode''{long}\n\nx\n--m--\n"
    ).encode()
    read = read_mail(mail)
    found = pieces(mail, read.root)
    assert [piece.kind for piece in found] == ["text", "text", "file"]
    assert long in found[0].text
    assert found[2].name == "a" * 200
