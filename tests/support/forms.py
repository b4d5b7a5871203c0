"""The same report in many forms: what mail programs, gateways, forwarding people and damage make of it. Each form says the same.

A leaf makes a MIME entity of a text, a wrapping makes an entity of another one, a damage changes a whole mail.
"""

from __future__ import annotations

import base64
import gzip
import quopri
import random
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.documents import DOCUMENTS, data_link, smime_opaque, uuencoded, zipped

Leaf = Callable[[str, random.Random], bytes]
Wrapping = Callable[[bytes, random.Random], bytes]
Seal = Callable[[bytes], bytes]

STUB = "Please see below."
BANNER = "CAUTION: This mail came from outside of the organisation."
FOOTER = "-- \nlist mailing list\nhttps://lists.example/list"
_CHARSETS = (
    "utf-8", "us-ascii", "iso-8859-1", "windows-1252", "iso-8859-15", "utf8", "UTF-8", "windows-1250", "koi8-r", "gb2312", "big5", "iso-2022-jp",
    "shift_jis", "euc-kr", "x-unknown", "unknown-8bit", "",
)  # fmt: skip


def _entity(kind: str, octets: bytes, chance: random.Random, more: str = "") -> bytes:
    """An entity in one of the ways to encode it."""
    way = chance.choice(["8bit", "7bit", "base64", "BASE64 ", "quoted-printable", "Quoted-Printable", "none"])
    if way.strip().lower() == "base64":
        octets = base64.encodebytes(octets)
    elif way.lower() == "quoted-printable":
        octets = quopri.encodestring(octets, quotetabs=chance.random() < 0.5)
    coding = "" if way == "none" else f"Content-Transfer-Encoding: {way}\n"
    return f"Content-Type: {kind}\n{more}{coding}\n".encode() + octets + b"\n"


def plain(text: str, chance: random.Random) -> bytes:
    """A text under some label; when it is no plain ASCII, under one that it can be written in, or under a wrong one."""
    charset = chance.choice(_CHARSETS)
    label = f'; charset="{charset}"' if charset else ""
    return _entity(f"text/plain{label}", text.encode(), chance)


def wide(text: str, chance: random.Random) -> bytes:
    """A text in wide characters."""
    charset = chance.choice(["utf-16", "utf-16le", "utf-16be", "utf-32"])
    return f'Content-Type: text/plain; charset="{charset}"\nContent-Transfer-Encoding: base64\n\n'.encode() + base64.encodebytes(text.encode(charset))  # fmt: skip


def page(text: str, chance: random.Random) -> bytes:
    """A page, a name in it perhaps cut by tags or written in entities."""
    body = text.replace("&", "&amp;").replace("<", "&lt;")
    way = chance.randrange(5)
    if way == 1:
        body = body.replace("qv", "q<span></span>v")
    elif way == 2:
        body = "".join(f"&#{ord(letter)};" if letter.isalpha() else letter for letter in body)
    elif way == 3:
        body = body.replace(" ", "&nbsp;")
    elif way == 4:
        body = body.replace("qv", "q&shy;v").replace("Bo", "<b>Bo</b>")
    lines = "<br>".join(body.split("\n"))
    return _entity("text/html; charset=utf-8", f"<html><body><div>{lines}</div></body></html>".encode(), chance)


def flowed(text: str, chance: random.Random) -> bytes:
    """A text wrapped for the way (RFC 3676)."""
    lines = [" \n".join(textwrap.wrap(line, 30)) for line in text.split("\n")]
    return _entity("text/plain; charset=utf-8; format=flowed", "\n".join(lines).encode(), chance)


def named(text: str, chance: random.Random) -> bytes:
    """A text as a file."""
    kind = chance.choice(["text/plain", "text/markdown", "text/x-log", "application/octet-stream", "TEXT/PLAIN"])
    how = chance.choice(["attachment", "inline"])
    return _entity(kind, text.encode(), chance, f'Content-Disposition: {how}; filename="report.txt"\n')


def unlabelled(text: str, chance: random.Random) -> bytes:
    """A text without any header."""
    return b"\n" + text.encode() + b"\n"


