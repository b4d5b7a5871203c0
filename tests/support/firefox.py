"""Debian's Firefox for tests, without a window, by Marionette."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from desk.demo.rehearsal import free_port
from tests.support.marionette import Marionette

_SECONDS = 40
_QUIET = {
    "app.update.auto": False, "datareporting.policy.dataSubmissionEnabled": False, "toolkit.telemetry.enabled": False,
    "browser.shell.checkDefaultBrowser": False, "browser.startup.page": 0, "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False, "extensions.getAddons.cache.enabled": False, "browser.safebrowsing.downloads.remote.enabled": False,
    "services.settings.server": "http://127.0.0.1:9", "browser.sessionstore.interval": 500,
}  # fmt: skip


@contextmanager
def firefox(folder: Path) -> Iterator[Marionette]:
    """A Firefox with a profile of its own, which works on pages."""
    program = shutil.which("firefox-esr")
    assert program, "there is no firefox-esr: run .ci/setup test"
    port, profile = free_port(), folder / "firefox"
    profile.mkdir()
    settings = {**_QUIET, "marionette.port": port}
    lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in settings.items())
    (profile / "user.js").write_text("".join(lines), encoding="utf-8")
    process = subprocess.Popen(
        [program, "--headless", "--no-remote", "--profile", profile, "--marionette"],
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "MOZ_DISABLE_CONTENT_SANDBOX": "1"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with closing(_connected(port, process)) as inside:
            yield inside
    finally:
        process.terminate()
        process.wait(20)


def _connected(port: int, process: subprocess.Popen[bytes]) -> Marionette:
    end = time.monotonic() + _SECONDS
    while True:
        assert process.poll() is None, "firefox ended"
        try:
            return Marionette(port, _SECONDS, pages=True)
        except OSError:
            assert time.monotonic() < end, "firefox does not answer"
            time.sleep(0.1)
