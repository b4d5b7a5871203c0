"""Documents that say something, as octets: as small as their formats allow."""

from __future__ import annotations

import base64
import binascii
import io
import struct
import zipfile
import zlib
from collections.abc import Callable

from asn1crypto import cms


def pdf(text: str) -> bytes:
    """A PDF file with one page, its text compressed and its letters set apart as layout programs do."""
    drawn = " ".join(f"({letter}) -20" for letter in text.replace("(", "").replace(")", ""))
    stream = zlib.compress(f"BT /F1 12 Tf 72 720 Td [{drawn}] TJ ET".encode("cp1252", "replace"))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    made, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return made + b"xref\n0 6\n0000000000 65535 f \n%strailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        table,
        len(made),
    )


def rtf(text: str) -> bytes:
    """An RTF file; every letter beyond ASCII as an escape, and one word cut by a change of font."""
    escaped = "".join(letter if letter.isascii() else f"\\u{ord(letter)}?" for letter in text)
    return (
        b"{\\rtf1\\ansi\\deff0 {\\fonttbl{\\f0 Arial;}}\\f0 " + escaped.replace("qv", "q{\\b v}").encode() + b"\\par}"
    )


def docx(text: str) -> bytes:
    """A Word document, with a word cut by a mark of its spelling checker."""
    cut = text.replace("qv", '</w:t></w:r><w:proofErr w:type="spellStart"/><w:r><w:t>qv')
    return zipped(
        {
            "[Content_Types].xml": b"<Types/>",
            "word/document.xml": f"<w:document><w:body><w:p><w:r><w:t>{cut}</w:t></w:r></w:p></w:body></w:document>".encode(),
        }
    )


def zipped(files: dict[str, bytes]) -> bytes:
    """A ZIP file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def encrypted_zip(name: str = "secret.txt") -> bytes:
    """A ZIP file whose one member says that it is encrypted."""
    packed = bytearray(zipped({name: b"x" * 40}))
    packed[6] |= 1
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    return bytes(packed)


def tnef(text: str) -> bytes:
    """A `winmail.dat` (MS-OXTNEF) with a body."""
    body = text.encode("cp1252", "replace") + b"\0"
    version = struct.pack("<BII", 1, 0x00089006, 4) + b"\x00\x00\x01\x00" + struct.pack("<H", 1)
    return struct.pack("<IH", 0x223E9F78, 1) + version + struct.pack("<BII", 1, 0x0002800C, len(body)) + body + struct.pack("<H", sum(body) & 0xFFFF)  # fmt: skip


def msg(text: str) -> bytes:
    """An Outlook message (MS-OXMSG): a compound file with one property, a text in wide characters."""
    return compound({"__substg1.0_1000001F": text.ljust(2100).encode("utf-16-le")})


def compound(streams: dict[str, bytes]) -> bytes:
    """A compound file (MS-CFB, version 3) of streams of 4096 octets or more each."""
    free, end, fat_mark = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    data, fat, entries = b"", [fat_mark, end], []
    for number, (name, content) in enumerate(streams.items()):
        first, sectors = len(fat), (len(content) + 511) // 512
        fat += [*range(first + 1, first + sectors), end]
        data += content.ljust(sectors * 512, b"\0")
        right = number + 2 if number + 1 < len(streams) else free
        entries.append(_entry(name, 2, first, len(content), (free, right, free)))
    root = _entry("Root Entry", 5, end, 0, (free, free, 1))
    directory = b"".join([root, *entries]).ljust(512, b"\0")
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, end, 0, end, 0) + struct.pack("<109I", 0, *[free] * 108)
    return header + struct.pack("<128I", *fat, *[free] * (128 - len(fat))) + directory + data


def _entry(name: str, kind: int, first: int, size: int, tree: tuple[int, int, int]) -> bytes:
    wide = name.encode("utf-16-le") + b"\0\0"
    return wide.ljust(64, b"\0") + struct.pack("<HBB3I", len(wide), kind, 1, *tree) + bytes(36) + struct.pack("<IQ", first, size)  # fmt: skip


def smime_opaque(entity: bytes) -> bytes:
    """An entity within an S/MIME signature (RFC 8551 section 3.5.2), without any signer."""
    content = {"content_type": "data", "content": entity}
    signed = {"version": "v1", "digest_algorithms": [], "encap_content_info": content, "signer_infos": []}
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(signed)}).dump())


def card(text: str) -> bytes:
    """A business card (RFC 6350) whose note is folded in the middle of a word."""
    return f"BEGIN:VCARD\r\nVERSION:4.0\r\nNOTE:{text.replace('qv', 'q' + chr(13) + chr(10) + ' v')}\r\nEND:VCARD\r\n".encode()


def forwarded(text: str) -> bytes:
    """A mail."""
    return f"From: x@other.example\nSubject: so\nContent-Type: text/plain; charset=utf-8\n\n{text}\n".encode()


def eml_with_pdf(text: str) -> bytes:
    """A mail with a PDF file in base64."""
    import base64

    coded = base64.encodebytes(pdf(text)).decode()
    return f"From: x@other.example\nSubject: so\nContent-Type: application/pdf\nContent-Transfer-Encoding: base64\n\n{coded}".encode()


DOCUMENTS: dict[str, Callable[[str], bytes]] = {
    "report.pdf": pdf,
    "report.rtf": rtf,
    "report.docx": docx,
    "winmail.dat": tnef,
    "mail.msg": msg,
    "card.vcf": card,
    "mail.eml": forwarded,
    "with-pdf.eml": eml_with_pdf,
    "page.html": lambda text: f"<p>{text.replace('qv', 'q<b>v</b>')}</p>".encode(),
    "wide.txt": lambda text: text.encode("utf-16"),
    "chat.zip": lambda text: zipped({"_chat.txt": text.encode()}),
    "pdf.zip": lambda text: zipped({"a.pdf": pdf(text)}),
    "smime.p7m": lambda text: smime_opaque(forwarded(text)),
}


def uuencoded(name: str, octets: bytes) -> bytes:
    """Lines of a text that are a file."""
    lines = b"".join(binascii.b2a_uu(octets[at : at + 45], backtick=True) for at in range(0, len(octets), 45))
    return f"begin 644 {name}\n".encode() + lines + b"`\nend\n"


def data_link(octets: bytes, kind: str = "application/octet-stream") -> str:
    """A link of a page that is a file."""
    return f"data:{kind};base64,{base64.b64encode(octets).decode()}"
