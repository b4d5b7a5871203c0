"""Whether a reporter's wishes exclude somebody, for places that do not search the case itself. Pure; in doubt, they do."""

from __future__ import annotations

import re

from store.tables.records import Wishes
from store.team.meant import who_is_meant, who_may_be_meant
from store.team.members import Member

_BETWEEN_NAMES = re.compile(r"[,;\n]|\s(?:and|und|y|et|e|و)\s", re.IGNORECASE)


def may_exclude(wishes: Wishes, member: Member) -> bool:
    """Whether a reporter's wishes may exclude a member: by name, or by naming others as the only readers."""
    excluded = any(who_may_be_meant(asked, [member]) for asked in (*wishes.excluded, *wishes.perhaps_excluded))
    only = [name for asked in (*wishes.only, *wishes.perhaps_only) for name in _BETWEEN_NAMES.split(asked)]
    return excluded or bool(only and not any(who_is_meant(asked, [member]) for asked in only))
