"""A throw-away Dovecot: real IMAP on loopback, TLS with a CA of its own, a new user for each test."""

from __future__ import annotations

import contextlib
import grp
import http.server
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from string import Template
from urllib.parse import parse_qs, urlsplit

from imapclient import IMAPClient

from desk.demo.rehearsal import free_port

PASSWORD = "correct-horse"
TOKEN = "a-fresh-token"
VERSIONS_24 = "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n"
_PROGRAMS = f"{os.environ.get('PATH', '')}:/usr/sbin"

_CONFIG_BOTH = """
base_dir = $folder/run
state_dir = $folder/state
log_path = $folder/log
protocols = imap
listen = 127.0.0.1
ssl = yes
auth_mechanisms = plain xoauth2 oauthbearer
default_internal_user = $user
default_internal_group = $group
default_login_user = $login_user
first_valid_uid = 1
mail_max_userip_connections = 100
namespace inbox {
  inbox = yes
  separator = /
}
service imap-login {
  chroot =
  process_limit = 100
  inet_listener imap {
    port = $port
  }
  inet_listener imaps {
    port = $tls_port
    ssl = yes
  }
}
service anvil {
  chroot =
}
service stats {
  chroot =
}
"""

_CONFIG_23 = """
ssl_cert = <$folder/cert.pem
ssl_key = <$folder/key.pem
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
passdb {
  driver = static
  mechanisms = plain
  args = password=$password
}
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = $folder/oauth2.conf
}
userdb {
  driver = static
  args = uid=$uid gid=$gid home=$folder/mail/%u
}
"""

_CONFIG_24 = """
ssl_server_cert_file = $folder/cert.pem
ssl_server_key_file = $folder/key.pem
auth_allow_cleartext = yes
mail_driver = maildir
mail_path = ~/Maildir
passdb static {
  mechanisms_filter = plain
  password = $password
}
!include $folder/oauth2.conf
userdb static {
  fields {
    uid = $uid
    gid = $gid
    home = $folder/mail/%{user}
  }
}
"""


def version() -> str:
    """Which configuration it takes: "2.3" or "2.4"."""
    line = [shutil.which("dovecot", path=_PROGRAMS) or "dovecot", "--version"]
    return subprocess.run(line, check=True, capture_output=True, text=True).stdout[:3]


