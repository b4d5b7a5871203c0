"""Debian's Chromium for tests, started once and looked at from outside: what it loads, sends and keeps."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, Page, Request, sync_playwright


@dataclass
class Traffic:
    """What went over the network."""

    requests: list[tuple[str, bytes]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def note(self, request: Request) -> None:
        """One request."""
        self.requests.append((request.url, request.post_data_buffer or b""))

    def holds(self, text: str) -> bool:
        """Whether a text went out in clear."""
        wanted = text.encode()
        return any(wanted in url.encode() or wanted in body for url, body in self.requests)


def chromium() -> str:
    """The program. Fails where it is missing."""
    found = shutil.which("chromium")
    assert found, "there is no chromium: run .ci/setup test"
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield made
        finally:
            made.close()


@contextmanager
def page(
    of: Browser, *, scripts: bool = True, width: int = 1000, language: str = "en"
) -> Iterator[tuple[Page, Traffic]]:
    """A page of its own, which shares nothing with others."""
    context = of.new_context(
        java_script_enabled=scripts, viewport={"width": width, "height": 900}, locale=language, accept_downloads=True
    )
    made, traffic = context.new_page(), Traffic()
    context.on("request", traffic.note)
    made.on("console", lambda message: traffic.errors.append(message.text) if message.type == "error" else None)
    made.on("pageerror", lambda error: traffic.errors.append(str(error)))
    try:
        yield made, traffic
    finally:
        context.close()
