"""Whose a line of a mail is: its author's own, one that the author quotes, or one of which that cannot be told. Pure.

Quotes with `>` are marked line by line, so what stands above, between and below them is the author's own. Other mail
programs put a line such as "Original Message" or a header block above what they quote, and mark nothing: there the
first words below are quoted, and from then on nobody can tell whether the author went on writing underneath.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from intake.reading.message import without_marks

Whose = Literal["own", "unsure", "quoted"]

_MARKED = re.compile(r"\s*[>\uff1e]")
_GREETING = re.compile(
    r"\W*(hi|hello|hey|dear|good (morning|afternoon|evening|day)|hallo|liebe[rs]?|guten (tag|morgen|abend)|hola|bonjour|bonsoir|"
    r"salut|ol[aá]|buen[oa]s? \w+|bom dia|boa (tarde|noite)|مرحب\w*|السلام عليكم|تحية|ciao|aloha|to whom it may concern)\b.{0,60}$",
    re.IGNORECASE,
)
_LABELLED = re.compile(
    r"[\s*_#`\-\u2022]{0,20}[^\W\d_][^:\uff1a]{0,30}(?:\uff1a|:(?=\s|$))|\s*(?:[-*+\u2022\u2013]|\(?\d{1,2}[.)])\s"
)

# Above a mail that is quoted whole: by Outlook, and by whatever forwards. English and its neighbours, as programs write it.
_BANNER = re.compile(
    r"\s*(?:[-_=*\u2500]{2,}\s*|begin |anfang der |d[eé]but du |inicio del |in[ií]cio da )"
    r"(?:(?:the )?(?:original|forwarded) (?:message|e-?mail)|(?:urspr\w+|weitergeleitete[nr]?|originale?) (?:nachricht|e-?mail)|"
    r"mensaje (?:original|reenviado)|message (?:d['\u2019]origine|original|transf[eé]r[eé]|r[eé]exp[eé]di[eé])|courriel d['\u2019]origine|"
    r"mensagem (?:original|encaminhada|reencaminhada)|messaggio (?:originale|inoltrato)|(?:oorspronkelijk|doorgestuurd|origineel) bericht|"
    r"(?:urspr\w+|vidarebefordrat) meddelande|(?:oprindelig|opprinnelig) (?:meddelelse|melding)|wiadomo\w+ (?:oryginalna|przekazana)|"
    r"пересылаемое сообщение|исходное сообщение|الرسالة (?:الأصلية|المحوّلة|المحولة|المعاد توجيهها)|رسالة (?:أصلية|محولة|معاد توجيهها)|原始邮件|转发邮件|元のメッセージ)"
    r"\s*:?\s*[-_=*\u2500]*\s*$",
    re.IGNORECASE,
)
_FROM = re.compile(
    r"\s*\*{0,2}(?:from|von|de|da|van|fr[aå]n?|od|от(?: кого)?|من|发件人|寄件者|差出人|보낸 사람)\*{0,2}\s?\*{0,2}[:\uff1a]",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"\s*\*{0,2}(?:sent|date|received|to|cc|subject|reply-to|gesendet(?: am)?|datum|an|kopie|betreff|antwort an|enviado(?: el| em)?|enviada em|"
    r"fecha|data|para|asunto|assunto|envoy[eé](?: le)?|[àa]|pour|objet|sujet|inviato|oggetto|verzonden|aan|onderwerp|skickat|till|[aä]mne|"
    r"wys\w+|do|temat|дата|отправлено|кому|тема|تاريخ(?: الإرسال)?|التاريخ|أرسلت?|إلى|الموضوع|发送时间|收件人|主题|日期|宛先|件名|送信日時)"
    r"\*{0,2}\s?\*{0,2}[:\uff1a]",
    re.IGNORECASE,
)  # fmt: skip
_WROTE = re.compile(
    r"\b(?:wrote|writes|schrieb|escribi[oó]|a [eé]crit|escreveu|ha scritto|schreef|geschreven|skrev|kirjoitti)\b|написал|كتب",
    re.IGNORECASE,
)
_DATED = re.compile(r"\d{1,4}[./\-]\s?\d{1,2}[./\-]\s?\d{1,4}|\d{1,2}[:.]\d\d|\b(?:19|20)\d\d\b|[^\s<>]@[^\s<>]")
_ADDRESS = re.compile(r"<[^\s<>]+@[^\s<>]+>")
_ATTRIBUTION_LENGTH = 300
_GREETING_LENGTH = 200
_HEADER_LINES = 8
# A mail program that wraps a quoted line again leaves its rest unmarked. Lines of this length were made by wrapping.
_WRAPPED = range(60, 100)


def authored(text: str) -> Iterator[tuple[Whose, str]]:
    """Each line of a text without marks of writing direction, and whose it is."""
    lines = text.splitlines()
    below = around = ""  # where the line stands: below an introduction, in what it surely introduced, or further down
    spoke = said = False  # the author, in words of their own; what is quoted, in the paragraph at hand
    above = 0  # the length of the line above, if that is marked as quoted
    for number, raw in enumerate(lines):
        line = without_marks(raw)
        if _MARKED.match(line):
            below = around if below == "introduced" else below
            above = len(line)
            yield "quoted", line
            continue
        glued, above = above in _WRAPPED, 0
        if not line.strip():
            below = "unsure" if below == "quoted" and said else below
            yield "own", ""
        elif below == "introduced" and (_HEADER.match(line) or _FROM.match(line)):
            yield "quoted", line
        elif introduction := _introduces(lines, number, line, spoke=spoke):
            around = below if below == "unsure" else ""
            below, said = introduction, False
            yield "quoted", line
        elif below in ("introduced", "quoted"):
            below = "quoted"
            said = said or not (greets(line) or _LABELLED.match(line))
            yield "quoted", line
        else:
            spoke = spoke or not (greets(line) or _HEADER.match(line) or _FROM.match(line))
            yield "unsure" if below or glued else "own", line


def greets(line: str) -> bool:
    """Whether a line greets, and says little else."""
    return len(line) <= _GREETING_LENGTH and _GREETING.match(line) is not None


def is_marked(line: str) -> bool:
    """Whether a line is marked as quoted."""
    return _MARKED.match(without_marks(line)) is not None


def without_marked(text: str) -> str:
    """A text less the lines that are marked as quoted: what they ask for is nobody's wish now."""
    return "\n".join(line for line in text.split("\n") if not is_marked(line))