def make_certificate(folder: Path) -> None:
    """A CA (`ca.pem`) and a certificate of localhost (`cert.pem`, `key.pem`)."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        "req",
        "-x509",
        *curve,
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-days",
        "2",
        "-subj",
        "/CN=Test CA",
        "-addext",
        "keyUsage=critical,keyCertSign",
    )
    openssl("req", *curve, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl(
        "x509",
        "-req",
        "-in",
        "request.pem",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-out",
        "cert.pem",
        "-days",
        "2",
        "-extfile",
        "names",
    )


class Dovecot:
    """One server, which can be killed and started again."""

    def __init__(self, folder: Path, capability: str = "") -> None:
        program = shutil.which("dovecot", path=_PROGRAMS)
        assert program, "Dovecot is missing: run .ci/setup test"
        self.folder = folder
        self.port, self.tls_port = free_port(), free_port()
        self._program = program
        self._speaks_24 = version() == "2.4"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(mode=0o755, exist_ok=True)
        make_certificate(folder)
        (folder / "token").write_text(TOKEN)
        self.set_introspection("http://127.0.0.1:9/?token=")
        (folder / "dovecot.conf").write_text(self._config(capability))

    def set_introspection(self, url: str) -> None:
        """Where the server asks whether a token is good; read when it starts."""
        lines = f"introspection_mode = get\nintrospection_url = {url}\nusername_attribute = username\n"
        (self.folder / "oauth2.conf").write_text(f"oauth2 {{\n{lines}}}\n" if self._speaks_24 else lines)

    def lda(self, user: str) -> str:
        """The command by which another mail server leaves a mail in the mailbox of a user."""
        where = f"{self.folder}/mail/{user}/Maildir"
        if not self._speaks_24:
            return f"/usr/lib/dovecot/dovecot-lda -c /dev/null -o log_path=/dev/stderr -o mail_location=maildir:{where}"
        config = self.folder / "lda.conf"
        config.write_text(VERSIONS_24)
        return f"/usr/lib/dovecot/dovecot-lda -c {config} -o log_path=/dev/stderr -o mail_driver=maildir -o mail_path={where}"

    @property
    def ca_file(self) -> Path:
        """The CA that signed the server's certificate."""
        return self.folder / "ca.pem"

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._process = subprocess.Popen(
            [self._program, "-F", "-c", str(self.folder / "dovecot.conf")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        end = time.monotonic() + 20
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                    if connection.recv(4) == b"* OK":
                        return
            except OSError:
                assert time.monotonic() < end, (self.folder / "log").read_text()
                time.sleep(0.02)

    def kill(self) -> None:
        """Kill it and all it started, at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
            self._process = None

    def client(self, user: str) -> IMAPClient:
        """A client of a user's mailbox, logged in, INBOX selected."""
        made = IMAPClient("127.0.0.1", self.port, ssl=False)
        made.login(user, PASSWORD)
        made.select_folder("INBOX")
        return made

    def put(self, user: str, *mails: bytes, folder: str = "INBOX") -> None:
        """Put mails into a user's folder, which is made if there is none."""
        client = self.client(user)
        if not client.folder_exists(folder):
            client.create_folder(folder)
        for mail in mails:
            client.append(folder, mail.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        client.logout()

    def count(self, user: str, folder: str = "INBOX") -> int:
        """How many messages a folder has; none when there is no such folder."""
        client = self.client(user)
        try:
            if not client.folder_exists(folder):
                return 0
            return int(client.select_folder(folder)[b"EXISTS"])
        finally:
            client.logout()

    def _config(self, capability: str) -> str:
        root = os.geteuid() == 0
        me = pwd.getpwuid(os.geteuid()).pw_name
        owner = pwd.getpwnam("dovecot") if root else pwd.getpwuid(os.geteuid())
        mail = self.folder / "mail"
        mail.mkdir()
        os.chown(mail, owner.pw_uid, owner.pw_gid)
        announced = f"protocol imap {{\n  imap_capability = {capability}\n}}\n" if capability else ""
        values = {
            "folder": self.folder, "port": self.port, "tls_port": self.tls_port, "password": PASSWORD, "uid": owner.pw_uid,
            "gid": owner.pw_gid, "user": "dovecot" if root else me, "login_user": "dovenull" if root else me,
            "group": "dovecot" if root else grp.getgrgid(os.getegid()).gr_name,
        }  # fmt: skip
        return (
            Template((VERSIONS_24 + _CONFIG_24 if self._speaks_24 else _CONFIG_23) + _CONFIG_BOTH).substitute(values)
            + announced
        )


class CutProxy:
    """Passes a connection on, and cuts it after a number of octets from the server."""

    def __init__(self, target: int, cut_after: Callable[[], int]) -> None:
        self._target = target
        self._cut_after = cut_after
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.cuts = 0
        self.octets = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._server.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        left = self._cut_after()
        with contextlib.suppress(OSError), client, socket.create_connection(("127.0.0.1", self._target)) as server:
            threading.Thread(target=self._upstream, args=(client, server), daemon=True).start()
            while octets := server.recv(4096):
                client.sendall(octets[:left])
                left -= len(octets)
                self.octets += len(octets)
                if left <= 0:
                    self.cuts += 1
                    break
            for side in (client, server):  # the other direction's thread waits on them: closing alone cuts nothing
                side.shutdown(socket.SHUT_RDWR)

    def _upstream(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while octets := client.recv(4096):
                server.sendall(octets)


@contextlib.contextmanager
def introspection(dovecot: Dovecot) -> Iterator[None]:
    """The provider's side of OAuth 2.0: says which token is good, for Dovecot to ask (RFC 7662)."""
    good = dovecot.folder / "token"

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = parse_qs(urlsplit(self.path).query).get("token", [""])[0]
            known = token == good.read_text().strip()
            body = json.dumps({"username": "oauth-user"} if known else {"error": "invalid_token"}).encode()
            self.send_response(200 if known else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    dovecot.set_introspection(f"http://127.0.0.1:{server.server_port}/?token=")
    try:
        yield
    finally:
        server.shutdown()
