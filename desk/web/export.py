"""The form as files, for a web server that runs nothing: it seals in the browser, and sends to the desk or has people mail it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from starlette.responses import JSONResponse

from desk.web import assets
from desk.web.headers import POLICY
from desk.web.pages import Pages, Place
from desk.web.words import words_of
from mailer.saying.translation import speech
from store.context import Context
from store.kit.config import Desk
from store.kit.errors import ConfigError
from store.kit.kinds import LANGUAGES


def write_site(context: Context, desk: Desk, folder: Path, post_to: str) -> list[Path]:
    """Write the pages of a desk in all languages, and what they load; the files.

    They send to the form that is served at `post_to`; where that is empty, people mail what was sealed. Raises ConfigError.
    """
    if post_to and urlsplit(post_to).scheme not in ("http", "https"):
        raise ConfigError("--post-to: must be where the form of the desk is served, as https://report.example.org.")
    assets.check()
    pages, made = Pages(context), list[Path]()
    for name in assets.NAMES:
        made.append(_write(folder / "static" / name, assets.asset(name)))
    today = context.clock().astimezone(desk.zone).date()
    api = f"{post_to}/{desk.id}/" if post_to else ""
    for language in LANGUAGES:
        made.append(_write(folder / "words" / f"{language}.json", JSONResponse(words_of(language)).body))
        as_of, at = speech(language).day(today), folder / desk.id / language
        place = Place(language, api=api, as_of=as_of)
        made.append(_write(at / "index.html", _page(pages.form(desk, place), api)))
        if post_to:
            within = Place(language, "../../../", "../", "receipt/", api, as_of)
            made.append(_write(at / "receipt" / "index.html", _page(pages.receipt(desk, within), api)))
    made.append(_write(folder / desk.id / "key.asc", context.keyring.export(desk.fingerprint, armored=True)))
    return made


def _page(html: str, api: str) -> bytes:
    """A page with its policy in itself: a web server of somebody else adds none. Frames can only be forbidden by a header."""
    policy = POLICY.replace("frame-ancestors 'none'; ", "")
    if api:
        parts = urlsplit(api)
        origin = f"{parts.scheme}://{parts.netloc}"
        policy = policy.replace("connect-src 'self'", f"connect-src 'self' {origin}").replace(
            "form-action 'self'", f"form-action 'self' {origin}"
        )
    head = f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{policy}">\n<meta name="referrer" content="same-origin">'
    return html.replace('<meta charset="utf-8">', head, 1).encode()


def _write(path: Path, content: bytes | memoryview) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o644)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}). Choose another folder.") from None
    return path
