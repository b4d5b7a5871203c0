"""The files that browsers get: our own, and those of others as they were when they came in, which nothing but their digest lets out."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from store.kit.errors import ConfigError

FOLDER = Path(__file__).parent / "static"
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

# SHA-384 in base64, as in Subresource Integrity.
_VENDORED = {
    "vendor/openpgp.min.js": "Q6tBjZrAPJTIxj5F9KxCni/T9dTGDsXfi4U7aBZOl+3zPHpzU6gKcyKzAhs8Xeoa",
    "vendor/argon2.umd.min.js": "ucC4sxuigvSaLeyhcJawckwyUdeGYHVtI5thKde7BmbSVGOVAfMvEilREY/G+pHi",
    "vendor/altcha-pbkdf2.js": "XqyBJ1gyXdReMvLUDyT9Xc20/GjPQAvATvDO6Ekmy4a6VaNiXwq97MpbMS9sm700",
}
_OWN = ("icon.svg", "style.css", "seal.js", "receipt.js", "form.js", "letters.js")
NAMES = (*_OWN, *_VENDORED)


@cache
def asset(name: str) -> bytes:
    """A file by its name. Raises ConfigError when one of others is not what it was."""
    content = (FOLDER / name).read_bytes()
    if name in _VENDORED and _digest(content) != _VENDORED[name]:
        raise ConfigError(f"{FOLDER / name}: is not the file that came with this program. Install ombud again.")
    return content


@cache
def integrity(name: str) -> str:
    """What a page says of a file, so that a browser runs nothing else in its place (Subresource Integrity)."""
    return f"sha384-{_digest(asset(name))}"


def check() -> None:
    """Raise ConfigError unless all files are there, and are what they were."""
    for name in NAMES:
        asset(name)


def _digest(content: bytes) -> str:
    return base64.b64encode(hashlib.sha384(content).digest()).decode()


if __name__ == "__main__":
    for vendored in _VENDORED:
        print(vendored, _digest((FOLDER / vendored).read_bytes()))
