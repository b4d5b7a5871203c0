"""Whether the domain of a mail's author vouches for it (RFC 8601 section 2.7, RFC 7489)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# none: nobody checked, or it could not be told. pass, fail: the domain of the author does, or does not, vouch for it.
Vouched = Literal["none", "pass", "fail"]


@dataclass(frozen=True)
class Authentication:
    """The result of looking at who vouches for a mail: for which domain, and who looked (an authserv-id; empty: this desk)."""

    result: Vouched = "none"
    domain: str = ""
    by: str = ""