def document(text: str, chance: random.Random) -> bytes:
    """A text in a document beside a stub, perhaps under the name of something else."""
    latin = text.encode("cp1252", "ignore").decode("cp1252") == text
    name = chance.choice(sorted(name for name in DOCUMENTS if latin or ("pdf" not in name and name != "winmail.dat")))
    kind = chance.choice(["application/octet-stream", "application/x-whatever"])
    if name.endswith(".eml"):
        kind = "application/octet-stream"
    packed = base64.encodebytes(DOCUMENTS[name](text)).decode()
    called = chance.choice([name, name, name, "scan.bin", "mail.eml", "page.html"])
    more = f'Content-Disposition: attachment; filename="{called}"\nContent-Transfer-Encoding: base64\n'
    return mixed([_stub(), f"Content-Type: {kind}\n{more}\n{packed}".encode()], chance)


def written_in(text: str, chance: random.Random) -> bytes:
    """A text in a document that stands within the text of the mail itself."""
    latin = text.encode("cp1252", "ignore").decode("cp1252") == text
    name = chance.choice(sorted(name for name in DOCUMENTS if latin or ("pdf" not in name and name != "winmail.dat")))
    octets = DOCUMENTS[name](text)
    if chance.random() < 0.5:
        return _entity("text/plain; charset=utf-8", f"{STUB}\n\n".encode() + uuencoded(name, octets), chance)
    tag = chance.choice(
        ['<img src="{}">', "<a href='{}'>see</a>", "<p style=\"background:url('{}')\">see</p>", "<img src={} alt=x>"]
    )
    return _entity("text/html; charset=utf-8", f"<p>{STUB}</p>{tag.format(data_link(octets))}".encode(), chance)


LEAVES: tuple[Leaf, ...] = (
    plain, plain, plain, wide, page, page, flowed, named, unlabelled, document, document, written_in,
)  # fmt: skip


def _stub(text: str = STUB) -> bytes:
    return f"Content-Type: text/plain; charset=utf-8\n\n{text}\n".encode()


def mixed(parts: list[bytes], chance: random.Random, kind: str = "mixed") -> bytes:
    """A multipart entity."""
    boundary = f"b{chance.randrange(10**9)}"
    body = b"".join(f"--{boundary}\n".encode() + part + b"\n" for part in parts)
    quoted = boundary if chance.random() < 0.5 else f'"{boundary}"'
    folded = chance.choice([" ", "\n "])
    return (
        f"Content-Type: multipart/{kind};{folded}boundary={quoted}\n\n".encode() + body + f"--{boundary}--\n".encode()
    )


def _forwarded(entity: bytes, chance: random.Random) -> bytes:
    mail = b"From: Kim <kim@other.example>\nTo: x@other.example\nSubject: Fwd\n" + entity
    if chance.random() < 0.3:
        return b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" + base64.encodebytes(mail)
    return b"Content-Type: message/rfc822\n\n" + mail


def file_entity(name: str, octets: bytes) -> bytes:
    """An entity that is a file."""
    more = f'Content-Disposition: attachment; filename="{name}"\nContent-Transfer-Encoding: base64\n'
    return f"Content-Type: application/octet-stream\n{more}\n".encode() + base64.encodebytes(octets)


WRAPPINGS: dict[str, Wrapping] = {
    "banner": lambda entity, chance: mixed([_stub(BANNER), entity], chance),
    "footer": lambda entity, chance: mixed([entity, _stub(FOOTER)], chance),
    "related": lambda entity, chance: mixed([entity], chance, "related"),
    "alternative": lambda entity, chance: mixed([_stub("This mail needs a program that can show it."), entity], chance, "alternative"),
    "alternative first": lambda entity, chance: mixed([entity, _stub("This mail needs a program that can show it.")], chance, "alternative"),
    "unknown multipart": lambda entity, chance: mixed([entity], chance, "x-anything"),
    "report": lambda entity, chance: mixed([_stub(), entity], chance, "parallel"),
    "preamble": lambda entity, chance: mixed([entity], chance).replace(b"\n\n--", b"\n\nThis is a message with several parts in MIME format.\n--", 1),
    "forward": lambda entity, chance: mixed([_stub("FYI"), _forwarded(entity, chance)], chance),
    "bare forward": _forwarded,
    "eml": lambda entity, chance: mixed([_stub(), file_entity("mail.eml", b"From: k@other.example\n" + entity)], chance),
    "zip": lambda entity, chance: mixed([_stub(), file_entity("mail.zip", zipped({"mail.eml": b"From: k@other.example\n" + entity}))], chance),
    "gzip": lambda entity, chance: mixed([_stub(), file_entity("mail.gz", gzip.compress(b"From: k@other.example\n" + entity))], chance),
    "smime": lambda entity, chance: b'Content-Type: application/pkcs7-mime; smime-type=signed-data; name="smime.p7m"\nContent-Transfer-Encoding: base64\n\n' + base64.encodebytes(smime_opaque(entity)),
    "smime detached": lambda entity, chance: mixed([entity, file_entity("smime.p7s", b"0\x80")], chance, 'signed; protocol="application/pkcs7-signature"'),
    "no end": lambda entity, chance: mixed([_stub(BANNER), entity], chance).rsplit(b"\n--", 1)[0],
}  # fmt: skip


