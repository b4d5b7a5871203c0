"""What filters on a server that the desk trusts wrote of a mail: SpamAssassin, rspamd, Exchange Online, Google. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping

from intake.authentication.hops import Field, exchange_fields, trusted_fields
from intake.reading.message import Parsed
from store.tables.records import Filtered

_RANK: Mapping[Filtered, int] = {"": 0, "clean": 1, "doubtful": 2, "junk": 3}
_SCORE = re.compile(r"\bscore=(-?\d+(?:\.\d+)?)\b.*?\brequired=(-?\d+(?:\.\d+)?)")
_OF_RSPAMD = re.compile(r"\b(True|False)\s*\[\s*(-?\d+(?:\.\d+)?)\s*/\s*(-?\d+(?:\.\d+)?)\s*\]", re.IGNORECASE)
# From this share of the score at which a mail is junk, the filter had doubts.
_DOUBTS = 0.5
_ACTIONS: Mapping[str, Filtered] = {
    "reject": "junk", "add header": "junk", "rewrite subject": "junk", "quarantine": "junk", "discard": "junk",
    "greylist": "doubtful", "soft reject": "doubtful", "no action": "clean",
}  # fmt: skip
# Microsoft, "Anti-spam message headers": what the filter made of a mail, and the category of a threat.
_VERDICTS = {
    "SPM": "junk",
    "SKS": "junk",
    "SKB": "junk",
    "NSPM": "clean",
    "SKN": "clean",
    "SKA": "clean",
    "SFE": "clean",
}
_CATEGORIES = {
    "SPM": "junk",
    "HSPM": "junk",
    "PHSH": "junk",
    "HPHSH": "junk",
    "HPHISH": "junk",
    "MALW": "junk",
    "BULK": "doubtful",
}
_LEVELS = {"5": "junk", "6": "junk", "7": "junk", "8": "junk", "9": "junk", "-1": "clean", "0": "clean", "1": "clean"}


def filtered(parsed: Parsed, trusted: Collection[str]) -> Filtered:
    """What the filters of the named servers say; the worst, where several do."""
    return worst(_READERS[name](value) for name, value in _fields(parsed, trusted) if name in _READERS)


def worst(found: Iterable[Filtered]) -> Filtered:
    """The worst of what was said of one mail."""
    return max(found, key=lambda item: _RANK[item], default="")


def of_action(action: str) -> Filtered:
    """What an action of rspamd says of a mail."""
    return _ACTIONS.get(action.strip().lower(), "")


def of_score(score: float, required: float) -> Filtered:
    """What a score says of a mail that the filter did not call junk."""
    return "doubtful" if required > 0 and score >= required * _DOUBTS else "clean"


def _fields(parsed: Parsed, trusted: Collection[str]) -> list[Field]:
    return [*trusted_fields(parsed, trusted), *exchange_fields(parsed, trusted)]


def _flag(value: str) -> Filtered:
    return "junk" if value.strip().lower().startswith(("yes", "true")) else ""


def _status(value: str) -> Filtered:
    if value.strip().lower().startswith("yes"):
        return "junk"
    found = _SCORE.search(value)
    return of_score(float(found[1]), float(found[2])) if found else "clean"


def _rspamd(value: str) -> Filtered:
    found = _OF_RSPAMD.search(value)
    if found is None:
        return ""
    return "junk" if found[1].lower() == "true" else of_score(float(found[2]), float(found[3]))


def _one(value: str) -> Filtered:
    return "junk" if value.strip() == "1" else ""


def _forefront(value: str) -> Filtered:
    pairs = dict(item.strip().partition(":")[::2] for item in value.split(";"))
    return worst(
        [
            _verdict(_VERDICTS, pairs.get("SFV")),
            _verdict(_CATEGORIES, pairs.get("CAT")),
            _verdict(_LEVELS, pairs.get("SCL")),
        ]
    )


def _level(value: str) -> Filtered:
    return _verdict(_LEVELS, value)


def _verdict(known: Mapping[str, str], value: str | None) -> Filtered:
    return known.get((value or "").strip().upper(), "")  # type: ignore[return-value]  # the tables hold nothing else


_READERS: Mapping[str, Callable[[str], Filtered]] = {
    "x-spam-flag": _flag,
    "x-spam": _flag,
    "x-barracuda-spam-flag": _flag,
    "x-spam-status": _status,
    "x-spamd-result": _rspamd,
    "x-rspamd-action": of_action,
    "x-forefront-antispam-report": _forefront,
    "x-ms-exchange-organization-scl": _level,
    "x-gm-spam": _one,
    "x-gm-phishy": _one,
}
