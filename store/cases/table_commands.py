"""The commands by which leads get cases side by side."""

from __future__ import annotations

from store.cases.command import Command
from store.kit.sentences import marked


class Compile(Command):
    """A table of this case and those that belong to it, without names."""

    name = "compile"
    help = (
        (
            "/compile",
            marked(
                "get a table of this case, linked ones and those of the same person, without names or words; leads only"
            ),
        ),
    )


class OfPerson(Command):
    """Which cases hold something of a person."""

    name = "person"
    help = (
        (
            "/person NAME",
            marked("list the cases that you can see and that name somebody, such as when they ask for their data"),
        ),
    )
    lacking = marked("Whose? Write a name after '/person'.")


class Debrief(Command):
    """A table of the cases of a time."""

    name = "debrief"
    help = (
        (
            "/debrief 2026-01-01 2026-06-30",
            marked(
                "get a table of the cases of some days that you can see: what was kept in time, and what is open; leads only"
            ),
        ),
    )
    lacking = marked("Write two days after '/debrief', such as 2026-01-01 2026-06-30.")
