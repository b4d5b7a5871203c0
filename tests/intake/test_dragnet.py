"""The second look: whoever is named in any octets is found, in whatever they are wrapped; and nobody else."""

from __future__ import annotations

import base64
import gzip
import io
import os
import quopri
import random
import time
import zipfile
import zlib
from collections.abc import Callable
from urllib.parse import quote

import pytest

from intake.asking.dragnet import dragnet
from tests.intake.test_kept_from import member
from tests.support.documents import uuencoded

TEAM = [
    member("ada", "Ada Quist"),
    member("bo", "Bo Lindqvist"),
    member("chidi", "Chidi Okafor"),
    member("lukasz", "\u0141ukasz \u017b\u00f3\u0142\u0107"),
    member("anna", "\u0410\u043d\u043d\u0430 \u041a\u0438\u043c"),
    member("wei", "\u738b\u4f1f"),
    member("hanako", "\u7530\u4e2d \u82b1\u5b50"),
    member("eunji", "\uae40\uc740\uc9c0"),
]
REPORT = "It was Bo Lindqvist who hit me, on Monday."


def found(octets: bytes) -> set[str]:
    return {item.id for item in dragnet([octets], TEAM).members}


def zipped(octets: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("chat.txt", octets * 3)
    return packed.getvalue()


WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda octets: octets,
    "upper case": bytes.upper,
    "base64": base64.encodebytes,
    "base64 in one line": base64.b64encode,
    "base64 for addresses": base64.urlsafe_b64encode,
    "base64 quoted": lambda octets: b"> " + base64.encodebytes(octets * 3).replace(b"\n", b"\n> "),
    "base64 without padding": lambda octets: base64.b64encode(octets).rstrip(b"="),
    "quoted-printable": lambda octets: quopri.encodestring(octets.replace(b"qv", b"q=\nv")),
    "soft line break": lambda octets: octets.replace(b"qv", b"q=\r\nv"),
    "hex": lambda octets: octets.hex().encode(),
    "hex with colons": lambda octets: octets.hex(":").encode(),
    "percent": lambda octets: quote(octets).encode(),
    "all percent": lambda octets: "".join(f"%{octet:02X}" for octet in octets).encode(),
    "entities": lambda octets: "".join(f"&#{octet};" for octet in octets).encode(),
    "entities in hex": lambda octets: "".join(f"&#x{octet:x};" for octet in octets).encode(),
    "escapes": lambda octets: "".join(f"\\u{octet:04x}" for octet in octets).encode(),
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "zip": zipped,
    "zip without its end": lambda octets: zipped(octets)[:-60],
    "tags": lambda octets: octets.replace(b"qv", b"q<b class='x'>v</b>"),
    "tags between": lambda octets: octets.replace(b" Lind", b"</b><i> </i>Lind"),
    "wrapped": lambda octets: octets.replace(b" Lind", b"\r\n> Lind"),
    "broken in two": lambda octets: octets.replace(b"qv", b"q\r\nv"),
    "spaced": lambda octets: b" ".join(octets[at : at + 1] for at in range(len(octets))),
    "utf-16": lambda octets: octets.decode().encode("utf-16-le"),
    "utf-16-be": lambda octets: octets.decode().encode("utf-16-be"),
    "utf-32": lambda octets: octets.decode().encode("utf-32"),
    "utf-16 in base64": lambda octets: base64.encodebytes(octets.decode().encode("utf-16")),
    "zip in base64": lambda octets: base64.encodebytes(zipped(octets)),
    "base64 in base64": lambda octets: base64.encodebytes(base64.encodebytes(octets)),
    "base64 in zip in base64": lambda octets: base64.encodebytes(zipped(base64.encodebytes(octets))),
    "encoded word": lambda octets: b"Subject: =?utf-8?b?" + base64.b64encode(octets[:18]) + b"?=\n =?utf-8?b?" + base64.b64encode(octets[18:]) + b"?=",
    "encoded word q": lambda octets: b"Subject: =?utf-8?q?" + octets[:14].replace(b" ", b"_") + b"?= =?utf-8?q?" + octets[14:].replace(b" ", b"_") + b"?=",
    "uuencode": lambda octets: uuencoded("chat.txt", octets),
    "base64 in utf-16": lambda octets: base64.encodebytes(octets).decode().encode("utf-16-le"),
    "behind a page": lambda octets: b"<html><p>" + b"x" * 3000 + octets,
    "in octets of a picture": lambda octets: os.urandom(5000) + b"\0\0" + octets + b"\0\0" + os.urandom(5000),
}  # fmt: skip


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_name_is_found_in_any_wrapping(wrapping: str) -> None:
    wrap = WRAPPINGS[wrapping]
    assert found(wrap(REPORT.encode())) == {"bo"}
    assert not found(wrap(REPORT.replace("Lindqvist", "Somebody").encode()))


