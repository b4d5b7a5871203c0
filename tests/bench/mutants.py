"""`make mutants`: whether the tests notice when a rule is changed. Each module that holds one is mutated (cosmic-ray), a change at a time, in a
copy of the tree, and the tests nearest to it are run; what none of them notices is listed.

`ONLY=store/cases/access.py make mutants` does one of them. It takes hours; two run at a time.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent.parent
SECONDS = 180.0
AT_ONCE = 2
# The modules that hold the rules, and the tests nearest to each.
RULES = {
    "store/cases/access.py": "tests/store/test_access.py tests/store/test_guests.py -k 'not wrong_is_said and not do_nothing'",
    "intake/routing.py": "tests/intake/test_standing.py tests/intake/test_follow_up.py tests/intake/test_machines.py tests/intake/test_junk.py tests/store/test_guests.py",
    "intake/standing.py": "tests/intake/test_standing_table.py tests/intake/test_standing.py",
    "intake/screening.py": "tests/intake/test_screening.py tests/store/test_guests.py tests/store/test_redaction.py -k 'not do_nothing'",
    "store/cases/withholding.py": "tests/store/test_narrowing.py tests/stories/test_recusal.py tests/store/test_guests.py -k 'not do_nothing'",
    "store/cases/recusals.py": "tests/store/test_narrowing.py tests/stories/test_recusal.py tests/store/test_moves.py",
    "store/cases/decisions.py": "tests/store/test_decisions.py",
    "store/outbox/claims.py": "tests/mailer/test_delivery.py tests/stories/test_postgresql.py",
}


@dataclass(frozen=True)
class Found:
    """Of one module: how many changes were tried and noticed, and where those are that nobody noticed."""

    module: str
    tried: int
    noticed: int
    survivors: tuple[str, ...]


def main() -> None:
    """Run, print the table, and fail where fewer than 95 % are noticed."""
    chosen = {module: tests for module, tests in RULES.items() if os.environ.get("ONLY", module) == module}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(_mutate, chosen, chosen.values()))
    table = Table(title="Changes to the rules that the tests notice", title_justify="left")
    for column in ("module", "tried", "noticed", "share"):
        table.add_column(column)
    for item in results:
        table.add_row(item.module, str(item.tried), str(item.noticed), f"{item.noticed / max(1, item.tried):.0%}")
    console = Console(width=140)
    console.print(table)
    for line in (line for item in results for line in item.survivors):
        console.print(line, markup=False)
    tried, noticed = sum(item.tried for item in results), sum(item.noticed for item in results)
    console.print(f"{noticed} of {tried}: {noticed / max(1, tried):.1%}")
    raise SystemExit(noticed < 0.95 * tried)


def _mutate(module: str, tests: str) -> Found:
    with tempfile.TemporaryDirectory(prefix="ob-mutants-") as name:
        copy = Path(name) / "tree"
        shutil.copytree(
            ROOT, copy, ignore=shutil.ignore_patterns(".venv", ".git", "build", ".hypothesis", "*.egg-info")
        )
        session, config = Path(name) / "session.sqlite", Path(name) / "mutants.toml"
        command = f"{sys.executable} -m pytest -q -x -p no:cacheprovider {tests}"
        config.write_text(
            f'[cosmic-ray]\nmodule-path = "{module}"\ntimeout = {SECONDS}\nexcluded-modules = []\ntest-command = "{command}"\n'
            '[cosmic-ray.distributor]\nname = "local"\n'
        )
        tool = ROOT / "build" / "mutants" / "bin" / "cosmic-ray"
        environment = {**os.environ, "PYTHONPATH": str(copy), "HYPOTHESIS_STORAGE_DIRECTORY": f"{name}/hypothesis"}
        for step in (["init", str(config), str(session)], ["exec", str(config), str(session)]):
            subprocess.run([str(tool), *step], cwd=copy, env=environment, check=True, stdout=subprocess.DEVNULL)
        return _read(module, session)


def _read(module: str, session: Path) -> Found:
    with sqlite3.connect(session) as database:
        rows = database.execute(
            "SELECT test_outcome, operator_name, start_pos_row FROM work_results JOIN mutation_specs USING (job_id)"
        ).fetchall()
    left = [
        f"{module}:{row}: {operator.removeprefix('core/')}"
        for outcome, operator, row in rows
        if "SURVIVED" in str(outcome).upper()
    ]
    return Found(module, len(rows), len(rows) - len(left), tuple(sorted(left)))


if __name__ == "__main__":
    main()
