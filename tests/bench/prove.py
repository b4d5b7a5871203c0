"""`make prove`: nothing lost, nothing leaked, tried for an hour, and the figures in one table.

Each figure comes from a test of the suite, run here much longer; its method is in docs/performance.md. One test is
only here: a member's Thunderbird. Beside them reading is fuzzed (`tests.bench.fuzz`), where atheris installs. The amounts can be changed:
`CRASHES=20 LOAD=1000 FUZZ=1000 FLOOD=1000 CHAINS=2000 FUZZ_MINUTES=1 make prove` takes some minutes.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

AMOUNTS = {
    "CRASHES": "100",
    "LOAD": "10000",
    "FUZZ": "15000",
    "FLOOD": "20000",
    "LIVES": "100",
    "CHAINS": "100000",
    "WAVE": "500",
    "KILLS": "20",
    "FORMS": "1000",
    "FORM_KILLS": "30",
    "FUZZ_MINUTES": "30",
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
    with tempfile.NamedTemporaryFile("r", prefix="ob-") as figures, ThreadPoolExecutor(1) as beside:
        environment = {**AMOUNTS, **os.environ, "FIGURES": figures.name}
        fuzzing = beside.submit(_fuzz, environment)
        line = [sys.executable, "-m", "pytest", "-vv", "-n", "2", "--dist", "worksteal", "--durations=12", *TESTS]
        code = subprocess.run(line, env=environment, check=False).returncode
        code = fuzzing.result() or code
        found = [json.loads(text) for text in figures]
    table = Table(title="Nothing lost, nothing leaked", title_justify="left")
    for column in ("what", "found"):
        table.add_column(column)
    for what, value in sorted(found):
        table.add_row(what, value)
    table.add_row("tests", "all passed" if code == 0 else "SOME FAILED, see above")
    Console(width=140).print(table)
    raise SystemExit(code)


def _fuzz(environment: dict[str, str]) -> int:
    """Fuzz how mails are read, in a process of its own with the lowest priority; its exit code."""
    if importlib.util.find_spec("atheris") is None:
        return 0  # hypothesis alone then: tests/intake/test_hostile.py
    line = ["nice", "-n", "19", sys.executable, "-m", "tests.bench.fuzz"]
    done = subprocess.run(line, env=environment, check=False, capture_output=True, text=True)
    runs = re.search(r"number_of_executed_units:\s*(\d+)", done.stderr)
    with Path(environment["FIGURES"]).open("a", encoding="utf-8") as file:
        value = f"{runs[1] if runs else 'unknown'} runs in {environment['FUZZ_MINUTES']} minutes; " + (
            "nothing found" if done.returncode == 0 else "FOUND SOMETHING: see build/fuzz"
        )
        file.write(json.dumps(["reading, fuzzed by coverage", value]) + "\n")
    return done.returncode


def figure(what: str, value: str) -> None:
    """Tell of something that a test measured: printed, and kept for the table."""
    print(f"\n{what}: {value}")
    if name := os.environ.get("FIGURES"):
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(json.dumps([what, value]) + "\n")


if __name__ == "__main__":
    main()
