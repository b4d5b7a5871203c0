"""`make mutants`: whether the tests notice when a rule is changed. Each module that holds one is mutated (mutmut), a change at a time, in a
copy of the tree, and the tests nearest to it are run. Mutants that the type checker rejects are not counted; what no test notices
is listed, with why that does no harm where `survivors.toml` says so.

`ONLY=store/cases/access.py make mutants` does one of them, or several. All take about half an hour.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent.parent
TOOL = ROOT / "build" / "mutants"
AT_ONCE = 2
LEAST = 0.95
HOURS = 2  # for one module; whatever waits longer hangs
_NO_PROGRAM = "caught by type check"
_NOTICED = {"killed", "timeout", "suspicious", "segfault"}
# The modules that hold the rules, and the tests nearest to each.
RULES = {
    "store/cases/access.py": ("tests/store/test_access.py", "tests/store/test_guests.py"),
    "store/cases/decisions.py": ("tests/store/test_decision_rules.py",),
    "store/cases/recusals.py": ("tests/store/test_withholding_rules.py",),
    "store/cases/withholding.py": ("tests/store/test_withholding_rules.py",),
    "store/outbox/claims.py": ("tests/store/test_claims.py",),
    "intake/routing.py": ("tests/intake/test_routing_rule.py",),
    "intake/standing.py": ("tests/intake/test_standing_rule.py",),
    "intake/screening.py": ("tests/intake/test_screening_rule.py", "tests/intake/test_screening_steps.py"),
}


@dataclass(frozen=True)
class Found:
    """Of one module: how many changes were tried and noticed, how many are no programs, and those that nobody noticed, as lines of a diff."""

    module: str
    tried: int
    noticed: int
    refused: int
    survivors: tuple[str, ...]


def main() -> None:
    """Run, print the table, and fail where fewer than 95 % are noticed, or one that is not has no reason."""
    wanted = os.environ.get("ONLY", "").split() or list(RULES)
    chosen = {module: RULES[module] for module in wanted}
    with tempfile.TemporaryDirectory(prefix="ob-mutants-") as name:
        tree = Path(name) / "tree"
        shutil.copytree(
            ROOT, tree, ignore=shutil.ignore_patterns(".venv", "build", ".hypothesis", "*.egg-info", ".*_cache")
        )
        results = []
        for module, tests in chosen.items():
            print(f"{module}: {' '.join(tests)}", file=sys.stderr)
            results.append(_mutate(tree, module, tests))
            print(results[-1], file=sys.stderr)
    raise SystemExit(not _print(results))


def _print(results: list[Found]) -> bool:
    """Print what was found; whether it is enough."""
    reasons = _reasons()
    table = Table(title="Changes to the rules that the tests notice", title_justify="left")
    for column in ("module", "tried", "noticed", "share", "refused by the type checker"):
        table.add_column(column)
    for item in results:
        share = f"{item.noticed / max(1, item.tried):.0%}"
        table.add_row(item.module, str(item.tried), str(item.noticed), share, str(item.refused))
    console = Console(width=140)
    console.print(table)
    unexplained = 0
    for item in results:
        for survivor in item.survivors:
            why = reasons.get((item.module, survivor), "")
            unexplained += not why
            console.print(f"{item.module}\n{survivor}\n    {why or 'NOT EXPLAINED'}", markup=False, highlight=False)
    tried, noticed = sum(item.tried for item in results), sum(item.noticed for item in results)
    console.print(f"{noticed} of {tried}: {noticed / max(1, tried):.1%}; not noticed and not explained: {unexplained}")
    return noticed >= LEAST * tried and not unexplained


def _reasons() -> dict[tuple[str, str], str]:
    """Why it does no harm that nobody notices a change: by module and diff."""
    known = tomllib.loads((Path(__file__).parent / "survivors.toml").read_text())
    return {(item["module"], item["change"].strip("\n")): item["why"] for item in known.get("survivor", ())}


def _mutate(tree: Path, module: str, tests: tuple[str, ...]) -> Found:
    settings = (ROOT / "pyproject.toml").read_text() + (
        f'\n[tool.mutmut]\nsource_paths = ["store", "intake", "mailer", "desk"]\nonly_mutate = ["{module}"]\n'
        # Sentences and log lines are no rules: that they are there, and in every language, other tests look at.
        "do_not_mutate_patterns = ['marked[(]', 'raise NotAllowed[(]', 'log[.]']\n"
        'also_copy = ["deploy", "docs", "keys", ".ci", "CHANGELOG.md", "README.md", "constraints.txt"]\n'
        f"pytest_add_cli_args_test_selection = {list(tests)}\n"
        # A worker is forked from a process that ran no tests: readers and threads of those would not work in it.
        'process_isolation = "forkserver"\ntimeout_constant = 60.0\n'
        f'type_check_command = ["{sys.executable}", "-m", "mypy", "--no-warn-unused-ignores", "--output", "json", "{module}"]\n'
    )
    (tree / "pyproject.toml").write_text(settings)
    shutil.rmtree(tree / "mutants", ignore_errors=True)
    _mutmut(tree, "run", "--max-children", str(AT_ONCE))
    states = dict(
        line.strip().rsplit(": ", 1)
        for line in _mutmut(tree, "results", "--all", "true").splitlines()
        if "__mutmut_" in line
    )
    count = Counter(states.values())
    left = [name for name, state in states.items() if state not in {_NO_PROGRAM, *_NOTICED}]
    tried = len(states) - count[_NO_PROGRAM]
    changes = sorted(_change(_mutmut(tree, "show", name)) for name in left)
    return Found(module, tried, tried - len(left), count[_NO_PROGRAM], tuple(changes))


def _change(diff: str) -> str:
    """The lines of a diff that were taken away and added."""
    return "\n".join(re.findall(r"^[-+](?![-+]{2} ).*$", diff, re.MULTILINE))


def _mutmut(tree: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(TOOL), "READ_HERE": "1"}
    line = [sys.executable, "-m", "mutmut", *arguments]
    done = subprocess.run(
        line, cwd=tree, env=environment, check=False, capture_output=True, text=True, timeout=HOURS * 3600
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
