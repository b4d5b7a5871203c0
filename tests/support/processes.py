"""The processes that a process started, as Linux tells of them."""

from __future__ import annotations

from pathlib import Path


def descendants(pid: int) -> set[int]:
    """All processes that a process started, and those that they started."""
    found: set[int] = set()
    left = [pid]
    while left:
        try:
            tasks = list(Path(f"/proc/{left.pop()}/task").iterdir())
            children = [int(item) for task in tasks for item in (task / "children").read_text().split()]
        except OSError:
            continue
        left += [item for item in children if item not in found]
        found |= set(children)
    return found


def of_python(pids: set[int]) -> set[int]:
    """Those of some processes that run our code: not gpg, which comes and goes."""
    return {pid for pid in pids if _is_of_python(pid)}


def _is_of_python(pid: int) -> bool:
    try:
        return b"forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
