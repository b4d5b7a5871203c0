"""Where the `ombud` command begins: handing a mail to the running service needs the standard library alone."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. `deliver` first tries the service; everything else loads the whole program."""
    if sys.argv[1:2] == ["deliver"]:
        from desk.handover import hand_over

        code = hand_over(sys.argv[2:])
        if code is not None:
            sys.exit(code)
    from store.kit.loading import loading

    with loading():
        from desk.commands.cli import run
    run()