def begins_another_mail(lines: list[str], number: int) -> bool:
    """Whether a line says that another mail follows, or is the first of its header block."""
    line = without_marks(lines[number][:_ATTRIBUTION_LENGTH])
    return _BANNER.match(line) is not None or _is_header_block(lines, number, line)


def _introduces(lines: list[str], number: int, line: str, *, spoke: bool) -> Literal["", "introduced", "unsure"]:
    """Whether a line begins what another mail said, and whether the words right below it are surely quoted.

    A header block on top may also be how somebody begins a letter of their own.
    """
    if len(line) > _ATTRIBUTION_LENGTH:
        return ""
    if _BANNER.match(line):
        return "introduced"
    if _is_header_block(lines, number, line):
        return "introduced" if spoke else "unsure"
    if not line.rstrip(" *_").endswith((":", "\uff1a")):
        return ""
    wrapped = number > 0 and bool(lines[number - 1].strip())
    whole = f"{without_marks(lines[number - 1][:_ATTRIBUTION_LENGTH])} {line}" if wrapped else line
    if _WROTE.search(whole) and _DATED.search(whole):
        return "introduced"
    return "unsure" if _ADDRESS.search(whole) and not _LABELLED.match(line) else ""


def _is_header_block(lines: list[str], number: int, line: str) -> bool:
    if not _FROM.match(line):
        return False
    return any(_HEADER.match(without_marks(item[:100])) for item in _block(lines, number + 1))


def _block(lines: list[str], start: int) -> Iterator[str]:
    for line in lines[start : start + _HEADER_LINES]:
        if not line.strip():
            return
        yield line
