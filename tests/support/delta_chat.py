"""Delta Chat's own core, as somebody's mail program: over JSON-RPC, with a mailbox in a test's Dovecot."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from desk.demo.rehearsal import free_port
from tests.support.dovecot import PASSWORD, Dovecot

_PROGRAM = shutil.which("deltachat-rpc-server", path=str(Path(sys.executable).parent)) or "deltachat-rpc-server"


class DeltaChat:
    """One account of the core."""

    def __init__(
        self, folder: Path, address: str, dovecot: Dovecot, hand_over: Callable[[str, str, bytes], None]
    ) -> None:
        """`hand_over` gets what the account sends: envelope sender, recipient, mail."""
        self.address = address
        self._dovecot = dovecot
        self._hand_over = hand_over
        self._replies: dict[int, Any] = {}
        self._number = 0
        self._smtp = Controller(
            self, hostname="127.0.0.1", port=free_port(), authenticator=lambda *_: AuthResult(success=True), auth_require_tls=False,
        )  # fmt: skip
        self._smtp.start()
        environment = {"DC_ACCOUNTS_PATH": str(folder / "accounts"), "PATH": "/usr/bin:/bin", "RUST_LOG": "error"}
        self._process = subprocess.Popen(
            [_PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        threading.Thread(target=self._listen, daemon=True).start()
        self.account: int = self.call("add_account")
        login = {
            "addr": address, "password": PASSWORD, "certificateChecks": "acceptInvalidCertificates",
            "imapServer": "127.0.0.1", "imapPort": dovecot.port, "imapSecurity": "plain",
            "smtpServer": "127.0.0.1", "smtpPort": self._smtp.port, "smtpSecurity": "plain",
        }  # fmt: skip
        self.call("set_config", self.account, "displayname", "Rosa")
        self.call("add_or_update_transport", self.account, login)
        self.call("start_io", self.account)

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:
        """What the account sends."""
        for recipient in envelope.rcpt_tos:
            self._hand_over(envelope.mail_from, recipient, bytes(envelope.content))
        return "250 OK"

    def call(self, method: str, *parameters: object, seconds: float = 60) -> Any:
        """Call a method of the core; its result. Raises RuntimeError."""
        self._number += 1
        number = self._number
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        end = time.monotonic() + seconds
        while number not in self._replies:
            if time.monotonic() > end:
                raise RuntimeError(f"{method} did not answer")
            time.sleep(0.01)
        reply = self._replies.pop(number)
        if "error" in reply:
            raise RuntimeError(f"{method}: {reply['error']}")
        return reply["result"]

    def chat_with(self, card: str) -> int:
        """A chat with somebody of whom a contact was shared (a vCard); its number."""
        (contact,) = self.call("import_vcard_contents", self.account, card)
        chat: int = self.call("create_chat_by_contact_id", self.account, contact)
        return chat

    def say(self, chat: int, text: str) -> None:
        """Send a line."""
        self.call("misc_send_text_message", self.account, chat, text)

    def messages(self) -> list[dict[str, Any]]:
        """All messages of all chats."""
        found: list[dict[str, Any]] = []
        for chat in self.call("get_chatlist_entries", self.account, 0, None, None):
            ids = self.call("get_message_ids", self.account, chat, False, False)
            found += [self.call("get_message", self.account, item) for item in ids]
        return found

    def deliver(self, mail: bytes) -> None:
        """Put a mail into its mailbox."""
        self._dovecot.put(self.address, mail)

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(10)
        self._smtp.stop()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            reply = json.loads(line)
            if "id" in reply:
                self._replies[reply["id"]] = reply
