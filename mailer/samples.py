"""Values of every kind of notice, to try templates with before a real notice needs them."""

from __future__ import annotations

from typing import Any

from mailer.notices import WHY_WITHHELD, desk_values
from store.config import Desk


def sample_values(desk: Desk) -> dict[str, dict[str, Any]]:
    """Values of every kind of notice."""
    case = {"codename": "amber-heron", "received": "2026-01-31 12:00 UTC", "state": "new", "reference": "t-" + 24 * "a"}
    base: dict[str, Any] = {
        "desk": desk_values(desk),
        "case": case,
        "readers": ["Ada Example", "Zoë “Zed” Example"],
        "withheld": [{"name": "Jo Example", "why": WHY_WITHHELD["named"]}],
        "reply": "an acknowledgement is sent",
    }
    report = {
        "sender": "Sam <sam@example.org>", "subject": "Sample", "text": "A sample text.", "outside_text": "Footer", "outside_subject": "...",
        "encryption": "pgp/mime", "signature": "valid", "signer": "0" * 40, "notes": ["Sample note"], "author": "other",
        "failure": "", "received": "2026-01-31 12:00 UTC",
    }  # fmt: skip
    files = [{"name": "sample.txt", "type": "text/plain", "size": 12, "note": ""}]
    member = {"name": "Ada Example", "fingerprint": "0" * 40}
    verbs = ("assign", "recuse", "reinstate", "vote", "state", "deadline", "field", "link", "hold", "release")
    done = [{"verb": verb, "subject": "sample", "text": "sample"} for verb in verbs]
    record = {
        "state": "closed", "outcome": "warning", "on_hold": True, "assignee": "Ada Example", "deadline": "2026-01-31",
        "fields": [{"name": "when", "value": "Friday"}], "links": ["blue-fox"],
        "messages": [
            {
                "at": "2026-01-31 12:00 UTC", "author": "Ada Example", "direction": "note", "text": "A sample.", "failure": "",
                "done": done, "files": ["sample.txt"],
            }
        ],
    }  # fmt: skip
    listed = [{"codename": "amber-heron", "state": "new", "received": "2026-01-31", "assignee": "", "deadline": ""}]
    answer = {
        "refusal": "", "done": done, "withdrawn": True, "wrote": "note", "told": ["Ada Example"], "in_plain": True, "key": "0" * 40,
        "help": True, "case": "amber-heron", "record": record, "cases": listed, "outcomes": list(desk.outcomes),
        "fields": [{"name": "when", "what": "when it happened"}],
    }  # fmt: skip
    note = {
        "full": True,
        "author": "Ada Example",
        "to_reporter": True,
        "sealed": False,
        "text": "A sample.",
        "done": done,
    }
    line = {
        "codename": "amber-heron", "state": "new", "age": "3 d", "assignee": "-", "due": "respond by 2026-02-01", "on_hold": "on hold",
    }  # fmt: skip
    warnings = [
        {"trouble": trouble, "who": "Ada Example", "day": "2026-02-01", "left": 7}
        for trouble in ("quorum", "term", "key", "desk-key")
    ]
    timed = {
        "desk": base["desk"], "member": "Ada Example", "sections": [{"title": "New", "cases": [line]}], "total": 1,
        "ending": [{"codename": "blue-fox", "day": "2026-02-01"}], "warnings": warnings, "quorum": 2,
    }  # fmt: skip
    return {
        "digest": timed,
        "test": timed,
        "welcome": timed,
        "goodbye": timed,
        "desk-key": timed,
        "roster-warning": timed,
        "reminder": {**base, "stage": "respond", "level": "escalate", "due": "2026-02-01 12:00 UTC", "assignee": ""},
        "key-check": {"desk": base["desk"], "member": member, "reason": "the key has expired"},
        "key-replaced": {"desk": base["desk"], "member": member, "reason": ""},
        "report": {**base, "full": True, "excluded": ["Somebody"], "report": report, "changes": done, "files": files},
        "message": {**base, "full": True, "excluded": ["Somebody"], "report": report, "changes": done, "files": files},
        "held": {**base, "reason": "it is damaged"},
        "note": {**base, **note, "files": files},
        "pattern": {**base, "other": "blue-fox"},
        "pattern-other": {**base, "other": ""},
        "flood": {**base, "limit": desk.flood_limit},
        "bounced": {**base, "who": "Ada Example"},
        "answer": {"desk": base["desk"], **answer},
        "acknowledge": {"desk": base["desk"], "tag": ""},
        "acknowledge-held": {"desk": base["desk"], "tag": ""},
        "send-key": {"desk": base["desk"], "tag": ""},
        "reply": {"desk": base["desk"], "tag": " [c-sample]", "text": "A sample."},
        "key-trouble": {"desk": base["desk"], "member": member, "reason": "the key has expired"},
        "case-waits": {"desk": base["desk"]},
        "roster-refused": {"desk": base["desk"]},
        "deliveries-wait": {"desk": base["desk"], "minutes": 60},
        "mailbox-fails": {"desk": base["desk"]},
    }
