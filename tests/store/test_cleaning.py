"""Files without what they tell of their author: what is seen stays, and nothing else does."""

from __future__ import annotations

import io

import pytest
from PIL import Image, PngImagePlugin
from pypdf import PdfReader, PdfWriter

from store.kit.cleaning import cleaned
from store.kit.errors import NotAllowed

SECRET = "CANARY-AUTHOR"


def jpeg() -> bytes:
    """A picture with its author, its place and a comment, turned by its camera."""
    exif = Image.Exif()
    exif[0x013B], exif[0x0112] = SECRET, 6
    out = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(out, "JPEG", exif=exif, comment=SECRET.encode())
    return out.getvalue()


def png() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", SECRET)
    out = io.BytesIO()
    Image.new("RGBA", (30, 20), (255, 0, 0, 128)).save(out, "PNG", pnginfo=info)
    return out.getvalue() + SECRET.encode()


def pdf() -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(200, 100)
    writer.add_metadata({"/Author": SECRET})
    writer.add_attachment("notes.txt", SECRET.encode())
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("made", "kind"),
    [(jpeg(), "image/jpeg"), (png(), "image/png"), (pdf(), "application/pdf")],
    ids=["jpeg", "png", "pdf"],
)
def test_nothing_is_left_of_who_made_it(made: bytes, kind: str) -> None:
    assert SECRET.encode() in made
    found, data = cleaned("x", made)
    assert found == kind
    assert SECRET.encode() not in data
    if kind == "application/pdf":
        reader = PdfReader(io.BytesIO(data))
        assert len(reader.pages) == 1
        assert SECRET not in str(reader.metadata)
    else:
        with Image.open(io.BytesIO(data)) as picture:
            assert not picture.getexif()
            assert picture.size == ((20, 30) if kind == "image/jpeg" else (30, 20)), "as it is seen"


def test_a_text_stays_a_text() -> None:
    assert cleaned("a.txt", "\ufeffÜber\r\nuns".encode()) == ("text/plain", "Über\r\nuns".encode())


@pytest.mark.parametrize(
    "data",
    [
        b"PK\x03\x04" + b"x" * 100, b"\xd0\xcf\x11\xe0" * 20, b"%PDF-1.4 nonsense", b"\x89PNG\r\n\x1a\n" + b"x" * 50, b"\xff\xd8\xff" + b"x" * 50,
        b"\xff\xfe\x00", b"a\x00b", b"\x1b[31mred", b"<html><meta name=author content=x>", b"  <svg/>", b"BEGIN:VCARD\nFN:X", b"{\\rtf1 x}", b"RIFF....WEBPVP8 ", "caf\u00e9".encode("latin-1"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_anew_is_refused(data: bytes) -> None:
    with pytest.raises(NotAllowed, match="cannot be freed"):
        cleaned("x", data)


def test_a_picture_of_too_many_pixels_is_refused() -> None:
    out = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(out, "PNG")
    assert len(out.getvalue()) < 100_000
    with pytest.raises(NotAllowed):
        cleaned("bomb.png", out.getvalue())
