"""The form behind the web servers of deploy/web, each as its example says, and as an onion service as far as that goes here."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import urllib3

from desk.demo.rehearsal import Person, free_port
from store.kit.config import load
from store.kit.errors import ConfigError
from tests.conftest import Desk, DeskMaker
from tests.support.web import PlainBrowser, served, words_on

EXAMPLES = Path(__file__).parent.parent.parent / "deploy" / "web"
FORM = "127.0.0.1:8025"


@contextmanager
def running(command: Sequence[str | Path], port: int, folder: Path) -> Iterator[None]:
    """A server, from the moment that it answers."""
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=log,
            stderr=log,
            env={"HOME": str(folder), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )
        try:
            end = time.monotonic() + 20
            while True:
                assert process.poll() is None, (folder / "server.log").read_text()
                assert time.monotonic() < end, (folder / "server.log").read_text()
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(20)


def reported_and_opened(address: str) -> None:
    """A report with a large file goes through, and its receipt opens."""
    browser = PlainBrowser(address)
    browser.session.trust_env, browser.session.verify = False, False
    done = browser.report(what="Through a web server.", files=[("large.bin", b"x" * 3_000_000)])
    assert done.status_code == 200, done.text
    assert done.headers["content-security-policy"]
    assert browser.open(words_on(done.text)).status_code == 200


def test_behind_nginx_nothing_touches_the_disk(make_desk: DeskMaker, team: list[Person], tmp_path: Path) -> None:
    desk = make_desk()
    urllib3.disable_warnings()
    certificate = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        "key.pem",
    ]
    subprocess.run(
        [*certificate, "-out", "cert.pem", "-days", "2", "-subj", "/CN=report.example.org"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    port = free_port()
    with served(desk) as site:
        text = (EXAMPLES / "form-nginx.conf").read_text()
        for old, new in (
            (FORM, site.removeprefix("http://")), ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
            ("/etc/letsencrypt/live/example.org/fullchain.pem", f"{tmp_path}/cert.pem"),
            ("/etc/letsencrypt/live/example.org/privkey.pem", f"{tmp_path}/key.pem"),
        ):  # fmt: skip
            assert old in text
            text = text.replace(old, new)
        folders = "".join(
            f"{kind}_temp_path {tmp_path}/temp-{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        whole = f"user root; daemon off; pid {tmp_path}/pid; error_log stderr; events {{}} http {{ {folders} {text} }}"
        (tmp_path / "nginx.conf").write_text(whole)
        with running(["nginx", "-e", "stderr", "-p", tmp_path, "-c", tmp_path / "nginx.conf"], port, tmp_path):
            reported_and_opened(f"https://127.0.0.1:{port}")
            answer = requests.get(f"https://127.0.0.1:{port}/", verify=False)
            assert "max-age" in answer.headers["strict-transport-security"]
    assert not [path for path in tmp_path.glob("temp-*/**/*") if path.is_file()]
    assert "127.0.0.1" not in (tmp_path / "server.log").read_text()
    assert len(desk.mail_out()) == len(team)


def test_behind_caddy(make_desk: DeskMaker, team: list[Person], tmp_path: Path) -> None:
    desk = make_desk()
    port = free_port()
    with served(desk) as site:
        text = (EXAMPLES / "form-Caddyfile").read_text()
        assert FORM in text
        text = text.replace(FORM, site.removeprefix("http://")).replace(
            "report.example.org", f"http://127.0.0.1:{port}"
        )
        (tmp_path / "Caddyfile").write_text(f"{{\n\tadmin off\n}}\n{text}")
        with running(["caddy", "run", "--config", tmp_path / "Caddyfile"], port, tmp_path):
            reported_and_opened(f"http://127.0.0.1:{port}")
    assert len(desk.mail_out()) == len(team)


def test_the_onion_service_is_one_that_tor_takes(tmp_path: Path) -> None:
    text = (EXAMPLES / "form-torrc").read_text().replace("/var/lib/tor/ombud", f"{tmp_path}/service")
    (tmp_path / "torrc").write_text(text)
    line = ["tor", "--verify-config", "-f", str(tmp_path / "torrc"), "--DataDirectory", str(tmp_path / "data")]
    done = subprocess.run(line, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode()


def test_on_a_socket_too(make_desk: DeskMaker, team: list[Person]) -> None:
    desk = make_desk()
    desk.play.change_config('# listen = "127.0.0.1:8025"', 'listen = "unix:web.sock"')
    desk.reopen()
    with served(desk) as _:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(desk.play.folder / "web.sock"))
        connection.sendall(b"GET /conduct/en/ HTTP/1.1\r\nHost: report.example\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        connection.close()
    assert answer.startswith(b"HTTP/1.1 200")
    assert not (desk.play.folder / "web.sock").exists()


@pytest.mark.parametrize("listen", ["0.0.0.0:8025", "report.example.org:80", "127.0.0.1", "127.0.0.1:99999", "unix:"])
def test_it_listens_to_the_machine_itself_alone(desk: Desk, listen: str) -> None:
    desk.play.change_config('# listen = "127.0.0.1:8025"', f'listen = "{listen}"')
    with pytest.raises(ConfigError, match=r"web\.listen.*loopback"):
        load(desk.play.config)
