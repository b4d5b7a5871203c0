"""The files of deploy/dovecot/ on the Dovecot that is here: mail that arrives is handed to ombud, or stays in INBOX."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from desk.demo.mails import plain_mail
from tests.conftest import Desk
from tests.support.dovecot import VERSIONS_24, version

DEPLOY = Path(__file__).parent.parent.parent / "deploy" / "dovecot"


class Mailbox:
    """A user's mailbox, into which Dovecot delivers by its Sieve script; the program that it pipes to leaves what it got."""

    def __init__(self, folder: Path) -> None:
        self.home, programs, self.got = folder / "home", folder / "programs", folder / "got"
        self._config = folder / "dovecot.conf"
        for made in (self.home, programs):
            made.mkdir(parents=True)
        shutil.copy(DEPLOY / "ombud.sieve", self.home / ".dovecot.sieve")
        self._program = programs / "ombud"
        example = (
            (DEPLOY / f"sieve-{version()}.conf").read_text().replace("/usr/local/lib/dovecot/sieve", str(programs))
        )
        where = "mail_location = maildir:~/Maildir\n"
        if version() == "2.4":
            where = f"{VERSIONS_24}mail_driver = maildir\nmail_path = ~/Maildir\n"
        self._config.write_text(f"{where}log_path = /dev/stderr\n{example}")
        subprocess.run(
            ["sievec", "-c", str(self._config), str(self.home / ".dovecot.sieve")], check=True, capture_output=True
        )
        self._become: list[str] = []
        if os.geteuid() == 0:  # Dovecot delivers no mail as root
            account = pwd.getpwnam("dovecot")
            for path in (folder, *folder.rglob("*")):
                os.chown(path, account.pw_uid, account.pw_gid)
            self._become = ["runuser", "-u", "dovecot", "--"]

    def deliver(self, mail: bytes, sender: str, recipient: str, answer: int) -> None:
        """Take a mail in, with a program that exits so."""
        self._program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{self.got}.line\ncat >{self.got}\nexit {answer}\n')
        self._program.chmod(0o755)
        line = [
            *self._become, "env", f"HOME={self.home}", "/usr/lib/dovecot/dovecot-lda", "-c", str(self._config),
            "-f", sender, "-a", recipient,
        ]  # fmt: skip
        done = subprocess.run(line, input=mail, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr

    def line(self) -> list[str]:
        """What the program was started with."""
        return Path(f"{self.got}.line").read_text().splitlines()

    def kept(self) -> list[bytes]:
        """What lies in INBOX."""
        return [path.read_bytes() for path in (self.home / "Maildir").glob("new/*")]


@pytest.fixture
def mailbox(short_tmp: Path) -> Mailbox:
    return Mailbox(short_tmp / "sieve" / os.urandom(4).hex())


def test_mail_that_arrives_is_a_case(mailbox: Mailbox, desk: Desk) -> None:
    mailbox.deliver(plain_mail("by Sieve"), "sam@reporter.example", "conduct+except-bo@desk.example", 0)
    command, option, _, *rest = mailbox.line()
    assert (command, option, rest) == (
        "deliver", "--config", ["--sender", "sam@reporter.example", "conduct+except-bo@desk.example"],
    )  # fmt: skip
    assert mailbox.kept() == []
    done = desk.play.command(command, *rest, stdin=mailbox.got.read_bytes())
    assert done.returncode == 0, done.stderr
    (line,) = json.loads(desk.play.command("case", "list", "--json").stdout)
    record = desk.case(line["codename"])
    assert (record["messages"][0]["text"], [item["member"] for item in record["recused"]]) == ("by Sieve", ["bo"])


def test_mail_that_ombud_cannot_take_now_stays_in_the_mailbox(mailbox: Mailbox) -> None:
    mailbox.deliver(plain_mail("not lost"), "sam@reporter.example", "conduct@desk.example", 75)
    (mail,) = mailbox.kept()
    assert b"not lost" in mail
