"""Values of every kind of notice, to try templates with before a real notice needs them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, get_args

from mailer.saying.answers import KEPT_NAMES, STAGE_NAMES
from mailer.saying.notices import WHY_WITHHELD, desk_values
from store.cases.tables import CaseDates, Kept
from store.kit.config import Desk
from store.kit.sentences import NOTHING, Sentence
from store.tables.promise import PromiseKind
from store.tables.records import Verb


def _dates(day: date) -> CaseDates:
    kept: dict[PromiseKind, Kept] = {"acknowledge": "in time", "respond": "late", "follow-up": "overdue"}
    return CaseDates("blue-fox", "", "harassment", day, "closed", "warning", day, kept, ("deadline", day), 1)


def sample_values(desk: Desk) -> dict[str, dict[str, Any]]:
    """Values of every kind of notice."""
    noon, day = datetime(2026, 1, 31, 12, tzinfo=UTC), date(2026, 2, 1)
    case = {
        "codename": "amber-heron",
        "received": noon,
        "state": "new",
        "reference": "t-" + 24 * "a",
        "assignee": "",
        "urgent": True,
        "label": "amber",
    }
    base: dict[str, Any] = {
        "desk": desk_values(desk),
        "case": case,
        "readers": ["Ada Example", "Zoë “Zed” Example"],
        "withheld": [{"name": "Jo Example", "why": WHY_WITHHELD["named"]}],
        "no_reply_because": "",
        "due": {"stage": "acknowledge", "at": noon, "over": False},
        "can_reply": True,
    }
    outside = {
        "desk": base["desk"], "answer_by": day, "without_key": True, "why": "it is damaged", "key_address": "conduct+key@desk.example", "by_form": False,
    }  # fmt: skip
    report = {
        "sender": "Sam <sam@example.org>", "by_form": False, "subject": "Sample", "text": "A sample text.", "outside_text": "Footer", "outside_subject": "...",
        "encryption": "pgp/mime", "signature": "valid", "signer": "0" * 40, "notes": [Sentence("Sample note")], "author": "other", "correspondent": "",
        "failure": "", "received": noon,
    }  # fmt: skip
    files = [{"name": "sample.txt", "type": "text/plain", "size": 12, "note": ""}]
    member = {"name": "Ada Example", "fingerprint": "0" * 40}
    verbs = get_args(Verb)
    done = [
        {"verb": verb, "subject": "2026-01-31" if verb in ("deadline", "erase") else "sample", "text": "sample"}
        for verb in verbs
    ]
    record = {
        "state": "closed", "outcome": "warning", "on_hold": True, "assignee": "Ada Example", "deadline": "2026-01-31",
        "fields": [{"name": "when", "value": "Friday"}], "links": ["blue-fox"],
        "proposals": [
            {
                "number": 1, "outcome": "removal", "by": "Ada Example", "until": "2026-01-31", "agreed": ["Ada Example"],
                "objected": ["Jo Example"], "needed": 3, "reached": False,
            }
        ],
        "pages": [
            {
                "with": Sentence("{name} (a witness)", {"name": "Sam"}),
                "messages": [
                    {
                        "at": noon, "author": "Ada Example", "direction": "note", "draft": 1, "number": 0, "text": "A sample.", "failure": "",
                        "done": done, "files": ["sample.txt"], "letter": {"read_at": noon},
                    }
                ],
            }
        ],
    }  # fmt: skip
    listed = [{"codename": "amber-heron", "state": "new", "received": day, "assignee": "", "deadline": ""}]
    answer = {
        "refusal": NOTHING, "line": "", "done": done, "withdrawn": True, "wrote": "reply", "written_to": "",
        "written": {"text": "A sample.", "files": ["sample.txt"]}, "told": ["Ada Example"], "in_plain": True, "key": "0" * 40,
        "help": True, "case": "amber-heron", "record": record, "cases": listed, "commands": [{"written": "/assign NAME", "what": "say who handles the case"}],
        "outcomes": list(desk.outcomes), "made_reports": ["blue-fox"],
        "measures": [{"name": "blue-fox", "person": "Sam", "what": "Stays away.", "until": day, "appeal": day}],
        "person": "Sam", "holding": ["blue-fox"], "file": 2, "archive": True, "stepped_back": "Jo Example", "why": "We are friends.",
        "compiled": [_dates(day)], "debrief": [_dates(day)], "debrief_days": ("2026-01-01", "2026-06-30"), "STAGE_NAMES": STAGE_NAMES, "KEPT_NAMES": KEPT_NAMES,
        "junk": {"items": [{"number": 3, "codename": "blue-fox", "domain": "casino.example", "subject": "Win", "day": day}], "more": 2, "days": 30},
        "fields": [{"name": "when", "what": "when it happened"}],
    }  # fmt: skip
    note = {
        "full": True,
        "author": "Ada Example",
        "written": noon,
        "to_reporter": True,
        "to": Sentence("{name} (a witness)", {"name": "Sam"}),
        "draft": 0,
        "statement": False,
        "sealed": False,
        "text": "A sample.",
        "done": done,
    }
    line = {
        "codename": "amber-heron", "state": "new", "age": 3, "assignee": "-", "stage": "decide by", "due": day,
        "on_hold": True, "urgent": True,
    }  # fmt: skip
    warnings = [
        {"trouble": trouble, "who": "Ada Example", "day": day, "left": 7}
        for trouble in ("quorum", "term", "key", "desk-key")
    ]
    timed = {
        "desk": base["desk"], "member": "Ada Example", "sections": [{"title": "New, and not answered yet", "cases": [line]}], "total": 1, "junk": 12, "junk_more": False, "measures": [{"name": "blue-fox", "person": "Sam", "until": day}],
        "ending": [{"codename": "blue-fox", "day": day}], "warnings": warnings, "quorum": 2,
    }  # fmt: skip
    return {
        "digest": timed,
        "test": timed,
        "welcome": timed,
        "goodbye": timed,
        "desk-key": timed,
        "roster-warning": timed,
        "reminder": {**base, "stage": "respond", "over": True, "escalated": True, "due": noon, "assignee": ""},
        "key-check": {"desk": base["desk"], "member": member, "reason": "the key has expired"},
        "key-replaced": {"desk": base["desk"], "member": member, "reason": ""},
        "report": {**base, "full": True, "excluded": ["Somebody"], "report": report, "changes": done, "files": files},
        "message": {**base, "full": True, "excluded": ["Somebody"], "report": report, "changes": done, "files": files},
        "held": {**base, "reason": "it is damaged", "notes": []},
        "note": {**base, **note, "files": files},
        "pattern": {**base, "other": "blue-fox"},
        "pattern-other": {**base, "other": ""},
        "canary": {"desk": base["desk"], "token": 32 * "a"},
        "canary-missing": {"desk": base["desk"]},
        "alert": {"desk": base["desk"], "codename": "amber-heron"},
        "flood": {**base, "limit": desk.flood_limit},
        "bounced": {**base, "who": "Ada Example", "outside": "", "by_form": False},
        "unread": base,
        "decision-late": {**base, "number": "1", "escalated": True},
        "letter-waits": {**outside, "web_url": "https://report.example/conduct/receipt"},
        "answer": {"desk": base["desk"], **answer},
        "acknowledge": outside,
        "acknowledge-held": outside,
        "send-key": outside,
        "reply": {**outside, "text": "A sample."},
        "write": {"desk": base["desk"], "text": "A sample."},
        "key-trouble": {"desk": base["desk"], "member": member, "reason": "the key has expired"},
        "case-waits": {"desk": base["desk"]},
        "consent-waits": {"desk": base["desk"]},
        "roster-refused": {"desk": base["desk"]},
        "deliveries-wait": {"desk": base["desk"], "minutes": 60},
        "mailbox-fails": {"desk": base["desk"]},
    }
