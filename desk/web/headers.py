"""The header fields of every answer: what a browser may load, and to whom it may speak. And whether a request comes from our own pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
App = Callable[[Scope, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

# 'wasm-unsafe-eval' is for Argon2id; it lets no text be run as a program.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; worker-src 'self'; img-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types ombud"
)
_ALWAYS = {
    "content-security-policy": POLICY,
    # A form of our own says where it comes from; no other site hears it.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), interest-cohort=()",
    "x-robots-tag": "noarchive",
}


class WithHeaders:
    """An application whose every answer has these fields. Pages are kept nowhere; the onion address is told by `Onion-Location`."""

    def __init__(self, app: App, onion: str) -> None:
        self._app = app
        self._onion = onion

    async def __call__(
        self, scope: Scope, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Serve one request."""

        async def send_with_fields(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._fields(scope, message["headers"])]
            await send(message)

        await self._app(scope, receive, send_with_fields if scope["type"] == "http" else send)

    def _fields(self, scope: Scope, present: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        known = {name.lower() for name, _ in present}
        fields = {**_ALWAYS, "cache-control": "no-store"}
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if self._onion and not any(host.split(b":")[0].endswith(b".onion") for host in hosts):
            # As it came: what a path stands for may hold the end of a line.
            fields["onion-location"] = self._onion + scope["raw_path"].decode("ascii", "ignore")
        made = [(name.encode(), value.encode()) for name, value in fields.items()]
        return [(name, value) for name, value in made if name not in known]


def may_send(request: Request, origins: Iterable[str]) -> bool:
    """Whether a request comes from our own page, from one of the origins that have a copy of it, or from no page at all."""
    origin = request.headers.get("origin", "")
    if origin in origins:
        return True
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    return origin == "" or urlsplit(origin).netloc == request.headers.get("host")


def for_origin(request: Request, origins: Iterable[str]) -> dict[str, str]:
    """The fields by which a page of another origin that has a copy of the form may read an answer."""
    origin = request.headers.get("origin", "")
    return {"access-control-allow-origin": origin, "vary": "origin"} if origin in origins else {}
