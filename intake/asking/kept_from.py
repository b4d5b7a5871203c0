"""Wishes to keep a report from somebody that stand in a sentence, and not in a line of their own. Pure, bounded, and generous.

What is found here only ever withholds provisionally: two readers may bring somebody back who was not meant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from intake.reading.authorship import is_marked
from store.team.members import Member
from store.team.names import fold, who_is_meant, words

_READ = 200_000
_LONGEST_SENTENCE = 400
_SENTENCE = re.compile(r"[^.!?\n]{1,400}(?:[.!?](?=\w)[^.!?\n]{0,400})?")
# Folded as names are: without accents, in Latin script. A verb of telling counts with a "not" before it, or behind it in German.
_TELL = (
    r"show|tell|share|forward|send|give|inform|involve|include|copy|cc|let|read|see|know|pass|disclose|reveal|mention|discuss|"
    r"mostr|muestr|ensen|digan|digas|cuent|cont[ae]|comparta|compartilh|partilh|envi|inform|reenvi|revel|involucr|inclu|"
    r"montr|dire|dites|partag|transmet|envoy|parle|communiqu|revele"
)
_KEEP = re.compile(
    rf"""\b(?:
      exclu(?:de|des|ding|ded|ir|ida|ido|yan|ya|re|ez|am|a)\b | exclusion | leave\b.{{0,40}}\bout\b | except\b | excepting\b |
      (?:keep|hide|withhold|conceal|kept|hidden|withheld)\b.{{0,60}}\b(?:from|private|away|out)\b | behind\b.{{0,40}}\bback\b | recuse |
      (?:any|every)(?:one|body)\ but\b | all\ but\b | other\ than\b |
      (?:not|\w{{1,6}}n\ t|never|dont|cannot|nobody|without|no|ne|nao|sin\ que|sans\ que|sem\ que|non|nie|niet)\b.{{0,40}}\b(?:{_TELL})\w* |
      not\ to\b | (?:excepto|salvo|menos|exceto|sauf|excepte|hormis|ocult|cache[rz]?|tranne|eccetto|oprocz|behalve)\w* |
      ausschlie\w* | ausser\b | (?:zeig|sag|schick|send|leit|teil|gib|gebt|geben|erfahr|wiss|weiss|seh|sieht|les|inform|einbezieh)\w*.{{0,60}}\bnicht\b |
      nicht\b.{{0,40}}\b(?:an|zeig|sag|schick|send|weiter|teil|erfahr|wiss|seh|les|inform|einbezieh)\w*
    )""",
    re.VERBOSE,
)
_KEEP_ARABIC = re.compile("استثن|استبعد|باستثناء|ما عدا|عدا|لا ت(?:خبر|رسل|شارك|طلع|ظهر|ري|عرض)|دون علم|بدون علم|إخفاء")
_ONLY = re.compile(
    r"[ \t\xa0*_#\-\u2022]{0,20}(?:only|nur|solo|solamente|unicamente|somente|apenas|seulement|uniquement|فقط)"
    r"(?:[ \t]+(?:to|for|an|fur|para|a|pour))?[ \t]*[:\uff1a][ \t]*(\S[^\n]{0,300})",
    re.IGNORECASE,
)


def kept_from(text: str, members: Sequence[Member]) -> list[Member]:
    """The members whom a text, in a sentence of its own words, asks to keep it from; by any word of their names."""
    found: set[str] = set()
    text = "\n".join(line for line in text[:_READ].split("\n") if not is_marked(line))  # quoted: nobody's wish now
    for piece in _SENTENCE.findall(text):
        if not _asks(piece):
            continue
        said = set(words(piece))
        found |= {member.id for member in members if said & _words_of(member)}
    for line in _ONLY.findall(text):
        meant = {
            member.id
            for name in re.split(r"[,;/&]|\s(?:and|und|y|et|e|و)\s", line)
            for member in who_is_meant(name, members)
        }
        found |= {member.id for member in members if meant and member.id not in meant}
    return [member for member in members if member.id in found]


def _asks(piece: str) -> bool:
    piece = piece[:_LONGEST_SENTENCE]
    folded = re.sub(r"['\u2019`]", " ", fold(piece))
    return _KEEP.search(folded) is not None or _KEEP_ARABIC.search(piece) is not None


def _words_of(member: Member) -> set[str]:
    return {word for name in (member.name, *member.aliases) for word in words(name) if len(word) > 1}
