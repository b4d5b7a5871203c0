"""`PEERS=1 make bench`, last table: Schleuder, the encrypted list of this field, beside ombud on the same mail.

Schleuder is Debian's package as it comes (`apt-get install schleuder`), with a list of its own in a temporary folder
and five subscribers; each mail is one `schleuder work`, as its documentation has a mail server call it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from desk.demo.mails import pgp_mime, text_entity
from desk.demo.rehearsal import PEOPLE, Person, Rehearsal, make_person
from tests.bench.mails import CORES, through
from tests.support.fast_sink import FastSink

MAILS = 10
LIST = "list@schleuder.example"
_SET_UP = """
require "json"
require "schleuder"
given = JSON.parse(STDIN.read)
ActiveRecord::Schema.verbose = false
load "schleuder/db/schema.rb"
list, _ = Schleuder::ListBuilder.new({email: given["list"], fingerprint: nil}, given["people"][0]["email"], nil, given["people"][0]["key"]).run
given["people"][1..].each { |one| list.subscribe(one["email"], nil, false, true, one["key"]) }
puts list.export_key
"""


def main() -> None:
    """Measure and print."""
    if not shutil.which("schleuder"):
        raise SystemExit("Schleuder is not installed: apt-get install --no-install-recommends schleuder")
    with tempfile.TemporaryDirectory(prefix="ob-") as name:
        folder = Path(name)
        team = [make_person(folder / "people", person, full) for person, full in PEOPLE]
        sam = make_person(folder / "people", "sam", "Sam", "reporter.example")
        theirs = _schleuder(folder / "schleuder", team, sam)
        ours = _ombud(folder, team, sam)
        for person in (*team, sam):
            person.keyring.close()
    table = Table(title=f"2 KB PGP/MIME to five, {CORES} cores", title_justify="left")
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_row("Schleuder", f"{theirs:.2f} mails/s")
    table.add_row("ombud", f"{ours:.1f} mails/s")
    table.add_row("ratio", f"{ours / theirs:.0f}")
    Console(width=100).print(table)


def _mail(number: int, key: bytes, sam: Person) -> bytes:
    entity = text_entity(f"{number} " + "It happened again on Friday. " * 60)
    return pgp_mime(entity, key, sam.keyring, sender=f"r{number}@reporter.example")


def _schleuder(folder: Path, team: list[Person], sam: Person) -> float:
    folder.mkdir()
    sink = FastSink(folder / "sink")
    sink.start()
    settings = {
        "lists_dir": str(folder / "lists"), "listlogs_dir": str(folder / "logs"), "superadmin": "root@localhost", "log_level": "error",
        "smtp_settings": {"address": "127.0.0.1", "port": sink.port},
        "database": {"production": {"adapter": "sqlite3", "database": str(folder / "db.sqlite"), "timeout": 5000}},
    }  # fmt: skip
    (folder / "schleuder.yml").write_text(json.dumps(settings))
    (folder / "defaults.yml").write_text("receive_encrypted_only: false\nsend_encrypted_only: true\n")
    environment = {
        **os.environ,
        "SCHLEUDER_CONFIG": str(folder / "schleuder.yml"),
        "SCHLEUDER_LIST_DEFAULTS": str(folder / "defaults.yml"),
        "SCHLEUDER_ENV": "production",
    }
    people = [{"email": person.email, "key": person.public_key.decode()} for person in team]
    given = json.dumps({"list": LIST, "people": people}).encode()
    made = subprocess.run(["ruby", "-W0", "-e", _SET_UP], input=given, env=environment, capture_output=True, check=True)
    mails = [_mail(number, made.stdout, sam) for number in range(MAILS)]

    def work(mail: bytes) -> None:
        subprocess.run(["schleuder", "work", LIST], input=mail, env=environment, capture_output=True, check=True)

    work(_mail(MAILS, made.stdout, sam))
    sink.wait_for(len(team), 30)
    started = time.monotonic()
    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(work, mails))
    sink.wait_for(len(team) * (MAILS + 1), 60)
    took = max(item.at for item in sink.mails) - started
    sink.stop()
    subprocess.run(
        ["gpgconf", "--homedir", str(folder / "lists" / "schleuder.example" / "list"), "--kill", "all"], check=False
    )
    return MAILS / took


def _ombud(folder: Path, team: list[Person], sam: Person) -> float:
    play = Rehearsal(folder / "desk", team)
    play.sink = FastSink(folder / "sink", play.sink.port)
    play.sink.start()
    play.start()
    play.send(_mail(-1, play.desk_key, sam))
    play.sink.wait_for(6)
    rate, _, _ = through(play, [_mail(number, play.desk_key, sam) for number in range(200)])
    play.end()
    return rate


if __name__ == "__main__":
    main()
