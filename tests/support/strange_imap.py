"""An IMAP server (RFC 3501) that does with single messages what a real one cannot be made to do: a script of refusals."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections import Counter
from typing import Any

from tests.support.dovecot import PASSWORD


class StrangeImap:
    """Messages by UID, and what the server does with each: `no`, `bad`, `nil`, `missing`, `empty`, `garbage`, `hang up`."""

    def __init__(self, *mails: bytes, capabilities: str = "IMAP4rev1 UIDPLUS MOVE") -> None:
        self.mails = {number: mail.replace(b"\n", b"\r\n") for number, mail in enumerate(mails, 1)}
        self.at_size: dict[int, str] = {}
        self.at_fetch: dict[int, str] = {}
        self.at_removal: dict[int, str] = {}
        self.folders = {"INBOX", "Archive"}
        self.create_folders = True
        self.read_only = False
        self.arrives_after_search: list[bytes] = []
        self.fetched: Counter[int] = Counter()
        self.sessions = 0
        self.archived: list[bytes] = []
        self._capabilities = capabilities
        self._deleted: set[int] = set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._server.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self.sessions += 1
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, _HangUp), connection, connection.makefile("rwb") as stream:
            stream.write(b"* OK ready\r\n")
            stream.flush()
            while line := stream.readline():
                tag, _, command = line.decode().strip().partition(" ")
                if command.upper() == "IDLE":
                    stream.write(b"+ idling\r\n")
                    stream.flush()
                    stream.readline()
                    stream.write(f"{tag} OK done\r\n".encode())
                else:
                    stream.write(self._answer(tag, command))
                stream.flush()

    def _answer(self, tag: str, command: str) -> bytes:
        word = command.upper().removeprefix("UID ").split(" ")[0]
        answers: dict[str, Any] = {
            "CAPABILITY": lambda: f"* CAPABILITY {self._capabilities}\r\n".encode(),
            "LOGIN": lambda: b"" if PASSWORD in command else None,
            "SELECT": self._select,
            "EXAMINE": self._select,
            "SEARCH": lambda: self._search(command),
            "FETCH": lambda: self._fetch(command),
            "STORE": lambda: self._remove(command),
            "EXPUNGE": lambda: self._expunge(),
            "MOVE": lambda: self._remove(command),
            "COPY": lambda: self._copy(command),
            "LIST": lambda: b"".join(f'* LIST () "/" "{name}"\r\n'.encode() for name in self.folders if name in command),
            "CREATE": lambda: b"" if self.create_folders else None,
            "NOOP": lambda: b"",
            "LOGOUT": lambda: b"* BYE\r\n",
        }  # fmt: skip
        said = answers.get(word, lambda: None)()
        if said == b"bad":
            return f"{tag} BAD what?\r\n".encode()
        if said is None:
            return f"{tag} NO refused\r\n".encode()
        code = "[READ-ONLY] " if word in ("SELECT", "EXAMINE") and self.read_only else ""
        late = b""
        if word == "SEARCH" and self.arrives_after_search:
            self.mails[max(self.mails, default=0) + 1] = self.arrives_after_search.pop(0).replace(b"\n", b"\r\n")
            late = f"* {len(self.mails)} EXISTS\r\n".encode()
        return bytes(said) + late + f"{tag} OK {code}done\r\n".encode()

    def _select(self) -> bytes:
        return f"* {len(self.mails)} EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 7] x\r\n".encode()

    def _search(self, command: str) -> bytes:
        found = sorted(self._deleted if "DELETED" in command else self.mails)
        return f"* SEARCH {' '.join(map(str, found))}\r\n".encode()

    def _uids(self, command: str) -> list[int]:
        found = re.search(r" ([\d,:]+) ", command + " ")
        assert found is not None
        parts = [part.partition(":") for part in found[1].split(",")]
        wanted = {uid for first, _, last in parts for uid in range(int(first), int(last or first) + 1)}
        return sorted(wanted & self.mails.keys())

    def _fetch(self, command: str) -> bytes | None:
        item = command.partition("(")[2].rstrip(")")
        script = self.at_size if item == "RFC822.SIZE" else self.at_fetch if item.startswith("BODY") else {}
        out = b""
        for uid in self._uids(command):
            if item.startswith("BODY"):
                self.fetched[uid] += 1
            match script.get(uid, ""):
                case "no":
                    return None
                case "bad":
                    return b"bad"
                case "hang up":
                    raise _HangUp
                case "missing":
                    continue
                case "garbage":
                    out += f"* {uid} FETCH (UID {uid} {'(' * 50} BODY[ NIL\r\n".encode()
                case how:
                    out += f"* {uid} FETCH (UID {uid} ".encode() + self._item(item, self.mails[uid], how) + b")\r\n"
        return out

    def _item(self, item: str, mail: bytes, how: str) -> bytes:
        if item == "RFC822.SIZE":
            return f"RFC822.SIZE {len(mail)}".encode()
        if item == "INTERNALDATE":
            return b'INTERNALDATE " 1-Jan-2020 00:00:00 +0000"'
        name = item.replace(".PEEK", "").encode()
        if how == "nil":
            return name + b" NIL"
        mail = b"" if how == "empty" else mail.partition(b"\r\n\r\n")[0] if "HEADER" in item else mail
        return name + f" {{{len(mail)}}}\r\n".encode() + mail

    def _remove(self, command: str) -> bytes | None:
        uids = self._uids(command)
        scripts = {self.at_removal.get(uid) for uid in uids}
        if "hang up" in scripts:
            raise _HangUp
        if "no" in scripts or self.read_only or ("MOVE" in command and self._archive_missing()):
            return None
        for uid in uids:
            if self.at_removal.get(uid) != "stays":
                mail = self.mails[uid]
                if "MOVE" in command:
                    self.archived.append(mail)
                    del self.mails[uid]
                else:
                    self._deleted.add(uid)
        return b""

    def _copy(self, command: str) -> bytes | None:
        if self._archive_missing():
            return None
        self.archived += [self.mails[uid] for uid in self._uids(command)]
        return b""

    def _archive_missing(self) -> bool:
        return "Archive" not in self.folders and not self.create_folders

    def _expunge(self) -> bytes:
        for uid in self._deleted:
            self.mails.pop(uid, None)
        self._deleted.clear()
        return b""


class _HangUp(Exception):
    """The server ends the connection without a word."""
