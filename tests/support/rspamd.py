"""A real rspamd for tests: of its own configuration and two rules, in a temporary folder, on loopback ports."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from desk.demo.rehearsal import Rehearsal, free_port

PASSWORD = "a-long-one-for-tests"
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"

_CONFIG = """
options {{
  pidfile = "{folder}/pid"; filters = ""; url_tld = "{folder}/tld"; hs_cache_dir = "{folder}"; tempdir = "{folder}";
  control_socket = "{folder}/control.sock mode=0600"; rrd = "";
  dns {{ nameserver = "127.0.0.1:9"; timeout = 0.2s; retransmits = 1; }}
}}
logging {{ type = "file"; filename = "{folder}/log"; level = "warning"; }}
actions {{ reject = 15; add_header = 6; greylist = 4; }}
lua = "{folder}/rules.lua";
worker "normal" {{ bind_socket = "127.0.0.1:{scan}"; count = 1; }}
worker "controller" {{ bind_socket = "127.0.0.1:{control}"; count = 1; password = "{password}"; stats_path = "{folder}/stats"; }}
classifier "bayes" {{
  cache {{ type = "sqlite3"; path = "{folder}/cache.sqlite"; }}
  tokenizer {{ name = "osb"; }} backend = "sqlite3"; min_learns = 1000; min_tokens = 1;
  statfile {{ symbol = "BAYES_HAM"; path = "{folder}/ham.sqlite"; spam = false; }}
  statfile {{ symbol = "BAYES_SPAM"; path = "{folder}/spam.sqlite"; spam = true; }}
}}
"""
_RULE = """
rspamd_config:register_symbol({{name = '{name}', score = {score}, callback = function(task)
  return (task:get_subject() or ''):lower():find('{word}') ~= nil end}})
"""


@dataclass(frozen=True)
class Rspamd:
    """Where it listens."""

    scan: str
    control: str
    process: subprocess.Popen[bytes]

    def serve(self, play: Rehearsal) -> None:
        """Have a desk ask and teach it."""
        (play.folder / "rspamd-password").write_text(f"{PASSWORD}\n")
        lines = f'rspamd = "{self.scan}"\ncontroller = "{self.control}"\npassword_file = "rspamd-password"\n'
        play.change_config("[junk]\n", f"[junk]\n{lines}")

    def reload(self) -> None:
        """Start its workers anew: under load one may come to have its own files locked."""
        self.process.send_signal(signal.SIGHUP)

    def learnt(self) -> int:
        """How many mails it has learnt from."""
        found = requests.get(f"{self.control}/stat", headers={"Password": PASSWORD}, timeout=5).json()
        return int(found["learned"])


@contextmanager
def rspamd(folder: Path) -> Iterator[Rspamd]:
    """One for as long as the block lasts: a subject with `casino` is junk, one with `offer` is doubtful."""
    folder.mkdir()
    scan, control = free_port(), free_port()
    (folder / "tld").write_text("example\ncom\norg\n")
    rules = [_RULE.format(name="CASINO", score=8, word="casino"), _RULE.format(name="OFFER", score=4.5, word="offer")]
    (folder / "rules.lua").write_text("".join(rules))
    config = folder / "rspamd.conf"
    config.write_text(_CONFIG.format(folder=folder, scan=scan, control=control, password=PASSWORD))
    process = subprocess.Popen(
        ["rspamd", "-f", "-c", str(config), "--insecure"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(f"http://127.0.0.1:{scan}/ping")
        _wait(f"http://127.0.0.1:{control}/ping")
        yield Rspamd(f"http://127.0.0.1:{scan}", f"http://127.0.0.1:{control}", process)
    finally:
        process.terminate()
        process.wait(20)


def _wait(url: str) -> None:
    for _ in range(200):
        try:
            requests.get(url, timeout=1)
        except requests.RequestException:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(url)
