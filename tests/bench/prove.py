"""`make prove`: nothing lost, nothing leaked, tried for forty minutes, and the figures in one table.

Each figure comes from a test of the suite, run here much longer; its method is in docs/performance.md. One test is
only here: a member's Thunderbird. The amounts can be changed: `CRASHES=20 LOAD=1000 FUZZ=1000 FLOOD=1000 make prove` takes some
minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

AMOUNTS = {
    "CRASHES": "100",
    "LOAD": "10000",
    "FUZZ": "40000",
    "FLOOD": "100000",
    "LIVES": "100",
    "CHAINS": "100000",
    "WAVE": "500",
    "KILLS": "20",
    "FORMS": "1000",
    "FORM_KILLS": "30",
}
TESTS = (
    "tests/stories/test_crash.py",
    "tests/stories/test_load.py",
    "tests/stories/test_floods.py",
    "tests/stories/test_smtp_abuse.py",
    "tests/stories/test_canary.py",
    "tests/stories/test_life.py",
    "tests/stories/test_wave.py",
    "tests/stories/test_web_crash.py",
    "tests/intake/test_hostile.py",
    "tests/intake/test_imap_faults.py",
    "tests/intake/test_attacks.py",
    "tests/intake/test_metamorphic.py",
    "tests/stories/test_hearing.py",
    "tests/stories/test_letters_attacked.py",
    "tests/stories/test_procedure.py",
    "tests/stories/test_export.py",
    "tests/store/test_decisions.py",
    "tests/store/test_measures.py",
    "tests/store/test_moves.py",
    "tests/store/test_guests.py",
    "tests/store/test_redaction.py",
    "tests/store/test_records_attacked.py",
    "tests/store/test_engines.py",
    "tests/stories/prove_thunderbird.py",
)


def main() -> None:
    """Run the tests, and print what they measured; the exit code is theirs."""
    with tempfile.NamedTemporaryFile("r", prefix="ob-") as figures:
        environment = {**AMOUNTS, **os.environ, "FIGURES": figures.name}
        line = [sys.executable, "-m", "pytest", "-vv", "-n", "2", "--dist", "load", *TESTS]
        code = subprocess.run(line, env=environment, check=False).returncode
        found = [json.loads(text) for text in figures]
    table = Table(title="Nothing lost, nothing leaked", title_justify="left")
    for column in ("what", "found"):
        table.add_column(column)
    for what, value in sorted(found):
        table.add_row(what, value)
    table.add_row("tests", "all passed" if code == 0 else "SOME FAILED, see above")
    Console(width=140).print(table)
    raise SystemExit(code)


def figure(what: str, value: str) -> None:
    """Tell of something that a test measured: printed, and kept for the table."""
    print(f"\n{what}: {value}")
    if name := os.environ.get("FIGURES"):
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(json.dumps([what, value]) + "\n")


if __name__ == "__main__":
    main()
