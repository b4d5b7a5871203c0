"""Whom a reporter's wishes keep a case from, where the case itself is not searched. Pure, and generous to the wish."""

from __future__ import annotations

import re

from store.tables.records import Wishes
from store.team.meant import who_is_meant, who_may_be_meant
from store.team.members import Member

_BETWEEN_NAMES = re.compile(r"[,;\n]|\s(?:and|und|y|et|e|و)\s", re.IGNORECASE)


def keep_from(wishes: Wishes, member: Member) -> bool:
    """Whether a reporter may have wanted that a member does not know."""
    excluded = any(who_may_be_meant(asked, [member]) for asked in (*wishes.excluded, *wishes.perhaps_excluded))
    only = [name for asked in (*wishes.only, *wishes.perhaps_only) for name in _BETWEEN_NAMES.split(asked)]
    return excluded or bool(only and not any(who_is_meant(asked, [member]) for asked in only))
