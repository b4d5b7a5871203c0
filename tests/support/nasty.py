"""Mails made to be slow or large to read: each was, or could be, quadratic or explosive for some reader."""

from __future__ import annotations

import base64
import gzip
import os
import zlib
from collections.abc import Callable

from tests.support.documents import docx, pdf, rtf, tnef, zipped


def _mail(head: bytes, body: bytes = b"Hello.\n") -> bytes:
    return (
        b"From: kim@reporter.example\nTo: conduct@desk.example\nSubject: help\nMIME-Version: 1.0\n"
        + head
        + b"\n"
        + body
    )


def _file(octets: bytes) -> bytes:
    head = b'Content-Type: application/octet-stream\nContent-Disposition: attachment; filename="a"\nContent-Transfer-Encoding: base64\n'
    return _mail(head, base64.encodebytes(octets))


def _page(body: bytes) -> bytes:
    return _mail(b"Content-Type: text/html; charset=utf-8\n", b"<html><body>" + body)


def _nested(depth: int) -> bytes:
    return _mail(
        b"", b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(depth))
    )


def _zip_in_zip(depth: int) -> bytes:
    inner = b"x" * 1000
    for _ in range(depth):
        inner = zipped({"a.zip": inner, "b.zip": inner})
    return inner


_PLAIN = b"Content-Type: text/plain; charset=utf-8\n"

# Made when asked for: some are of 25 MB.
NASTY: dict[str, Callable[[], bytes]] = {
    "62 kB of References": lambda: _mail(b"References: " + b"<" * 62_000 + b"\n"),
    "1 MB of References": lambda: _mail(b"References: " + b"<a@b> " * 170_000 + b"\n"),
    "63 kB of From without @": lambda: _mail(b"").replace(b"kim@reporter.example", b"a " * 31_000),
    "1 MB of addresses": lambda: _mail(b"Cc: " + b"a@b.example, " * 80_000 + b"\n"),
    "2 MB of header fields": lambda: _mail(b"X: y\n" * 400_000),
    "2 MB in one header field": lambda: _mail(b"X: " + b"=?utf-8?q?a?= " * 140_000 + b"\n"),
    "2 MB of format=flowed": lambda: _mail(b"Content-Type: text/plain; format=flowed\n", b"> a \n" * 400_000),
    "1 MB of Exclude": lambda: _mail(_PLAIN, b"Exclude: " + b"bo x, " * 170_000),
    "1 MB of Exclude lines": lambda: _mail(_PLAIN, b"Exclude: bo x\n" * 75_000),
    "1 MB of Only": lambda: _mail(_PLAIN, b"Only: ada q, bo x\n" * 55_000),
    "charset punycode": lambda: _mail(b"Content-Type: text/plain; charset=punycode\n", b"a-" * 500_000),
    "HTML margins": lambda: _page(b"<div style='margin-left:90000000em'>x</div>" * 1500),
    "HTML nesting": lambda: _page(b"<div>" * 150_000),
    "HTML table": lambda: _page(b"<table><tr>" + b"<td>x" * 150_000),
    "HTML colspan": lambda: _page(b"<table><tr><td colspan=100000000 rowspan=100000000>x" * 300),
    "HTML entities": lambda: _page(b"&#98;" * 200_000),
    "1000 nested parts": lambda: _nested(1000),
    "100,000 parts": lambda: _mail(b"Content-Type: multipart/mixed; boundary=b\n", b"--b\n\nx\n" * 100_000),
    "100 signed parts": lambda: _mail(b"Content-Type: multipart/mixed; boundary=b\n", b"--b\nContent-Type: multipart/signed; boundary=c\n\n--c\n\nx\n--c\nContent-Type: application/pgp-signature\n\nx\n--c--\n" * 100),
    "5,000 armor blocks": lambda: _mail(_PLAIN, b"-----BEGIN PGP MESSAGE-----\n\nabcd\n-----END PGP MESSAGE-----\n" * 5000),
    "armor without ends": lambda: _mail(_PLAIN, b"-----BEGIN PGP MESSAGE-----\n\n" * 60_000),
    "names everywhere": lambda: _mail(_PLAIN, b"bo. ada. dana! lindqvis quis reye\n" * 60_000),
    "wishes everywhere": lambda: _mail(_PLAIN, b"please don't tell b about the rest of it\n" * 50_000),
    "one word of 2 MB": lambda: _mail(_PLAIN, b"a" * 2_000_000),
    "greetings": lambda: _mail(_PLAIN, b"Dear Ada Quist,\n" * 100_000),
    "ZIP bomb": lambda: _file(zipped({"a": bytes(200_000_000)})),
    "ZIP of ZIPs": lambda: _file(_zip_in_zip(11)),
    "ZIP of 20,000": lambda: _file(zipped({f"{number}": b"x" for number in range(20_000)})),
    "gzip bomb": lambda: _file(gzip.compress(bytes(200_000_000))),
    "zlib everywhere": lambda: _file(zlib.compress(bytes(5_000_000)) * 200),
    "Word with 20 MB of text": lambda: _file(docx("It was bad. " * 1_700_000)),
    "PDF that kerns 1 MB": lambda: _file(pdf("x" * 200_000)),
    "PDF of itself": lambda: _file(pdf("x").replace(b"/Kids [3 0 R]", b"/Kids [" + b"2 0 R " * 3000 + b"]")),
    "RTF groups": lambda: _file(rtf("x").replace(b"\\par", b"{\\b " * 200_000)),
    "TNEF of 2 MB": lambda: _file(tnef("x " * 1_000_000)),
    "OLE noise": lambda: _file(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + os.urandom(2_000_000)),
    "forwards in forwards": lambda: _mail(b"Content-Type: message/rfc822\n\n" * 400),
    "base64 of base64": lambda: _mail(_PLAIN, _base64_of_base64()),
    "25 MB of noise": lambda: _file(os.urandom(17_000_000)),
    "25 MB of text": lambda: _mail(_PLAIN, b"He hit me, and that was that. It is 5 < 6 = 7 & so on.\n" * 440_000),
    "25 MB of percent": lambda: _mail(_PLAIN, b"%62%6f " * 3_500_000),
    "25 MB of entities": lambda: _mail(_PLAIN, b"&#98; " * 4_000_000),
    "25 MB of bo": lambda: _mail(_PLAIN, b"bo " * 8_000_000),
}  # fmt: skip


def _base64_of_base64() -> bytes:
    octets = b"He hit me. " * 200
    for _ in range(14):
        octets = base64.encodebytes(octets)
    return octets
