"""Thunderbird on a screen of its own, driven from inside: it opens mails, and somebody answers them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from desk.demo.rehearsal import Rehearsal, free_port
from tests.support.clients import Computer
from tests.support.marionette import Marionette

_START_SECONDS = 90.0
_SECONDS = 60.0

_IMPORT = """
const [secret, fingerprint, desk] = arguments;
const { RNP } = ChromeUtils.importESModule("chrome://openpgp/content/modules/RNP.sys.mjs");
const { EnigmailKeyRing } = ChromeUtils.importESModule("chrome://openpgp/content/modules/keyRing.sys.mjs");
const { PgpSqliteDb2 } = ChromeUtils.importESModule("chrome://openpgp/content/modules/sqliteDb.sys.mjs");
const own = await RNP.importSecKeyBlockImpl(null, null, false, secret);
await PgpSqliteDb2.acceptAsPersonalKey(fingerprint);
const others = await RNP.importPubkeyBlockAutoAcceptImpl(null, desk, "verified");
EnigmailKeyRing.clearCache();
return own.importedKeys.length + others.importedKeys.length;
"""
_OPEN = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const { MailUtils } = ChromeUtils.importESModule("resource:///modules/MailUtils.sys.mjs");
const root = MailServices.accounts.localFoldersServer.rootFolder.QueryInterface(Ci.nsIMsgLocalMailFolder);
const folder = root.createLocalSubfolder(arguments[1]).QueryInterface(Ci.nsIMsgLocalMailFolder);
MailUtils.displayMessage(folder.addMessage(arguments[0]));
const tabs = Services.wm.getMostRecentWindow("mail:3pane").document.getElementById("tabmail");
return await until(() => {
    const page = tabs.currentTabInfo.chromeBrowser?.contentDocument;
    const icon = name => page?.getElementById(name)?.getAttribute("src")?.split("/").pop() ?? "";
    const text = page?.getElementById("messagepane")?.contentDocument?.body?.innerText;
    // The mark of the signature comes last, when the key's owner was looked up.
    return text && icon("signedHdrIcon") && {
        text,
        subject: page.getElementById("expandedsubjectBox").textContent,
        encrypted: icon("encryptedHdrIcon"),
        signed: icon("signedHdrIcon"),
    };
});
"""
_ANSWER = """
const tabs = Services.wm.getMostRecentWindow("mail:3pane").document.getElementById("tabmail");
tabs.currentTabInfo.chromeBrowser.contentDocument.getElementById("hdrReplyButton").click();
const draft = await until(() => {
    const found = Services.wm.getMostRecentWindow("msgcompose");
    return found?.document.getElementById("messageEditor")?.contentDocument?.querySelector("blockquote") && found;
});
await until(() => draft.gSendEncrypted && draft.gSendSigned);
const subject = draft.document.getElementById("msgSubject").value;
draft.GetCurrentEditor().insertText(arguments[0]);
draft.document.getElementById("button-send").click();
await until(() => draft.closed);
return subject;
"""


@dataclass(frozen=True)
class Shown:
    """What is on the screen of an opened mail; `encrypted` and `signed` are the names of its two marks."""

    subject: str
    text: str
    encrypted: str
    signed: str


class Thunderbird:
    """One that runs, with its owner's account and keys."""

    def __init__(self, inside: Marionette) -> None:
        self._inside = inside
        self._opened = 0

    @property
    def version(self) -> str:
        """Such as `128.5.0`."""
        return str(self._inside.run("return Services.appinfo.version;"))

    def open(self, mail: bytes) -> Shown:
        """Show a mail, decrypted and verified."""
        self._opened += 1
        text = mail.replace(b"\r\n", b"\n").decode("latin-1")
        return Shown(**self._inside.run(_OPEN, text, f"Mails {self._opened}"))

    def answer(self, words: str) -> str:
        """Answer what is shown, with words where the cursor stands; its subject. It must go signed and encrypted."""
        return str(self._inside.run(_ANSWER, words))