@pytest.mark.parametrize(
    "text", ["Hello! Dear Ada Quist,\nBo hit me.", "<p>Dear Ada Quist,</p>\n", "Dear=20Ada Quist,\n", "Bo. Ada."]
)
def test_a_greeting_and_a_first_name_name_nobody(text: str) -> None:
    assert not found(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "B. Lindqvist", "Mr Lindqvist", "Lindqvist", "bo@team.example", "<bo+x@team.example>", "Lindqvist, Bo", "please don't tell Bo",
        "Keep it from Bo, please", "Dear all, Bo Lindqvist did it",
    ],
)  # fmt: skip
def test_what_names_or_excludes_in_a_text_does_so_in_base64(text: str) -> None:
    for octets in (text.encode(), base64.encodebytes(f"Hello.\n{text}\n".encode())):
        assert "bo" in found(octets), text


@pytest.mark.parametrize(
    "charset", ["utf-8", "utf-16-le", "utf-16-be", "cp1250", "iso8859-2", "cp852", "mac-latin2", "utf-7"]
)
def test_letters_beyond_ascii_are_found_in_each_charset(charset: str) -> None:
    assert found("To by\u0142 \u0141ukasz \u017b\u00f3\u0142\u0107, naprawd\u0119.".encode(charset, "replace")) == {
        "lukasz"
    }
    assert not found("To by\u0142 \u0141ukasz, naprawd\u0119.".encode(charset, "replace"))


@pytest.mark.parametrize("charset", ["utf-8", "utf-16-le", "cp1251", "koi8-r", "iso8859-5", "cp866", "mac-cyrillic"])
def test_cyrillic_is_found_in_each_charset(charset: str) -> None:
    assert found("\u042d\u0442\u043e \u0410\u043d\u043d\u0430 \u041a\u0438\u043c.".encode(charset)) == {"anna"}
    assert not found("\u042d\u0442\u043e \u0410\u043d\u043d\u0430.".encode(charset))


@pytest.mark.parametrize(
    ("text", "charsets", "who"),
    [
        ("\u6253\u6211\u7684\u4eba\u662f\u738b\u4f1f\u3002", "utf-8 utf-16-be gb18030 gbk hz", "wei"),
        ("\u7530\u4e2d\u82b1\u5b50\u3055\u3093\u3067\u3059\u3002", "utf-8 utf-16-le shift_jis cp932 euc_jp iso2022_jp gb18030", "hanako"),
        ("\uadf8\uac74 \uae40\uc740\uc9c0\uc600\uc5b4\uc694.", "utf-8 cp949 euc_kr iso2022_kr johab", "eunji"),
    ],
)  # fmt: skip
def test_han_and_hangul_are_found_in_each_charset(text: str, charsets: str, who: str) -> None:
    for charset in charsets.split():
        assert found(text.encode(charset)) == {who}, charset
        assert not found(text[:3].encode(charset)), charset


def test_random_octets_hardly_ever_name_somebody() -> None:
    """In a few megabytes of noise some letters of a short name may come together in one charset of many."""
    rng = random.Random(17)
    noise = [rng.randbytes(300_000) for _ in range(5)]
    caught = [item for octets in noise for item in (found(octets), found(base64.encodebytes(octets))) if item]
    assert len(caught) <= 1


@pytest.mark.parametrize(
    "nasty",
    [b"bo " * 700_000, b"=41" * 700_000, b"&#98;" * 400_000, b"x\x9c" * 1_000_000, b"<" * 2_000_000, b"PK\x03\x04" * 500_000, b"don't tell bo " * 150_000],
)  # fmt: skip
def test_no_octets_take_long(nasty: bytes) -> None:
    before = time.process_time()
    dragnet([nasty], TEAM)
    assert time.process_time() - before < 10


def test_what_lies_deeper_than_is_looked_is_said() -> None:
    octets = REPORT.encode("utf-16-le")
    for _ in range(12):
        octets = base64.b64encode(octets)
    assert not dragnet([octets], TEAM).whole or found(octets) == {"bo"}


def test_more_groups_than_are_looked_at_are_said() -> None:
    octets = b"".join(uuencoded("a", b"%d" % number) for number in range(20_001))
    assert not dragnet([octets + uuencoded("b", REPORT.encode())], TEAM).whole
