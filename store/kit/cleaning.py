"""A file without what it tells of its author, device and place: made anew from what is seen of it. Pure, and bounded.

A picture becomes its pixels, a PDF pictures of its pages, a text stays a text. What nothing is known of is refused.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from store.kit.errors import NotAllowed
from store.kit.sentences import marked

if TYPE_CHECKING:
    from PIL.Image import Image

CANNOT_CLEAN = marked(
    "The file '{file}' cannot be freed of what it tells of its author. Send a plain text, a picture (PNG, JPEG) or a PDF, or write what it says."
)
_MOST_PIXELS = 80_000_000  # twenty pages, or one very large picture
_MOST_PAGES = 50
_PDF_SCALE = 150 / 72
_QUALITY = 88
_MARKUP = ("<", "{\\rtf", "BEGIN:V", "%!PS", "From ", "Received:", "-----BEGIN PGP")
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"GIF8")


def cleaned(name: str, data: bytes) -> tuple[str, bytes]:
    """The type and the octets of a file made anew. Raises NotAllowed when it can't be."""
    try:
        return _maker(data)(data)
    except (NotAllowed, MemoryError):
        raise
    except Exception:
        raise NotAllowed(CANNOT_CLEAN, file=name) from None


def _maker(data: bytes) -> Callable[[bytes], tuple[str, bytes]]:
    if data.startswith(b"%PDF-"):
        return _pdf
    return _picture if data.startswith(_PICTURES) else _text


def _text(data: bytes) -> tuple[str, bytes]:
    text = data.decode("utf-8-sig")
    if any(char < " " and char not in "\t\r\n\f" for char in text) or "\x7f" in text:
        raise ValueError("no plain text")
    if text.lstrip().startswith(_MARKUP):
        raise ValueError("a text that tells more than is seen of it")
    return "text/plain", text.encode()


def _picture(data: bytes) -> tuple[str, bytes]:
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "GIF")) as picture:
        _require_small(*picture.size)
        is_jpeg = picture.format == "JPEG"
        seen = ImageOps.exif_transpose(picture).convert("RGB" if is_jpeg else "RGBA")
        if not is_jpeg:  # what is transparent may have had colours, and is white from now on
            white = Image.new("RGBA", seen.size, "white")
            seen = Image.alpha_composite(white, seen).convert("RGB")
        return ("image/jpeg", _saved(seen, "JPEG")) if is_jpeg else ("image/png", _saved(seen, "PNG"))


def _saved(picture: Image, format_name: str) -> bytes:
    """A picture of nothing but its pixels."""
    from PIL import Image

    bare = Image.frombytes(picture.mode, picture.size, picture.tobytes())
    out = io.BytesIO()
    bare.save(out, format_name, quality=_QUALITY)
    return out.getvalue()


def _pdf(data: bytes) -> tuple[str, bytes]:
    import pypdfium2

    document = pypdfium2.PdfDocument(data)
    if not 0 < len(document) <= _MOST_PAGES:
        raise ValueError("too many pages")
    pages: list[Image] = []
    left = _MOST_PIXELS
    for page in document:
        width, height = (side * _PDF_SCALE for side in page.get_size())
        _require_small(width, height, left)
        left -= int(width * height)
        pages.append(page.render(scale=_PDF_SCALE).to_pil().convert("RGB"))
    out = io.BytesIO()
    pages[0].save(out, "PDF", save_all=True, append_images=pages[1:], resolution=150, quality=_QUALITY)
    return "application/pdf", out.getvalue()


def _require_small(width: float, height: float, most: int = _MOST_PIXELS) -> None:
    if width * height > most:
        raise ValueError("too many pixels")
