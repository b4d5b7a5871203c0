"""The block that a mail program puts below what somebody writes: names, telephones, "Sent from my iPhone". Pure.

Only what can be known for one is cut. A block without a separator cannot be told from words that were meant: a member is
shown what was sent.
"""

from __future__ import annotations

import re

_SEPARATOR = re.compile(r"^--[ \t\xa0]?$", re.MULTILINE)
_RULE = re.compile(r"[-\u2013\u2014_=*~]{2,60}|[\u2013\u2014]")
_SENT_FROM = re.compile(
    r"(?:sent|mailed|written) (?:from|with|via|by|using|on|securely)\b|sent:? (?:from|securely)|get (?:outlook|bluemail|the)\b|"
    r"(?:diese (?:nachricht|e-?mail) wurde .{0,60})?gesendet(?:,)? (?:von|mit|vom|\u00fcber|aus)\b|von mein\w+ .{1,60} gesendet|"
    r"diese (?:nachricht|e-?mail) wurde .{1,60} gesendet|outlook f\u00fcr .{1,20} (?:holen|beziehen|herunterladen)|"
    r"enviad[oa] (?:desde|con|por|mediante|a trav\u00e9s|do|da|de|pel[oa]|com|a partir|via)\b|obt(?:ener|enga|\u00e9n|er) (?:o )?outlook|"
    r"envoy\u00e9e? (?:de|depuis|\u00e0 partir|avec|par|via)\b|(?:obtenir|t\u00e9l\u00e9charge[rz]) outlook|"
    r"inviat[oa] (?:da|dal|dallo|con|tramite)\b|(?:verzonden|verstuurd) (?:vanaf|met|van|via)\b|skickat (?:fr\u00e5n|med)\b|"
    r"sendt (?:fra|med|via)\b|l\u00e4hetetty\b|wys\u0142an[eoya] (?:z|ze|za|przez)\b|odesl\u00e1no (?:z|ze|pomoc)|trimis (?:de|din|cu)\b|"
    r"отправлено (?:с|из|через)\b|надіслано (?:з|із|через)\b|στάλθηκε από|"
    r"(?:أُ?رسلت?|تم الإرسال|مرسل\w*) (?:من|بواسطة|عبر)|נשלח מ|发自|發自|发送自|從我的|从我的|由 ?\S{1,20} ?发送",
    re.IGNORECASE,
)
_SENT_FROM_AT_END = re.compile(
    r".{1,60}(?:g\u00f6nderildi|から送信|에서 보냄|で送信|から送信されました)[.!]?$", re.IGNORECASE
)
_PROGRAM = re.compile(
    r"\b(?:iphone|ipad|ipod|apple|android|outlook|proton\w*|(?:e-?)?mail|yahoo|gmail|gmx|samsung|galaxy|huawei|xiaomi|pixel|nokia|"
    r"blackberry|windows|thunderbird|k-9|fairemail|bluemail|tuta\w*|spark|mobile|phone|telefon|handy|smartphone|ger\u00e4t|device)",
    re.IGNORECASE,
)
_LONGEST_LINE = 100
_MOST_LINES = 8


def without_signature(text: str) -> str:
    """What somebody wrote, without what stands below a separator (RFC 3676 section 4.3), a rule, or "Sent from ..."."""
    found = _SEPARATOR.search(text)
    lines = (text[: found.start()] if found else text).strip().split("\n")
    start = _start(lines)
    return "\n".join(lines[:start]).strip() if start is not None else "\n".join(lines)


def _start(lines: list[str]) -> int | None:
    """Where a block at the end begins: a few short lines below a rule, or from a line on that says what the mail was sent by."""
    first = None
    said = 0
    for number in range(len(lines) - 1, -1, -1):
        line = lines[number].strip()
        said += bool(line)
        if said > _MOST_LINES or len(line) > _LONGEST_LINE:
            break
        alone = number == 0 or not lines[number - 1].strip()
        if _RULE.fullmatch(line) or _says_by_what(line, alone=alone):
            first = number
    return first


def _says_by_what(line: str, *, alone: bool) -> bool:
    if _SENT_FROM_AT_END.match(line):
        return True
    if not line or line[0].islower() or not _SENT_FROM.match(line):
        return False
    return alone or _PROGRAM.search(line) is not None
