"""A case opened for somebody to act on it, as the commands open it, without a mail; and what was written down of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from desk.demo.mails import plain_mail
from store.cases import content
from store.cases.case_file import CaseFile, open_case
from tests.conftest import Desk

Open = Callable[..., CaseFile]


def new_case(desk: Desk, text: str = "Somebody shouted.") -> str:
    """A case of its own on a desk that tests share: another day, by another reporter; its codename."""
    desk.clock.forward(days=1)
    return desk.receive(plain_mail(text, sender=f"r{desk.clock.now:%j%Y}@reporter.example")).codename


def opener(desk: Desk, name: str, key: str = "") -> Iterator[Open]:
    """What opens a case, or another one by its codename, for an actor; `key`, or `signer`, is the one that they sign with. Each is written when the next
    one is opened."""
    with ExitStack() as stack:

        def opened(actor: str, codename: str = name, signer: str = key) -> CaseFile:
            stack.close()
            file = stack.enter_context(desk.open_case(codename))
            return open_case(
                file.session, replace(file.by, id=actor, signer=signer), file.row
            )  # also for who may not read it

        yield opened


def events(file: CaseFile, *kinds: str) -> list[tuple[str, dict[str, Any]]]:
    """What was written down of some kinds, in order, with its details."""
    file.session.flush()
    found = content.events(file.session, file.box, file.row.id)
    return [(row.kind, detail) for row, detail in found if row.kind in kinds and detail is not None]
