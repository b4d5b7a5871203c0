"""`ombud web`, and what `ombud check` says of the form."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import requests

from desk.demo.rehearsal import free_port
from tests.conftest import Desk
from tests.support.web import PlainBrowser, wait_until, words_on

LISTEN = '# listen = "127.0.0.1:8025"'


def findings(desk: Desk) -> list[tuple[str, str]]:
    """What `ombud check` says of the form."""
    found = json.loads(desk.play.command("check", "--json").stdout)
    return [(item["level"], item["detail"]) for item in found if item["check"] == "web form"]


def test_the_form_is_written_as_files(desk: Desk, tmp_path: Path) -> None:
    done = desk.play.command("web", "export", str(tmp_path / "site"))
    assert done.returncode == 0, done.stderr
    for name in (
        "conduct/en/index.html",
        "conduct/ar/index.html",
        "static/seal.js",
        "words/de.json",
        "conduct/key.asc",
    ):
        assert (tmp_path / "site" / name).stat().st_mode & 0o004, name
    assert not (tmp_path / "site/conduct/en/receipt").exists(), "nothing opens there: people mail what is sealed"
    page = (tmp_path / "site/conduct/en/index.html").read_text()
    assert "Content-Security-Policy" in page
    assert "As of " in page
    wrong = desk.play.command("web", "export", str(tmp_path / "other"), "--post-to", "report.example.org")
    assert wrong.returncode == 1
    assert b"--post-to" in wrong.stderr
    (tmp_path / "file").write_text("")
    assert b"cannot be written" in desk.play.command("web", "export", str(tmp_path / "file")).stderr


def test_the_form_is_served_alone(desk: Desk) -> None:
    assert b"web.listen" in desk.play.command("web", "serve").stderr
    port = free_port()
    desk.play.change_config(LISTEN, f'listen = "127.0.0.1:{port}"')
    line = [sys.executable, "-m", "desk", "web", "serve", "--config", str(desk.play.config)]
    process = subprocess.Popen(line, stderr=subprocess.DEVNULL)
    try:

        def answers() -> bool:
            try:
                return requests.get(f"http://127.0.0.1:{port}/", timeout=2).ok
            except requests.RequestException:
                return False

        wait_until(answers)
        browser = PlainBrowser(f"http://127.0.0.1:{port}")
        page = browser.report(what="To the form alone.")
        assert browser.open(words_on(page.text)).status_code == 200
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    desk.clock.now = datetime.now(UTC)
    assert len(desk.mail_out()) == 5


def test_a_port_that_is_taken_is_said(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        desk.play.change_config(LISTEN, f'listen = "127.0.0.1:{taken.getsockname()[1]}"')
        done = desk.play.command("run")
        assert done.returncode == 1
        assert b"web.listen: cannot listen" in done.stderr


def test_check_looks_at_the_form(desk: Desk) -> None:
    assert findings(desk) == []
    port = free_port()
    desk.play.change_config(LISTEN, f'listen = "127.0.0.1:{port}"')
    assert [level for level, _ in findings(desk)] == ["ok", "warning"]
    desk.play.change_config('# url = "https://report.example.org"', 'url = "https://report.example.org"')
    desk.play.start()
    assert [level for level, _ in findings(desk)] == ["ok"]
    desk.play.change_config(f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}")
    assert [level for level, _ in findings(desk)] == ["ok", "failure"]


def test_a_desk_without_a_form_has_none(desk: Desk) -> None:
    port = free_port()
    desk.play.change_config(LISTEN, f'listen = "127.0.0.1:{port}"')
    desk.play.change_config("# web = true ", "web = false ")
    desk.play.start()
    assert requests.get(f"http://127.0.0.1:{port}/").status_code == 404
    assert requests.get(f"http://127.0.0.1:{port}/conduct/en/").status_code == 404
