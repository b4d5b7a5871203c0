"""Submission to a provider: TLS, login by password and by token, and what is wrong named."""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from desk.demo.rehearsal import free_port
from mailer.relay.connection import NotTaken, Relay, RelayDown
from mailer.sealing.mime import mailbox
from store.kit.config import Config, load
from store.kit.errors import ConfigError
from tests.support.dovecot import make_certificate

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # the TLS is outside of it


class Provider:
    """A submission server: wants TLS and a login."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, bytes]] = []
        self.recipients: list[str] = []
        self.token = "good-token"
        self.password = "secret"

    async def handle_DATA(self, _server: object, session: Any, envelope: Any) -> str:
        self.mails.append((str(session.auth_data), bytes(envelope.content)))
        self.recipients += envelope.rcpt_tos
        return "250 OK"

    async def auth_XOAUTH2(self, server: SMTP, args: list[str]) -> AuthResult:
        return await self._bearer(server, args, f"user=desk@provider.example\1auth=Bearer {self.token}\1\1")

    async def auth_OAUTHBEARER(self, server: SMTP, args: list[str]) -> AuthResult:
        said = base64.b64decode(args[1]).decode()
        return await self._bearer(
            server,
            args,
            said if said.startswith("n,a=desk@provider.example,\1") and f"auth=Bearer {self.token}\1\1" in said else "",
        )

    async def _bearer(self, server: SMTP, args: list[str], wanted: str) -> AuthResult:
        if base64.b64decode(args[1]).decode() == wanted:
            return AuthResult(success=True, auth_data="token")
        await server.push("334 eyJzdGF0dXMiOiI0MDEifQ==")
        await server._reader.readline()
        return AuthResult(success=False, handled=False)

    def authenticate(
        self, _server: object, _session: object, _envelope: object, _mechanism: str, data: LoginPassword
    ) -> AuthResult:
        good = (data.login, data.password) == (b"desk@provider.example", self.password.encode())
        return AuthResult(success=good, handled=False, auth_data="password")


@pytest.fixture(scope="module")
def tls_folder(short_tmp: Path) -> Path:
    folder = short_tmp / "relay-tls"
    folder.mkdir()
    make_certificate(folder)
    return folder


@pytest.fixture(params=["starttls", "tls"])
def provider(request: pytest.FixtureRequest, tls_folder: Path, tmp_path: Path) -> Iterator[tuple[Provider, Path]]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls_folder / "cert.pem", tls_folder / "key.pem")
    server = Provider()
    options: dict[str, Any] = {
        "authenticator": server.authenticate,
        "auth_required": True,
        "hostname": "127.0.0.1",
        "port": free_port(),
        "server_hostname": "localhost",
        "enable_SMTPUTF8": False,
    }
    if request.param == "starttls":
        controller = Controller(server, tls_context=context, require_starttls=True, **options)
    else:
        controller = Controller(server, ssl_context=context, auth_require_tls=False, **options)
    controller.start()
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "wrong").write_text("wrong\n")
    (tmp_path / "token").write_text("good-token\n")
    (tmp_path / "ombud.toml").write_text(
        f'[[desk]]\naddress = "a@b.example"\nfingerprint = "{"A" * 40}"\n'
        f'[relay]\nhost = "localhost"\nport = {controller.port}\ntls = "{request.param}"\nuser = "desk@provider.example"\nca_file = "{tls_folder}/ca.pem"\n'
    )
    yield server, tmp_path
    controller.stop()


def config(folder: Path, line: str, old: str = "", new: str = "") -> Config:
    text = (folder / "ombud.toml").read_text() + line + "\n"
    (folder / "changed.toml").write_text(text.replace(old, new) if old else text)
    return load(folder / "changed.toml")


@pytest.mark.parametrize(
    ("line", "how"),
    [
        ('password_file = "password"', "password"),
        ('token_command = ["cat", "token"]', "token"),
        ('token_command = ["cat", "token"]\ntoken_mechanism = "OAUTHBEARER"', "token"),
    ],
)
def test_mail_goes_out_after_tls_and_login(provider: tuple[Provider, Path], line: str, how: str) -> None:
    server, folder = provider
    relay = Relay(config(folder, line))
    for number in range(3):
        relay.send("a@b.example", "c@d.example", f"Subject: {number}\r\n\r\nx\r\n".encode())
    relay.close()
    assert [told for told, _ in server.mails] == [how] * 3


def test_what_is_wrong_is_passing_and_named(provider: tuple[Provider, Path]) -> None:
    server, folder = provider
    tls = "starttls" if 'tls = "starttls"' in (folder / "ombud.toml").read_text() else "tls"
    other = "tls" if tls == "starttls" else "starttls"
    for line, old, new, said in (
        ('password_file = "wrong"', "", "", "refused the login .535 5.7.8.. Check relay.user"),
        ('token_command = ["echo", "stale"]', "", "", "refused the login"),
        ('password_file = "password"', 'ca_file = "', 'hello = "', "certificate is not trusted"),
        ('password_file = "password"', 'host = "localhost"', 'host = "127.0.0.2"', "127.0.0.2, port"),
        ('password_file = "password"', 'host = "localhost"', 'host = "no.such.host.invalid"', "no server of the name"),
        (
            'seconds = 2\npassword_file = "password"',
            f'tls = "{tls}"',
            f'tls = "{other}"',
            "Check relay.port and relay.tls",
        ),
    ):
        relay = Relay(config(folder, line, old, new))
        with pytest.raises(RelayDown) as caught:
            relay.send("a@b.example", "c@d.example", b"x\r\n")
        assert re.search(said, str(caught.value)), str(caught.value)
        with pytest.raises(RelayDown, match=said):
            relay.check()
    with pytest.raises(ConfigError, match="gave no token"):
        Relay(config(folder, 'token_command = ["false"]')).check()
    assert server.mails == []


def test_a_token_is_asked_for_at_each_login(provider: tuple[Provider, Path]) -> None:
    server, folder = provider
    relay = Relay(config(folder, 'token_command = ["cat", "token"]'))
    relay.send("a@b.example", "c@d.example", b"x\r\n")
    server.token = "fresh"
    relay.close()
    with pytest.raises(RelayDown):
        relay.send("a@b.example", "c@d.example", b"x\r\n")
    (folder / "token").write_text("fresh")
    relay.send("a@b.example", "c@d.example", b"x\r\n")
    relay.close()
    assert len(server.mails) == 2


def test_an_address_that_the_relay_cannot_take_is_final(provider: tuple[Provider, Path]) -> None:
    _, folder = provider
    relay = Relay(config(folder, 'password_file = "password"'))
    with pytest.raises(NotTaken) as caught:
        relay.send("a@b.example", "ünal@d.example", b"x\r\n")
    assert caught.value.final
    relay.close()


def test_a_password_in_any_letters_logs_in(provider: tuple[Provider, Path]) -> None:
    server, folder = provider
    server.password = "pässwört-密码"
    (folder / "password").write_text(server.password + "\n")
    relay = Relay(config(folder, 'password_file = "password"'))
    relay.check()
    relay.send("a@b.example", "c@d.example", b"x\r\n")
    relay.close()
    (folder / "password").write_text("falsch-ü\n")
    with pytest.raises(RelayDown, match="refused the login"):
        relay.check()
    assert len(server.mails) == 1


def test_a_domain_in_any_letters_goes_in_its_ascii_form(provider: tuple[Provider, Path]) -> None:
    server, folder = provider
    relay = Relay(config(folder, 'password_file = "password"'))
    for address in ("sam@münchen.example", "sam@Bücher.example", "sam@例え.example"):
        relay.send("a@b.example", address, b"x\r\n")
    relay.close()
    assert server.recipients == ["sam@xn--mnchen-3ya.example", "sam@xn--bcher-kva.example", "sam@xn--r8jz45g.example"]


@pytest.mark.parametrize(
    "address", ["ünal@d.example", "sam@-ü-.example", f"sam@{'ü' * 70}.example", "sam@a\u202eb.example"]
)
def test_what_has_no_ascii_form_is_of_that_address_alone(provider: tuple[Provider, Path], address: str) -> None:
    _, folder = provider
    relay = Relay(config(folder, 'password_file = "password"'))
    with pytest.raises(NotTaken) as caught:
        relay.send("a@b.example", address, b"x\r\n")
    assert caught.value.final
    assert caught.value.certain
    relay.send("a@b.example", "c@d.example", b"x\r\n")
    relay.close()


def test_a_member_with_a_domain_in_any_letters_is_in_the_header() -> None:
    assert mailbox("Zoë", "zoe@münchen.example") == "=?utf-8?q?Zo=C3=AB?= <zoe@xn--mnchen-3ya.example>"
    assert mailbox("", "zoe@münchen.example") == "zoe@xn--mnchen-3ya.example"
    assert mailbox("Zoë", "zoë@münchen.example").endswith(" <zoë@xn--mnchen-3ya.example>")
