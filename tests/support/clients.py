"""A member's own computer: a mailbox, a GnuPG folder, and the mail programs on it, set up as their handbooks say."""

from __future__ import annotations

import email
import mailbox
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from desk.demo.rehearsal import Person, Rehearsal
from store.openpgp.keyring import Keyring
from tests.support.talk import read, words
from tests.support.terminal import Terminal, terminal

# Puts what the member has to say on top of what the mail program offers, into the same file: aerc keeps it open.
_EDITOR = '#!/bin/sh\ncat "$HOME/words" "$1" > "$HOME/draft" && cat "$HOME/draft" > "$1"\n'

_SENDMAIL = """#!{python}
import smtplib, sys
with smtplib.SMTP("127.0.0.1", {port}, "localhost") as desk:
    desk.sendmail("{sender}", [word for word in sys.argv if "@" in word], sys.stdin.buffer.read())
"""


class Computer:
    """What one member reads mail with. Mail leaves it straight to the desk."""

    def __init__(self, folder: Path, owner: Person, play: Rehearsal) -> None:
        """The owner's keys are copied, and the desk's key is certified as its page says: compared, then `lsign`."""
        self.home, self.owner = folder, owner
        folder.mkdir()
        self.gnupg = folder / "gnupg"
        shutil.copytree(owner.keyring.home, self.gnupg, ignore=shutil.ignore_patterns("S.*", "*.lock"))
        self.gnupg.chmod(0o700)
        self._keyring = Keyring("gpg", self.gnupg)
        self._keyring.add_public(play.desk_key)
        line = ["gpg", "--homedir", str(self.gnupg), "--batch", "--yes", "--quick-lsign-key", play.made.fingerprint]
        subprocess.run(line, check=True, capture_output=True)
        self._script("editor", _EDITOR)
        self._script("sendmail", _SENDMAIL.format(python=sys.executable, port=play.port, sender=owner.email))

    def put(self, folder: str, mail: bytes) -> None:
        """Put a mail into a folder of its mailbox."""
        mailbox.Maildir(self.home / folder).add(mail)

    def will_write(self, words: str) -> None:
        """What the editor will put above the quote."""
        (self.home / "words").write_text(words, encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        """What its programs are started with."""
        return {
            "HOME": str(self.home), "GNUPGHOME": str(self.gnupg), "TMPDIR": str(self.home),
            "PATH": os.environ["PATH"], "LANG": "C.UTF-8",
        }  # fmt: skip

    def _script(self, name: str, text: str) -> None:
        (self.home / name).write_text(text, encoding="utf-8")
        (self.home / name).chmod(0o755)

    def close(self) -> None:
        """End the agent of its GnuPG folder."""
        self._keyring.close()


@contextmanager
def neomutt(computer: Computer, folder: str) -> Iterator[Terminal]:
    """NeoMutt with a folder of a computer, that signs and encrypts whatever answers what was signed and encrypted."""
    owner = computer.owner
    home = computer.home
    (home / ".neomuttrc").write_text(
        f'set realname="{owner.name}" from="{owner.email}" folder="{home}" spoolfile="{home}/{folder}" record=""\n'
        f'set sendmail="{home}/sendmail" editor="{home}/editor" tmpdir="{home}"\n'
        f'set pgp_default_key="{owner.fingerprint}" crypt_reply_sign_encrypted=yes\n'
    )
    with terminal([_program("neomutt")], computer.environment) as made:
        yield made


@contextmanager
def aerc(computer: Computer, imap: str) -> Iterator[Terminal]:
    """aerc on a computer, with GnuPG, reading INBOX of `user:password@host:port`.

    For a folder of the computer it would need a watcher of files; a user may have 128, and each gpg-agent takes one.
    """
    owner, settings = computer.owner, computer.home / ".config" / "aerc"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "aerc.conf").write_text(
        f"[general]\npgp-provider=gpg\n[filters]\ntext/plain=cat\n[compose]\nedit-headers=false\neditor={computer.home}/editor\n"
    )
    accounts = settings / "accounts.conf"
    accounts.write_text(
        f"[team]\nsource=imap+insecure://{imap}\ndefault=INBOX\nfrom={owner.name} <{owner.email}>\n"
        f"outgoing={computer.home}/sendmail\n"
        f"pgp-key-id={owner.fingerprint}\npgp-auto-sign=true\npgp-opportunistic-encrypt=true\n"
    )
    accounts.chmod(0o600)
    with terminal([_program("aerc")], computer.environment) as made:
        yield made


def _program(name: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is missing: run .ci/setup test"
    return found


def protected_subject(person: Person, mail: bytes) -> str:
    """The subject inside a sealed mail."""
    opened = person.opens(mail)
    assert opened is not None
    return words(str(email.message_from_bytes(opened)["Subject"]))


def codename_of(mail: bytes) -> str:
    """The case that a notice is about, by its subject outside."""
    return str(email.message_from_bytes(mail)["Subject"]).rpartition(" ")[2]


def notes_to(play: Rehearsal, person: Person) -> list[str]:
    """What the others' notes say to a member."""
    return [words(read(person, item)) for item in play.sink.to(person.email)[1:]]
