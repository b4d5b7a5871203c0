"""A throw-away Postfix: a real mail server on a loopback port, with a queue and a configuration of its own."""

from __future__ import annotations

import os
import shutil
import smtplib
import subprocess
import time
from pathlib import Path

from desk.demo.rehearsal import free_port
from tests.support.dovecot import Dovecot

_PROGRAMS = f"{os.environ.get('PATH', '')}:/usr/sbin"


class Postfix:
    """A server that hands each domain to where its transport map says."""

    def __init__(self, folder: Path, example: str, transports: dict[str, str], services: str = "") -> None:
        """`example` is what of main.cf is tried; `transports` maps addresses or domains; `services` are lines of master.cf."""
        assert shutil.which("postfix", path=_PROGRAMS), "Postfix is missing: run .ci/setup test"
        self.folder, self.port = folder, free_port()
        # Postfix only starts as root, which hands its work to accounts of its own.
        self._sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
        folder.mkdir(mode=0o755)
        (folder / "etc").mkdir()
        (folder / "transport").write_text("".join(f"{who} {where}\n" for who, where in transports.items()))
        domains = " ".join(who for who in transports if "@" not in who)
        (folder / "etc" / "main.cf").write_text(
            f"compatibility_level = 3.6\nqueue_directory = {folder}/queue\ndata_directory = {folder}/data\nmaillog_file = /dev/stdout\n"
            "inet_interfaces = loopback-only\ninet_protocols = ipv4\nmyhostname = mx.example\nmydestination =\nalias_maps =\n"
            f"relay_domains = {domains} desk.example\nsmtp_host_lookup = native\nmynetworks = 192.0.2.0/24\n"
            f"address_verify_poll_delay = 1s\nminimal_backoff_time = 1s\nmaximal_backoff_time = 2s\nqueue_run_delay = 1s\n{example}"
            f"transport_maps = texthash:{folder}/transport\n"
        )
        (folder / "etc" / "master.cf").write_text(
            f"127.0.0.1:{self.port} inet n - n - - smtpd\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 1 1 qmgr\n"
            "rewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\n"
            "flush unix n - n 1000? 0 flush\n"
            "trace unix - - n - 0 bounce\nverify unix - - n - 1 verify\nsmtp unix - - n - - smtp\nlmtp unix - - n - - lmtp\n"
            "error unix - - n - - error\nretry unix - - n - - error\nanvil unix - - n - 1 anvil\nscache unix - - n - 1 scache\n"
            f"tlsmgr unix - - n 1000? 1 tlsmgr\nproxymap unix - - n - - proxymap\npostlog unix-dgram n - n - 1 postlogd\n{services}"
        )

    def start(self) -> None:
        """Start, and wait until it answers."""
        postfix = shutil.which("postfix", path=_PROGRAMS) or "postfix"
        log = (self.folder / "log").open("ab")
        (self.folder / "queue").mkdir(mode=0o755)
        (self.folder / "data").mkdir(mode=0o700)
        subprocess.run([*self._sudo, "chown", "postfix", str(self.folder / "data")], check=True)
        line = [*self._sudo, postfix, "-c", str(self.folder / "etc")]
        subprocess.run([*line, "check"], check=True, stdout=log, stderr=log)
        self._running = subprocess.Popen([*line, "start-fg"], stdout=log, stderr=log)
        log.close()
        end = time.monotonic() + 20
        while True:
            try:
                smtplib.SMTP("127.0.0.1", self.port, timeout=5).close()
            except OSError:
                assert time.monotonic() < end, (self.folder / "log").read_text()
                time.sleep(0.05)
            else:
                return

    def reload(self) -> None:
        """Have it read its configuration again."""
        postfix = shutil.which("postfix", path=_PROGRAMS) or "postfix"
        line = [*self._sudo, postfix, "-c", str(self.folder / "etc"), "reload"]
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        """Stop it."""
        postfix = shutil.which("postfix", path=_PROGRAMS) or "postfix"
        line = [*self._sudo, postfix, "-c", str(self.folder / "etc"), "stop"]
        subprocess.run(line, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._running.wait(20)

    def send(self, sender: str, recipient: str, mail: bytes) -> None:
        """Hand it a mail, as a sender's server would: again when it is told to come again. Raises SMTPRecipientsRefused."""
        octets = mail.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        end = time.monotonic() + 60
        while True:
            try:
                with smtplib.SMTP("127.0.0.1", self.port, "sender.example", timeout=30) as connection:
                    connection.sendmail(sender, [recipient], octets)
            except smtplib.SMTPRecipientsRefused as error:
                if error.recipients[recipient][0] >= 500 or time.monotonic() > end:
                    raise
                time.sleep(0.5)
            else:
                return


def lda_service(dovecot: Dovecot) -> str:
    """A line of master.cf by which Postfix leaves mail in the mailboxes of a Dovecot."""
    user = "dovecot" if os.geteuid() == 0 else os.environ.get("USER", "nobody")
    return f"mailbox unix - n n - 4 pipe\n  flags=DRhu user={user} argv={dovecot.lda('${user}')} -f ${{sender}}\n"