@contextmanager
def thunderbird(computer: Computer, play: Rehearsal) -> Iterator[Thunderbird]:
    """Thunderbird on a computer, with the owner's secret key, and the desk's key marked as compared."""
    port = free_port()
    profile = computer.home / "thunderbird"
    profile.mkdir()
    settings = _settings(computer, port, play.port)
    lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in settings.items())
    (profile / "user.js").write_text("".join(lines), encoding="utf-8")
    line = ["gpg", "--homedir", str(computer.gnupg), "--batch", "--armor", "--export-secret-keys"]
    secret = subprocess.run([*line, computer.owner.fingerprint], check=True, capture_output=True).stdout
    with (
        _screen() as display,
        _running(
            [
                _program("thunderbird"),
                "--no-remote",
                "--profile",
                str(profile),
                "--marionette",
                "--remote-allow-system-access",
            ],
            {**computer.environment, "DISPLAY": display},
        ) as process,
        contextlib.closing(_connect(port, process)) as inside,
    ):
        imported = inside.run(_IMPORT, secret.decode(), computer.owner.fingerprint.lower(), play.desk_key.decode())
        assert imported == 2
        yield Thunderbird(inside)


def _settings(computer: Computer, port: int, desk_port: int) -> dict[str, str | int | bool]:
    """One account, which sends straight to the desk; nothing that asks questions, or the network."""
    owner = computer.owner
    account: dict[str, str | int | bool] = {
        "accountmanager.accounts": "account1,account2",
        "accountmanager.defaultaccount": "account2",
        "accountmanager.localfoldersserver": "server1",
        "account.account1.server": "server1",
        "server.server1.type": "none",
        "server.server1.hostname": "Local Folders",
        "server.server1.userName": "nobody",
        "account.account2.server": "server2",
        "account.account2.identities": "id1",
        "server.server2.type": "pop3",
        "server.server2.hostname": "127.0.0.1",
        "server.server2.userName": owner.id,
        "server.server2.login_at_startup": False,
        "server.server2.check_new_mail": False,
        "identity.id1.fullName": owner.name,
        "identity.id1.useremail": owner.email,
        "identity.id1.smtpServer": "smtp1",
        "identity.id1.openpgp_key_id": owner.fingerprint[-16:],
        "identity.id1.sign_mail": True,
        "identity.id1.fcc": False,
        "smtpservers": "smtp1",
        "smtp.defaultserver": "smtp1",
        "smtpserver.smtp1.hostname": "127.0.0.1",
        "smtpserver.smtp1.port": desk_port,
        "smtpserver.smtp1.authMethod": 1,
        "smtpserver.smtp1.try_ssl": 0,
        "provider.suppress_dialog_on_startup": True,
        "shell.checkDefaultClient": False,
        "spotlight.firstRunDone": True,
    }
    return {f"mail.{name}": value for name, value in account.items()} | {
        "marionette.port": port,
        "app.donation.eoy.version.viewed": 9999,
        "datareporting.policy.dataSubmissionEnabled": False,
        "mailnews.start_page.enabled": False,
        "network.proxy.type": 1,
        "network.proxy.ssl": "127.0.0.1",
        "network.proxy.ssl_port": 9,
        "network.proxy.http": "127.0.0.1",
        "network.proxy.http_port": 9,
    }


@contextmanager
def _screen() -> Iterator[str]:
    """An X server that shows nothing to anybody; its name."""
    reader, writer = os.pipe()
    line = [_program("Xvfb"), "-displayfd", str(writer), "-screen", "0", "1280x900x24", "-nolisten", "tcp"]
    process = subprocess.Popen(line, pass_fds=(writer,), stderr=subprocess.DEVNULL)
    os.close(writer)
    try:
        with os.fdopen(reader) as said:
            number = said.readline().strip()
        assert number, "Xvfb did not start"
        yield f":{number}"
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def _running(line: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


def _connect(port: int, process: subprocess.Popen[bytes]) -> Marionette:
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            return Marionette(port, _SECONDS)
        except ConnectionRefusedError:
            assert process.poll() is None, "Thunderbird ended"
            assert time.monotonic() < end, "Thunderbird does not answer"
            time.sleep(0.05)


def _program(name: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is missing: run .ci/setup prove"
    return found