def sealed_forms(seal: Seal) -> dict[str, Wrapping]:
    """Wrappings in OpenPGP; `seal` makes armor of octets."""

    def pgp_mime(entity: bytes, chance: random.Random) -> bytes:
        return mixed(
            [b"Content-Type: application/pgp-encrypted\n\nVersion: 1\n", b"Content-Type: application/octet-stream\n\n" + seal(entity)],
            chance, 'encrypted; protocol="application/pgp-encrypted"',
        )  # fmt: skip

    def mangled(entity: bytes, chance: random.Random) -> bytes:
        return pgp_mime(entity, chance).replace(b'multipart/encrypted; protocol="application/pgp-encrypted"', b"multipart/mixed")  # fmt: skip

    def inline(entity: bytes, chance: random.Random) -> bytes:
        return b"Content-Type: text/plain; charset=utf-8\n\n" + seal(entity)

    def attached(entity: bytes, chance: random.Random) -> bytes:
        return mixed([_stub(), file_entity("mail.eml.asc", seal(entity))], chance)

    return {"pgp/mime": pgp_mime, "mangled": mangled, "inline": inline, "attached": attached}


DAMAGES: tuple[Callable[[bytes], bytes], ...] = (
    lambda mail: mail,
    lambda mail: mail,
    lambda mail: b"\n" + mail,
    lambda mail: b">From kim Thu Nov 26 16:00:00 2026\n" + mail,
    lambda mail: mail.replace(b"Subject:", b"Subject :", 1),
    lambda mail: mail.replace(b"Content-Type:", b"content-type :", 1),
    lambda mail: mail.replace(b"\n", b"\r\n"),
    lambda mail: mail.replace(b"Subject:", b"this is no header\nSubject:", 1),
    lambda mail: mail.replace(b"MIME-Version: 1.0\n", b""),
    lambda mail: mail.replace(b"Subject: help", b"Subject: =?utf-8?q?h=C3=A9lp?="),
    lambda mail: mail + b"\n\0\n",
)


@dataclass(frozen=True)
class Chain:
    """A mail, and how it was made."""

    mail: bytes
    steps: tuple[str, ...]


def chain(text: str, chance: random.Random, sealed: dict[str, Wrapping]) -> Chain:
    """A random chain of forms of a text."""
    leaf = chance.choice(LEAVES)
    steps, entity = [leaf.__name__], leaf(text, chance)
    for _ in range(chance.choice([0, 0, 1, 1, 1, 2, 2, 3, 4])):
        name = chance.choice(sorted(WRAPPINGS))
        steps.append(name)
        entity = WRAPPINGS[name](entity, chance)
    if sealed and chance.random() < 0.2:
        name = chance.choice(sorted(sealed))
        steps.append(name)
        entity = sealed[name](entity, chance)
        if chance.random() < 0.3:
            steps.append("banner")
            entity = WRAPPINGS["banner"](entity, chance)
    damage = chance.randrange(len(DAMAGES))
    head = f"From: kim@reporter.example\nTo: conduct@desk.example\nSubject: help\nMessage-ID: <{chance.randrange(10**12)}@r.example>\nMIME-Version: 1.0\n"
    return Chain(DAMAGES[damage](head.encode() + entity), (*steps, f"damage {damage}"))
