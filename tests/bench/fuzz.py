"""Coverage-guided fuzzing of how a mail is read (atheris, on libFuzzer): whatever comes, reading ends within its bounds, and whoever is named in its
octets is never told.

`FUZZ_MINUTES=30 make fuzz`. The corpus is kept in `build/fuzz`, and begins with the odd mails of the tests. An input that broke something is written
there as `crash-…`, `timeout-…` or `oom-…`; each becomes a test of its kind.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
NAME = b"Bo Lindqvist"
SECONDS, MEGABYTES, LONGEST = 30, 2048, 65_536
HANGS = 600  # by the clock: what else runs on the machine is no fault of a mail


def main() -> None:
    """Fuzz for the minutes that are wanted."""
    import atheris

    sys.path.insert(0, str(ROOT))
    with atheris.instrument_imports(include=["intake", "store", "email"]):
        from intake import reader_process
        from intake.arrival import Envelope, Job
        from intake.asking.directives import ReporterRequest
        from store.context import open_context
        from store.tables.authentication import Authentication
    from desk.demo.rehearsal import PEOPLE, Rehearsal, make_person

    folder = Path(tempfile.mkdtemp(prefix="ob-"))
    play = Rehearsal(folder / "desk", [make_person(folder / "people", person, name) for person, name in PEOPLE])
    context = open_context(play.config)
    desk = context.config.desk[0]
    roster = context.roster(desk)

    def one(data: bytes) -> None:
        job = Job(desk, ReporterRequest(), Envelope(data, None, (desk.address,)), "", roster, Authentication())
        began = time.process_time()
        try:
            opened: Any = reader_process._read(context.config, job, "")
        except Exception:  # what a parser raises makes a held case
            return
        finally:
            if time.process_time() - began > SECONDS:
                raise AssertionError("a reader process would have been ended")
        if NAME in data and "bo" not in {item.member for item in opened.found.recusals}:
            raise AssertionError("somebody is named, and would be told")

    corpus = ROOT / "build" / "fuzz"
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in sorted((ROOT / "tests" / "cases").glob("*.eml")):
        if not (corpus / seed.name).exists():
            (corpus / seed.name).write_bytes(seed.read_bytes()[:LONGEST])
            (corpus / f"named-{seed.name}").write_bytes(seed.read_bytes()[: LONGEST - 100] + b"\n" + NAME + b"\n")
    minutes = float(os.environ.get("FUZZ_MINUTES", "30"))
    atheris.Setup(
        [
            sys.argv[0], str(corpus), f"-max_total_time={int(minutes * 60)}", f"-timeout={HANGS}", f"-rss_limit_mb={MEGABYTES}",
            f"-max_len={LONGEST}", f"-artifact_prefix={corpus}/", "-print_final_stats=1",
        ],
        one,
    )  # fmt: skip
    try:
        atheris.Fuzz()
    finally:
        context.close()
        play.end()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
