"""The filter learns what readers found: a chore of its own, tried again until it took it."""

from __future__ import annotations

import secrets

from store.cases import content, lookup
from store.cases import junk as junk_cases
from store.context import Context
from store.tables.models import JunkLessonRow


def teach_filter(context: Context) -> int:
    """Tell the filter what it has not been told yet; how many mails that were. Without one there is nothing to tell.

    Raises FilterAway when it does not take one; that and the rest are tried again.
    """
    with context.database.read() as session:
        waiting = [(item.case_id, item.kind) for item in junk_cases.lessons(session)]
    secrets.SystemRandom().shuffle(waiting)  # one that the filter never takes must not keep those behind it
    for case_id, kind in waiting:
        if context.config.junk.controller:
            _teach(context, case_id, kind)
        with context.database.write() as session:
            row = session.get(JunkLessonRow, case_id)
            if row is not None and row.kind == kind:
                session.delete(row)
    return len(waiting)


def _teach(context: Context, case_id: str, kind: str) -> None:
    with context.database.read() as session:
        row = lookup.row_by_id(session, case_id)
        first = content.message(session, context.vault, case_id) if row.wrapped_key is not None else None
        raw = content.raw_message(session, context.vault, row, first.id) if first else b""
    if raw:
        from intake.filters import rspamd  # HTTP, for who wants it

        rspamd.teach(context.config, raw, kind)
